//! Measures the most expensive requests on the most expensive data that the API accepts: the server's processor time
//! for each request, and the longest latency of another request meanwhile.
//!
//! The restaurants come from the generator that `bin/test hostile` uses.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::Utc;
use comanda::database::DatabaseServer;
use comanda::ids::RestaurantId;
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

use crate::flood::{self, Customer};
use crate::generator::Recipe;
use crate::measure::{self, Connection, Server};
use crate::requests::{self, Ask, Asker, Target};

/// The number of requests of each kind.
const TIMES: u32 = 10;
/// The number of random restaurants, in addition to the extremes.
const RANDOM: u64 = 4;

/// An empty restaurant whose owner is the first user.
async fn restaurant(pool: &PgPool) -> RestaurantId {
    let id = RestaurantId::new();
    let statements = [
        "insert into restaurants (id, slug, name, address, latitude, longitude, timezone, currency, auto_accept,
             always_open, created_at, updated_at)
         values ($1, 'hostile-' || $1, 'Dish 199 Text', 'Via Zamboni 1', 44.5, 11.3, 'Europe/Rome', 'EUR', true, true,
             now(), now())",
        "insert into menus (restaurant_id, version) values ($1, 1)",
        "insert into memberships (restaurant_id, user_id, role, created_at)
         select $1, id, 'OWNER', now() from users where email = 'customer0@bench.example'",
    ];
    for statement in statements {
        sqlx::query(statement).bind(id.uuid()).execute(pool).await.unwrap();
    }
    id
}

