//! Steps that a driver took offline, before the delivery was taken back.

use chrono::{DateTime, TimeDelta, Utc};
use comanda::delivery::actions::presence;
use comanda::delivery::past_assignments::{PastAssignment, counts};
use serde_json::{Value, json};

use super::{op, outcomes, sends};
use crate::delivery_life::Scene;
use crate::people::{Person, id_of};
use crate::reply::Reply;

/// A restaurant with a phone number, and a driver with an order that is ready.
async fn ready() -> (Scene, Value, Value) {
    let scene = Scene::set().await;
    let contact = json!({ "contact": { "phone": "+39 051 1234567" } });
    scene.luigi.owner.patch(&scene.luigi.path(""), &contact).await.expect(200);
    let (order, delivery) = carried(&scene).await;
    (scene, order, delivery)
}

async fn carried(scene: &Scene) -> (Value, Value) {
    let (order, delivery) = scene.carried().await;
    scene.luigi.owner.makes_steps(&order, &["PREPARING", "READY"]).await;
    (order, delivery)
}

/// The driver is absent for 20 minutes, and the delivery is taken back.
async fn disappears(scene: &Scene, delivery: &Value) {
    scene.app.advance_clock(TimeDelta::minutes(20));
    presence::set_absent_drivers_off_duty(&scene.app.running().app).await.unwrap();
    let now = scene.luigi.owner.get(&format!("/api/deliveries/{}", id_of(delivery))).await.expect(200);
    assert_eq!((&now["status"], &now["driver"]), (&json!("WAITING"), &Value::Null));
}

fn step(seq: i64, order: &Value, at: DateTime<Utc>, status: &str) -> Value {
    op(seq, "order.status", at, json!({ "orderId": id_of(order), "status": status }))
}

/// The only problem of a batch.
fn problem(reply: &Reply) -> Value {
    reply.expect(200)["data"][0]["problem"].clone()
}

async fn lucia(scene: &Scene) -> (Person, Value) {
    let lucia = scene.app.driver("Lucia").await;
    let profile = lucia.goes_online(44.4950, 11.3420).await;
    (lucia, profile)
}

#[tokio::test]
async fn an_offline_pickup_from_before_an_absent_driver_lost_the_delivery_is_applied() {
    let (scene, order, delivery) = ready().await;
    let picked_up = scene.app.clock.now() + TimeDelta::minutes(1);
    disappears(&scene, &delivery).await;
    let ops =
        [step(1, &order, picked_up, "ON_THE_WAY"), step(2, &order, picked_up + TimeDelta::minutes(15), "DELIVERED")];
    let first = sends(&scene.mario, "phone", &ops[..1]).await;
    assert_eq!(outcomes(&first), ["applied"]);
    let result = &first.json()["data"][0]["result"];
    assert_eq!((&result["status"], &result["address"]), (&json!("ON_THE_WAY"), &Value::Null));
    let now = scene.mario.get(&format!("/api/deliveries/{}", id_of(&delivery))).await.expect(200);
    assert_eq!((&now["status"], &now["driver"]["id"]), (&json!("PICKED_UP"), &scene.profile["id"]));
    // ASSIGNED, WAITING, ASSIGNED again, PICKED_UP: all are in the history, with no gap in the versions.
    let events = scene.app.count("select count(*) from events where aggregate = 'delivery'").await;
    assert_eq!(json!(events), now["version"]);
    let both = sends(&scene.mario, "phone", &ops).await;
    assert_eq!(outcomes(&both), ["duplicate:applied", "applied"]);
    assert_eq!(both.json()["data"][0]["result"], *result);
    assert_eq!(scene.ada.reads_order(&order).await["status"], "DELIVERED");
}

