//! The program and PostgreSQL are killed while devices send offline operations: none is lost or run twice.
//! A quarter of `COMANDA_CRASHES` is the number of kills.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::crash::{BACK_WITHIN, all_orders, build, crashes};
use crate::people::{Person, id_of};

const PHONES: usize = 3;

/// One attempt; `None`: the connection was lost, or the server is stopping or starting.
async fn brings(person: &Person, ops: &[Value]) -> Option<Value> {
    let body = json!({ "deviceId": "phone", "ops": ops });
    let request = person.request(Method::POST, "/api/orders/sync");
    let request = request.header("idempotency-key", Uuid::new_v4().to_string()).json(&body);
    let answer = request.send().await.ok()?;
    if answer.status().is_server_error() {
        return None;
    }
    assert!(answer.status().is_success(), "{}", answer.status());
    serde_json::from_slice(&answer.bytes().await.ok()?).ok()
}

/// Creates and sends operations, each batch twice as if the first response had been lost; returns all of them.
async fn works(
    person: Person,
    restaurant: String,
    dish: String,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
) -> Vec<Value> {
    let mut history: Vec<Value> = Vec::new();
    let mut moments = tokio::time::interval(Duration::from_millis(20));
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..4 {
            let seq = history.len() + 1;
            let line = json!({ "itemId": dish, "quantity": 1 });
            let place = json!({ "restaurantId": restaurant, "fulfilment": "PICKUP", "lines": [line] });
            let (kind, payload) = match seq % 4 {
                0 => ("profile.fields", json!({ "name": format!("Phone {seq}") })),
                3 => ("order.status", json!({ "orderOp": format!("op-{}", seq - 1), "status": "CANCELLED" })),
                _ => ("order.place", place),
            };
            history.push(json!({ "seq": seq, "opId": format!("op-{seq}"), "at": "2026-01-01T00:00:00Z", "kind": kind,
              "payload": payload }));
        }
        // Until there is a response; and once more, as if it had been lost.
        let batch = &history[history.len() - 4..];
        while brings(&person, batch).await.is_none() && !stop.load(Ordering::Relaxed) {
            moments.tick().await;
        }
        brings(&person, batch).await;
        sent.fetch_add(1, Ordering::Relaxed);
    }
    history
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "phones that go on while the test kills")]
#[expect(clippy::print_stdout, reason = "the figures, for whoever runs bin/chaos")]
async fn no_offline_operation_is_lost_or_doubled_when_processes_are_killed() {
    let mut world = build().await;
    let mut dice = StdRng::seed_from_u64(11);
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let phones: Vec<_> = world.customers[..PHONES]
        .iter()
        .map(|person| {
            let (restaurant, dish) = (world.restaurant.clone(), world.plain.clone());
            tokio::spawn(works(person.clone(), restaurant, dish, Arc::clone(&stop), Arc::clone(&sent)))
        })
        .collect();
    let kills = crashes().div_ceil(4);
    for crash in 0..kills {
        let wanted = sent.load(Ordering::Relaxed) + dice.random_range(2..15);
        let deadline = Instant::now() + BACK_WITHIN;
        let mut moments = tokio::time::interval(Duration::from_millis(5));
        while sent.load(Ordering::Relaxed) < wanted && Instant::now() < deadline {
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
    let mut placed = Vec::new();
    let mut operations = 0;
    for (phone, person) in phones.into_iter().zip(&world.customers) {
        let history = phone.await.unwrap();
        operations += history.len();
        for part in history.chunks(100) {
            let settled = async || {
                let answer = brings(person, part).await.unwrap_or_default();
                let answers = answer["data"].as_array().cloned().unwrap_or_default();
                !answers.is_empty() && answers.iter().all(|one| one["outcome"] == "duplicate")
            };
            // The lease of a killed worker must expire first.
            let deadline = Instant::now() + BACK_WITHIN;
            let mut moments = tokio::time::interval(Duration::from_millis(50));
            while !settled().await {
                assert!(Instant::now() < deadline, "not settled within {BACK_WITHIN:?}");
                moments.tick().await;
            }
            let (one, two) = (brings(person, part).await.unwrap(), brings(person, part).await.unwrap());
            assert_eq!(one, two);
            for answer in one["data"].as_array().unwrap() {
                assert_eq!(answer["first"], "applied", "{answer}");
                if answer["result"]["version"] == 1 {
                    placed.push(id_of(&answer["result"]).to_owned());
                }
            }
        }
    }
    let mut stored: Vec<_> = all_orders(&world).await.into_keys().collect();
    stored.sort();
    placed.sort();
    assert_eq!(stored, placed, "each order that a phone placed, once, and no other");
    println!("{kills} kills: {operations} operations of {PHONES} phones, {} orders", stored.len());
}
