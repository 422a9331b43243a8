//! Measures overload: how orders are served while requests arrive at twice the measured capacity.
//!
//! The capacity is measured first, in a closed loop. Then requests are sent at fixed rates, whether or not earlier ones
//! were answered (open loop): 0.7 times the capacity, twice, and half of it. One request in twenty places an order, so
//! that twice the orders can be served; the others read the customer's orders. Latency counts from when a request was
//! due. The server and PostgreSQL run on one half of the processors, the load comes from the other half. Orders are
//! served first and cost more than readings, so that what is served at twice the capacity is compared with the capacity
//! for as many orders among the requests.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use comanda::database::DatabaseServer;
use serde_json::json;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

use crate::flood::{Customer, seed};
use crate::measure::{self, Connection, Server};

const CUSTOMERS: usize = 40;
/// The number of connections; a request that is due uses one that is free.
const CONNECTIONS: usize = 600;
const CLOSED_LOOP: usize = 16;
/// The default number of orders among a thousand requests.
const ORDERS: usize = 50;

/// One response and how long it took.
#[derive(Clone, Copy)]
struct Answer {
    is_order: bool,
    status: u16,
    milliseconds: f64,
    /// When it was due, from the beginning of the load.
    due: Duration,
}

struct Load {
    address: String,
    customers: Vec<Customer>,
    free: Mutex<VecDeque<Connection>>,
}

impl Load {
    /// The bytes of the request with this number, and whether it places an order; `orders` of a thousand requests do.
    fn request(&self, number: usize, orders: usize) -> (bool, String) {
        let orders_before = |number: usize| number * orders / 1000;
        let customer = &self.customers[(orders_before(number) + number) % self.customers.len()];
        let is_order = orders_before(number + 1) > orders_before(number);
        let head = |method: &str, path: &str| {
            format!("{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}\r\n", customer.token)
        };
        if is_order {
            let body = json!({
                "restaurantId": customer.restaurant, "fulfilment": "PICKUP",
                "lines": [{ "itemId": customer.item, "quantity": 1 }],
            })
            .to_string();
            let key = Uuid::new_v4();
            let more = format!(
                "content-type: application/json\r\nidempotency-key: {key}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            return (true, head("POST", "/api/orders") + &more);
        }
        (false, head("GET", "/api/orders?limit=10") + "\r\n")
    }

    fn connection(&self) -> Option<Connection> {
        self.free.lock().unwrap().pop_front()
    }

    /// Sends one request, over a free connection or a new one.
    async fn send(self: Arc<Self>, number: usize, orders: usize, begun: Instant, due: Duration) -> Answer {
        let (is_order, request) = self.request(number, orders);
        let mut connection = match self.connection() {
            Some(connection) => connection,
            None => Connection::open(&self.address).await,
        };
        let (status, _) = connection.send(request.as_bytes()).await;
        let milliseconds = (begun.elapsed().saturating_sub(due)).as_secs_f64() * 1e3;
        self.free.lock().unwrap().push_back(connection);
        Answer { is_order, status, milliseconds, due }
    }

    /// Closed loop: sends requests one after another on each of a few connections, and returns the number of answered
    /// requests a second. `orders` of a thousand requests are orders. Prints the number of refused requests, which
    /// occur if the machine stalls for a moment.
    async fn closed(self: &Arc<Self>, orders: usize, time: Duration) -> f64 {
        let begun = Instant::now();
        // Requests are numbered over all connections: if each connection had its own share of the orders, slow orders
        // would slow down the other requests of that connection, and the mix would differ from the requested one.
        let next = Arc::new(AtomicUsize::new(0));
        let mut loops = Vec::new();
        for _ in 0..CLOSED_LOOP {
            let (load, next) = (Arc::clone(self), Arc::clone(&next));
            loops.push(tokio::spawn(async move {
                let (mut done, mut refused) = (0_usize, 0_usize);
                while begun.elapsed() < time {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let answer = Arc::clone(&load).send(number, orders, begun, begun.elapsed()).await;
                    match answer.status {
                        200..300 => done += 1,
                        503 => refused += 1,
                        status => panic!("answered {status}"),
                    }
                }
                (done, refused)
            }));
        }
        let (mut all, mut refused) = (0, 0);
        for one in loops {
            let of_one = one.await.unwrap();
            (all, refused) = (all + of_one.0, refused + of_one.1);
        }
        if refused > 0 {
            println!("refused with one request at a time on {CLOSED_LOOP} connections: {refused} of {}", all + refused);
        }
        all as f64 / begun.elapsed().as_secs_f64()
    }

    /// Open loop: sends `rate` requests a second for a time, whether or not earlier ones were answered.
    async fn open(self: &Arc<Self>, rate: f64, time: Duration) -> Vec<Answer> {
        let begun = Instant::now();
        let mut sent = Vec::new();
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        while begun.elapsed() < time {
            ticks.tick().await;
            let due = begun.elapsed().as_secs_f64() * rate;
            while (sent.len() as f64) < due {
                let at = Duration::from_secs_f64(sent.len() as f64 / rate);
                sent.push(tokio::spawn(Arc::clone(self).send(sent.len(), ORDERS, begun, at)));
            }
        }
        let mut answers = Vec::new();
        for one in sent {
            answers.push(one.await.unwrap());
        }
        answers
    }
}

/// The 99th percentile; NaN without values.
fn p99(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() * 99 / 100).copied().unwrap_or(f64::NAN)
}

