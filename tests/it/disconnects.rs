//! Clients that disconnect: every acknowledged order is stored, none is stored twice, repeating a request with its key
//! settles those without a response; and their requests keep their share of the slots.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use sqlx::Connection as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::app::{TestApp, eventually};
use crate::people::{Person, id_of};
use crate::shop::Shop;

/// The number of concurrent clients.
const AT_ONCE: usize = 40;

/// The number of orders: a thousand, or `COMANDA_HANGUPS`.
#[expect(clippy::disallowed_methods, reason = "how many hang up")]
fn orders() -> usize {
    std::env::var("COMANDA_HANGUPS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

/// One order, and the response that its client received before it disconnected.
struct Attempt {
    person: Person,
    key: String,
    body: Value,
    answer: Option<Vec<u8>>,
}

/// How a client behaves.
enum Patience {
    /// Disconnects in the middle of the request.
    Cuts(usize),
    /// Sends everything and waits for this long.
    Waits(Duration),
}

/// Sends the order over its own connection, and disconnects when the time is over.
async fn place_and_hang_up(address: std::net::SocketAddr, attempt: &mut Attempt, patience: Patience, abruptly: bool) {
    let body = attempt.body.to_string();
    let request = format!(
        "POST /api/orders HTTP/1.1\r\nHost: comanda\r\nAuthorization: Bearer {}\r\nIdempotency-Key: {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        attempt.person.token.as_deref().unwrap(),
        attempt.key,
        body.len(),
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    if abruptly {
        // RST instead of FIN: the server is notified at once.
        stream.set_zero_linger().unwrap();
    }
    match patience {
        Patience::Cuts(at) => stream.write_all(&request.as_bytes()[..at % request.len()]).await.unwrap(),
        Patience::Waits(time) => {
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let read = tokio::time::timeout(time, stream.read_to_end(&mut answer)).await;
            if matches!(read, Ok(Ok(_))) {
                let text = String::from_utf8(answer).unwrap();
                let (head, body) = text.split_once("\r\n\r\n").expect("a whole answer");
                assert!(head.starts_with("HTTP/1.1 201 "), "{text}");
                attempt.answer = Some(body.as_bytes().to_vec());
            }
        }
    }
}

fn moods(rng: &mut StdRng) -> (Patience, bool) {
    let patience = match rng.random_range(0..10) {
        0 | 1 => Patience::Cuts(rng.random_range(0..100_000)),
        2..=4 => Patience::Waits(Duration::ZERO),
        // From a tenth of a millisecond to half a second, each doubling as likely as the next.
        5..=8 => Patience::Waits(Duration::from_secs_f64(rng.random_range(-13.0_f64..-1.0).exp2())),
        _ => Patience::Waits(Duration::from_secs(30)),
    };
    (patience, rng.random_bool(0.5))
}

/// Runs something for each, some of them concurrently, in any sequence.
async fn for_each<T: Send + 'static, U: Send + 'static, F: Future<Output = U> + Send + 'static>(
    all: Vec<T>,
    mut work: impl FnMut(T) -> F,
) -> Vec<U> {
    let (mut running, mut done) = (JoinSet::new(), Vec::new());
    for one in all {
        if running.len() == AT_ONCE {
            done.push(running.join_next().await.unwrap().unwrap());
        }
        running.spawn(work(one));
    }
    done.extend(running.join_all().await);
    done
}

async fn fills_cart(person: Person, luigi: Arc<Shop>) -> Attempt {
    let cart = person.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
    let body = json!({ "cartId": id_of(&cart), "fulfilment": "PICKUP" });
    Attempt { person, key: Uuid::new_v4().to_string(), body, answer: None }
}

/// Repeats a request until it has a response.
async fn settle(attempt: Attempt) {
    loop {
        let reply = attempt.person.asks_for_order(&attempt.key, &attempt.body).await;
        match reply.status {
            201 => {
                if let Some(answer) = &attempt.answer {
                    assert_eq!(&reply.bytes, answer, "the order is the one that was acknowledged");
                }
                return;
            }
            409 => _ = reply.refused(409, "idempotency_in_progress"),
            _ => _ = reply.refused(503, "busy"),
        }
    }
}

#[tokio::test]
async fn a_client_that_disconnects_while_the_order_is_written_has_ordered() {
    let app = TestApp::with(&[("DATABASE_LOCK_TIMEOUT", "1m"), ("DATABASE_UNIT_TIMEOUT", "2m")]).await;
    let luigi = Arc::new(app.restaurant("Luigi").sells_counted("Margherita", 850, 5).opens().await);
    let mut attempt = fills_cart(app.customer("Ada").await, Arc::clone(&luigi)).await;
    let mut kitchen = app.superuser.begin().await.unwrap();
    sqlx::query("select from menu_items for update").execute(&mut *kitchen).await.unwrap();
    let waiting = "select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    // An observer ends the client's waiting: its request is being processed, and waits for the lock on the item.
    let watched = eventually("the order waits for the dish", async || app.count(waiting).await == 1);
    tokio::select! {
        () = place_and_hang_up(app.address(), &mut attempt, Patience::Waits(Duration::from_mins(1)), true) => {
            panic!("it was answered");
        }
        () = watched => {}
    }
    kitchen.rollback().await.unwrap();
    eventually("the order is there", async || app.count("select count(*) from orders").await == 1).await;
    settle(attempt).await;
    assert_eq!(app.count("select count(*) from orders").await, 1);
    assert_eq!(luigi.stock_of(luigi.any_dish()).await, Some(4));
}

#[expect(clippy::print_stdout, reason = "the figures, for whoever runs bin/chaos")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_order_is_lost_or_doubled_when_clients_disconnect() {
    let app = TestApp::start().await;
    let orders = orders();
    let stock = u32::try_from(orders).unwrap() + 4_000;
    let luigi = Arc::new(app.restaurant("Luigi").sells_counted("Margherita", 850, stock).opens().await);
    let attempts = for_each(app.crowd(orders).await, |person| fills_cart(person, Arc::clone(&luigi))).await;
    let address = app.address();
    let mut rng = StdRng::seed_from_u64(20_231);
    let attempts = for_each(attempts, |mut attempt| {
        let (patience, abruptly) = moods(&mut rng);
        async move {
            place_and_hang_up(address, &mut attempt, patience, abruptly).await;
            attempt
        }
    })
    .await;

    let acknowledged = attempts.iter().filter(|attempt| attempt.answer.is_some()).count();
    assert!((1..orders).contains(&acknowledged), "{acknowledged} of {orders} heard the answer");
    let working = "select count(*) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'";
    eventually("every unit of work has ended", async || app.count(working).await == 0).await;
    for answer in attempts.iter().filter_map(|attempt| attempt.answer.as_ref()) {
        let order: Value = serde_json::from_slice(answer).unwrap();
        let id: comanda::ids::OrderId = id_of(&order).parse().unwrap();
        let stored: i64 = sqlx::query_scalar("select count(*) from orders where id = $1")
            .bind(id.uuid())
            .fetch_one(&app.superuser)
            .await
            .unwrap();
        assert_eq!(stored, 1, "an acknowledged order is stored");
    }
    let stored = app.count("select count(*) from orders").await;
    assert!(stored >= i64::try_from(acknowledged).unwrap(), "whoever heard of an order has one");
    assert_eq!(app.count("select count(distinct cart_id) from orders").await, stored);

    println!("{orders} placements: {acknowledged} heard the answer, {stored} went through, the others are repeated");
    for_each(attempts, settle).await;
    assert_eq!(app.count("select count(*) from orders").await, i64::try_from(orders).unwrap());
    assert_eq!(app.count("select count(distinct cart_id) from orders").await, i64::try_from(orders).unwrap());
    assert_eq!(luigi.stock_of(luigi.any_dish()).await, Some(4_000));
    let left_open = "select count(*) from pg_stat_activity
        where datname = current_database() and state like 'idle in transaction%'";
    assert_eq!(app.count(left_open).await, 0);
}

/// A customer whose connections are closed while PostgreSQL works has no more slots than one who waits.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "clients that disconnect")]
async fn requests_of_a_client_that_disconnects_keep_their_slots() {
    let app = TestApp::with(&[("REQUESTS_AT_ONCE", "8"), ("DATABASE_LOCK_TIMEOUT", "20s")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (ada, ben) = (app.customer("Ada").await, app.customer("Ben").await);
    ada.get(&luigi.path("/cart")).await.expect(200);
    let mut holder = sqlx::PgConnection::connect(&app.database_url).await.unwrap();
    let mut lock = holder.begin().await.unwrap();
    sqlx::query("lock table carts in access exclusive mode").execute(&mut *lock).await.unwrap();
    let waiting = "select count(*) from pg_locks where not granted and relation = 'carts'::regclass";
    for _ in 0..3 {
        let mut clients = Vec::new();
        for _ in 0..2 {
            let (ada, cart) = (ada.clone(), luigi.path("/cart"));
            clients.push(tokio::spawn(async move { ada.get(&cart).await.status }));
        }
        eventually("her share waits for the lock", async || app.count(waiting).await >= 2).await;
        for _ in 0..4 {
            ben.get("/api/orders").await.expect(200);
        }
        clients.iter().for_each(tokio::task::JoinHandle::abort);
    }
    assert_eq!(app.count(waiting).await, 2, "her share is a quarter of the slots");
    assert_eq!(app.running().app.admission.load().0, 2);
    lock.rollback().await.unwrap();
    eventually("every slot is free again", async || app.running().app.admission.load() == (0, 0)).await;
}
