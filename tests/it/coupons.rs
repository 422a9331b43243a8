//! Coupons: the discount, why one cannot be used, and concurrent redemptions do not exceed the limit.

use std::sync::Arc;

use chrono::TimeDelta;
use comanda::coupons::CouponCode;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::app::{TestApp, eventually};
use crate::people::{Person, delivery_details, id_of};
use crate::reply::Reply;
use crate::shop::Shop;
use crate::sync::{op, sends};

pub fn euros(amount: i64) -> Value {
    json!({ "amount": amount, "currency": "EUR" })
}

pub async fn makes_coupon(shop: &Shop, coupon: Value) -> Value {
    shop.owner.post(&shop.path("/coupons"), &coupon).await.expect(201)
}

/// An order of this many of the first item, with a code.
async fn orders_with(person: &Person, shop: &Shop, code: &str, quantity: u32, delivered: bool) -> Reply {
    let mut body = if delivered { delivery_details() } else { json!({ "fulfilment": "PICKUP" }) };
    body["restaurantId"] = json!(shop.id);
    body["lines"] = json!([{ "itemId": shop.any_dish().id, "quantity": quantity }]);
    body["couponCode"] = json!(code);
    person.asks_for_order(&Uuid::new_v4().to_string(), &body).await
}

async fn quotes_with(person: &Person, shop: &Shop, code: &str) -> Reply {
    let lines = json!([{ "itemId": shop.any_dish().id, "quantity": 1 }]);
    let body = json!({ "lines": lines, "fulfilment": "PICKUP", "couponCode": code });
    person.post(&shop.path("/quotes"), &body).await
}

#[tokio::test]
async fn the_discount_of_a_coupon_depends_on_its_kind() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells("Margherita", 850).with("taxBasisPoints", json!(1000));
    let luigi = luigi.with("deliveryFee", euros(290)).opens().await;
    makes_coupon(&luigi, json!({ "code": "ten-percent", "kind": "PERCENT", "basisPoints": 1000 })).await;
    makes_coupon(&luigi, json!({ "code": "HALF", "kind": "PERCENT", "basisPoints": 5000, "cap": euros(300) })).await;
    makes_coupon(&luigi, json!({ "code": "FIVER", "kind": "AMOUNT", "amount": euros(500) })).await;
    makes_coupon(&luigi, json!({ "code": "HUGE", "kind": "AMOUNT", "amount": euros(50_000) })).await;
    makes_coupon(&luigi, json!({ "code": "FREE_RIDE", "kind": "FREE_DELIVERY" })).await;
    let ada = app.customer("Ada").await;
    // Code, whether it is for delivery, then discount, delivery fee, tax, total.
    let cases = [
        (" Ten-Percent ", true, [85, 290, 77, 850 - 85 + 77 + 290]),
        ("half", true, [300, 290, 55, 850 - 300 + 55 + 290]),
        ("fiver", false, [500, 0, 35, 385]),
        ("HUGE", false, [850, 0, 0, 0]),
        ("free_ride", true, [0, 0, 85, 935]),
    ];
    for (code, delivered, expected) in cases {
        let order = orders_with(&ada, &luigi, code, 1, delivered).await.expect(201);
        let amounts = ["discount", "deliveryFee", "tax", "total"].map(|part| order["totals"][part]["amount"].as_i64());
        assert_eq!(amounts, expected.map(Some), "{code}");
        assert_eq!(order["couponCode"], code.trim().to_uppercase());
    }
    let quote = quotes_with(&ada, &luigi, "half").await.expect(201);
    assert_eq!(quote["discounts"], json!([{ "couponCode": "HALF", "kind": "PERCENT", "amount": euros(300) }]));
    let listed = luigi.owner.get(&luigi.path("/coupons")).await.expect(200);
    let used: Vec<_> = listed["data"].as_array().unwrap().iter().map(|one| one["redeemed"].as_i64()).collect();
    assert_eq!(used, [Some(1); 5]);
}

