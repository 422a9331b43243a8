//! Limits on the portions of orders that nobody at the restaurant has answered: stock is reserved when an order is
//! placed, and an account costs nothing.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::app::TestApp;
use crate::networks::{BEHIND_US, HOME, posts, signs_in};
use crate::people::{PASSWORD, Person};
use crate::reply::Reply;
use crate::shop::Shop;

const NETWORK: &str = "2001:db8:0:1::1";

fn portions(shop: &Shop, lines: &[u32]) -> Value {
    let lines: Vec<_> =
        lines.iter().map(|quantity| json!({ "itemId": shop.any_dish().id, "quantity": quantity })).collect();
    json!({ "restaurantId": shop.id, "fulfilment": "PICKUP", "lines": lines })
}

#[track_caller]
fn assert_refused(reply: &Reply, limit: i64, count: i64, portions: i64, limit_of: &str) {
    let problem = reply.refused(429, "portion_limit_reached");
    let found = (&problem["limit"], &problem["count"], &problem["portions"], &problem["limitOf"]);
    assert_eq!(found, (&json!(limit), &json!(count), &json!(portions), &json!(limit_of)), "{problem}");
}

async fn orders(person: &Person, shop: &Shop, quantity: u32) -> Reply {
    posts(person, NETWORK, "/api/orders", &portions(shop, &[quantity])).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_account_does_not_reserve_the_whole_stock() {
    let app = TestApp::with(&[("ORDER_MAX_UNANSWERED_PORTIONS", "100"), BEHIND_US]).await;
    let luigi = app.restaurant("Luigi").sells_counted("Margherita", 850, 5_000).opens().await;
    let ada = app.customer("Ada").await;
    let greedy = posts(&ada, NETWORK, "/api/orders", &portions(&luigi, &[99; 50])).await;
    assert_refused(&greedy, 100, 0, 4_950, "customer");
    let mut all = JoinSet::new();
    for _ in 0..16 {
        let (ada, body) = (ada.clone(), portions(&luigi, &[15, 15]));
        all.spawn(async move { posts(&ada, NETWORK, "/api/orders", &body).await });
    }
    let (placed, refused): (Vec<_>, Vec<_>) = all.join_all().await.into_iter().partition(|reply| reply.status == 201);
    assert_eq!((placed.len(), refused.len()), (3, 13));
    for reply in &refused {
        assert_refused(reply, 100, 90, 30, "customer");
    }
    assert_eq!(luigi.stock_of(luigi.any_dish()).await, Some(4_910));
    // A quote does not circumvent it.
    let mut wanted = portions(&luigi, &[30]);
    wanted.as_object_mut().unwrap().remove("restaurantId");
    let quote = ada.post(&luigi.path("/quotes"), &wanted).await.expect(201);
    let quoted = posts(&ada, NETWORK, "/api/orders", &json!({ "quoteId": quote["id"] })).await;
    assert_refused(&quoted, 100, 90, 30, "customer");
    // Answered orders do not count, neither confirmed nor cancelled ones.
    luigi.owner.moves(&placed[0].json(), "CONFIRMED").await;
    orders(&ada, &luigi, 40).await.expect(201);
    assert_refused(&orders(&ada, &luigi, 1).await, 100, 100, 1, "customer");
    luigi.owner.cancels(&placed[1].json(), "sold out").await;
    orders(&ada, &luigi, 30).await.expect(201);
    // Members of the restaurant are not limited, and other restaurants have their own count.
    orders(&luigi.owner, &luigi, 99).await.expect(201);
    orders(&luigi.owner, &luigi, 99).await.expect(201);
    let gino = app.restaurant("Gino").opens().await;
    orders(&ada, &gino, 99).await.expect(201);
}

/// Where orders are confirmed automatically, nobody has seen them until they are prepared.
#[tokio::test]
async fn orders_that_are_accepted_automatically_count_until_they_are_prepared() {
    let limits =
        [("ORDER_MAX_UNANSWERED_PORTIONS", "50"), ("ORDER_MAX_UNANSWERED_PORTIONS_PER_NETWORK", "80"), BEHIND_US];
    let app = TestApp::with(&limits).await;
    let luigi = app.restaurant("Luigi").with("autoAccept", json!(true)).opens().await;
    let (ada, bob) = (app.customer("Ada").await, app.customer("Bob").await);
    let first = orders(&ada, &luigi, 50).await.expect(201);
    assert_eq!(first["status"], "CONFIRMED");
    assert_refused(&orders(&ada, &luigi, 1).await, 50, 50, 1, "customer");
    assert_refused(&orders(&bob, &luigi, 31).await, 80, 50, 31, "network");
    luigi.owner.moves(&first, "PREPARING").await;
    orders(&ada, &luigi, 50).await.expect(201);
    orders(&bob, &luigi, 30).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_of_one_network_do_not_reserve_the_whole_stock() {
    let limits = [("ORDER_MAX_UNANSWERED_PORTIONS_PER_NETWORK", "100"), ("SYNC_POLL_INTERVAL", "100ms"), BEHIND_US];
    let app = TestApp::with(&limits).await;
    let luigi = app.restaurant("Luigi").sells_counted("Margherita", 850, 5_000).opens().await;
    let mut people = app.crowd(16).await;
    // Offline orders count for the network in which the session was last seen.
    for person in &mut people[..2] {
        let session = signs_in(person, NETWORK, &person.email, PASSWORD).await.expect(200);
        person.token = session["accessToken"].as_str().map(str::to_owned);
    }
    let mut all = JoinSet::new();
    for (number, person) in people.iter().cloned().enumerate() {
        let (from, body) = (format!("2001:db8:0:1::{number}"), portions(&luigi, &[30]));
        all.spawn(async move { posts(&person, &from, "/api/orders", &body).await });
    }
    let (placed, refused): (Vec<_>, Vec<_>) = all.join_all().await.into_iter().partition(|reply| reply.status == 201);
    assert_eq!((placed.len(), refused.len()), (3, 13));
    for reply in &refused {
        assert_refused(reply, 100, 90, 30, "network");
    }
    // An order that is too large for the limit alone is rejected at once, also offline; one that has to wait waits.
    let offline = async |person: &Person, quantity: u32| {
        let operation = json!({ "seq": 1, "opId": "one", "at": app.clock.now(), "kind": "order.place",
            "payload": portions(&luigi, &[quantity, 2]) });
        let batch = json!({ "deviceId": "phone", "ops": [operation] });
        posts(person, NETWORK, "/api/orders/sync", &batch).await.expect(200)["data"][0].clone()
    };
    let rejected = offline(&people[0], 99).await;
    assert_eq!(
        (&rejected["outcome"], &rejected["problem"]["code"]),
        (&json!("rejected"), &json!("portion_limit_reached"))
    );
    let waits = offline(&people[1], 28).await;
    assert_eq!((&waits["outcome"], &waits["waitsFor"]["why"]), (&json!("blocked"), &json!("retrying")), "{waits}");
    // Other networks are not limited, and answered orders do not count.
    posts(&people[0], HOME, "/api/orders", &portions(&luigi, &[99])).await.expect(201);
    luigi.owner.moves(&placed[0].json(), "CONFIRMED").await;
    orders(&people[0], &luigi, 40).await.expect(201);
    assert_refused(&orders(&people[2], &luigi, 1).await, 100, 100, 1, "network");
    luigi.owner.cancels(&placed[1].json(), "sold out").await;
    orders(&people[2], &luigi, 30).await.expect(201);
}
