//! More requests than can be processed: who gets a slot, who waits, who is refused, and that the server recovers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use comanda::admission::{Admission, AdmissionSlot, Overloaded, Priority};
use comanda::client::Sender;
use comanda::ids::UserId;
use comanda::network::Network;
use comanda::permission::Operation;
use futures_util::FutureExt as _;
use reqwest::Method;
use serde_json::Value;
use sqlx::Connection as _;
use tokio::task::JoinSet;

use crate::app::{TestApp, eventually};
use crate::people::Person;

/// Longer than any test takes.
const LONG: Duration = Duration::from_mins(10);

#[tokio::test]
async fn slots_are_reserved_for_requests_of_higher_priority() {
    let admission = Admission::new(4, LONG);
    let mut held = Vec::new();
    for (priority, max) in [(Priority::Deferrable, 2), (Priority::Normal, 3), (Priority::Critical, 4)] {
        while held.len() < max {
            held.push(admission.enter(priority).await.unwrap());
        }
        assert!(admission.enter(priority).now_or_never().is_none(), "{priority:?} waits");
    }
    assert_eq!(admission.load(), (4, 0));
    drop(held);
    assert_eq!(admission.load(), (0, 0));
    // Every user and network may use a single slot.
    let one = Admission::new(1, LONG);
    drop(one.enter(Priority::Deferrable).await.unwrap());
}

/// A request of a user, or of a client without an account, from a network.
fn from(user: Option<UserId>, network: &str) -> Sender {
    Sender { user, network: Network::of(network.parse().unwrap()) }
}

#[tokio::test]
async fn one_user_takes_a_quarter_and_one_network_half() {
    let admission = Admission::new(16, LONG);
    let [ada, ben, cleo, dan] = std::array::from_fn(|_| Some(UserId::new()));
    let mut held = Vec::new();
    for (user, network, max) in [(ada, "192.0.2.1", 4), (ben, "192.0.2.1", 4), (dan, "198.51.100.1", 4)] {
        for _ in 0..max {
            held.push(admission.enter_for(from(user, network), Priority::Critical).await.unwrap());
        }
        let more = admission.enter_for(from(user, network), Priority::Critical).now_or_never();
        assert!(more.is_none(), "one more waits for the end of the user's own");
    }
    for user in [cleo, None] {
        let more = admission.enter_for(from(user, "192.0.2.1"), Priority::Critical).now_or_never();
        assert!(more.is_none(), "the network holds half");
    }
    assert_eq!(admission.load(), (12, 0), "whoever waits for the own share is in nobody's way");
    held.push(admission.enter_for(from(cleo, "198.51.100.1"), Priority::Critical).await.unwrap());
    // One of their own ends, and the next one proceeds.
    drop(held.remove(0));
    held.push(admission.enter_for(from(ada, "192.0.2.1"), Priority::Critical).await.unwrap());
    drop(held);
    assert_eq!(admission.load(), (0, 0));
}

#[tokio::test]
async fn the_subnets_of_one_ipv6_site_take_three_quarters() {
    let admission = Admission::new(16, LONG);
    let mut held = Vec::new();
    for subnet in 0..12 {
        held.push(
            admission.enter_for(from(None, &format!("2001:db8:1:{subnet}::1")), Priority::Critical).await.unwrap(),
        );
    }
    let more = admission.enter_for(from(None, "2001:db8:1:ffff::1"), Priority::Critical).now_or_never();
    assert!(more.is_none(), "one more subnet waits");
    for subnet in 0..4 {
        held.push(
            admission.enter_for(from(None, &format!("2001:db8:2:{subnet}::1")), Priority::Critical).await.unwrap(),
        );
    }
    assert_eq!(admission.load(), (16, 0));
    drop(held);
    assert_eq!(admission.load(), (0, 0));
}