#[tokio::test]
async fn a_coupon_that_cannot_be_used_says_why_and_what_to_do() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells("Margherita", 850).opens().await;
    let now = app.clock.now();
    let (before, after) = (now - TimeDelta::hours(1), now + TimeDelta::hours(1));
    let percent = |more: Value| {
        let mut coupon = json!({ "kind": "PERCENT", "basisPoints": 1000 });
        for (name, value) in more.as_object().unwrap() {
            coupon[name] = value.clone();
        }
        coupon
    };
    makes_coupon(&luigi, percent(json!({ "code": "LATER", "validFrom": after }))).await;
    makes_coupon(&luigi, percent(json!({ "code": "OVER", "validUntil": before }))).await;
    makes_coupon(&luigi, percent(json!({ "code": "MUCH", "minimumItems": euros(1000) }))).await;
    makes_coupon(&luigi, percent(json!({ "code": "ONCE", "limitPerUser": 1 }))).await;
    makes_coupon(&luigi, percent(json!({ "code": "FEW", "limitTotal": 1 }))).await;
    makes_coupon(&luigi, percent(json!({ "code": "OFF", "active": false }))).await;
    makes_coupon(&luigi, json!({ "code": "RIDE", "kind": "FREE_DELIVERY" })).await;
    let other = app.restaurant("Other").opens().await;
    makes_coupon(&other, percent(json!({ "code": "THEIRS" }))).await;
    let (ada, bob) = (app.customer("Ada").await, app.customer("Bob").await);
    orders_with(&ada, &luigi, "ONCE", 1, false).await.expect(201);
    orders_with(&bob, &luigi, "FEW", 1, false).await.expect(201);
    let cases = [
        ("LATER", "coupon_not_yet", "validFrom", json!(after)),
        ("OVER", "coupon_expired", "validUntil", json!(before)),
        ("MUCH", "coupon_minimum", "minimumItems", euros(1000)),
        ("ONCE", "coupon_already_used", "limitPerUser", json!(1)),
        ("FEW", "coupon_used_up", "couponCode", json!("FEW")),
        ("OFF", "coupon_unknown", "couponCode", json!("OFF")),
        ("RIDE", "coupon_not_applicable", "couponCode", json!("RIDE")),
        ("THEIRS", "coupon_unknown", "couponCode", json!("THEIRS")),
        ("NOBODYS", "coupon_unknown", "couponCode", json!("NOBODYS")),
    ];
    for (code, word, fact, value) in cases {
        for reply in [orders_with(&ada, &luigi, code, 1, false).await, quotes_with(&ada, &luigi, code).await] {
            assert_eq!(reply.refused(409, word)[fact], value, "{code}");
        }
    }
    orders_with(&ada, &luigi, "MUCH", 2, false).await.expect(201);
    orders_with(&bob, &luigi, "ONCE", 1, false).await.expect(201);
    app.advance_clock(TimeDelta::minutes(61));
    orders_with(&ada, &luigi, "LATER", 1, false).await.expect(201);
    assert_eq!(app.count("select count(*) from orders").await, 5);
}

