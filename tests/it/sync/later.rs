//! Offline orders with a coupon or for later: the same as orders that are placed online.

use chrono::{DateTime, Days, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{op, outcomes, sends};
use crate::app::{TestApp, eventually};
use crate::shop::Shop;

fn order(shop: &Shop, more: &Value) -> Value {
    let lines = json!([{ "itemId": shop.any_dish().id, "quantity": 2 }]);
    let mut order = json!({ "restaurantId": shop.id, "fulfilment": "PICKUP", "lines": lines });
    for (name, value) in more.as_object().unwrap() {
        order[name] = value.clone();
    }
    order
}

/// A server at ten in the morning (UTC) of the day after the real one, and Luigi, who opens from six to ten.
async fn luigi_in_the_morning(slots: Value) -> (TestApp, Shop, DateTime<Utc>) {
    let app = TestApp::start().await;
    let day = (app.clock.now().date_naive() + Days::new(1)).and_hms_opt(10, 0, 0).unwrap().and_utc();
    app.advance_clock(day - app.clock.now());
    let hours: Vec<_> = (1..=7).map(|day| json!({ "weekday": day, "opens": "18:00", "closes": "22:00" })).collect();
    let shop = app.restaurant("Luigi").with("timezone", json!("UTC")).with("hours", json!(hours));
    let luigi = shop.with("slots", slots).opens().await;
    (app, luigi, day)
}

#[tokio::test]
async fn a_coupon_is_redeemed_once_and_refused_offline_as_online() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ten = json!({ "code": "TEN", "kind": "PERCENT", "basisPoints": 1000, "limitPerUser": 1 });
    luigi.owner.post(&luigi.path("/coupons"), &ten).await.expect(201);
    let much = json!({ "code": "MUCH", "kind": "PERCENT", "basisPoints": 500, "minimumItems": { "amount": 9_900,
      "currency": "EUR" } });
    luigi.owner.post(&luigi.path("/coupons"), &much).await.expect(201);
    let (ada, now) = (app.customer("Ada").await, app.clock.now());
    let with = |seq: i64, code: &str| op(seq, "order.place", now, order(&luigi, &json!({ "couponCode": code })));
    let total = json!({ "amount": 1530, "currency": "EUR" });
    let shown = json!({ "couponCode": " ten ", "expectedTotal": total });
    let first = op(1, "order.place", now, order(&luigi, &shown));
    let ops = [first, with(2, "TEN"), with(3, "MUCH"), with(4, "NOBODYS"), with(5, "!")];
    let answer = sends(&ada, "phone", &ops).await;
    let expected = [
        "applied",
        "rejected:coupon_already_used",
        "rejected:coupon_minimum",
        "rejected:coupon_unknown",
        "rejected:invalid_request",
    ];
    assert_eq!(outcomes(&answer), expected);
    let placed = &answer.json()["data"][0]["result"];
    assert_eq!((&placed["totals"]["total"], &placed["couponCode"]), (&total, &json!("TEN")), "{placed}");
    assert_eq!(answer.json()["data"][4]["problem"]["errors"][0]["pointer"], "/couponCode");
    assert!(outcomes(&sends(&ada, "phone", &ops).await).iter().all(|word| word.starts_with("duplicate:")));
    assert_eq!(app.count("select count(*) from coupon_redemptions").await, 1);
}

#[tokio::test]
async fn offline_coupon_attempts_count_with_online_ones() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (ada, now) = (app.customer("Ada").await, app.clock.now());
    let attempt =
        |seq: i64| op(seq, "order.place", now, order(&luigi, &json!({ "couponCode": format!("GUESS{seq}") })));
    let ops: Vec<_> = (1..=21).map(attempt).collect();
    let answer = outcomes(&sends(&ada, "phone", &ops).await);
    assert!(answer[..20].iter().all(|word| word == "rejected:coupon_unknown"), "{answer:?}");
    // The limit passes with time, so that nothing is rejected.
    assert_eq!(answer[20], "blocked:21:retrying");
    let online = json!({ "restaurantId": luigi.id, "fulfilment": "PICKUP", "couponCode": "GUESS",
                         "lines": [{ "itemId": luigi.any_dish().id, "quantity": 1 }] });
    ada.asks_for_order("online", &online).await.refused(429, "too_many_requests");
    // Without a code nothing is counted.
    let plain = op(22, "order.place", now, order(&luigi, &json!({})));
    assert_eq!(outcomes(&sends(&ada, "phone", &[plain]).await), ["applied"]);
}

