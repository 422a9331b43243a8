//! Devices: listed, removed, replaced by newer ones; and what is still known of their operations.

use chrono::TimeDelta;
use serde_json::json;

use super::{op, outcomes, sends};
use crate::app::TestApp;
use crate::people::Person;
use crate::retention::deletes_expired;

async fn names(person: &Person) -> Vec<String> {
    let list = person.get("/api/me/sync-devices").await.expect(200);
    list["data"].as_array().unwrap().iter().map(|one| one["deviceId"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_device_idle_longest_is_deleted_and_nothing_runs_twice() {
    let app = TestApp::with(&[("SYNC_MAX_DEVICES", "2")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (ada, now) = (app.customer("Ada").await, app.clock.now());
    let order = json!({ "restaurantId": luigi.id, "fulfilment": "PICKUP", "lines": [{ "itemId": luigi.any_dish().id,
      "quantity": 1 }] });
    let places = |seq: i64| op(seq, "order.place", now, order.clone());
    let history = [places(1), places(2)];
    assert_eq!(outcomes(&sends(&ada, "old phone", &history).await), ["applied", "applied"]);
    app.advance_clock(TimeDelta::minutes(1));
    let waiting = [op(2, "order.status", now, json!({ "orderOp": "op-1", "status": "CANCELLED" }))];
    sends(&ada, "stuck", &waiting).await.expect(200);
    for round in 0..3 {
        app.advance_clock(TimeDelta::minutes(1));
        sends(&ada, &format!("phone {round}"), &[op(1, "profile.fields", now, json!({ "locale": "en" }))])
            .await
            .expect(200);
        assert_eq!(names(&ada).await, [format!("phone {round}"), "stuck".to_owned()], "what waits does not give way");
    }
    let orders = async || app.count("select count(*) from orders").await;
    assert_eq!(orders().await, 2);
    app.advance_clock(TimeDelta::minutes(1));
    assert_eq!(
        outcomes(&sends(&ada, "old phone", &history).await),
        ["duplicate:null", "duplicate:null"],
        "its numbers are known"
    );
    assert_eq!(orders().await, 2);
    assert_eq!(
        outcomes(&sends(&ada, "old phone", &[places(1), places(3)]).await),
        ["duplicate:null", "applied"],
        "it goes on"
    );
    assert_eq!(names(&ada).await, ["old phone", "stuck"]);
}

#[tokio::test]
async fn a_user_removes_one_of_their_devices() {
    let app = TestApp::with(&[("SYNC_MAX_DEVICES", "1")]).await;
    let (ada, bob, now) = (app.customer("Ada").await, app.customer("Bob").await, app.clock.now());
    let waits = [
        op(2, "profile.fields", now, json!({ "locale": "en" })),
        op(3, "order.status", now, json!({ "orderOp": "op-1", "status": "CANCELLED" })),
    ];
    sends(&ada, "my phone/1", &waits).await.expect(200);
    sends(&ada, "next", &waits).await.refused(409, "too_many");
    let listed = ada.get("/api/me/sync-devices").await.expect(200)["data"][0].clone();
    assert_eq!(
        (&listed["deviceId"], &listed["nextSeq"], &listed["waiting"]),
        (&json!("my phone/1"), &json!(1), &json!(1))
    );
    let path = "/api/me/sync-devices?deviceId=my%20phone%2F1";
    bob.delete(path).await.expect(204);
    assert_eq!(names(&ada).await, ["my phone/1"], "somebody else's is not removed");
    ada.delete(path).await.expect(204);
    ada.delete(path).await.expect(204);
    assert_eq!((names(&ada).await.len(), app.count("select count(*) from sync_operations").await), (0, 0));
    sends(&ada, "next", &waits).await.expect(200);
    for query in ["", "?deviceId=", "?deviceId=%00", "?deviceId=a&other=b"] {
        ada.delete(&format!("/api/me/sync-devices{query}")).await.refused(422, "invalid_request");
    }
}

#[tokio::test]
async fn a_device_with_open_operations_is_not_removed() {
    let app = TestApp::start().await;
    let (ada, now) = (app.customer("Ada").await, app.clock.now());
    sends(&ada, "phone", &[op(1, "profile.fields", now, json!({ "locale": "en" }))]).await.expect(200);
    app.execute("update sync_operations set state = 'DEAD', result = null, finished_at = null").await;
    ada.delete("/api/me/sync-devices?deviceId=phone").await.refused(409, "operations_unfinished");
}

#[tokio::test]
async fn a_history_replayed_after_its_results_were_deleted_changes_nothing() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (ada, now) = (app.customer("Ada").await, app.clock.now());
    let order = json!({ "restaurantId": luigi.id, "fulfilment": "PICKUP", "lines": [{ "itemId": luigi.any_dish().id,
      "quantity": 1 }] });
    let history = [
        op(1, "order.place", now, order.clone()),
        op(2, "order.place", now, order),
        op(4, "profile.fields", now, json!({ "locale": "en" })),
    ];
    sends(&ada, "phone", &history).await.expect(200);
    app.execute("update sync_operations set finished_at = finished_at - interval '31 days'").await;
    assert_eq!(deletes_expired(&app, "sync_operations").await, 2, "the one beyond the gap stays until that is closed");
    assert_eq!(deletes_expired(&app, "sync_devices").await, 0);
    let answer = outcomes(&sends(&ada, "phone", &history).await);
    assert_eq!(answer, ["duplicate:null", "duplicate:null", "duplicate:applied"]);
    assert_eq!(app.count("select count(*) from orders").await, 2);
}
