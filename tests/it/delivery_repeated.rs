//! Repeated commands on a delivery, after a lost response: nothing changes, and no event is sent.

use serde_json::json;

use crate::delivery_life::Scene;
use crate::people::id_of;

#[tokio::test]
async fn assigning_a_delivery_to_the_same_driver_again_changes_nothing() {
    let scene = Scene::set().await;
    let lucia = scene.app.driver("Lucia").await;
    let theirs = lucia.goes_online(44.4949, 11.3426).await;
    let (order, first) = scene.carried().await;
    for request_body in [Some(&scene.profile), None, Some(&scene.profile), None] {
        assert_eq!(scene.luigi.owner.assigns(&first, request_body).await.expect(200), first, "nearer is Lucia");
    }
    let arrived = scene.mario.brings(&first, "ARRIVED").await;
    for request_body in [Some(&scene.profile), None] {
        let again = scene.luigi.owner.assigns(&first, request_body).await.expect(200);
        assert_eq!((&again["status"], &again["version"]), (&json!("ARRIVED"), &arrived["version"]));
    }
    // Also if the repetition names the version before the change.
    let path = format!("/api/deliveries/{}/assign", id_of(&first));
    let stale = scene.luigi.owner.request(reqwest::Method::POST, &path).header("if-match", "\"1\"");
    let body = json!({ "driverId": id_of(&scene.profile) });
    assert_eq!(scene.luigi.owner.send(stale.json(&body)).await.expect(200)["version"], arrived["version"]);
    let stale = scene.luigi.owner.request(reqwest::Method::POST, &path).header("if-match", "\"1\"");
    let other = json!({ "driverId": id_of(&theirs) });
    scene.luigi.owner.send(stale.json(&other)).await.refused(412, "version_conflict");
    let count = "select count(*) from events where aggregate = 'delivery'";
    assert_eq!(scene.app.count(count).await, 3);
    scene.luigi.owner.moves(&order, "PREPARING").await;
    let along = scene.mario.brings(&first, "PICKED_UP").await;
    let again = scene.luigi.owner.assigns(&first, Some(&scene.profile)).await.expect(200);
    assert_eq!((&again["status"], &again["version"]), (&json!("PICKED_UP"), &along["version"]));
    scene.luigi.owner.assigns(&first, Some(&theirs)).await.refused(409, "illegal_transition");
    scene.luigi.owner.cancels(&order, "over").await;
    scene.luigi.owner.assigns(&first, Some(&scene.profile)).await.refused(409, "illegal_transition");
}

/// A driver without a connection sends every step twice, and staff send it too.
#[tokio::test]
async fn repeating_a_delivery_status_changes_nothing() {
    let scene = Scene::set().await;
    let (order, delivery) = scene.carried().await;
    scene.luigi.owner.moves(&order, "PREPARING").await;
    let path = format!("/api/deliveries/{}/status", id_of(&delivery));
    for status in ["ARRIVED", "PICKED_UP", "DELIVERED"] {
        let first = scene.mario.brings(&delivery, status).await;
        let events = scene.app.count("select count(*) from events").await;
        let stale = scene.mario.request(reqwest::Method::PATCH, &path).header("if-match", "\"1\"");
        for again in [
            scene.mario.tries_to_bring(&delivery, status, Some("again")).await,
            scene.luigi.owner.tries_to_bring(&delivery, status, None).await,
            scene.mario.send(stale.json(&json!({ "status": status }))).await,
        ] {
            let again = again.expect(200);
            assert_eq!((&again["status"], &again["version"]), (&json!(status), &first["version"]));
        }
        assert_eq!(scene.app.count("select count(*) from events").await, events, "{status}");
    }
    let (order, delivery) = scene.carried().await;
    scene.luigi.owner.tries_to_bring(&delivery, "WAITING", Some("a puncture")).await.expect(200);
    let waiting = scene.luigi.owner.tries_to_bring(&delivery, "WAITING", Some("again")).await.expect(200);
    assert_eq!((&waiting["status"], &waiting["reason"]), (&json!("WAITING"), &json!("a puncture")));
    // A driver from whom staff took the delivery did not hand it back.
    scene.luigi.owner.cancels(&order, "over").await;
}

/// The driver loses access to the delivery with the hand-back, and repeats it because the response was lost.
#[tokio::test]
async fn handing_back_is_idempotent_and_excludes_the_driver_from_assignment() {
    let scene = Scene::set().await;
    let (_, delivery) = scene.carried().await;
    let first = scene.mario.tries_to_bring(&delivery, "WAITING", Some("a puncture")).await.expect(200);
    let events = scene.app.count("select count(*) from events").await;
    let again = || scene.mario.tries_to_bring(&delivery, "WAITING", Some("a puncture"));
    assert_eq!(again().await.expect(200), first);
    scene.mario.tries_to_bring(&delivery, "ARRIVED", None).await.refused(409, "no_longer_assigned");
    scene.mario.get(&format!("/api/deliveries/{}", id_of(&delivery))).await.refused(404, "not_found");
    let lucia = scene.app.driver("Lucia").await;
    lucia.tries_to_bring(&delivery, "WAITING", None).await.refused(404, "not_found");
    assert_eq!(scene.app.count("select count(*) from events").await, events);
    // Mario is the nearest driver, and has handed it back.
    scene.luigi.owner.assigns(&delivery, None).await.refused(409, "no_driver_available");
    let theirs = lucia.goes_online(44.4990, 11.3490).await;
    let assigned = scene.luigi.owner.assigns(&delivery, None).await.expect(200);
    assert_eq!(assigned["driver"]["id"], theirs["id"]);
    let repeated = again().await.expect(200);
    assert_eq!(
        (&repeated["status"], &repeated["driver"]),
        (&json!("WAITING"), &json!(null)),
        "nothing of the other driver"
    );
    // Staff may assign it to him by id.
    scene.luigi.owner.assigns(&delivery, Some(&scene.profile)).await.expect(200);
    scene.mario.brings(&delivery, "ARRIVED").await;
}
