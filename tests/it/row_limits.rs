//! Limits on the rows of one account or one restaurant: concurrent requests do not exceed them, and rows that are kept
//! for long are limited by the number of writes.

use std::collections::BTreeSet;
use std::future::Future;

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::app::{TestApp, eventually};
use crate::extract::Redis;
use crate::images::files;
use crate::menu::SecondServer;
use crate::people::{PASSWORD, Person, id_of};
use crate::reply::Reply;
use crate::sync::{op, sends};

/// Sends this many requests concurrently; returns the number of each status, the smallest status first.
async fn at_once<F: Future<Output = Reply> + Send + 'static>(
    requests: impl IntoIterator<Item = F>,
) -> Vec<(u16, usize)> {
    let mut all = JoinSet::new();
    for request in requests {
        all.spawn(request);
    }
    let replies = all.join_all().await;
    for reply in replies.iter().filter(|reply| reply.status == 409) {
        let problem = reply.refused(409, "too_many");
        assert!(problem["limit"].is_u64(), "{problem}");
    }
    let statuses: BTreeSet<_> = replies.iter().map(|reply| reply.status).collect();
    statuses.into_iter().map(|status| (status, replies.iter().filter(|reply| reply.status == status).count())).collect()
}

/// Posts bodies concurrently.
async fn posts(person: &Person, path: &str, bodies: impl IntoIterator<Item = Value>) -> Vec<(u16, usize)> {
    at_once(bodies.into_iter().map(|body| {
        let (person, path) = (person.clone(), path.to_owned());
        async move { person.post(&path, &body).await }
    }))
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_exceed_no_limit_on_addresses_devices_and_quotes() {
    let limits = [("ADDRESS_MAX", "4"), ("PUSH_MAX_DEVICES", "3"), ("QUOTE_MAX_OPEN", "4"), ("SYNC_MAX_DEVICES", "3")];
    let app = TestApp::with(&limits).await;
    let (luigi, gino) = (app.restaurant("Luigi").opens().await, app.restaurant("Gino").opens().await);
    for round in 0..3 {
        let ada = app.customer("Ada").await;
        let addresses = (0..24).map(|number| json!({ "address": format!("Via Zamboni {number}") }));
        assert_eq!(posts(&ada, "/api/me/addresses", addresses).await, [(201, 4), (409, 20)]);
        let devices =
            (0..24).map(|number| json!({ "kind": "fcm", "target": format!("{round}-{number}"), "locale": "en" }));
        assert_eq!(posts(&ada, "/api/me/devices", devices).await, [(201, 24)]);
        assert_eq!(ada.get("/api/me/devices").await.expect(200)["data"].as_array().unwrap().len(), 3);
        // Of all restaurants together.
        let quotes = (0..24).map(|number| {
            let shop = if number % 2 == 0 { &luigi } else { &gino };
            let wanted = json!({ "fulfilment": "PICKUP", "lines": [{ "itemId": shop.any_dish().id, "quantity": 1 }] });
            let (ada, path) = (ada.clone(), shop.path("/quotes"));
            async move { ada.post(&path, &wanted).await }
        });
        assert_eq!(at_once(quotes).await, [(201, 4), (409, 20)]);
        app.advance_clock(TimeDelta::minutes(15));
        let wanted = json!({ "fulfilment": "PICKUP", "lines": [{ "itemId": luigi.any_dish().id, "quantity": 1 }] });
        let ada = app.customer("Ada").await;
        ada.post(&luigi.path("/quotes"), &wanted).await.expect(201);
        // Each has unfinished operations, so that none is removed.
        let at = app.clock.now();
        let devices = (0..16).map(|number| {
            let ada = ada.clone();
            let waits = op(2, "order.status", at, json!({ "orderOp": "op-1", "status": "CANCELLED" }));
            async move { sends(&ada, &format!("phone {number}"), &[waits]).await.status }
        });
        let mut all = JoinSet::new();
        devices.for_each(|device| drop(all.spawn(device)));
        let statuses = all.join_all().await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 3, "{statuses:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cart_written_longest_ago_is_deleted() {
    let app = TestApp::with(&[("CART_MAX_OPEN", "3")]).await;
    let mut shops = Vec::new();
    for number in 0..8 {
        shops.push(app.restaurant(&format!("Luigi {number}")).opens().await);
    }
    let ada = app.customer("Ada").await;
    let fills = |person: &Person, shop: &crate::shop::Shop| {
        let (person, path) = (person.clone(), shop.path("/cart"));
        let body = json!({ "lines": [{ "itemId": shop.any_dish().id, "quantity": 1 }] });
        async move { person.put(&path, &body).await }
    };
    let open = async || app.count("select count(*) from carts where status = 'OPEN'").await;
    assert_eq!(at_once(shops.iter().map(|shop| fills(&ada, shop))).await, [(200, 8)]);
    assert_eq!(open().await, 3);
    for shop in &shops {
        app.advance_clock(TimeDelta::seconds(1));
        fills(&ada, shop).await.expect(200);
    }
    assert_eq!(open().await, 3);
    for (number, shop) in shops.iter().enumerate() {
        let lines = ada.get(&shop.path("/cart")).await.expect(200)["lines"].as_array().unwrap().len();
        assert_eq!(lines, usize::from(number >= 5), "{number}");
    }
    // Ordered carts and those of other customers are not counted.
    let cart = ada.get(&shops[7].path("/cart")).await.expect(200);
    ada.orders_cart(&cart, &json!({ "fulfilment": "PICKUP" })).await.expect(201);
    fills(&ada, &shops[0]).await.expect(200);
    assert_eq!(ada.get(&shops[5].path("/cart")).await.expect(200)["lines"].as_array().unwrap().len(), 1);
    fills(&app.customer("Bob").await, &shops[0]).await.expect(200);
    assert_eq!(open().await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_exceed_no_limit_of_a_restaurant() {
    let limits = [("COUPON_MAX", "3"), ("INVITATION_MAX", "4"), ("MEMBER_MAX", "3")];
    let app = TestApp::with(&limits).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let coupons =
        (0..20).map(|number| json!({ "code": format!("CODE{number}"), "kind": "PERCENT", "basisPoints": 500 }));
    assert_eq!(posts(&luigi.owner, &luigi.path("/coupons"), coupons).await, [(201, 3), (409, 17)]);
    let listed = luigi.owner.get(&luigi.path("/coupons")).await.expect(200);
    luigi.owner.delete(&luigi.path(&format!("/coupons/{}", id_of(&listed["data"][0])))).await.expect(204);
    let again = json!({ "code": "AGAIN", "kind": "PERCENT", "basisPoints": 500 });
    luigi.owner.post(&luigi.path("/coupons"), &again).await.expect(201);

    let invitations = (0..20).map(|number| json!({ "email": format!("guest{number}@example.com"), "role": "STAFF" }));
    let path = luigi.path("/invitations");
    assert_eq!(posts(&luigi.owner, &path, invitations).await, [(201, 4), (409, 16)]);
    // An invitation to the same address replaces the first; expired ones are not counted.
    let open = luigi.owner.get(&path).await.expect(200);
    let same = json!({ "email": open["data"][0]["email"], "role": "STAFF" });
    luigi.owner.post(&path, &same).await.expect(201);
    app.execute("update invitations set created_at = '2020-01-01', expires_at = '2020-01-02'").await;

    let (mut accepting, people) = (Vec::new(), app.crowd(4).await);
    for person in people {
        let wanted = json!({ "email": person.email, "role": "STAFF" });
        let invitation = luigi.owner.post(&path, &wanted).await.expect(201);
        accepting.push((person, invitation));
    }
    let accepts = accepting.into_iter().map(|(person, invitation)| async move {
        let path = format!("/api/me/invitations/{}/accept", id_of(&invitation));
        person.post(&path, &json!({ "code": invitation["code"] })).await
    });
    assert_eq!(at_once(accepts).await, [(200, 2), (409, 2)], "with the owner there are three");
    let new = json!({ "userId": app.customer("Eve").await.id, "role": "STAFF" });
    app.admin().await.post(&luigi.path("/members"), &new).await.refused(409, "too_many");
}

#[tokio::test]
async fn the_images_of_a_restaurant_are_limited() {
    let app = TestApp::with(&[("IMAGE_MAX_STORED", "2"), ("IMAGE_KEEP_IDLE", "1h")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let uploads = async || {
        let request = luigi.owner.request(Method::POST, &luigi.path("/image")).header("content-type", "image/png");
        luigi.owner.send(request.body(files::jpeg(40, 30))).await
    };
    uploads().await.expect(200);
    uploads().await.expect(200);
    uploads().await.refused(409, "too_many");
    // An image that is not used any more counts until it is deleted.
    let collects = async || comanda::images::actions::delete_unused::delete_unused(&app.running().app).await.unwrap();
    collects().await;
    app.advance_clock(TimeDelta::hours(2));
    assert_eq!(collects().await, 1);
    let luigi_owner =
        luigi.owner.post("/api/auth/login", &json!({ "email": luigi.owner.email, "password": PASSWORD })).await;
    let token = luigi_owner.expect(200)["accessToken"].as_str().unwrap().to_owned();
    let owner = Person { token: Some(token), ..luigi.owner.clone() };
    let request = owner.request(Method::POST, &luigi.path("/image")).header("content-type", "image/png");
    owner.send(request.body(files::jpeg(40, 30))).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_session_idle_longest_ends_at_the_limit() {
    let app = TestApp::with(&[("SESSION_MAX_PER_USER", "3")]).await;
    let ada = app.customer("Ada").await;
    let signs_in = || {
        let (ada, body) = (app.stranger(), json!({ "email": ada.email, "password": PASSWORD }));
        async move { ada.post("/api/auth/login", &body).await }
    };
    let open = async || app.count("select count(*) from sessions where revoked_at is null").await;
    assert_eq!(at_once((0..8).map(|_| signs_in())).await, [(200, 8)]);
    assert_eq!(open().await, 3);
    ada.get("/api/me").await.refused(401, "unauthenticated");
    let mut tokens = Vec::new();
    for _ in 0..5 {
        app.advance_clock(TimeDelta::seconds(1));
        tokens.push(signs_in().await.expect(200)["accessToken"].as_str().unwrap().to_owned());
    }
    for (number, token) in tokens.into_iter().enumerate() {
        let reply = Person { token: Some(token), ..ada.clone() }.get("/api/me").await;
        assert_eq!(reply.status, if number < 2 { 401 } else { 200 }, "{number}");
    }
    assert_eq!((open().await, app.count("select count(*) from sessions").await), (3, 6), "and as many that ended");
}

#[tokio::test]
async fn guests_of_a_network_are_limited_per_day() {
    let app = TestApp::with(&[("GUESTS_PER_NETWORK", "3/24h"), ("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let becomes = async |from: &str| {
        let stranger = app.stranger();
        stranger.send(stranger.request(Method::POST, "/api/guests").header("x-forwarded-for", from)).await
    };
    for number in 0..3 {
        becomes(&format!("2001:db8:0:1::{number}")).await.expect(201);
    }
    becomes("2001:db8:0:1::9").await.refused(429, "too_many_requests");
    becomes("2001:db8:0:2::9").await.expect(201);
    app.advance_clock(TimeDelta::hours(25));
    becomes("2001:db8:0:1::9").await.expect(201);
}

/// A small request that writes a whole menu.
#[tokio::test]
async fn copying_a_menu_costs_what_it_writes() {
    let app = TestApp::with(&[("WRITES_PER_USER", "30/24h")]).await;
    let full = app.restaurant("Full").sells("A", 100).sells("B", 100).sells("C", 100).sells("D", 100).opens().await;
    let other = app.restaurant("Other").opens().await;
    let admin = app.admin().await;
    let copy =
        async |query: &str| admin.post(&full.path(&format!("/menu/copy{query}")), &json!({ "to": other.id })).await;
    for _ in 0..4 {
        copy("?dryRun=true").await.expect(200);
    }
    for _ in 0..4 {
        copy("").await.expect(200);
    }
    let refused = copy("").await;
    refused.refused(429, "too_many_requests");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
}

/// Keys are kept for thirty days; for one user at most the configured number, the newest ones.
#[tokio::test]
async fn the_oldest_stored_responses_of_a_user_are_deleted() {
    let app = TestApp::with(&[("STORED_RESPONSES_MAX", "20"), ("PUSH_MAX_DEVICES", "200")]).await;
    let (ada, bob) = (app.customer("Ada").await, app.customer("Bob").await);
    let registers = async |person: &Person, key: &str| {
        let body = json!({ "kind": "fcm", "target": format!("{}-{key}", person.id), "locale": "en" });
        let request = person.request(Method::POST, "/api/me/devices").header("idempotency-key", key);
        let reply = person.send(request.json(&body)).await;
        reply.expect(201);
        !reply.header("idempotency-replayed").is_empty()
    };
    registers(&bob, "0").await;
    for number in 0..60 {
        app.advance_clock(TimeDelta::milliseconds(1));
        registers(&ada, &number.to_string()).await;
    }
    let kept = "select count(*) from idempotency_keys k join users u on u.id = k.user_id where u.email like 'ada%'";
    eventually("the oldest are gone", async || app.count(kept).await <= 22).await;
    assert!(app.count(kept).await >= 20);
    assert!(registers(&ada, "59").await && registers(&ada, "45").await, "the newest are answered again");
    assert!(!registers(&ada, "0").await, "the oldest are forgotten");
    assert!(registers(&bob, "0").await, "nobody else's");
}

/// Responses count also if their client disconnects before it receives them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "clients that disconnect")]
async fn stored_responses_of_a_client_that_disconnects_are_limited() {
    let app = TestApp::with(&[("STORED_RESPONSES_MAX", "10"), ("PUSH_MAX_DEVICES", "200")]).await;
    let ada = app.customer("Ada").await;
    let stored = "select count(*) from idempotency_keys";
    let written = "select count(*) from push_devices";
    for number in 0..24 {
        app.advance_clock(TimeDelta::milliseconds(1));
        let mut holding = app.superuser.acquire().await.unwrap();
        sqlx::raw_sql("begin; lock table push_devices in share mode").execute(&mut *holding).await.unwrap();
        let body = json!({ "kind": "fcm", "target": format!("phone-{number}"), "locale": "en" });
        let request = ada.request(Method::POST, "/api/me/devices").header("idempotency-key", number.to_string());
        let client = ada.clone();
        let client = tokio::spawn(async move { client.send(request.json(&body)).await });
        let waiting = "select count(*) from pg_locks where not granted and relation = 'push_devices'::regclass";
        eventually("the request waits", async || app.count(waiting).await == 1).await;
        client.abort();
        sqlx::raw_sql("commit").execute(&mut *holding).await.unwrap();
        eventually("the device is registered", async || app.count(written).await == number + 1).await;
    }
    eventually("the oldest are gone", async || app.count(stored).await <= 12).await;
}

#[tokio::test]
async fn the_oldest_offline_results_are_deleted_and_not_run_again() {
    let app = TestApp::with(&[("STORED_RESPONSES_MAX", "20")]).await;
    let (ada, at) = (app.customer("Ada").await, app.clock.now());
    let write = |seq: i64| op(seq, "profile.fields", at, json!({ "name": format!("Ada {seq}") }));
    for batch in 0..8 {
        app.advance_clock(TimeDelta::milliseconds(1));
        let ops: Vec<_> = (batch * 10 + 1..=batch * 10 + 10).map(write).collect();
        sends(&ada, "phone", &ops).await.expect(200);
    }
    eventually("the oldest are gone", async || app.count("select count(*) from sync_operations").await <= 30).await;
    assert!(app.count("select count(*) from sync_operations").await >= 20);
    let again = sends(&ada, "phone", &[write(1), write(80)]).await.expect(200);
    let outcomes: Vec<_> = again["data"].as_array().unwrap().iter().map(|one| &one["outcome"]).collect();
    assert_eq!(outcomes, ["duplicate", "duplicate"]);
    assert_eq!((again["data"][0].get("first"), &again["data"][1]["first"]), (None, &json!("applied")));
}

#[tokio::test]
async fn daily_writes_of_users_and_networks_are_limited_by_number_and_size() {
    let limits = [
        ("WRITES_PER_USER", "20/24h"),
        ("WRITES_PER_NETWORK", "50/24h"),
        ("RATE_LIMIT_USER", "off"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let app = TestApp::with(&limits).await;
    let people = app.crowd(6).await;
    let writes = async |person: &Person, from: &str, bytes: usize| {
        let body = json!({ "orderPush": true, "padding": "x".repeat(bytes) });
        let path = "/api/me/notification-preferences";
        person.send(person.request(Method::PUT, path).header("x-forwarded-for", from).json(&body)).await.status
    };
    let until_refused = async |person: &Person, from: &str, bytes: usize| {
        let mut count = 0;
        while writes(person, from, bytes).await != 429 {
            count += 1;
        }
        count
    };
    assert_eq!(until_refused(&people[0], "198.51.100.1", 0).await, 20, "also what is refused costs");
    assert_eq!(until_refused(&people[1], "198.51.100.1", 4_000).await, 5, "four more for four kilobytes");
    let reads = people[0].get("/api/me").await;
    reads.expect(200);
    // The network has ten left, for all its users.
    assert_eq!(until_refused(&people[2], "198.51.100.1", 0).await, 10);
    assert_eq!(writes(&people[2], "203.0.113.5", 0).await, 422);
    // Each offline operation uses one.
    let ops: Vec<_> =
        (1..=30).map(|seq| op(seq, "profile.fields", app.clock.now(), json!({ "name": "Ada" }))).collect();
    let answer = sends(&people[3], "phone", &ops).await.expect(200);
    let done = answer["data"].as_array().unwrap().iter().filter(|one| one["outcome"] == "applied").count();
    assert!((8..20).contains(&done), "{done}");
    // A stored response is returned again.
    let adds = async |key: &str| {
        let request = people[4].request(Method::POST, "/api/me/addresses").header("x-forwarded-for", "192.0.2.1");
        people[4].send(request.header("idempotency-key", key).json(&json!({ "address": "Via Zamboni 2" }))).await
    };
    let first = adds("one").await;
    first.expect(201);
    until_refused(&people[4], "192.0.2.1", 0).await;
    assert_eq!(adds("one").await.bytes, first.bytes);
    let refused = adds(&Uuid::new_v4().to_string()).await;
    refused.refused(429, "too_many_requests");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() <= 4_320, "one more is allowed after 72 minutes");
}

/// With Redis all nodes count together; without it each continues from its own count.
#[tokio::test]
async fn nodes_share_the_daily_write_limits() {
    let mut redis = Redis::start().await;
    let url = format!("redis://{}", redis.address);
    let limits = [
        ("WRITES_PER_USER", "20/24h"),
        ("RATE_LIMIT_USER", "off"),
        ("REDIS_URL", url.as_str()),
        ("REDIS_OPERATION_TIMEOUT", "5s"),
    ];
    let app = TestApp::with(&limits).await;
    let other = SecondServer::of(&app, &limits).await;
    let here = app.customer("Ada").await;
    let there = Person { endpoint: other.guest.endpoint.clone(), ..here.clone() };
    let passed = async |turns: usize| {
        let mut passed = 0;
        for turn in 0..turns {
            let person = if turn % 2 == 0 { &here } else { &there };
            let reply = person.put("/api/me/notification-preferences", &json!({ "orderPush": true })).await;
            passed += usize::from(reply.status != 429);
        }
        passed
    };
    let together = passed(26).await;
    assert!((15..=20).contains(&together), "{together}");
    redis.kill();
    let alone = passed(40).await;
    assert!((1..=14).contains(&alone), "each node has counted thirteen of its twenty: {alone}");
    other.running.stop().await;
}
