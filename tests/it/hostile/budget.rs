//! The budget of one request, counted and not timed: memory allocations on the threads that answer requests, and steps
//! of the pure rules (`src/step_count.rs`). The restaurants come from the generator; `bin/bench hostile` measures the same
//! requests in milliseconds of an optimised build.
//!
//! Whatever reads a row, builds a text or writes JSON allocates, and whatever computes without allocating goes through
//! the primitives that count steps; so a loop that is added later is counted without knowing of this.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use comanda::step_count;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use uuid::Uuid;

use super::generator::Recipe;
use super::requests::{self, Ask, Asker, Target};
use crate::app::TestApp;
use crate::people::Person;

/// The steps that one request may take; an optimised build does about forty in a microsecond (docs/performance.md),
/// and the budget is 20 ms.
const MAX_WORK: u64 = 800_000;
/// The work that comes with an allocation, such as formatting the text, in steps.
const STEPS_AN_ALLOCATION: u64 = 10;

fn bytes_of(ask: &Ask, person: &Person) -> Vec<u8> {
    let (content_type, body) = ask.sends(0);
    let mut head = format!("{} {} HTTP/1.1\r\nhost: hostile\r\nconnection: close\r\n", ask.method, ask.path);
    if !body.is_empty() {
        let _ = write!(head, "content-type: {content_type}\r\n");
    }
    if let Some(token) = person.token.as_ref().filter(|_| ask.asker != Asker::Stranger) {
        let _ = write!(head, "authorization: Bearer {token}\r\n");
    }
    if ask.is_keyed {
        let _ = write!(head, "idempotency-key: {}\r\n", Uuid::new_v4());
    }
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A server on this thread, and the requests of a test.
struct Counting {
    runtime: tokio::runtime::Runtime,
    app: TestApp,
    answer: Vec<u8>,
}

impl Counting {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut app = runtime.block_on(TestApp::with(&[("ORDER_MAX_SCHEDULED", "500"), ("MENU_CACHE_LIFE", "10m")]));
        // Copies of an order are consistent, but took no stock.
        app.without_check();
        Self { runtime, app, answer: vec![0; 96 << 20] }
    }

    /// Sends a request; returns its status, and the work that this thread did in the meantime.
    fn counts(&mut self, request: &[u8]) -> (u16, u64) {
        let (address, answer) = (self.app.address(), &mut self.answer);
        let before = step_count::counted();
        let mut filled = 0;
        let allocated = allocation_counter::measure(|| {
            self.runtime.block_on(async {
                let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
                stream.write_all(request).await.unwrap();
                loop {
                    let read = stream.read(&mut answer[filled..]).await.unwrap();
                    filled += read;
                    if read == 0 {
                        break;
                    }
                }
            });
        });
        let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
        (status, allocated.count_total * STEPS_AN_ALLOCATION + (step_count::counted() - before))
    }

    /// Each request of a recipe above the budget, with its work.
    fn exceeded(&mut self, recipe: &Recipe) -> Vec<String> {
        let today = self.app.clock.now().date_naive();
        let app = &self.app;
        let (shop, ada, menu, slot, order) = self.runtime.block_on(async {
            let shop = app.restaurant("Dish 199 Text").opens().await;
            let ada = app.customer("Ada").await;
            let puts = [("/hours", recipe.hours(today)), ("/zones", recipe.zones()), ("/menu", recipe.menu())];
            shop.owner.patch(&shop.path(""), &recipe.profile()).await.expect(200);
            for (below, body) in &puts {
                shop.owner.put(&shop.path(below), body).await.expect(200);
            }
            let menu = ada.get(&shop.path("/menu")).await.expect(200);
            let slots = ada.get(&shop.path("/slots?fulfilment=PICKUP")).await.expect(200);
            let slot = slots["earliestSlot"]["startsAt"].clone();
            let id: comanda::ids::RestaurantId = shop.id.parse().unwrap();
            let mut placed = serde_json::Value::Null;
            if recipe.is_served {
                let order = json!({ "restaurantId": shop.id, "lines": recipe.cart_lines(&menu),
                                    "fulfilment": "PICKUP", "scheduledFor": slot });
                placed = ada.asks_for_order(&Uuid::new_v4().to_string(), &order).await.expect(201)["id"].clone();
                for copies in [requests::COPY_ORDER, requests::COPY_EVENTS] {
                    sqlx::query(copies).bind(id.uuid()).execute(&app.superuser).await.unwrap();
                }
            }
            if recipe.dates > 0 && recipe.classes > 0 {
                sqlx::query(requests::COPY_RESTAURANT).bind(id.uuid()).execute(&app.superuser).await.unwrap();
            }
            (shop, ada, menu, slot, placed)
        });
        let mut exceeded = Vec::new();
        // The menu as a table is processed on separate threads.
        let target = Target { restaurant: &shop.id, menu: &menu, table: "", slot: &slot, order: &order };
        for ask in requests::requests(recipe, &target, today) {
            if ask.is_heavy {
                continue;
            }
            let person = if ask.asker == Asker::Staff { &shop.owner } else { &ada };
            // What the first request caches for the others (sessions, statements, menus) is not counted.
            let (first, second) = (bytes_of(&ask, person), bytes_of(&ask, person));
            self.counts(&first);
            let (status, work) = self.counts(&second);
            let body = String::from_utf8_lossy(&self.answer[..2_000]);
            assert_eq!(status, ask.status, "{} of {recipe:?}: {body}", ask.name);
            if work > MAX_WORK {
                exceeded.push(format!("{} of {}: {work}", ask.name, recipe.name));
            }
        }
        exceeded
    }
}

