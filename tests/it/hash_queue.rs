//! The queue for password hashing: who gets a slot when there are many requests, and who waits for whom.

use std::cell::RefCell;
use std::time::Duration;

use comanda::accounts::Email;
use comanda::accounts::hash_queue::{Claimant, HashQueue, QueueEntry};
use comanda::ids::UserId;
use comanda::network::Network;
use comanda::problem::Code;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::app::{TestApp, eventually};
use crate::people::{PASSWORD, Person};
use crate::reply::Reply;

/// Longer than any test takes.
const LONG: Duration = Duration::from_mins(10);

fn stranger(address: &str) -> Claimant {
    Claimant::Stranger(Network::of(address.parse().unwrap()))
}

fn device(email: &str) -> Claimant {
    Claimant::Device(Email::try_from(email.to_owned()).unwrap())
}

/// How many of these get a slot that they keep.
fn join<'a>(queue: &'a HashQueue, held: &mut Vec<QueueEntry<'a>>, claimants: impl Iterator<Item = Claimant>) -> usize {
    let before = held.len();
    for claimant in claimants {
        match queue.join(claimant) {
            Ok(entry) => held.push(entry),
            Err(problem) => assert_eq!(problem.code(), Code::Busy),
        }
    }
    held.len() - before
}

#[test]
fn a_flood_leaves_capacity_to_other_networks_and_to_known_devices() {
    let queue = HashQueue::new(2, 18, 5, LONG);
    let mut held = Vec::new();
    assert_eq!(join(&queue, &mut held, (0..50).map(|_| stranger("192.0.2.1"))), 5, "one address");
    let site = |n: usize| stranger(&format!("2001:db8:1:{n:x}::1"));
    assert_eq!(join(&queue, &mut held, (0..50).map(site)), 10, "one /48");
    assert_eq!(join(&queue, &mut held, (0..50).map(|n| stranger(&format!("203.0.113.{n}")))), 0, "all strangers");
    let known = |n: usize| device(&format!("ada{n}@example.com"));
    assert_eq!(join(&queue, &mut held, (0..50).map(|_| known(0))), 2, "one account");
    let ben = UserId::new();
    assert_eq!(join(&queue, &mut held, (0..50).map(|_| Claimant::User(ben))), 2, "one user");
    assert_eq!(join(&queue, &mut held, (1..50).map(known)), 1, "what is left");
    held.clear();
    assert_eq!(join(&queue, &mut held, (0..50).map(known)), 15, "known devices leave places to strangers, too");
    assert_eq!(join(&queue, &mut held, (0..50).map(|n| stranger(&format!("203.0.113.{n}")))), 5);
    // The smallest queue has room for all of them.
    let smallest = HashQueue::new(1, 0, 1, LONG);
    drop(smallest.join(stranger("192.0.2.1")).unwrap());
    drop(smallest.join(known(0)).unwrap());
}

#[tokio::test]
async fn known_devices_and_strangers_wait_for_at_most_one_of_the_other_kind() {
    let queue = HashQueue::new(1, 31, 31, LONG);
    let entries: Vec<_> = (0..10).map(|n| queue.join(stranger(&format!("203.0.113.{n}"))).unwrap()).collect();
    let known: Vec<_> = (0..10).map(|n| queue.join(device(&format!("ada{n}@example.com"))).unwrap()).collect();
    let (running, order) = (entries[0].permit().await.unwrap(), RefCell::new(String::new()));
    let gets_permit = async |entry: &QueueEntry<'_>, letter: char| {
        let permit = entry.permit().await.unwrap();
        order.borrow_mut().push(letter);
        tokio::task::yield_now().await;
        drop(permit);
    };
    // All strangers are queued before the first known device.
    let strangers = join_all(entries[1..].iter().map(|entry| gets_permit(entry, 's')));
    let devices = join_all(known.iter().map(|entry| gets_permit(entry, 'd')));
    let ends = async {
        tokio::task::yield_now().await;
        drop(running);
    };
    tokio::join!(strangers, devices, ends);
    assert_eq!(order.into_inner(), "dsdsdsdsdsdsdsdsdsd");
}

async fn signs_in(person: &Person, from: &str, email: &str, device: &Value) -> Reply {
    let body = json!({ "email": email, "password": PASSWORD, "deviceToken": device });
    let request = person.request(Method::POST, "/api/auth/login").header("x-forwarded-for", from);
    person.send(request.json(&body)).await
}

/// Many sign-ins from all networks, each address below every limit: users on known devices can sign in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_flood_of_sign_ins_a_known_device_gets_in() {
    let settings = [
        ("PASSWORD_HASHES_AT_ONCE", "1"),
        ("PASSWORD_HASHES_WAITING", "16"),
        ("PASSWORD_HASHES_PER_NETWORK", "5"),
        ("PASSWORD_HASH_WAIT", "1m"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let app = TestApp::with(&settings).await;
    let ada = app.customer("Ada").await;
    let known = signs_in(&ada, "192.0.2.1", &ada.email, &Value::Null).await.expect(200)["deviceToken"].clone();
    let mut flood = JoinSet::new();
    let stop = tokio_util::sync::CancellationToken::new();
    let refused = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    for attacker in 0..40 {
        let (eve, stop, refused) = (app.stranger(), stop.clone(), std::sync::Arc::clone(&refused));
        flood.spawn(async move {
            let from = format!("198.51.100.{attacker}");
            let floods = async {
                loop {
                    let reply = signs_in(&eve, &from, &format!("nobody{attacker}@example.com"), &Value::Null).await;
                    if reply.status == 503 {
                        refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            };
            stop.run_until_cancelled(floods).await;
        });
    }
    let turned_away = || refused.load(std::sync::atomic::Ordering::Relaxed);
    eventually("strangers are turned away", async || turned_away() > 100).await;
    for round in 0..10 {
        let before = turned_away();
        let reply = signs_in(&ada, "203.0.113.9", &ada.email, &known).await;
        assert_eq!(reply.status, 200, "round {round}: {}", reply.text());
        eventually("the flood goes on", async || turned_away() > before).await;
    }
    stop.cancel();
    flood.join_all().await;
}
