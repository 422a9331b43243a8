//! Batches do not circumvent rate limits: an operation in a batch costs the same as a request.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{op, outcomes, sends};
use crate::app::{TestApp, eventually};
use crate::people::{PASSWORD, Person};

/// Operations, each of which would be one request.
fn writes(app: &TestApp, seqs: std::ops::RangeInclusive<i64>) -> Vec<Value> {
    let at = app.clock.now();
    seqs.map(|seq| op(seq, "profile.fields", at, json!({ "name": format!("Ada {seq}") }))).collect()
}

async fn done(app: &TestApp) -> i64 {
    app.count("select count(*) from sync_operations where state = 'APPLIED'").await
}

/// Unfinished operations with a smaller number than a finished one.
async fn overtaken(app: &TestApp) -> i64 {
    app.count(
        "select count(*) from sync_operations o where o.state = 'PENDING' and exists (select from sync_operations l
         where l.user_id = o.user_id and l.device = o.device and l.seq > o.seq and l.finished_at is not null)",
    )
    .await
}

#[tokio::test]
async fn operations_of_a_batch_draw_from_limits_like_requests_and_wait_in_order() {
    let app = TestApp::with(&[("RATE_LIMIT_USER", "40/1h"), ("SYNC_POLL_INTERVAL", "20ms")]).await;
    let ada = app.customer("Ada").await;
    let ops = writes(&app, 1..=200);
    let answer = sends(&ada, "phone", &ops).await;
    let words = outcomes(&answer);
    let first = words.iter().filter(|word| *word == "applied").count();
    assert!((25..=39).contains(&first), "the request and so many operations of 40: {first}");
    let data = answer.json()["data"].clone();
    for (seq, word) in (1..).zip(&words).skip(first) {
        assert_eq!(*word, format!("blocked:{seq}:retrying"));
        let waits = &data[usize::try_from(seq).unwrap() - 1]["waitsFor"];
        assert!(waits["retryAfter"].as_i64().unwrap() > 0, "{waits}");
        assert!(waits["reason"].as_str().unwrap().starts_with("too_many_requests"), "{waits}");
    }
    // Background work leaves a part of the limit to the user.
    ada.get("/api/me").await.expect(200);
    // Sending it again, or through another device, does not run more operations.
    assert_eq!(
        outcomes(&sends(&ada, "phone", &ops).await).iter().filter(|word| word.starts_with("dup")).count(),
        first
    );
    let more = outcomes(&sends(&ada, "tablet", &writes(&app, 1..=50)).await);
    let gained = more.iter().filter(|word| *word == "applied").count();
    assert!(gained <= 1, "{gained}");
    // As time passes the rest is run, at the rate of the limit and in order.
    let mut before = done(&app).await;
    for _ in 0..3 {
        app.advance_clock(TimeDelta::minutes(15));
        eventually("more is done", async || done(&app).await >= before + 5).await;
        let now = done(&app).await;
        assert!(now <= before + 11, "{} in a quarter of an hour", now - before);
        assert_eq!(overtaken(&app).await, 0);
        before = now;
    }
    while before < 250 {
        app.advance_clock(TimeDelta::hours(1));
        eventually("more is done, until all is: nothing is lost", async || done(&app).await >= (before + 15).min(250))
            .await;
        before = done(&app).await;
    }
    assert_eq!((before, overtaken(&app).await), (250, 0));
}

#[tokio::test]
async fn operations_of_all_users_of_a_network_draw_from_its_limit() {
    let limits = [("RATE_LIMIT_NETWORK", "60/1h"), ("SYNC_POLL_INTERVAL", "20ms")];
    let app = TestApp::with(&limits).await;
    let mut people = Vec::new();
    for person in app.crowd(3).await {
        let session = person.post("/api/auth/login", &json!({ "email": person.email, "password": PASSWORD })).await;
        let token = session.expect(200)["accessToken"].as_str().unwrap().to_owned();
        people.push(Person { token: Some(token), ..person });
    }
    for person in &people {
        sends(person, "phone", &writes(&app, 1..=40)).await.expect(200);
    }
    let done = done(&app).await;
    assert!((40..60).contains(&done), "of all together: {done}");
    people[2].get("/api/me").await.expect(200);
}

#[tokio::test]
async fn changes_of_a_bulk_update_cost_what_requests_cost() {
    let app = TestApp::with(&[("RATE_LIMIT_USER", "12/1h")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let mut changes = Vec::new();
    for number in 0..20 {
        let ada = app.customer(&format!("Guest {number}")).await;
        let order = ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await;
        changes.push(json!({ "orderId": order["id"], "status": "CONFIRMED" }));
    }
    let staff = app.staff_of(&luigi).await;
    let bulk = async |person: &Person, path: &str| {
        let answer = person.post(path, &json!({ "changes": changes })).await.expect(200);
        let of = |status: u16| {
            let all = answer["data"].as_array().unwrap().iter();
            all.filter(|one| one["status"] == status).cloned().collect::<Vec<_>>()
        };
        (of(200).len(), of(409).len(), of(429))
    };
    let (moved, refused, beyond) = bulk(&staff, &luigi.path("/orders/bulk-status")).await;
    assert_eq!((moved, refused, beyond.len()), (11, 0, 9), "the staff member has asked once before");
    assert_eq!(beyond[0]["problem"]["code"], "too_many_requests");
    assert!(beyond[0]["problem"]["retryAfter"].as_i64().unwrap() > 0);
    assert_eq!(app.count("select count(*) from orders where status = 'CONFIRMED'").await, 11);
    staff.get("/api/me").await.refused(429, "too_many_requests");
    let (moved, refused, beyond) = bulk(&app.admin().await, "/api/admin/orders/bulk-status").await;
    assert_eq!((moved + refused, beyond.len()), (12, 8), "the first change is the request itself");
}
