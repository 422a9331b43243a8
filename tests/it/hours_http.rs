//! Opening hours and pauses over HTTP, by fulfilment and date.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::people::delivery_details;
use crate::shop::Shop;

/// All day on all days, for these fulfilments.
fn always(fulfilments: &[&str]) -> Value {
    (1..=7)
        .map(|day| json!({ "weekday": day, "opens": "00:00", "closes": "24:00", "fulfilments": fulfilments }))
        .collect()
}

/// The dates of today and tomorrow in the zone of the test restaurants.
fn local_dates(app: &TestApp) -> (String, String, String) {
    let today = app.clock.now().with_timezone(&chrono_tz::Europe::Rome).date_naive();
    let day = |shift| (today + TimeDelta::days(shift)).to_string();
    (day(-1), day(0), day(1))
}

async fn puts_hours(shop: &Shop, weekly: &Value, exceptions: &Value) -> Value {
    let hours = json!({ "weekly": weekly, "exceptions": exceptions });
    shop.owner.put(&shop.path("/hours"), &hours).await.expect(200)
}

#[tokio::test]
async fn a_restaurant_may_be_open_for_pickup_and_closed_for_delivery() {
    let app = TestApp::start().await;
    let (luigi, ada) = (app.restaurant("Luigi").opens().await, app.customer("Ada").await);
    let hours = puts_hours(&luigi, &always(&["PICKUP"]), &json!([])).await;
    assert_eq!((&hours["openNow"], &hours["openFor"]), (&json!(true), &json!(["PICKUP"])));
    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
    let refusal = ada.orders_cart(&cart, &delivery_details()).await.refused(409, "restaurant_closed");
    assert_eq!(refusal["openFor"], json!(["PICKUP"]));
    ada.orders_cart(&cart, &Value::Null).await.expect(201);
}

#[tokio::test]
async fn an_exception_replaces_a_date_and_the_night_before_ends_as_usual() {
    let app = TestApp::start().await;
    let (luigi, ada) = (app.restaurant("Luigi").opens().await, app.customer("Ada").await);
    let (yesterday, today, tomorrow) = local_dates(&app);
    let closed = json!([{ "date": today, "note": "Ferragosto" }, { "date": tomorrow }]);
    let hours = puts_hours(&luigi, &json!([]), &closed).await;
    assert_eq!(hours["openNow"], false);
    assert_eq!(hours["exceptions"][0], json!({ "date": today, "note": "Ferragosto", "spans": [] }));
    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
    ada.orders_cart(&cart, &Value::Null).await.refused(409, "restaurant_closed");
    let shown = ada.get(&luigi.path("")).await.expect(200);
    assert_eq!((&shown["openNow"], &shown["openFor"]), (&json!(false), &json!([])));

    // Yesterday's span of 24 hours has not ended, and its last order, 20 minutes before the end, is still possible.
    let local = |at: DateTime<Utc>| at.with_timezone(&chrono_tz::Europe::Rome);
    let (now, later) = (local(app.clock.now()), local(app.clock.now() + TimeDelta::minutes(45)));
    // While clocks are set back, the local time of the end has occurred once already.
    if later.date_naive().to_string() == today && later.time() > now.time() {
        let opens = later.format("%H:%M").to_string();
        let night = json!([{ "date": yesterday, "spans": [{ "opens": opens, "closes": opens }] }, { "date": today }]);
        assert_eq!(puts_hours(&luigi, &json!([]), &night).await["openNow"], true);
    }
    ada.orders_cart(&cart, &Value::Null).await;
}

#[tokio::test]
async fn overlapping_hours_are_refused_by_field_and_nothing_changes() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let before = luigi.owner.get(&luigi.path("/hours")).await.expect(200);
    let body = json!({
        "weekly": [
            { "weekday": 7, "opens": "20:00", "closes": "02:00" },
            { "weekday": 1, "opens": "01:00", "closes": "03:00", "fulfilments": ["PICKUP"] },
            { "weekday": 9, "opens": "01:00", "closes": "03:00" },
        ],
        "exceptions": [{ "date": "2026-12-24", "spans": [{ "opens": "10:00", "closes": "14:00" }, { "opens": "13:59",
        "closes": "15:00" }] }],
    });
    let refusal = luigi.owner.put(&luigi.path("/hours"), &body).await.refused(422, "invalid_request");
    let errors: Vec<_> =
        refusal["errors"].as_array().unwrap().iter().map(|error| (&error["pointer"], &error["message"])).collect();
    assert_eq!(
        errors,
        [
            (&json!("/weekly/1"), &json!("overlaps /0, Sunday 20:00–02:00")),
            (&json!("/weekly/2"), &json!("weekday must be 1 (Monday) to 7 (Sunday)")),
            (&json!("/exceptions/0/spans/1"), &json!("overlaps /0/spans/0, 2026-12-24 10:00–14:00")),
        ]
    );
    let nonsense = [
        json!({ "weekly": [{ "weekday": 1, "opens": "25:00", "closes": "26:00" }] }),
        json!({ "weekly": [{ "weekday": 1, "opens": "10:00", "closes": "12:00", "fulfilments": [] }] }),
        json!({ "weekly": [], "exceptions": [{ "date": "2026-02-30" }] }),
        json!({ "weekly": [], "exceptions": [{ "date": "2026-02-20", "note": "x".repeat(201) }] }),
        json!({ "weekly": [], "exceptions": [{ "date": "2026-02-20", "closed": true }] }),
        json!({ "weekly": vec![json!({ "weekday": 1, "opens": "10:00", "closes": "12:00" }); 101] }),
        json!({}),
    ];
    for body in nonsense {
        luigi.owner.put(&luigi.path("/hours"), &body).await.refused(422, "invalid_request");
    }
    assert_eq!(luigi.owner.get(&luigi.path("/hours")).await.expect(200), before);
}

