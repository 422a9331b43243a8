//! Histories of three devices, with duplicates, reordering, disconnections and dead workers: the result is the same as
//! if each device had been online, and a complete repetition changes nothing. `COMANDA_SYNC_HISTORIES` is their
//! number.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{outcomes, sends};
use crate::app::{TestApp, eventually};
use crate::people::{Person, id_of};
use crate::shop::Shop;
use comanda::actor::Actor;
use comanda::orders::OrderStatus;
use comanda::orders::status::{AppliesTo, STEPS};

const PHONES: [&str; 3] = ["phone", "tablet", "till"];
const STOCK: u32 = 5_000;

#[expect(clippy::disallowed_methods, reason = "how many histories")]
fn histories() -> u64 {
    std::env::var("COMANDA_SYNC_HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(8)
}

/// The expected state after all operations.
#[derive(Default)]
struct Model {
    /// Status and version of the order that an operation of a device places; `None`: it was rejected.
    orders: BTreeMap<(usize, String), Option<(OrderStatus, i64, i64)>>,
    stock: i64,
    lines: BTreeMap<String, (DateTime<Utc>, i64)>,
    name: Option<(DateTime<Utc>, String)>,
    /// The expected result of each operation.
    outcomes: Vec<Vec<&'static str>>,
}

fn word(status: OrderStatus) -> String {
    serde_json::to_value(status).unwrap().as_str().unwrap().to_owned()
}

/// The history of one device, and its effect on the model.
fn write(random: &mut StdRng, shop: &Shop, now: DateTime<Utc>, phone: usize, model: &mut Model) -> Vec<Value> {
    let (counted, length) = (shop.any_dish(), random.random_range(4..16));
    let mut ops = Vec::new();
    let mut outcomes = Vec::new();
    let mut places: Vec<String> = Vec::new();
    for seq in 1..=length {
        let op_id = format!("{phone}-{seq}");
        let at = now - TimeDelta::seconds(random.random_range(0..40));
        let (kind, payload, outcome) = match random.random_range(0..100) {
            0..25 => {
                let quantity = random.random_range(1..=3);
                let good = random.random_bool(0.85);
                let item = if good { counted.id.as_str() } else { "itm_01h455vb4pex5vsknk084sn02q" };
                let lines = json!([{ "itemId": item, "quantity": quantity }]);
                let expected = good.then_some((OrderStatus::Pending, 1, quantity));
                model.orders.insert((phone, op_id.clone()), expected);
                model.stock -= if good { quantity } else { 0 };
                places.push(op_id.clone());
                let body = json!({ "restaurantId": shop.id, "fulfilment": "PICKUP", "lines": lines });
                ("order.place", body, if good { "applied" } else { "rejected" })
            }
            25..60 if !places.is_empty() => {
                let base = places.choose(random).unwrap().clone();
                let to = *OrderStatus::ALL.choose(random).unwrap();
                let body = json!({ "orderOp": base, "status": word(to), "reason": "the oven" });
                let order = model.orders.get_mut(&(phone, base)).unwrap();
                let step = order.as_ref().and_then(|(from, ..)| {
                    STEPS.iter().find(|step| {
                        let by_staff = step.actors.contains(&Actor::Staff);
                        step.from == *from && step.to == to && step.applies != AppliesTo::Delivery && by_staff
                    })
                });
                match (step, order) {
                    (Some(_), Some((status, version, quantity))) => {
                        (*status, *version) = (to, *version + 1);
                        model.stock += if to == OrderStatus::Cancelled { *quantity } else { 0 };
                        ("order.status", body, "applied")
                    }
                    _ => ("order.status", body, "rejected"),
                }
            }
            60..75 => {
                let change = random.random_range(-5..20);
                model.stock += change;
                ("stock.change", json!({ "restaurantId": shop.id, "itemId": counted.id, "change": change }), "applied")
            }
            75..90 => {
                let (key, quantity) = (["x", "y", "z"].choose(random).unwrap(), random.random_range(0..5));
                let item = (quantity > 0).then_some(&counted.id);
                let line = model.lines.entry((*key).to_owned()).or_insert((at, quantity));
                *line = (*line).max((at, quantity));
                let body = json!({ "restaurantId": shop.id, "key": key, "quantity": quantity, "itemId": item });
                ("cart.line", body, "applied")
            }
            _ => {
                let name = format!("{phone} {seq}");
                let said = (at, name.clone());
                model.name = model.name.take().max(Some(said));
                ("profile.fields", json!({ "name": name }), "applied")
            }
        };
        outcomes.push(outcome);
        ops.push(json!({ "seq": seq, "opId": op_id, "at": at, "kind": kind, "payload": payload }));
    }
    model.outcomes.push(outcomes);
    ops
}

/// Pieces of the histories as an unreliable network delivers them: cut, some twice, in any order, shuffled inside.
fn pieces(random: &mut StdRng, phones: &[Vec<Value>]) -> Vec<(usize, Vec<Value>)> {
    let mut pieces = Vec::new();
    for (phone, ops) in phones.iter().enumerate() {
        let mut rest = ops.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(random.random_range(1..=rest.len().min(6)));
            let mut piece = piece.to_vec();
            piece.shuffle(random);
            for _ in 0..random.random_range(1..=3) {
                pieces.push((phone, piece.clone()));
            }
            rest = after;
        }
    }
    pieces.shuffle(random);
    pieces
}

