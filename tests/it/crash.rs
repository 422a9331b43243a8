//! The program is killed repeatedly under load: no acknowledged order is lost or stored twice, and repeating a request
//! with its key settles what was refused or not answered.
//!
//! Each customer records the requests and responses. Killing a process does not lose data in the system's cache, so
//! power cuts are not tested. `COMANDA_CRASHES` is the number of kills; `bin/chaos` sets it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::people::{Endpoint, PASSWORD, Person, id_of};

const CUSTOMERS: usize = 6;
const STOCK: i64 = 400;
/// How long the program may take until it responds again.
pub const BACK_WITHIN: Duration = Duration::from_secs(30);

/// The program with its own data folder.
pub struct Program {
    data_dir: PathBuf,
    port: u16,
    child: Child,
}

impl Program {
    fn command(data_dir: &Path) -> Command {
        let mut command = crate::harness_clock::program();
        command
            .env("DATA_DIR", data_dir)
            .env("JWT_EXPIRES_IN", "1d")
            // Leases of a killed worker end soon, and the test continues.
            .env("SYNC_LEASE", "3s")
            .env("LOG_LEVEL", "error")
            .current_dir(data_dir);
        command
    }

    fn start(data_dir: &Path, port: u16) -> Child {
        Self::command(data_dir)
            .arg("serve")
            .env("PORT", port.to_string())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program")
    }

    /// SIGKILL, and a fresh start.
    pub fn kill_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = Self::start(&self.data_dir, self.port);
    }

    /// SIGKILL to the postmaster; the program continues to run.
    pub fn kill_postgres(&self) {
        let Ok(pid_file) = std::fs::read_to_string(self.data_dir.join("postgres/postmaster.pid")) else { return };
        let pid = pid_file.lines().next().unwrap_or_default().to_owned();
        // A process id below two means that no server runs.
        if pid.parse::<i32>().is_ok_and(|pid| pid > 1) {
            Command::new("kill").args(["-9", &pid]).stderr(Stdio::null()).status().unwrap();
        }
    }

    /// Waits until it responds.
    pub async fn wait_until_up(&self, endpoint: &Endpoint) {
        let deadline = Instant::now() + BACK_WITHIN;
        // Between two requests the processor is free for the starting program.
        let mut moments = tokio::time::interval(Duration::from_millis(5));
        loop {
            moments.tick().await;
            let health = endpoint.client.get(format!("{}/api/health", endpoint.base)).send().await;
            if health.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            assert!(Instant::now() < deadline, "the program is not back after {BACK_WITHIN:?}");
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.data_dir);
    }
}

/// The result of one request for an order, as the client knows it.
#[derive(Debug, Clone)]
enum OrderOutcome {
    /// 201, with the body.
    Placed(Value),
    /// The server refused, with this status.
    Refused(StatusCode),
    /// The connection was lost, or 503: unknown.
    Nothing,
}

struct OrderAttempt {
    key: String,
    body: Value,
    outcome: OrderOutcome,
}

/// Sends the order.
async fn ask(person: &Person, key: &str, body: &Value) -> OrderOutcome {
    let request = person.request(Method::POST, "/api/orders").header("idempotency-key", key).json(body);
    let Ok(answer) = request.send().await else { return OrderOutcome::Nothing };
    let status = answer.status();
    match (status, answer.bytes().await) {
        (StatusCode::CREATED, Ok(bytes)) => OrderOutcome::Placed(serde_json::from_slice(&bytes).unwrap()),
        (_, Err(_)) => OrderOutcome::Nothing,
        (status, _) if status.is_server_error() => OrderOutcome::Nothing,
        (status, Ok(_)) => OrderOutcome::Refused(status),
    }
}

/// Adds an item to the cart and orders it, until stopped.
async fn buy(
    person: Person,
    item: String,
    path: String,
    stop: Arc<AtomicBool>,
    history: Arc<Mutex<Vec<OrderAttempt>>>,
) {
    let mut moments = tokio::time::interval(Duration::from_millis(5));
    while !stop.load(Ordering::Relaxed) {
        let content = json!({ "lines": [{ "itemId": item, "quantity": 1 }] });
        let Ok(answer) = person.request(Method::PUT, &path).json(&content).send().await else {
            moments.tick().await;
            continue;
        };
        if !answer.status().is_success() {
            continue;
        }
        let Ok(cart) = answer.json::<Value>().await else { continue };
        let body = json!({ "cartId": id_of(&cart), "fulfilment": "PICKUP" });
        let key = Uuid::new_v4().to_string();
        let outcome = ask(&person, &key, &body).await;
        history.lock().await.push(OrderAttempt { key, body, outcome });
    }
}