#[tokio::test]
async fn hours_are_changed_by_managers_with_the_current_version() {
    let app = TestApp::start().await;
    let (luigi, mario) = (app.restaurant("Luigi").opens().await, app.restaurant("Mario").opens().await);
    let (staff, ada) = (app.staff_of(&luigi).await, app.customer("Ada").await);
    let body = json!({ "weekly": [] });
    staff.put(&luigi.path("/hours"), &body).await.refused(403, "forbidden");
    for other in [&ada, &mario.owner] {
        other.put(&luigi.path("/hours"), &body).await.refused(404, "not_found");
        other
            .put(&luigi.path("/pause"), &json!({ "until": "2030-01-01T00:00:00Z", "reason": "x" }))
            .await
            .refused(404, "not_found");
        other.delete(&luigi.path("/pause")).await.refused(404, "not_found");
    }
    let put = |version: &'static str| {
        luigi.owner.request(reqwest::Method::PUT, &luigi.path("/hours")).header("if-match", version).json(&body)
    };
    let changed = luigi.owner.send(put("\"1\"")).await;
    assert_eq!(changed.header("etag"), "\"2\"");
    luigi.owner.send(put("\"1\"")).await.refused(412, "version_conflict");
}

#[tokio::test]
async fn a_pause_always_ends() {
    let app = TestApp::start().await;
    let (luigi, ada) = (app.restaurant("Luigi").opens().await, app.customer("Ada").await);
    let staff = app.staff_of(&luigi).await;
    let until = app.clock.now() + TimeDelta::minutes(30);
    let pause = json!({ "until": until, "reason": "The oven is being repaired" });
    let shown = staff.put(&luigi.path("/pause"), &pause).await.expect(200);
    assert_eq!((&shown["pause"], &shown["openNow"], &shown["openFor"]), (&pause, &json!(false), &json!([])));
    assert_eq!(ada.get(&luigi.path("/hours")).await.expect(200)["pause"], pause);
    assert_eq!(app.count("select count(*) from events where name = 'restaurant:changed'").await, 1);

    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
    let refusal = ada.orders_cart(&cart, &Value::Null).await.refused(409, "restaurant_paused");
    assert_eq!((&refusal["pausedUntil"], &refusal["reason"]), (&pause["until"], &pause["reason"]));
    app.advance_clock(TimeDelta::minutes(30));
    assert_eq!(ada.get(&luigi.path("")).await.expect(200)["pause"], Value::Null);
    ada.orders_cart(&cart, &Value::Null).await.expect(201);
}

#[tokio::test]
async fn a_pause_is_bounded_and_can_be_ended_early() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let now = app.clock.now();
    for until in [now - TimeDelta::seconds(1), now + TimeDelta::days(8)] {
        let body = json!({ "until": until, "reason": "Holidays" });
        luigi.owner.put(&luigi.path("/pause"), &body).await.refused(422, "invalid_request");
    }
    for body in [
        json!({ "until": now + TimeDelta::hours(1) }),
        json!({ "reason": "x" }),
        json!({ "until": "soon", "reason": "x" }),
    ] {
        luigi.owner.put(&luigi.path("/pause"), &body).await.refused(422, "invalid_request");
    }
    let body = json!({ "until": now + TimeDelta::days(6), "reason": "Holidays" });
    assert_eq!(luigi.owner.put(&luigi.path("/pause"), &body).await.expect(200)["openNow"], false);
    let ended = luigi.owner.delete(&luigi.path("/pause")).await.expect(200);
    assert_eq!((&ended["pause"], &ended["openNow"]), (&Value::Null, &json!(true)));
}
