//! Races between many concurrent requests. `COMANDA_RACES=1` runs them at full scale; the ordinary run is smaller.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::sync::{Barrier, Semaphore};
use tokio::task::JoinSet;

use crate::app::TestApp;
use crate::people::id_of;
use crate::shop::Shop;
use comanda::actor::Actor;
use comanda::orders::OrderStatus;
use comanda::orders::status::{AppliesTo, STEPS};

#[expect(clippy::disallowed_methods, reason = "how large the races are")]
fn in_full() -> bool {
    std::env::var("COMANDA_RACES").is_ok_and(|text| text == "1")
}

#[expect(clippy::print_stdout, reason = "the figures, for whoever runs them in full")]
fn tell(what: &str, began: Instant) {
    println!("{what} in {:.1} s", began.elapsed().as_secs_f64());
}

/// As many waiting requests as buyers, but not more connections than a machine has ports.
const AT_ONCE: usize = 200;

async fn server() -> TestApp {
    let unhurried = [
        ("RATE_LIMIT_USER", "off"),
        ("ORDER_CHECK_INTERVAL", "1m"),
        ("ORDER_ACCEPT_WITHIN", "2h"),
        ("DATABASE_POOL", "8"),
        ("DATABASE_ACQUIRE_TIMEOUT", "60s"),
        ("DATABASE_LOCK_TIMEOUT", "30s"),
        ("DATABASE_UNIT_TIMEOUT", "60s"),
        ("REQUEST_TIMEOUT", "120s"),
    ];
    TestApp::with(&unhurried).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_buyers_of_a_hundred_portions_get_exactly_a_hundred() {
    let (rounds, buyers, stock) = if in_full() { (5, 1_000, 100) } else { (1, 120, 12) };
    let app = server().await;
    let people = app.crowd(buyers).await;
    let began = Instant::now();
    for _ in 0..rounds {
        let luigi = Arc::new(app.restaurant("Luigi").sells_counted("Tiramisù", 600, stock).opens().await);
        let start = Arc::new(Barrier::new(buyers));
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut orders = JoinSet::new();
        for buyer in people.clone() {
            let (luigi, start, places) = (Arc::clone(&luigi), Arc::clone(&start), Arc::clone(&places));
            orders.spawn(async move {
                let place = places.acquire().await.unwrap();
                let cart = buyer.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
                drop(place);
                start.wait().await;
                let _place = places.acquire().await.unwrap();
                let reply = buyer.orders_cart(&cart, &Value::Null).await;
                if reply.status != 201 {
                    reply.refused(409, "out_of_stock");
                }
                usize::from(reply.status == 201)
            });
        }
        let sold: usize = orders.join_all().await.into_iter().sum();
        assert_eq!(sold, usize::try_from(stock).unwrap(), "neither more nor fewer than there are");
        assert_eq!(luigi.stock_of(luigi.any_dish()).await, Some(0));
    }
    tell(&format!("{rounds} times {buyers} buyers of {stock} portions"), began);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_transitions_of_eight_clients_follow_the_table() {
    let (orders, steps_each) = if in_full() { (10_000, 6) } else { (120, 6) };
    let app = Arc::new(server().await);
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let began = Instant::now();
    let placed = place_many(&ada, &luigi, orders).await;
    let placed = Arc::new(placed);
    let mut clients = JoinSet::new();
    for client in 0..8_u64 {
        let (owner, placed) = (luigi.owner.clone(), Arc::clone(&placed));
        clients.spawn(async move {
            let mut random = StdRng::seed_from_u64(client);
            let mut taken = 0_usize;
            for _ in 0..orders * steps_each / 8 {
                let order = placed.choose(&mut random).unwrap();
                let to = OrderStatus::ALL[random.random_range(1..OrderStatus::ALL.len())];
                let to = serde_json::to_value(to).unwrap();
                let reply = owner.tries_to_move(order, to.as_str().unwrap(), Some("a whim")).await;
                if reply.status == 200 {
                    taken += 1;
                } else {
                    reply.refused(409, "illegal_transition");
                }
            }
            taken
        });
    }
    let taken: usize = clients.join_all().await.into_iter().sum();
    let events: Vec<(uuid::Uuid, i64, String)> = sqlx::query_as(
        "select aggregate_id, version, payload -> 'order' ->> 'status' from events
         where aggregate = 'order' order by aggregate_id, version",
    )
    .fetch_all(&app.superuser)
    .await
    .unwrap();
    let mut histories: BTreeMap<uuid::Uuid, Vec<(i64, String)>> = BTreeMap::new();
    for (order, version, status) in events {
        histories.entry(order).or_default().push((version, status));
    }
    let word = |status: OrderStatus| serde_json::to_value(status).unwrap().as_str().unwrap().to_owned();
    let table: Vec<_> = STEPS
        .iter()
        .filter(|step| step.applies != AppliesTo::Delivery && step.actors.contains(&Actor::Staff))
        .map(|step| (word(step.from), word(step.to)))
        .collect();
    assert_eq!(histories.len(), orders);
    let mut steps = 0;
    for history in histories.values() {
        assert!(
            history.iter().map(|(version, _)| *version).eq(1..=i64::try_from(history.len()).unwrap()),
            "{history:?}"
        );
        assert_eq!(history[0].1, "PENDING");
        for pair in history.windows(2) {
            assert!(table.contains(&(pair[0].1.clone(), pair[1].1.clone())), "{history:?}");
            steps += 1;
        }
    }
    assert_eq!(steps, taken, "each acknowledged step is in the log, and no other");
    tell(&format!("{} tries with {orders} orders, {taken} steps", orders * steps_each / 8 * 8), began);
}

async fn place_many(ada: &crate::people::Person, luigi: &Shop, orders: usize) -> Vec<Value> {
    let luigi = Arc::new(luigi.clone());
    let left = Arc::new(AtomicUsize::new(orders));
    let mut buyers = JoinSet::new();
    for buyer in 0..4 {
        let (ada, luigi, left) = (ada.clone(), Arc::clone(&luigi), Arc::clone(&left));
        buyers.spawn(async move {
            let mut mine = Vec::new();
            let take = |n: usize| n.checked_sub(1);
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
                let seq = mine.len() + 1;
                let line = json!({ "itemId": luigi.any_dish().id, "quantity": 1 });
                let payload = json!({ "restaurantId": luigi.id, "fulfilment": "PICKUP", "lines": [line] });
                let op = json!({ "seq": seq, "opId": seq.to_string(), "at": "2026-01-01T00:00:00Z",
                  "kind": "order.place", "payload": payload });
                let request = ada.request(reqwest::Method::POST, "/api/orders/sync");
                let body = json!({ "deviceId": format!("buyer {buyer}"), "ops": [op] });
                let key = uuid::Uuid::new_v4().to_string();
                let answer = ada.send(request.header("idempotency-key", key).json(&body)).await.expect(200);
                assert_eq!(answer["data"][0]["outcome"], "applied", "{answer}");
                mine.push(answer["data"][0]["result"].clone());
            }
            mine
        });
    }
    buyers.join_all().await.concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_keys_used_a_hundred_times_at_once_make_a_thousand_orders() {
    let (keys, uses) = if in_full() { (1_000, 100) } else { (20, 20) };
    let app = server().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let people = app.crowd(keys).await;
    let began = Instant::now();
    let mut repeated = 0;
    for buyer in people {
        let cart = buyer.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
        let body = Arc::new(json!({ "cartId": id_of(&cart), "fulfilment": "PICKUP" }));
        let (buyer, start) = (Arc::new(buyer), Arc::new(Barrier::new(uses)));
        let mut requests = JoinSet::new();
        for _ in 0..uses {
            let (buyer, body, start) = (Arc::clone(&buyer), Arc::clone(&body), Arc::clone(&start));
            requests.spawn(async move {
                start.wait().await;
                loop {
                    let reply = buyer.asks_for_order("the-one", &body).await;
                    if reply.status == 201 {
                        return reply;
                    }
                    // The first request is still being processed: the client repeats it, as the error says.
                    reply.refused(409, "idempotency_in_progress");
                }
            });
        }
        let replies = requests.join_all().await;
        assert!(replies.iter().all(|reply| reply.bytes == replies[0].bytes));
        let fresh = replies.iter().filter(|reply| reply.header("idempotency-replayed").is_empty()).count();
        assert_eq!(fresh, 1);
        repeated += replies.len() - 1;
    }
    let orders = app.count("select count(*) from orders").await;
    assert_eq!(usize::try_from(orders).unwrap(), keys);
    tell(&format!("{keys} keys, {repeated} repetitions at once, {orders} orders"), began);
}