/// A program with a restaurant and customers.
pub struct World {
    /// The server program under test.
    pub program: Program,
    /// The owner of the restaurant.
    pub owner: Person,
    /// The customers who place orders.
    pub customers: Vec<Person>,
    cart_path: String,
    counted: String,
    /// An item without counted stock.
    pub plain: String,
    /// The restaurant's id, `rst_…`.
    pub restaurant: String,
}

async fn sign_in(endpoint: &Endpoint, email: &str) -> Person {
    let body = json!({ "email": email, "password": PASSWORD });
    let answer = endpoint.client.post(format!("{}/api/auth/login", endpoint.base)).json(&body).send().await.unwrap();
    let body: Value = answer.json().await.unwrap();
    let token = body["accessToken"].as_str().unwrap().to_owned();
    let id = body["user"]["id"].as_str().unwrap().to_owned();
    Person { endpoint: endpoint.clone(), id, email: email.into(), token: Some(token) }
}

fn create_user(data_dir: &Path, email: &str, role: &str) {
    use std::io::Write as _;
    let mut child = Program::command(data_dir)
        .args(["user", "create", "--email", email, "--name", email, "--role", role])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "the user {email} could not be created");
}

/// The program with one restaurant, and signed-in customers.
pub async fn build() -> World {
    let data_dir = std::env::temp_dir().join(format!("comanda-crash-{}", Uuid::new_v4().simple()));
    std::fs::create_dir(&data_dir).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    create_user(&data_dir, "root@example.com", "admin");
    let program = Program { child: Program::start(&data_dir, port), data_dir, port };
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let endpoint = Endpoint { base: format!("http://127.0.0.1:{port}"), client };
    program.wait_until_up(&endpoint).await;
    let owner = sign_in(&endpoint, "root@example.com").await;
    let restaurant = owner
        .post(
            "/api/restaurants",
            &json!({ "name": "Da Luigi", "address": "Via Zamboni 1", "place": { "lat": 44.49, "lng": 11.34 },
                     "timezone": "Europe/Rome", "currency": "EUR", "taxBasisPoints": 1000 }),
        )
        .await
        .expect(201);
    let path = format!("/api/restaurants/{}", id_of(&restaurant));
    let category = owner.post(&format!("{path}/categories"), &json!({ "name": "Pizza" })).await.expect(201);
    let dish = |name: &str, stock: Option<i64>| {
        json!({ "categoryId": id_of(&category), "name": name,
      "price": { "amount": 850, "currency": "EUR" }, "stock": stock })
    };
    let counted = owner.post(&format!("{path}/items"), &dish("Tiramisù", Some(STOCK))).await.expect(201);
    let plain = owner.post(&format!("{path}/items"), &dish("Margherita", None)).await.expect(201);
    let mut customers = Vec::new();
    for number in 0..CUSTOMERS {
        let email = format!("customer{number}@example.com");
        let body = json!({ "email": email, "password": PASSWORD, "name": "Ada" });
        endpoint.client.post(format!("{}/api/auth/register", endpoint.base)).json(&body).send().await.unwrap();
        customers.push(sign_in(&endpoint, &email).await);
    }
    World {
        program,
        owner,
        customers,
        cart_path: format!("{path}/cart"),
        counted: id_of(&counted).into(),
        plain: id_of(&plain).into(),
        restaurant: id_of(&restaurant).into(),
    }
}

/// The number of kills.
#[expect(clippy::disallowed_methods, reason = "how often to kill")]
pub fn crashes() -> u32 {
    std::env::var("COMANDA_CRASHES").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "customers who go on while the test kills")]
