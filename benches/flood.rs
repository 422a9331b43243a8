//! Measures how much a flood of sign-ins slows down placing orders: rounds of the same orders alternate, without and
//! with ten times as many sign-ins as the server can hash.
//!
//! The orders and the flood come from this process, on the same processors as the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use comanda::database::DatabaseServer;
use comanda::ids::{CategoryId, ItemId, RestaurantId};
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use crate::measure::{self, Connection, Server, median};

/// The number of customers, each of whom places one order after another.
const CUSTOMERS: usize = 8;
/// The number of connections that send sign-ins: more than may wait for a hash.
const FLOODERS: usize = 128;
/// The rate of the flood, as a multiple of the sign-ins that can be hashed.
const FLOOD: f64 = 10.0;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(4);
const PASSWORD: &str = "three green apples";

/// Creates a restaurant with one item that is always open and accepts orders automatically.
pub async fn seed(pool: &PgPool) -> (RestaurantId, ItemId) {
    let (restaurant, category, item) = (RestaurantId::new(), CategoryId::new(), ItemId::new());
    let statements = [
        "insert into restaurants (id, slug, name, address, latitude, longitude, timezone, currency, auto_accept,
             always_open, created_at, updated_at)
         values ($1, 'bench', 'Bench', 'Via Zamboni 1', 44.5, 11.3, 'Europe/Rome', 'EUR', $2 <> $3, true, now(),
         now())",
        "insert into menus (restaurant_id, version) select $1, 2 where $2 <> $3",
        "insert into menu_categories (restaurant_id, id, name, position, created_at, updated_at)
         select $1, $2, 'Pizza', 0, now(), now() where $2 <> $3",
        "insert into menu_items (restaurant_id, id, category_id, name, price, position, created_at, updated_at)
         values ($1, $3, $2, 'Margherita', 850, 0, now(), now())",
    ];
    for statement in statements {
        let bound = sqlx::query(statement).bind(restaurant.uuid()).bind(category.uuid()).bind(item.uuid());
        bound.execute(pool).await.unwrap();
    }
    (restaurant, item)
}

/// A customer who repeats the same order.
pub struct Customer {
    /// Their access token.
    pub token: String,
    /// The restaurant of the orders.
    pub restaurant: RestaurantId,
    /// The ordered item.
    pub item: ItemId,
}

impl Customer {
    /// Registers and signs in.
    pub async fn signed_in(address: &str, number: usize, restaurant: RestaurantId, item: ItemId) -> Self {
        let mut http = Connection::open(address).await;
        let email = format!("customer{number}@bench.example");
        let new = json!({ "email": email, "password": PASSWORD, "name": "Customer" });
        http.ask("POST", "/api/auth/register", "", None, &new).await;
        let login = json!({ "email": email, "password": PASSWORD });
        let answer = http.ask("POST", "/api/auth/login", "", None, &login).await;
        Self { token: answer["accessToken"].as_str().unwrap().to_owned(), restaurant, item }
    }

    /// Fills the cart and places an order repeatedly until `stop`; returns the duration of each order in milliseconds.
    async fn orders(self: Arc<Self>, address: String, stop: Arc<AtomicBool>) -> Vec<f64> {
        let mut http = Connection::open(&address).await;
        let cart = format!("/api/restaurants/{}/cart", self.restaurant);
        let lines = json!({ "lines": [{ "itemId": self.item, "quantity": 1 }] });
        let mut took = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let cart: Value = http.ask("PUT", &cart, &self.token, None, &lines).await;
            let order = json!({ "cartId": cart["id"], "fulfilment": "PICKUP" });
            let key = Uuid::new_v4().to_string();
            let begun = Instant::now();
            http.ask("POST", "/api/orders", &self.token, Some(&key), &order).await;
            took.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        took
    }
}

/// The responses to the flood.
#[derive(Default)]
struct Met {
    hashed: AtomicU64,
    refused: AtomicU64,
    /// The slowest refusal, in microseconds.
    slowest: AtomicU64,
}

/// Signs in with a wrong password once per `pace` until `stop`.
async fn floods(address: String, pace: Duration, stop: Arc<AtomicBool>, met: Arc<Met>) {
    let mut http = Connection::open(&address).await;
    let mut ticks = interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let email = format!("nobody.{}@bench.example", Uuid::new_v4().simple());
        let guess = json!({ "email": email, "password": "not the password" }).to_string();
        let head = "POST /api/auth/login HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n";
        let request = format!("{head}content-length: {}\r\n\r\n{guess}", guess.len());
        let begun = Instant::now();
        let (status, _) = http.send(request.as_bytes()).await;
        let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        match status {
            401 => _ = met.hashed.fetch_add(1, Ordering::Relaxed),
            429 | 503 => {
                met.refused.fetch_add(1, Ordering::Relaxed);
                met.slowest.fetch_max(took, Ordering::Relaxed);
            }
            other => panic!("a wrong password was answered {other}"),
        }
    }
}