#[tokio::test]
async fn a_step_of_a_lost_delivery_is_refused_with_the_restaurant_to_call() {
    let later = TimeDelta::minutes(1);
    for end in ["another driver", "too late", "handed back", "taken away", "cancelled", "brought by staff", "busy"] {
        let (scene, order, delivery) = ready().await;
        let mut picked_up = scene.app.clock.now() + later;
        if end == "handed back" {
            scene.app.advance_clock(TimeDelta::minutes(2));
            scene.mario.brings(&delivery, "WAITING").await;
        } else if end == "taken away" {
            // Staff have decided that, and the time of the step is the phone's word only.
            scene.app.advance_clock(TimeDelta::minutes(2));
            scene.luigi.owner.tries_to_bring(&delivery, "WAITING", Some("no answer")).await.expect(200);
        } else {
            disappears(&scene, &delivery).await;
        }
        let status = match end {
            "another driver" => {
                let (_, profile) = lucia(&scene).await;
                scene.luigi.owner.assigns(&delivery, Some(&profile)).await.expect(200);
                "ASSIGNED"
            }
            "too late" => {
                picked_up = scene.app.clock.now();
                "WAITING"
            }
            "cancelled" => {
                scene.luigi.owner.cancels(&order, "nobody came").await;
                "CANCELLED"
            }
            "brought by staff" => {
                scene.luigi.owner.moves(&order, "ON_THE_WAY").await;
                "PICKED_UP"
            }
            "busy" => {
                scene.mario.goes_online(44.4960, 11.3400).await;
                carried(&scene).await;
                "WAITING"
            }
            _ => "WAITING",
        };
        let events = scene.app.count("select count(*) from events").await;
        let seen_by = |refusal: &Value| {
            assert_eq!(refusal["code"], "no_longer_assigned", "{end}: {refusal}");
            assert_eq!(refusal["deliveryId"], delivery["id"], "{end}");
            assert_eq!(refusal["deliveryStatus"], status, "{end}");
            assert_eq!(refusal["isAssignedToAnother"], end == "another driver", "{end}");
            assert!(refusal["unassignedAt"].is_string(), "{end}: {refusal}");
            let restaurant = json!({ "id": scene.luigi.id, "name": "Luigi", "phone": "+390511234567" });
            assert_eq!(refusal["restaurant"], restaurant, "{end}");
            let text = refusal.to_string();
            for secret in ["Lucia", "Pratello", "Rossi", "mother"] {
                assert!(!text.contains(secret), "{end}: {text}");
            }
        };
        seen_by(&problem(&sends(&scene.mario, "phone", &[step(1, &order, picked_up, "ON_THE_WAY")]).await));
        // Online requests have no time of the step; the error is the same.
        seen_by(&scene.mario.tries_to_move(&order, "ON_THE_WAY", None).await.refused(409, "no_longer_assigned"));
        seen_by(&scene.mario.tries_to_bring(&delivery, "PICKED_UP", None).await.refused(409, "no_longer_assigned"));
        assert_eq!(scene.app.count("select count(*) from events").await, events, "{end}");
        // A driver who never had it gets no information about it.
        let stranger = scene.app.driver("Stranger").await;
        let unknown = sends(&stranger, "phone", &[step(1, &order, picked_up, "ON_THE_WAY")]).await;
        assert_eq!(outcomes(&unknown), ["rejected:not_found"], "{end}");
        stranger.tries_to_move(&order, "ON_THE_WAY", None).await.refused(404, "not_found");
        stranger.tries_to_bring(&delivery, "PICKED_UP", None).await.refused(404, "not_found");
        scene.mario.get(&format!("/api/orders/{}", id_of(&order))).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn a_step_of_an_order_closed_meanwhile_names_the_current_status() {
    for end in ["DELIVERED", "CANCELLED"] {
        let (scene, order, delivery) = ready().await;
        scene.mario.brings(&delivery, "PICKED_UP").await;
        let now = scene.app.clock.now();
        scene.luigi.owner.tries_to_move(&order, end, Some("nobody opened")).await.expect(200);
        let refusal = problem(&sends(&scene.mario, "phone", &[step(1, &order, now, "DELIVERED")]).await);
        let conflict = (&refusal["code"], &refusal["currentStatus"], &refusal["requestedStatus"]);
        assert_eq!(conflict, (&json!("illegal_transition"), &json!(end), &json!("DELIVERED")));
        let refusal = scene.mario.tries_to_move(&order, "DELIVERED", None).await.refused(409, "illegal_transition");
        assert_eq!((&refusal["currentStatus"], &refusal["restaurant"]["name"]), (&json!(end), &json!("Luigi")));
    }
}

#[tokio::test]
async fn a_driver_who_has_the_delivery_again_continues_normally() {
    let (scene, order, delivery) = ready().await;
    let picked_up = scene.app.clock.now();
    disappears(&scene, &delivery).await;
    scene.mario.goes_online(44.4960, 11.3400).await;
    scene.luigi.owner.assigns(&delivery, Some(&scene.profile)).await.expect(200);
    assert_eq!(outcomes(&sends(&scene.mario, "phone", &[step(1, &order, picked_up, "ON_THE_WAY")]).await), ["applied"]);
}

#[test]
fn a_step_counts_if_the_delivery_was_the_drivers_at_that_time() {
    let at = |minute: i64| DateTime::from_timestamp(1_800_000_000 + minute * 60, 0).unwrap();
    let past =
        |from, until, is_ended_by_person| PastAssignment { from: at(from), until: at(until), is_ended_by_person };
    let taken_back = past(0, 30, false);
    let again = past(60, 90, false);
    let handed_back = past(60, 90, true);
    for (assignments, minute, is_expected) in [
        (&[][..], 10, false),
        (&[taken_back], 0, true),
        (&[taken_back], 29, true),
        (&[taken_back], 30, false),
        // A clock that is slightly slow, and one that is wrong.
        (&[taken_back], -5, true),
        (&[taken_back], -6, false),
        (&[taken_back, again], 10, true),
        (&[taken_back, again], 40, false),
        (&[taken_back, again], 70, true),
        // The later hand-back counts.
        (&[taken_back, handed_back], 10, false),
        (&[taken_back, handed_back], 70, false),
        (&[handed_back, past(100, 120, false)], 110, true),
    ] {
        assert_eq!(counts(assignments, at(minute)), is_expected, "{assignments:?} at {minute}");
    }
}