async fn no_acknowledged_order_is_lost_or_doubled_when_processes_are_killed() {
    let mut world = build().await;
    let mut dice = StdRng::seed_from_u64(7);
    let stop = Arc::new(AtomicBool::new(false));
    let histories: Vec<_> = world.customers.iter().map(|_| Arc::new(Mutex::new(Vec::new()))).collect();
    let customers: Vec<_> = world
        .customers
        .iter()
        .zip(&histories)
        .enumerate()
        .map(|(number, (person, history))| {
            let item = if number % 2 == 0 { &world.counted } else { &world.plain };
            let (item, path) = (item.clone(), world.cart_path.clone());
            tokio::spawn(buy(person.clone(), item, path, Arc::clone(&stop), Arc::clone(history)))
        })
        .collect();
    for crash in 0..crashes() {
        let asked_before = attempts(&histories).await;
        let wanted = asked_before + dice.random_range(3..40);
        // The next kill comes after this many more responses: a condition, not a time.
        let deadline = Instant::now() + BACK_WITHIN;
        let mut moments = tokio::time::interval(Duration::from_millis(5));
        while attempts(&histories).await < wanted && Instant::now() < deadline {
            moments.tick().await;
        }
        if crash % 3 == 2 {
            world.program.kill_postgres();
        } else {
            world.program.kill_and_restart();
        }
        world.program.wait_until_up(&world.owner.endpoint).await;
    }
    stop.store(true, Ordering::Relaxed);
    for customer in customers {
        customer.await.unwrap();
    }
    world.program.wait_until_up(&world.owner.endpoint).await;
    settle(&world, histories).await;
}

async fn attempts(histories: &[Arc<Mutex<Vec<OrderAttempt>>>]) -> usize {
    let mut sum = 0;
    for history in histories {
        sum += history.lock().await.len();
    }
    sum
}

/// Compares the responses that customers received with the stored orders.
#[expect(clippy::print_stdout, reason = "the figures, for whoever runs bin/chaos")]
async fn settle(world: &World, histories: Vec<Arc<Mutex<Vec<OrderAttempt>>>>) {
    let mut expected: HashMap<String, Value> = HashMap::new();
    let (mut placed, mut refused, mut unknown) = (0, 0, 0);
    for (person, history) in world.customers.iter().zip(histories) {
        for attempts in history.lock().await.iter() {
            let outcome = match &attempts.outcome {
                OrderOutcome::Nothing => {
                    unknown += 1;
                    ask(person, &attempts.key, &attempts.body).await
                }
                outcome => outcome.clone(),
            };
            match outcome {
                OrderOutcome::Placed(order) => {
                    placed += 1;
                    // Repeating it with its key returns the same response and places nothing.
                    let again = ask(person, &attempts.key, &attempts.body).await;
                    let OrderOutcome::Placed(again) = again else {
                        panic!("{} was placed and is answered {again:?} when repeated", id_of(&order));
                    };
                    assert_eq!(again, order);
                    let doubled = expected.insert(id_of(&order).to_owned(), order);
                    assert!(doubled.is_none(), "two requests returned the same order");
                }
                OrderOutcome::Refused(status) => {
                    assert!(status.is_client_error(), "{status}");
                    refused += 1;
                }
                OrderOutcome::Nothing => panic!("not settled by repeating: {}", attempts.key),
            }
        }
    }
    let stored = all_orders(world).await;
    assert_eq!(stored.len(), expected.len(), "orders stored and orders acknowledged");
    for (id, order) in &expected {
        assert_eq!(stored.get(id), Some(order), "the stored order is the acknowledged one");
    }
    let sold = expected.values().filter(|order| order["items"][0]["itemId"] == world.counted.as_str()).count();
    let item = format!("/api/restaurants/{}/items/{}", world.restaurant, world.counted);
    let left = world.owner.get(&item).await.expect(200)["stock"].as_i64().unwrap();
    assert_eq!(left + i64::try_from(sold).unwrap(), STOCK, "sold and left");
    assert!(placed > 0 && unknown > 0, "the load was too light to prove anything: {placed} placed, {unknown} unknown");
    println!("{} kills: {placed} placed, {refused} refused, {unknown} settled by repeating", crashes());
}

/// Every order by its id.
pub async fn all_orders(world: &World) -> HashMap<String, Value> {
    let mut orders = HashMap::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/orders?restaurantId={}&limit=200{cursor}", world.restaurant);
        let page = world.owner.get(&path).await.expect(200);
        for order in page["data"].as_array().unwrap() {
            orders.insert(id_of(order).to_owned(), order.clone());
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return orders,
        }
    }
}