#[tokio::test]
async fn a_scheduled_offline_order_takes_its_slot_or_gets_the_next_one_named() {
    let (app, luigi, day) = luigi_in_the_morning(json!({ "minutes": 30, "capacity": 1 })).await;
    let (ada, now) = (app.customer("Ada").await, app.clock.now());
    let at = |hour: i64, minute: i64| day + TimeDelta::hours(hour - 10) + TimeDelta::minutes(minute);
    let wanted =
        |seq: i64, time: DateTime<Utc>| op(seq, "order.place", now, order(&luigi, &json!({ "scheduledFor": time })));
    let ops = [
        wanted(1, at(19, 10)),
        wanted(2, at(19, 0)),
        wanted(3, at(17, 0)),
        wanted(4, at(9, 0)),
        op(5, "order.place", now, order(&luigi, &json!({}))),
    ];
    let answer = sends(&ada, "phone", &ops).await;
    let expected = [
        "applied",
        "rejected:slot_full",
        "rejected:restaurant_closed",
        "rejected:slot_unavailable",
        "rejected:restaurant_closed",
    ];
    assert_eq!(outcomes(&answer), expected);
    let data = answer.json()["data"].clone();
    let slot = |from: DateTime<Utc>| json!({ "startsAt": from, "endsAt": from + TimeDelta::minutes(30) });
    assert_eq!(data[0]["result"]["scheduledFor"], slot(at(19, 0)));
    assert_eq!(data[1]["problem"]["earliestSlot"], slot(at(19, 30)));
    assert_eq!(data[4]["problem"]["earliestSlot"], slot(at(18, 0)));
    let bad = op(6, "order.place", now, order(&luigi, &json!({ "scheduledFor": "soon" })));
    let answer = sends(&ada, "phone", &[bad]).await;
    assert_eq!(outcomes(&answer), ["rejected:invalid_request"]);
    assert_eq!(answer.json()["data"][0]["problem"]["errors"][0]["pointer"], "/scheduledFor");
    assert_eq!(app.count("select sum(taken) from slots").await, 1);
}

#[tokio::test]
async fn a_temporary_limit_delays_an_operation_and_a_permanent_one_rejects_it() {
    let app = TestApp::with(&[("ORDER_MAX_RECENT", "2"), ("SYNC_POLL_INTERVAL", "100ms")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (ada, now) = (app.customer("Ada").await, app.clock.now());
    let ops: Vec<_> = (1..=4).map(|seq| op(seq, "order.place", now, order(&luigi, &json!({})))).collect();
    let answer = sends(&ada, "phone", &ops).await;
    let expected = ["applied", "applied", "blocked:3:retrying", "blocked:4:retrying"];
    assert_eq!(outcomes(&answer), expected);
    let waits = answer.json()["data"][2]["waitsFor"].clone();
    let seconds = waits["retryAfter"].as_i64().unwrap();
    assert!((3_500..=3_601).contains(&seconds), "{waits}");
    assert!(waits["reason"].as_str().unwrap().starts_with("order_limit_reached: You have placed 2 orders"), "{waits}");
    // Repetitions have no effect: an exceeded limit is not an error that makes an operation DEAD.
    for _ in 0..12 {
        assert_eq!(outcomes(&sends(&ada, "phone", &ops).await)[2..], expected[2..]);
        app.advance_clock(TimeDelta::minutes(4));
    }
    app.advance_clock(TimeDelta::minutes(13));
    eventually("the others are placed by themselves", async || {
        app.count("select count(*) from sync_operations where state = 'APPLIED'").await == 4
    })
    .await;
    assert!(outcomes(&sends(&ada, "phone", &ops).await).iter().all(|word| word == "duplicate:applied"));
}

#[tokio::test]
async fn orders_over_a_limit_that_does_not_pass_with_time_are_rejected() {
    let app = TestApp::with(&[("ORDER_MAX_OPEN", "1"), ("ORDER_MAX_SCHEDULED", "1")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (ada, bob, now) = (app.customer("Ada").await, app.customer("Bob").await, app.clock.now());
    let place = |seq: i64, more: Value| op(seq, "order.place", now, order(&luigi, &more));
    let answer = sends(&ada, "phone", &[place(1, json!({})), place(2, json!({}))]).await;
    assert_eq!(outcomes(&answer), ["applied", "rejected:order_limit_reached"]);
    assert_eq!(answer.json()["data"][1]["problem"]["limit"], 1);
    let later = |hours: i64| json!({ "scheduledFor": now + TimeDelta::hours(hours) });
    let answer = sends(&bob, "phone", &[place(1, later(2)), place(2, later(4))]).await;
    assert_eq!(outcomes(&answer), ["applied", "rejected:order_limit_reached"]);
}