/// Accounts cost nothing, so those that nobody verified do not count as different customers: neither orders nor quotes
/// of theirs use a coupon that is limited for each customer.
#[tokio::test]
async fn a_coupon_for_each_customer_requires_a_verified_address_or_number() {
    let app = TestApp::with(&[("SYNC_POLL_INTERVAL", "100ms")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let once = json!({ "code": "ONCE", "kind": "AMOUNT", "amount": euros(100), "limitPerUser": 1, "limitTotal": 12 });
    makes_coupon(&luigi, once).await;
    makes_coupon(&luigi, json!({ "code": "ALL", "kind": "AMOUNT", "amount": euros(100), "limitTotal": 12 })).await;
    let people = app.crowd(4).await;
    app.execute("update users set email_verified_at = null where name = 'Guest'").await;
    for person in &people {
        orders_with(person, &luigi, "ONCE", 1, false).await.refused(409, "coupon_unverified");
        quotes_with(person, &luigi, "ONCE").await.refused(409, "coupon_unverified");
        orders_with(person, &luigi, "ALL", 1, false).await.expect(201);
    }
    let payload = json!({ "restaurantId": luigi.id, "fulfilment": "PICKUP", "couponCode": "ONCE",
        "lines": [{ "itemId": luigi.any_dish().id, "quantity": 1 }] });
    let offline = sends(&people[0], "phone", &[op(1, "order.place", app.clock.now(), payload)]).await.expect(200);
    assert_eq!(offline["data"][0]["problem"]["code"], "coupon_unverified", "{offline}");
    for (person, verified) in people.iter().zip(["email_verified_at = now()", "phone_verified_at = now()"]) {
        app.execute(&format!("update users set phone = '+4915112345678' where email = '{}'", person.email)).await;
        quotes_with(person, &luigi, "ONCE").await.refused(409, "coupon_unverified");
        app.execute(&format!("update users set {verified} where email = '{}'", person.email)).await;
        quotes_with(person, &luigi, "ONCE").await.expect(201);
        orders_with(person, &luigi, "ONCE", 1, false).await.expect(201);
        orders_with(person, &luigi, "ONCE", 1, false).await.refused(409, "coupon_already_used");
    }
    assert_eq!(app.count("select redeemed::bigint from coupons where code = 'ONCE'").await, 2);
}

#[tokio::test]
async fn a_cancelled_order_returns_its_coupon() {
    let app = TestApp::with(&[("ORDER_CHECK_INTERVAL", "10ms")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let coupon = json!({ "code": "ONCE", "kind": "PERCENT", "basisPoints": 1000, "limitTotal": 1, "limitPerUser": 1 });
    let coupon = luigi.path(&format!("/coupons/{}", id_of(&makes_coupon(&luigi, coupon).await)));
    let (ada, bob) = (app.customer("Ada").await, app.customer("Bob").await);
    let redeemed = async || luigi.owner.get(&coupon).await.expect(200)["redeemed"].clone();
    let order = orders_with(&ada, &luigi, "ONCE", 1, false).await.expect(201);
    orders_with(&bob, &luigi, "ONCE", 1, false).await.refused(409, "coupon_used_up");
    assert_eq!(redeemed().await, 1);
    let cancelled = ada.cancels(&order, "I am not hungry any more").await;
    assert_eq!((&cancelled["totals"], redeemed().await), (&order["totals"], json!(0)));
    // Also by the system, if nobody accepts it.
    orders_with(&ada, &luigi, "ONCE", 1, false).await.expect(201);
    orders_with(&ada, &luigi, "ONCE", 1, false).await.refused(409, "coupon_already_used");
    app.advance_clock(TimeDelta::minutes(11));
    eventually("the system cancels", async || redeemed().await == 0).await;
    let order = orders_with(&bob, &luigi, "ONCE", 1, false).await.expect(201);
    luigi.owner.makes_steps(&order, &["CONFIRMED", "PREPARING", "READY", "DELIVERED"]).await;
    assert_eq!(redeemed().await, 1, "what was eaten stays redeemed");
    assert_eq!(app.count("select count(*) from coupon_redemptions where returned_at is not null").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_buyers_redeem_a_coupon_for_ten_exactly_ten_times() {
    let app = TestApp::start().await;
    let luigi = Arc::new(app.restaurant("Luigi").opens().await);
    let coupon = json!({ "code": "TEN", "kind": "AMOUNT", "amount": euros(100), "limitTotal": 10 });
    let coupon = makes_coupon(&luigi, coupon).await;
    let buyers = app.crowd(60).await;
    let start = Arc::new(Barrier::new(buyers.len()));
    let mut orders = JoinSet::new();
    for buyer in buyers {
        let (luigi, start) = (Arc::clone(&luigi), Arc::clone(&start));
        orders.spawn(async move {
            start.wait().await;
            let reply = orders_with(&buyer, &luigi, "ten", 1, false).await;
            if reply.status != 201 {
                reply.refused(409, "coupon_used_up");
            }
            reply.status == 201
        });
    }
    let redeemed = orders.join_all().await.into_iter().filter(|redeemed| *redeemed).count();
    assert_eq!(redeemed, 10);
    let coupon = luigi.owner.get(&luigi.path(&format!("/coupons/{}", id_of(&coupon)))).await.expect(200);
    assert_eq!(coupon["redeemed"], 10);
    assert_eq!(app.count("select count(*) from orders").await, 10);
    assert_eq!(app.count("select count(*) from coupon_redemptions").await, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_orders_redeem_a_coupon_within_its_limit_per_user() {
    let app = TestApp::start().await;
    let luigi = Arc::new(app.restaurant("Luigi").opens().await);
    let coupon = json!({ "code": "ONCE", "kind": "PERCENT", "basisPoints": 500, "limitTotal": 99, "limitPerUser": 1 });
    makes_coupon(&luigi, coupon).await;
    let ada = app.customer("Ada").await;
    let mut orders = JoinSet::new();
    for _ in 0..8 {
        let (ada, luigi) = (ada.clone(), Arc::clone(&luigi));
        orders.spawn(async move { orders_with(&ada, &luigi, "ONCE", 1, false).await });
    }
    let replies = orders.join_all().await;
    let placed: Vec<_> = replies.iter().filter(|reply| reply.status == 201).collect();
    assert_eq!(placed.len(), 1);
    for refused in replies.iter().filter(|reply| reply.status != 201) {
        refused.refused(409, "coupon_already_used");
    }
    ada.cancels(&placed[0].json(), "once more").await;
    orders_with(&ada, &luigi, "ONCE", 1, false).await.expect(201);
}

#[tokio::test]
async fn attempts_at_unknown_coupons_are_limited_and_known_coupons_are_not() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    makes_coupon(&luigi, json!({ "code": "GOOD", "kind": "PERCENT", "basisPoints": 500 })).await;
    let (eve, ada) = (app.customer("Eve").await, app.customer("Ada").await);
    for _ in 0..25 {
        quotes_with(&ada, &luigi, "GOOD").await.expect(201);
    }
    for attempt in 0..20 {
        let code = format!("GUESS{attempt}");
        let reply = if attempt % 2 == 0 {
            quotes_with(&eve, &luigi, &code).await
        } else {
            orders_with(&eve, &luigi, &code, 1, false).await
        };
        reply.refused(409, "coupon_unknown");
    }
    let stopped = quotes_with(&eve, &luigi, "GOOD").await;
    stopped.refused(429, "too_many_requests");
    assert!(stopped.header("retry-after").parse::<u64>().unwrap() > 0);
    orders_with(&eve, &luigi, "GOOD", 1, false).await.refused(429, "too_many_requests");
    // Orders without a code and codes of other users are not limited.
    eve.places_order(&luigi, &[(luigi.any_dish(), 1)]).await;
    quotes_with(&ada, &luigi, "GOOD").await.expect(201);
    app.advance_clock(TimeDelta::minutes(15));
    orders_with(&eve, &luigi, "GOOD", 1, false).await.expect(201);
}

#[tokio::test]
async fn coupon_attempts_of_accounts_of_one_network_are_counted_together() {
    let settings = [("COUPON_ATTEMPTS_PER_NETWORK", "6/15m"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let app = TestApp::with(&settings).await;
    let luigi = app.restaurant("Luigi").opens().await;
    makes_coupon(&luigi, json!({ "code": "GOOD", "kind": "PERCENT", "basisPoints": 500 })).await;
    let tries = async |person: &Person, code: &str, from: &str| {
        let lines = json!([{ "itemId": luigi.any_dish().id, "quantity": 1 }]);
        let body = json!({ "lines": lines, "fulfilment": "PICKUP", "couponCode": code });
        let request = person.request(Method::POST, &luigi.path("/quotes")).header("x-forwarded-for", from).json(&body);
        person.send(request).await
    };
    let (eve, mallory, ada) = (app.customer("Eve").await, app.customer("Mallory").await, app.customer("Ada").await);
    // A valid code is not counted for the network.
    for _ in 0..10 {
        tries(&ada, "GOOD", "2001:db8::9").await.expect(201);
    }
    for attempt in 0..6 {
        let attacker = if attempt % 2 == 0 { &eve } else { &mallory };
        let from = format!("2001:db8::{attempt}");
        tries(attacker, &format!("GUESS{attempt}"), &from).await.refused(409, "coupon_unknown");
    }
    let stopped = tries(&ada, "GOOD", "2001:db8::9").await;
    stopped.refused(429, "too_many_requests");
    assert!(stopped.header("retry-after").parse::<u64>().unwrap() > 0);
    // From another network each of them can continue.
    tries(&eve, "GOOD", "198.51.100.1").await.expect(201);
    tries(&ada, "GUESS", "198.51.100.2").await.refused(409, "coupon_unknown");
    app.advance_clock(TimeDelta::minutes(15));
    tries(&ada, "GOOD", "2001:db8::9").await.expect(201);
}

#[tokio::test]
async fn a_quoted_discount_applies_while_its_coupon_is_valid() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells("Margherita", 850).opens().await;
    let coupon = makes_coupon(&luigi, json!({ "code": "TEN", "kind": "PERCENT", "basisPoints": 1000 })).await;
    let path = luigi.path(&format!("/coupons/{}", id_of(&coupon)));
    let ada = app.customer("Ada").await;
    let places = async |quote: &Value| {
        let body = json!({ "quoteId": id_of(quote), "couponCode": "ten" });
        ada.asks_for_order(&Uuid::new_v4().to_string(), &body).await
    };
    let quote = quotes_with(&ada, &luigi, "TEN").await.expect(201);
    let item = luigi.path(&format!("/items/{}", luigi.any_dish().id));
    luigi.owner.patch(&item, &json!({ "price": euros(2000) })).await.expect(200);
    let order = places(&quote).await.expect(201);
    assert_eq!((&order["totals"]["discount"], &order["totals"]["total"]), (&euros(85), &euros(765)));
    let quote = quotes_with(&ada, &luigi, "TEN").await.expect(201);
    luigi.owner.patch(&path, &json!({ "active": false })).await.expect(200);
    places(&quote).await.refused(409, "coupon_unknown");
    luigi.owner.patch(&path, &json!({ "active": true, "limitTotal": 1 })).await.expect(200);
    places(&quote).await.refused(409, "coupon_used_up");
    luigi.owner.delete(&path).await.expect(204);
    places(&quote).await.refused(409, "coupon_unknown");
}

#[tokio::test]
async fn coupons_are_written_by_managers_and_refused_by_name() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let staff = app.staff_of(&luigi).await;
    let good = json!({ "code": "TEN", "kind": "PERCENT", "basisPoints": 1000 });
    staff.post(&luigi.path("/coupons"), &good).await.refused(403, "forbidden");
    app.customer("Ada").await.get(&luigi.path("/coupons")).await.refused(404, "not_found");
    let with = |more: Value| {
        let mut body = good.clone();
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let now = app.clock.now();
    for (bad, pointer) in [
        (with(json!({ "code": "AB" })), "/code"),
        (with(json!({ "code": "TEN%" })), "/code"),
        (with(json!({ "code": "-TEN" })), "/code"),
        (with(json!({ "kind": "HALF" })), "/kind"),
        (with(json!({ "kind": "AMOUNT" })), "/basisPoints"),
        (with(json!({ "basisPoints": 0 })), "/basisPoints"),
        (with(json!({ "basisPoints": 10_001 })), "/basisPoints"),
        (with(json!({ "basisPoints": null })), "/basisPoints"),
        (with(json!({ "amount": euros(1) })), "/amount"),
        (with(json!({ "cap": euros(0) })), "/cap/amount"),
        (with(json!({ "minimumItems": { "amount": 1, "currency": "USD" } })), "/minimumItems/currency"),
        (with(json!({ "validFrom": now, "validUntil": now })), "/validUntil"),
        (with(json!({ "limitTotal": 0 })), "/limitTotal"),
        (with(json!({ "limitPerUser": -1 })), "/limitPerUser"),
        (with(json!({ "redeemed": 3 })), "/redeemed"),
        (json!({ "code": "RIDE", "kind": "FREE_DELIVERY", "cap": euros(100) }), "/cap"),
    ] {
        let refusal = luigi.owner.post(&luigi.path("/coupons"), &bad).await.refused(422, "invalid_request");
        let pointers: Vec<_> = refusal["errors"].as_array().unwrap().iter().map(|one| &one["pointer"]).collect();
        assert!(pointers.contains(&&json!(pointer)), "{bad}: {refusal}");
    }
    let made = makes_coupon(&luigi, good.clone()).await;
    assert_eq!((&made["code"], &made["redeemed"], &made["version"]), (&json!("TEN"), &json!(0), &json!(1)));
    luigi.owner.post(&luigi.path("/coupons"), &with(json!({ "code": "ten" }))).await.refused(409, "already_exists");
    let path = luigi.path(&format!("/coupons/{}", id_of(&made)));
    let changed = luigi.owner.patch_version(&path, "\"1\"", &json!({ "limitTotal": 2, "validUntil": now })).await;
    assert_eq!((changed.header("etag"), &changed.expect(200)["limitTotal"]), ("\"2\"", &json!(2)));
    luigi.owner.patch_version(&path, "\"1\"", &json!({ "active": false })).await.refused(412, "version_conflict");
    luigi.owner.patch(&path, &json!({ "basisPoints": 2000 })).await.refused(422, "invalid_request");
    luigi.owner.patch(&path, &json!({ "validUntil": null })).await.expect(200);
    let (ada, bob) = (app.customer("Ada").await, app.customer("Bob").await);
    for guest in [&ada, &bob] {
        orders_with(guest, &luigi, "TEN", 1, false).await.expect(201);
    }
    let refusal = luigi.owner.patch(&path, &json!({ "limitTotal": 1 })).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"][0]["pointer"], "/limitTotal");
    luigi.owner.delete(&path).await.expect(204);
    luigi.owner.get(&path).await.refused(404, "not_found");
    luigi.owner.delete(&path).await.refused(404, "not_found");
    makes_coupon(&luigi, good).await;
}

#[test]
fn a_coupon_code_is_read_regardless_of_case_and_spaces() {
    let code = |text: &str| CouponCode::try_from(text.to_owned()).ok().map(|code| code.as_str().to_owned());
    for (typed, read) in [("welcome10", "WELCOME10"), ("  Summer-26 ", "SUMMER-26"), ("a_b-c", "A_B-C"), ("123", "123")]
    {
        assert_eq!(code(typed).as_deref(), Some(read));
    }
    let long = "A".repeat(41);
    for bad in ["", "ab", "a b c", "caffè", "--a", "ab-", "a--b", "x%x", "ﬁve", long.as_str()] {
        assert_eq!(code(bad), None, "{bad}");
    }
}