/// Sends a cheap request repeatedly until `stop`; returns the longest latency in milliseconds.
async fn waits(address: String, stop: Arc<AtomicBool>) -> f64 {
    let mut http = Connection::open(&address).await;
    let mut longest = 0.0_f64;
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        http.send(b"GET /api/health/live HTTP/1.1\r\nhost: bench\r\n\r\n").await;
        longest = longest.max(begun.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    longest
}

/// The measured cost of a request.
struct Cost {
    recipe: String,
    bytes_in: usize,
    bytes_out: usize,
    /// The server's processor time for each request, in milliseconds.
    processor: f64,
    /// The latency in milliseconds.
    took: f64,
    /// The longest latency of another request meanwhile, in milliseconds.
    other: f64,
    is_heavy: bool,
}

fn request(ask: &Ask, token: &str, count: u32) -> Vec<u8> {
    let (content_type, body) = ask.sends(count);
    let mut head = format!("{} {} HTTP/1.1\r\nhost: bench\r\n", ask.method, ask.path);
    if !body.is_empty() {
        let _ = write!(head, "content-type: {content_type}\r\n");
    }
    if ask.asker != Asker::Stranger {
        let _ = write!(head, "authorization: Bearer {token}\r\n");
    }
    if ask.is_keyed {
        let _ = write!(head, "idempotency-key: {}\r\n", Uuid::new_v4());
    }
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Increments the version of the restaurant's menu, so that it is rendered again.
async fn outdate_menu(pool: &PgPool, restaurant: RestaurantId) {
    let statement = "update menus set version = version + 1 where restaurant_id = $1";
    sqlx::query(statement).bind(restaurant.uuid()).execute(pool).await.unwrap();
}

async fn cost(server: &Server, pool: &PgPool, (id, recipe): (RestaurantId, &Recipe), ask: &Ask, token: &str) -> Cost {
    let mut http = Connection::open(&server.address).await;
    let (status, answer) = http.send(&request(ask, token, 0)).await;
    let response = String::from_utf8_lossy(&answer[..answer.len().min(400)]).into_owned();
    assert_eq!(status, ask.status, "{} of {}: {response}", ask.name, recipe.name);
    let bytes_out = answer.len();
    let requests: Vec<_> = (1..=TIMES).map(|count| request(ask, token, count)).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let other = tokio::spawn(waits(server.address.clone(), Arc::clone(&stop)));
    let (before, begun) = (server.nanoseconds(), Instant::now());
    for request in &requests {
        if ask.is_built {
            outdate_menu(pool, id).await;
        }
        let (status, _) = http.send(request).await;
        assert_eq!(status, ask.status, "{} of {}", ask.name, recipe.name);
    }
    let took = begun.elapsed().as_secs_f64() * 1e3 / f64::from(TIMES);
    let processor = (server.nanoseconds() - before) as f64 / 1e6 / f64::from(TIMES);
    stop.store(true, Ordering::Relaxed);
    let (other, bytes_in) = (other.await.unwrap(), requests[0].len());
    Cost { recipe: recipe.name.clone(), bytes_in, bytes_out, processor, took, other, is_heavy: ask.is_heavy }
}

/// Runs the benchmark and prints its figures: for every recipe, or for the one named `only`.
pub async fn measure(database: &str, only: Option<&str>) {
    let reached = DatabaseServer::find(&measure::config(database, "")).await.unwrap();
    reached.migrate().await.unwrap();
    let pool = PgPoolOptions::new().max_connections(2).connect(database).await.unwrap();
    let (first, item) = flood::seed(&pool).await;
    let server = Server::start(&["serve", database, "-"]);
    let owner = Customer::signed_in(&server.address, 0, first, item).await;
    let customer = Customer::signed_in(&server.address, 1, first, item).await;
    let mut costs: BTreeMap<String, Vec<Cost>> = BTreeMap::new();
    let today = Utc::now().date_naive();
    let recipes = Recipe::extremes().into_iter().chain((0..RANDOM).map(Recipe::random));
    for recipe in recipes.filter(|recipe| only.is_none_or(|only| recipe.name == only)) {
        let id = restaurant(&pool).await;
        // A new connection each time, because the server closes one that is idle for some seconds.
        let mut http = Connection::open(&server.address).await;
        let path = |rest: &str| format!("/api/restaurants/{id}{rest}");
        http.ask("PATCH", &path(""), &owner.token, None, &recipe.profile()).await;
        for (below, body) in [("/hours", recipe.hours(today)), ("/zones", recipe.zones()), ("/menu", recipe.menu())] {
            http.ask("PUT", &path(below), &owner.token, None, &body).await;
        }
        let slots = http.ask("GET", &path("/slots?fulfilment=PICKUP"), "", None, &Value::Null).await;
        let menu = http.ask("GET", &path("/menu"), "", None, &Value::Null).await;
        // A way and preparation later it is delivered as well.
        let slot = &slots["earliestSlot"]["startsAt"];
        let order = json!({ "restaurantId": id, "lines": recipe.cart_lines(&menu), "fulfilment": "PICKUP",
                            "scheduledFor": slot });
        let mut placed = Value::Null;
        if recipe.is_served {
            let key = Uuid::new_v4().to_string();
            placed = http.ask("POST", "/api/orders", &customer.token, Some(&key), &order).await["id"].clone();
            for copies in [requests::COPY_ORDER, requests::COPY_EVENTS] {
                sqlx::query(copies).bind(id.uuid()).execute(&pool).await.unwrap();
            }
        }
        if recipe.dates > 0 && recipe.classes > 0 {
            sqlx::query(requests::COPY_RESTAURANT).bind(id.uuid()).execute(&pool).await.unwrap();
        }
        let head = format!("authorization: Bearer {}\r\nhost: bench\r\n\r\n", owner.token);
        let (_, table) = http.send(format!("GET {} HTTP/1.1\r\n{head}", path("/menu.csv")).as_bytes()).await;
        let table = String::from_utf8(table.to_vec()).unwrap();
        let restaurant = id.to_string();
        let target = Target { restaurant: &restaurant, menu: &menu, table: &table, slot, order: &placed };
        for ask in requests::requests(&recipe, &target, today) {
            let token = if ask.asker == Asker::Staff { &owner.token } else { &customer.token };
            let cost = cost(&server, &pool, (id, &recipe), &ask, token).await;
            eprintln!("{:<14}{:<34}{:>10.1}", recipe.name, ask.name, cost.processor);
            costs.entry(ask.name.clone()).or_default().push(cost);
        }
    }
    println!(
        "{:<34}{:>9}  {:<16}{:>9}{:>10}{:>11}{:>9}{:>10}",
        "request", "plain ms", "most expensive", "cpu ms", "bytes in", "bytes out", "took ms", "other ms"
    );
    for (name, mut costs) in costs {
        let plain = costs[0].processor;
        costs.sort_by(|one, other| one.processor.total_cmp(&other.processor));
        let Some(Cost { recipe, bytes_in, bytes_out, processor, took, other, is_heavy }) = costs.pop() else {
            continue;
        };
        let separate = if is_heavy { "  (separate)" } else { "" };
        println!(
            "{name:<34}{plain:>9.1}  \
             {recipe:<16}{processor:>9.1}{bytes_in:>10}{bytes_out:>11}{took:>9.1}{other:>10.1}{separate}"
        );
    }
    println!("{:.0} MiB resident", server.resident());
}