fn none_is_too_dear(recipes: impl IntoIterator<Item = Recipe>) {
    let mut counting = Counting::start();
    let exceeded: Vec<_> = recipes.into_iter().flat_map(|recipe| counting.exceeded(&recipe)).collect();
    assert_eq!(exceeded, Vec::<String>::new());
}

/// A menu that an unoptimised build writes in seconds; what a request reads of it has the same size.
fn smaller(recipe: Recipe) -> Recipe {
    Recipe { items: recipe.items.min(150), groups: recipe.groups.min(10), ..recipe }
}

/// Every dimension at its limit: of hours and zones,
#[test]
fn work_for_opening_hours_at_their_limits_is_bounded() {
    none_is_too_dear(Recipe::extremes().into_iter().take(4).map(smaller));
}

/// and of menus.
#[test]
fn work_for_menus_at_their_limits_is_bounded() {
    none_is_too_dear(Recipe::extremes().into_iter().skip(4).map(smaller));
}

/// And a mixture. A seed that fails is a recipe to keep; `bin/bench hostile` takes others.
#[test]
fn work_for_random_requests_is_bounded() {
    none_is_too_dear([smaller(Recipe::random(2))]);
}

/// A page that ends early continues where it ended: each order is on one page.
#[tokio::test]
async fn pages_of_long_orders_are_short_and_leave_none_out() {
    let mut app = TestApp::start().await;
    app.without_check();
    let shop = app.restaurant("Long").with("alwaysOpen", json!(true)).opens().await;
    let ada = app.customer("Ada").await;
    let line = json!({ "itemId": shop.any_dish().id, "quantity": 1 });
    let order = json!({ "restaurantId": shop.id, "lines": vec![line; 100], "fulfilment": "PICKUP" });
    ada.asks_for_order("long", &order).await.expect(201);
    let id: comanda::ids::RestaurantId = shop.id.parse().unwrap();
    sqlx::query(requests::COPY_ORDER).bind(id.uuid()).execute(&app.superuser).await.unwrap();
    for query in ["", "&q=%EF%B7%BA"] {
        let (mut seen, mut cursor, mut pages) = (BTreeSet::new(), String::new(), Vec::new());
        while seen.len() < 201 {
            let page = ada.get(&format!("/api/orders?limit=200{query}{cursor}")).await.expect(200);
            let orders = page["data"].as_array().unwrap();
            pages.push(orders.len());
            for order in orders {
                assert!(seen.insert(order["id"].as_str().unwrap().to_owned()), "an order twice");
            }
            cursor = format!("&cursor={}", page["nextCursor"].as_str().unwrap());
        }
        assert!(pages.len() > 5 && pages[..5].iter().all(|count| *count <= 41), "{query}: {pages:?}");
    }
}