/// The result of a round.
#[derive(Clone, Copy)]
struct Figures {
    orders: f64,
    middle: f64,
    p99: f64,
    hashed: f64,
    refused: f64,
    slowest: f64,
    resident: f64,
}

/// Runs one round of orders, with a flood of `flood` sign-ins a second.
async fn round(server: &Server, customers: &[Arc<Customer>], flood: f64) -> Figures {
    let (stop, met, begun) = (Arc::new(AtomicBool::new(false)), Arc::new(Met::default()), Instant::now());
    let mut flooding = Vec::new();
    for _ in 0..if flood > 0.0 { FLOODERS } else { 0 } {
        let pace = Duration::from_secs_f64(FLOODERS as f64 / flood);
        flooding.push(tokio::spawn(floods(server.address.clone(), pace, Arc::clone(&stop), Arc::clone(&met))));
    }
    let mut ordering = Vec::new();
    for customer in customers {
        ordering.push(tokio::spawn(Arc::clone(customer).orders(server.address.clone(), Arc::clone(&stop))));
    }
    tokio::time::sleep(ROUND).await;
    let resident = server.resident();
    stop.store(true, Ordering::Relaxed);
    let mut took = Vec::new();
    for customer in ordering {
        took.extend(customer.await.unwrap());
    }
    let seconds = begun.elapsed().as_secs_f64();
    let per_second = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64 / seconds;
    let (hashed, refused) = (per_second(&met.hashed), per_second(&met.refused));
    for flooder in flooding {
        flooder.await.unwrap();
    }
    took.sort_by(f64::total_cmp);
    Figures {
        orders: took.len() as f64 / seconds,
        middle: took[took.len() / 2],
        p99: took[took.len() * 99 / 100],
        hashed,
        refused,
        slowest: met.slowest.load(Ordering::Relaxed) as f64 / 1e3,
        resident,
    }
}

/// Measures how many sign-ins a second the server hashes when it does nothing else.
async fn capacity(server: &Server) -> f64 {
    let (stop, met, begun) = (Arc::new(AtomicBool::new(false)), Arc::new(Met::default()), Instant::now());
    let one = || floods(server.address.clone(), Duration::from_nanos(1), Arc::clone(&stop), Arc::clone(&met));
    let all: Vec<_> = (0..4).map(|_| tokio::spawn(one())).collect();
    tokio::time::sleep(ROUND).await;
    stop.store(true, Ordering::Relaxed);
    for one in all {
        one.await.unwrap();
    }
    met.hashed.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

/// Runs the benchmark and prints its figures.
pub async fn measure(database: &str) {
    let reached = DatabaseServer::find(&measure::config(database, "")).await.unwrap();
    reached.migrate().await.unwrap();
    let pool = PgPoolOptions::new().max_connections(2).connect(database).await.unwrap();
    let (restaurant, item) = seed(&pool).await;
    let server = Server::start(&["serve", database, "-"]);
    let mut customers = Vec::new();
    for number in 0..CUSTOMERS {
        customers.push(Arc::new(Customer::signed_in(&server.address, number, restaurant, item).await));
    }
    let capacity = capacity(&server).await;
    println!(
        "{CUSTOMERS} customers, {ROUNDS} rounds of {ROUND:?} each, medians; {capacity:.0} sign-ins/s can be hashed"
    );
    round(&server, &customers, 0.0).await;
    let (mut quiet, mut flooded) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        quiet.push(round(&server, &customers, 0.0).await);
        flooded.push(round(&server, &customers, capacity * FLOOD).await);
    }
    let columns = ["orders/s", "p50 ms", "p99 ms", "hashed/s", "refused/s", "slowest ms", "RSS MiB"];
    println!("{:<8}{}", "", columns.map(|name| format!("{name:>11}")).concat());
    let fields: [fn(&Figures) -> f64; 7] =
        [|f| f.orders, |f| f.middle, |f| f.p99, |f| f.hashed, |f| f.refused, |f| f.slowest, |f| f.resident];
    let medians = |rounds: &[Figures]| fields.map(|field| median(rounds.iter().map(field).collect()));
    let (quiet, flooded) = (medians(&quiet), medians(&flooded));
    let ratio: [f64; 3] = std::array::from_fn(|column| flooded[column] / quiet[column]);
    for (name, values) in [("quiet", &quiet[..]), ("flooded", &flooded), ("ratio", &ratio)] {
        println!("{name:<8}{}", values.iter().map(|value| format!("{value:>11.2}")).collect::<Vec<_>>().concat());
    }
    let (hashed, more) = (flooded[3] / capacity, flooded[6] - quiet[6]);
    println!("hashed while flooded: {hashed:.2} of what can be; {more:.0} MiB more");
}
