//! The cache of the public menu: how long responses are cached, and how they are replaced.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use chrono::TimeDelta;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use redis::AsyncCommands as _;
use serde_json::{Value, json};

use crate::app::{TestApp, server_url};
use crate::menu::SecondServer;
use crate::people::Person;

#[tokio::test]
async fn while_the_database_is_down_a_menu_is_served_until_it_expires() {
    let app = TestApp::with(&[("DATABASE_LOCK_TIMEOUT", "50ms"), ("MENU_CACHE_LIFE", "1m")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (guest, path) = (app.stranger(), luigi.path("/menu"));
    app.advance_clock(TimeDelta::hours(1));
    let before = guest.get(&path).await;
    before.expect(200);
    let mut lock = app.superuser.begin().await.unwrap();
    sqlx::query("lock table restaurants in access exclusive mode").execute(&mut *lock).await.unwrap();
    app.advance_clock(TimeDelta::seconds(59));
    let shown = guest.get(&path).await;
    assert_eq!((shown.status, &shown.bytes), (200, &before.bytes), "nothing else is known");
    app.advance_clock(TimeDelta::seconds(1));
    guest.get(&path).await.refused(503, "busy");
    // Menus that were never read, or only in part, are not rendered.
    guest.get(&luigi.path(&format!("/menu?category={}", luigi.category))).await.refused(503, "busy");
    lock.rollback().await.unwrap();
    assert_eq!(guest.get(&path).await.bytes, before.bytes);
}

/// Guests read on two nodes while staff change a price on both: once a change is acknowledged, no older price is
/// read.
async fn nobody_reads_what_was_overtaken(changes: &[(&str, &str)]) {
    let app = TestApp::with(changes).await;
    let luigi = app.restaurant("Luigi").sells("Margherita", 1).opens().await;
    let other = SecondServer::of(&app, changes).await;
    let nodes = [app.stranger(), other.guest.clone()];
    let item = luigi.path(&format!("/items/{}", luigi.any_dish().id));
    let (acknowledged, done) = (AtomicI64::new(1), AtomicBool::new(false));
    let reads = (0..8).map(async |reader: usize| {
        let mut count = 0;
        while !done.load(Ordering::SeqCst) {
            let least = acknowledged.load(Ordering::SeqCst);
            let menu = nodes[reader % 2].get(&luigi.path("/menu")).await.expect(200);
            let price = menu["categories"][0]["items"][0]["price"]["amount"].as_i64().unwrap();
            assert!(price >= least, "{price} was read after {least} had been acknowledged");
            count += 1;
        }
        count
    });
    let writes = async {
        for price in 2..80_i64 {
            let node = &nodes[usize::try_from(price).unwrap() % 2];
            let owner = Person { endpoint: node.endpoint.clone(), ..luigi.owner.clone() };
            let patch = json!({ "price": { "amount": price, "currency": "EUR" } });
            owner.patch(&item, &patch).await.expect(200);
            acknowledged.store(price, Ordering::SeqCst);
        }
        done.store(true, Ordering::SeqCst);
    };
    let (reads, ()) = tokio::join!(join_all(reads), writes);
    assert!(reads.iter().all(|count| *count > 10), "{reads:?}");
    other.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_node_serves_a_menu_older_than_a_committed_change() {
    nobody_reads_what_was_overtaken(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_node_serves_a_menu_older_than_a_committed_change_with_redis() {
    let url = server_url("COMANDA_TEST_REDIS");
    nobody_reads_what_was_overtaken(&[("REDIS_URL", url.as_str())]).await;
}

#[tokio::test]
async fn a_new_menu_version_replaces_the_previous_one_in_redis() {
    let url = server_url("COMANDA_TEST_REDIS");
    let app = TestApp::with(&[("REDIS_URL", url.as_str())]).await;
    let (luigi, other) = (app.restaurant("Luigi").opens().await, app.restaurant("Other").opens().await);
    let guest = app.stranger();
    for shop in [&luigi, &other] {
        guest.get(&shop.path("/menu")).await.expect(200);
    }
    let uuid = |id: &str| id.parse::<comanda::ids::RestaurantId>().unwrap().uuid().simple().to_string();
    let prefix = format!("comanda:menu:{}:", uuid(&luigi.id));
    let client = redis::Client::open(url.as_str()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let mut monitor = client.get_async_monitor().await.unwrap().into_on_message::<String>();
    let item = luigi.path(&format!("/items/{}", luigi.any_dish().id));
    luigi.owner.patch(&item, &json!({ "name": "Regina" })).await.expect(200);
    let menu: Value = guest.get(&luigi.path("/menu")).await.expect(200);
    let current = prefix.clone();
    let found = async |pattern: String| {
        let mut redis = client.get_multiplexed_async_connection().await.unwrap();
        let mut names = redis.scan_match::<_, String>(pattern).await.unwrap();
        let mut all = Vec::new();
        while let Some(name) = names.next_item().await {
            all.push(name.unwrap());
        }
        all
    };
    let kept: Vec<u8> = redis.get(&current).await.unwrap();
    assert!(kept.starts_with(format!("{} ", menu["version"]).as_bytes()), "the version is in the value");
    assert_eq!(found(format!("{prefix}*")).await.join(" "), current, "nothing else is kept");
    assert_eq!(found(format!("comanda:menu:{}:*", uuid(&other.id))).await.len(), 1, "another's menu stays");
    let () = redis.set_ex("the end of the test", &prefix, 1).await.unwrap();
    let mut commands = 0;
    while let Some(line) = monitor.next().await {
        if line.contains("the end of the test") {
            break;
        }
        // Except the test's own query of the keys.
        if line.contains(&format!("\"{prefix}\"")) {
            commands += 1;
            assert!(line.contains("\"GET\"") || line.contains("\"PSETEX\"") || line.contains("\"get\""), "{line}");
        }
    }
    assert!((2..=4).contains(&commands), "a menu is looked for and put, and nothing is searched: {commands}");
}