#[tokio::test]
async fn a_request_that_would_wait_too_long_for_its_share_is_refused_at_once() {
    let admission = Admission::expecting(8, Duration::from_mins(4), Duration::from_secs(45));
    let ada = from(Some(UserId::new()), "192.0.2.1");
    let _held = [admission.enter_for(ada, Priority::Normal).await, admission.enter_for(ada, Priority::Normal).await];
    let mut waiting = JoinSet::new();
    // Two of her requests are processed concurrently, for 45 seconds each: the expected wait of the second one in the
    // queue is 45 seconds, of the third 67. One minute is acceptable.
    for _ in 0..2 {
        let its = admission.clone();
        waiting.spawn(async move { its.enter_for(ada, Priority::Normal).await.map(drop) });
    }
    let refused = async || admission.enter_for(ada, Priority::Normal).now_or_never();
    eventually("both wait", async || matches!(refused().await, Some(Err(Overloaded)))).await;
    let ben = from(Some(UserId::new()), "192.0.2.1");
    assert!(admission.enter_for(ben, Priority::Normal).now_or_never().unwrap().is_ok(), "others do not wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_of_one_customer_leave_slots_to_others() {
    let app = TestApp::with(&[("REQUESTS_AT_ONCE", "8"), ("DATABASE_LOCK_TIMEOUT", "20s")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (ada, ben) = (app.customer("Ada").await, app.customer("Ben").await);
    ada.get(&luigi.path("/cart")).await.expect(200);
    let mut holder = sqlx::PgConnection::connect(&app.database_url).await.unwrap();
    let mut lock = holder.begin().await.unwrap();
    sqlx::query("lock table carts in access exclusive mode").execute(&mut *lock).await.unwrap();
    let mut stuck = JoinSet::new();
    for _ in 0..40 {
        let (ada, cart) = (ada.clone(), luigi.path("/cart"));
        stuck.spawn(async move { ada.get(&cart).await.status });
    }
    let waiting = "select count(*) from pg_locks where not granted and relation = 'carts'::regclass";
    eventually("her share waits for the lock", async || app.count(waiting).await == 2).await;
    for _ in 0..20 {
        ben.get("/api/orders").await.expect(200);
    }
    assert_eq!(app.running().app.admission.load(), (2, 0), "two of her forty");
    lock.rollback().await.unwrap();
    for status in stuck.join_all().await {
        assert_eq!(status, 200);
    }
}

#[tokio::test]
async fn requests_of_higher_priority_are_served_first() {
    let admission = Admission::new(1, LONG);
    let held = admission.enter(Priority::Critical).await.unwrap();
    let served = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut waiting = JoinSet::new();
    for priority in [Priority::Normal, Priority::Deferrable, Priority::Critical, Priority::Normal] {
        let (its, served) = (admission.clone(), Arc::clone(&served));
        waiting.spawn(async move {
            let _slot = its.enter(priority).await.unwrap();
            served.lock().unwrap().push(priority);
        });
        while admission.load().1 < waiting.len() {
            tokio::task::yield_now().await;
        }
    }
    drop(held);
    waiting.join_all().await;
    let order = [Priority::Critical, Priority::Normal, Priority::Normal, Priority::Deferrable];
    assert_eq!(*served.lock().unwrap(), order);
}

#[tokio::test]
async fn a_request_that_would_wait_too_long_is_refused_at_once() {
    let (longest, held_for) = (Duration::from_mins(4), Duration::from_secs(45));
    let admission = Admission::expecting(1, longest, held_for);
    let _held = admission.enter(Priority::Critical).await.unwrap();
    let mut waiting = JoinSet::new();
    let mut waits = async |priority| {
        let (its, before) = (admission.clone(), admission.load().1);
        waiting.spawn(async move { its.enter(priority).await.map(drop) });
        eventually("one more waits", async || admission.load().1 == before + 1).await;
    };
    // A quarter of the longest wait is acceptable, which is one minute here: 45 seconds are less, 90 are more.
    waits(Priority::Normal).await;
    assert_eq!(admission.enter(Priority::Normal).now_or_never().unwrap().unwrap_err(), Overloaded);
    // Requests with a lower priority are not before an order: 45 and 90 seconds are less than half of four minutes.
    waits(Priority::Critical).await;
    waits(Priority::Critical).await;
    assert_eq!(admission.enter(Priority::Critical).now_or_never().unwrap().unwrap_err(), Overloaded);
    assert_eq!(admission.enter(Priority::Deferrable).now_or_never().unwrap().unwrap_err(), Overloaded);
}

#[tokio::test]
async fn a_request_that_waited_too_long_is_refused() {
    let admission = Admission::new(1, Duration::from_millis(1));
    let held = admission.enter(Priority::Critical).await.unwrap();
    assert_eq!(admission.enter(Priority::Critical).await.unwrap_err(), Overloaded);
    drop(held);
    drop(admission.enter(Priority::Critical).await.unwrap());
}

/// A request that would be refused is refused before any work.
#[tokio::test]
async fn a_refusal_is_predicted() {
    let admission = Admission::expecting(1, Duration::from_mins(1), Duration::from_secs(20));
    let refuses =
        || [Priority::Deferrable, Priority::Normal, Priority::Critical].map(|one| admission.would_refuse(one));
    assert_eq!(refuses(), [false, false, false]);
    let held = admission.enter(Priority::Critical).await.unwrap();
    // 20 seconds are within half of 60, not within half of 30 or 15.
    assert_eq!(refuses(), [true, true, false]);
    assert_eq!(admission.load(), (1, 0), "nobody was counted by asking");
    drop(held);
    assert_eq!(refuses(), [false, false, false]);
}

/// Yields this many times.
async fn yields(times: u64) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_stops_waiting_holds_no_slot() {
    let admission = Admission::new(2, LONG);
    let (busy, max) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut requests = JoinSet::new();
    for number in 0..2_000_u64 {
        let (admission, busy, max) = (admission.clone(), Arc::clone(&busy), Arc::clone(&max));
        requests.spawn(async move {
            let priority = [Priority::Critical, Priority::Normal, Priority::Deferrable][number as usize % 3];
            yields(number % 37).await;
            let works = async {
                let _slot = admission.enter(priority).await.unwrap();
                max.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let _working = Working(Arc::clone(&busy));
                yields(number % 11).await;
            };
            // Some are cancelled, while they wait or while they are processed.
            tokio::select! {
                () = works => {}
                () = yields(number % 53) => {}
            }
        });
    }
    requests.join_all().await;
    assert_eq!(admission.load(), (0, 0));
    assert_eq!((busy.load(Ordering::SeqCst), max.load(Ordering::SeqCst)), (0, 2));
    drop(admission.enter(Priority::Deferrable).await.unwrap());
}

struct Working(Arc<AtomicUsize>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn orders_and_deliveries_have_the_highest_priority() {
    let of = |priority| {
        let operations = Operation::ALL.iter().filter(|one| Priority::of(**one) == priority);
        operations.map(|one| one.id()).collect::<Vec<_>>()
    };
    for id in ["place_order", "update_order_status", "update_delivery_status", "refresh"] {
        assert!(of(Some(Priority::Critical)).contains(&id), "{id}");
    }
    // Requests without a slot are answered without the database, or have a limit of their own.
    assert!(of(None).contains(&"get_liveness") && !of(None).contains(&"get_cart"));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_every_connection_in_use_requests_are_busy_and_the_process_stays_alive() {
    let bounds = [
        ("DATABASE_POOL", "2"),
        ("DATABASE_ACQUIRE_TIMEOUT", "100ms"),
        ("DATABASE_LOCK_TIMEOUT", "20s"),
        ("DATABASE_UNIT_TIMEOUT", "20s"),
        ("REQUESTS_AT_ONCE", "8"),
        ("REQUEST_QUEUE_WAIT", "100ms"),
    ];
    let app = TestApp::with(&bounds).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    ada.get("/api/orders").await.expect(200);

    // This lock blocks all: two requests hold both connections, and the slots after them fill up.
    let mut holder = sqlx::PgConnection::connect(&app.database_url).await.unwrap();
    let mut lock = holder.begin().await.unwrap();
    sqlx::query("lock table carts in access exclusive mode").execute(&mut *lock).await.unwrap();
    let mut stuck = JoinSet::new();
    for _ in 0..2 {
        let (ada, cart) = (ada.clone(), luigi.path("/cart"));
        stuck.spawn(async move { ada.get(&cart).await.status });
    }
    let waiting = "select count(*) from pg_locks where not granted and relation = 'carts'::regclass";
    eventually("both connections wait for the lock", async || app.count(waiting).await == 2).await;

    let mut others = JoinSet::new();
    for _ in 0..50 {
        let ada = ada.clone();
        others.spawn(async move { ada.get("/api/orders").await });
    }
    while let Some(reply) = others.join_next().await {
        let reply = reply.unwrap();
        assert!(reply.headers.contains_key("retry-after"), "{:?}", reply.headers);
        reply.refused(503, "busy");
    }
    app.stranger().get("/api/health/live").await.expect(204);
    assert_eq!(app.stranger().get("/api/health").await.status, 503);

    lock.rollback().await.unwrap();
    for status in stuck.join_all().await {
        assert_eq!(status, 200);
    }
    eventually("every slot is free again", async || app.running().app.admission.load() == (0, 0)).await;
    ada.get("/api/orders").await.expect(200);
}

/// Holds the only slot of the app, until a long time is the mean, so that further requests are refused early.
pub async fn overloads(app: &TestApp) -> AdmissionSlot {
    let admission = &app.running().app.admission;
    loop {
        let held = admission.enter(Priority::Critical).await.unwrap();
        app.count("select count(*) from generate_series(1, 100000)").await;
        if admission.would_refuse(Priority::Normal) {
            return held;
        }
    }
}

#[tokio::test]
async fn a_refusal_comes_before_token_and_body_are_read() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let app = TestApp::with(&[("REQUESTS_AT_ONCE", "1"), ("REQUEST_QUEUE_WAIT", "1ms")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let mallory = Person { token: Some("no token".to_owned()), ..app.stranger() };
    assert_eq!(mallory.get(&luigi.path("/cart")).await.status, 401);
    let held = overloads(&app).await;
    mallory.get(&luigi.path("/cart")).await.refused(503, "busy");
    // The body of this one never arrives.
    let request = format!(
        "PUT {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer no token\r\ncontent-type: application/json\r\n\
         content-length: 1000\r\n\r\n",
        luigi.path("/cart"),
    );
    let mut bodiless = tokio::net::TcpStream::connect(app.address()).await.unwrap();
    bodiless.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    bodiless.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 503");
    drop(held);
    assert_eq!(mallory.get(&luigi.path("/cart")).await.status, 401);
}

#[tokio::test]
async fn an_early_refusal_is_a_complete_response_that_pages_of_other_origins_can_read() {
    let settings = [("REQUESTS_AT_ONCE", "1"), ("REQUEST_QUEUE_WAIT", "1ms"), ("CORS_ORIGINS", "https://menu.example")];
    let app = TestApp::with(&settings).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let _held = overloads(&app).await;
    let ada = app.stranger();
    let request = ada.request(Method::GET, &luigi.path("/cart")).header("origin", "https://menu.example");
    let refusal = ada.send(request.header("x-request-id", "first-try")).await;
    assert_eq!(refusal.refused(503, "busy")["requestId"], "first-try");
    let seconds: u32 = refusal.header("retry-after").parse().unwrap();
    assert!((1..=3).contains(&seconds), "{seconds}");
    let headers = [
        ("x-request-id", "first-try"),
        ("content-type", "application/problem+json"),
        ("access-control-allow-origin", "https://menu.example"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
    ];
    for (name, value) in headers {
        assert_eq!(refusal.header(name), value, "{name}");
    }
}

#[tokio::test]
async fn a_body_that_arrives_slowly_holds_no_slot() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let app = TestApp::with(&[("REQUESTS_AT_ONCE", "1"), ("REQUEST_QUEUE_WAIT", "1ms")]).await;
    let (luigi, ada) = (app.restaurant("Luigi").opens().await, app.customer("Ada").await);
    let body = serde_json::json!({ "lines": [] }).to_string();
    let head = format!(
        "PUT {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: \
         {}\r\n\r\n{}",
        luigi.path("/cart"),
        ada.token.as_deref().unwrap(),
        body.len(),
        &body[..3],
    );
    let mut slow = tokio::net::TcpStream::connect(app.address()).await.unwrap();
    slow.write_all(head.as_bytes()).await.unwrap();
    // The only slot is available to all others.
    for _ in 0..20 {
        ada.get(&luigi.path("/cart")).await.expect(200);
    }
    slow.write_all(&body.as_bytes()[3..]).await.unwrap();
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    assert_eq!(app.stranger().post("/api/auth/refresh", &Value::Null).await.status, 422);
}