fn print_row(name: &str, rate: f64, time: Duration, answers: &[Answer]) {
    let of = |keep: &dyn Fn(&Answer) -> bool| answers.iter().filter(|one| keep(one)).copied().collect::<Vec<_>>();
    let times = |answers: &[Answer]| answers.iter().map(|one| one.milliseconds).collect::<Vec<_>>();
    let served = of(&|one| one.status < 300);
    let orders = of(&|one| one.is_order);
    let placed = of(&|one| one.is_order && one.status < 300);
    let shed = of(&|one| one.status == 503);
    let other = answers.len() - served.len() - shed.len();
    println!(
        "{name:<10}{rate:>10.0}{:>10.0}{:>12.3}{:>14.1}{:>12.1}{:>14.1}{other:>8}",
        served.len() as f64 / time.as_secs_f64(),
        placed.len() as f64 / orders.len().max(1) as f64,
        p99(times(&placed)),
        p99(times(&served)),
        p99(times(&shed)),
    );
}

/// The time of the last request that was refused or took longer than 250 ms, in seconds from the beginning.
fn recovered_after(answers: &[Answer]) -> f64 {
    let late = answers.iter().filter(|one| one.status >= 300 || one.milliseconds > 250.0);
    late.map(|one| one.due.as_secs_f64()).fold(0.0, f64::max)
}

/// Runs the benchmark and prints its figures.
pub async fn measure(database: &str, seconds: u64) {
    let reached = DatabaseServer::find(&measure::config(database, "")).await.unwrap();
    reached.migrate().await.unwrap();
    let pool = PgPoolOptions::new().max_connections(2).connect(database).await.unwrap();
    let (restaurant, item) = seed(&pool).await;
    let server = Server::start(&["serve", database, "-"]);
    let mut customers = Vec::new();
    for number in 0..CUSTOMERS {
        customers.push(Customer::signed_in(&server.address, number, restaurant, item).await);
    }
    let mut free = VecDeque::new();
    for _ in 0..CONNECTIONS {
        free.push_back(Connection::open(&server.address).await);
    }
    let load = Arc::new(Load { address: server.address.clone(), customers, free: Mutex::new(free) });
    let (short, long) = (Duration::from_secs(5), Duration::from_secs(seconds));
    load.closed(ORDERS, short).await;
    let capacity = load.closed(ORDERS, short).await;
    println!("capacity {capacity:.0}/s ({CLOSED_LOOP} connections, {ORDERS} of 1000 requests are orders)");
    println!(
        "{:<10}{:>10}{:>10}{:>12}{:>14}{:>12}{:>14}{:>8}",
        "", "sent/s", "served/s", "of orders", "order p99 ms", "all p99 ms", "refused p99 ms", "other"
    );
    let before = server.resident();
    let mut peak = before;
    let (mut goodput, mut served_mix) = (0.0, ORDERS);
    for (name, factor, time) in [("0.7 times", 0.7, short), ("twice", 2.0, long), ("half", 0.5, short * 2)] {
        let worked = server.processor();
        let answers = load.open(capacity * factor, time).await;
        let worked = (server.processor() - worked) / time.as_secs_f64();
        peak = peak.max(server.resident());
        print_row(name, capacity * factor, time, &answers);
        println!("{:<10}the server took {worked:.2} of a processor", "");
        if factor < 0.6 {
            println!("after the overload refused or slow for {:.1} s", recovered_after(&answers));
        }
        if factor > 1.0 {
            let answered = answers.iter().filter(|one| one.status < 300).count();
            let placed = answers.iter().filter(|one| one.status < 300 && one.is_order).count();
            served_mix = placed * 1000 / answered.max(1);
            goodput = answered as f64 / time.as_secs_f64();
        }
    }
    // Under overload orders are served first, so their share of the served requests is larger, and an order costs as
    // much as several reads. So the capacity is measured again, with the same share of orders.
    let worked = server.processor();
    let same_mix = load.closed(served_mix, short * 2).await;
    let worked = (server.processor() - worked) / (short * 2).as_secs_f64();
    println!(
        "with {served_mix} orders of 1000 requests, as were served at twice the capacity: capacity {same_mix:.0}/s, \
         the server took {worked:.2} of a processor"
    );
    println!("served at twice the capacity: {goodput:.0}/s, {:.2} of that", goodput / same_mix);
    println!("memory: {before:.0} MiB before, at most {peak:.0} MiB ({:+.0} %)", (peak / before - 1.0) * 100.0);
}