async fn plays(app: &TestApp, random: &mut StdRng, owner: &Person, phones: &[Vec<Value>]) {
    let mut under_way = JoinSet::new();
    for (phone, piece) in pieces(random, phones) {
        let (owner, fault) = (owner.clone(), random.random_range(0..10));
        let patience = Duration::from_micros(random.random_range(0..20_000));
        if fault == 0 {
            // A worker that took a lease and died.
            let until = app.clock.now() + TimeDelta::seconds(15);
            app.execute(&format!(
                "update sync_devices set lease = gen_random_uuid(), lease_until = '{until}', due_at = '{until}'
                 where device = '{}' and lease is null",
                PHONES[phone]
            ))
            .await;
        }
        under_way.spawn(async move {
            let request = sends(&owner, PHONES[phone], &piece);
            if fault < 4 {
                // The device loses the connection before the response.
                let _ = tokio::time::timeout(patience, request).await;
            } else {
                request.await.expect(200);
            }
        });
        if under_way.len() >= 3 {
            under_way.join_next().await.unwrap().unwrap();
            app.advance_clock(TimeDelta::seconds(if fault == 0 { 16 } else { 0 }));
        }
    }
    app.advance_clock(TimeDelta::seconds(16));
    while let Some(done) = under_way.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_devices_on_a_bad_network_end_as_if_online() {
    let app =
        TestApp::with(&[("SYNC_POLL_INTERVAL", "10ms"), ("ORDER_ACCEPT_WITHIN", "2h"), ("RATE_LIMIT_USER", "off")]);
    let app = app.await;
    for seed in 0..histories() {
        let mut random = StdRng::seed_from_u64(seed);
        let shop = app.restaurant("Luigi").sells_counted("Tiramisù", 600, STOCK).opens().await;
        let owner = &shop.owner;
        let mut model = Model { stock: STOCK.into(), ..Model::default() };
        let now = app.clock.now();
        let phones: Vec<_> = (0..PHONES.len()).map(|phone| write(&mut random, &shop, now, phone, &mut model)).collect();
        plays(&app, &mut random, owner, &phones).await;
        let mut replays = Vec::new();
        for (phone, ops) in phones.iter().enumerate() {
            let settled = async || {
                let reply = sends(owner, PHONES[phone], ops).await;
                !outcomes(&reply).iter().any(|word| word.starts_with("blocked"))
            };
            eventually(&format!("history {seed} of {}", PHONES[phone]), settled).await;
            let (one, two) = (sends(owner, PHONES[phone], ops).await, sends(owner, PHONES[phone], ops).await);
            assert_eq!(one.bytes, two.bytes, "history {seed}: a replay answers the same bytes");
            replays.push(one.expect(200));
        }
        compare(&shop, &model, &phones, &replays, seed).await;
    }
}

async fn compare(shop: &Shop, model: &Model, phones: &[Vec<Value>], replays: &[Value], seed: u64) {
    let owner = &shop.owner;
    let mut placed = 0;
    for (phone, (ops, replay)) in phones.iter().zip(replays).enumerate() {
        let answers = replay["data"].as_array().unwrap();
        let outcomes: Vec<_> = answers.iter().map(|one| one["first"].as_str().unwrap()).collect();
        assert_eq!(outcomes, model.outcomes[phone], "history {seed}, {}: {ops:#?} {answers:#?}", PHONES[phone]);
        for (op, answer) in ops.iter().zip(answers).filter(|(op, _)| op["kind"] == "order.place") {
            let expected = &model.orders[&(phone, op["opId"].as_str().unwrap().to_owned())];
            let Some((status, version, _)) = expected else { continue };
            let order = owner.reads_order(&answer["result"]).await;
            assert_eq!(
                (&order["status"], &order["version"]),
                (&json!(word(*status)), &json!(version)),
                "history {seed}"
            );
            assert_eq!(id_of(&order), id_of(&answer["result"]));
            placed += 1;
        }
    }
    let listed = owner.get(&format!("/api/orders?restaurantId={}&limit=200", shop.id)).await.expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), placed, "history {seed}: no order is there twice");
    assert_eq!(shop.stock_of(shop.any_dish()).await, Some(model.stock), "history {seed}");
    let cart = owner.get(&shop.path("/cart")).await.expect(200);
    let lines = cart["lines"].as_array().unwrap().iter();
    let held: BTreeMap<_, _> =
        lines.map(|line| (line["key"].as_str().unwrap().to_owned(), line["quantity"].as_i64().unwrap())).collect();
    let wanted = model.lines.iter().filter(|(_, (_, quantity))| *quantity > 0);
    assert_eq!(held, wanted.map(|(key, (_, quantity))| (key.clone(), *quantity)).collect(), "history {seed}");
    if let Some((_, name)) = &model.name {
        assert_eq!(owner.get("/api/me").await.expect(200)["name"], name.as_str(), "history {seed}");
    }
}
