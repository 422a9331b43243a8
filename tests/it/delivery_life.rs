//! The life of a delivery, and access to it after its end.

use chrono::{DateTime, Utc};
use comanda::delivery::DeliveryStatus;
use comanda::delivery::status::{STEPS, WITH_ORDER};
use comanda::orders::OrderStatus;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::people::{Person, delivery_details, id_of};
use crate::shop::Shop;
use crate::sync::{op, outcomes, sends};

/// A restaurant, a customer, and a driver on duty nearby.
pub struct Scene {
    pub app: TestApp,
    pub luigi: Shop,
    pub ada: Person,
    pub mario: Person,
    pub profile: Value,
}

impl Scene {
    pub async fn set() -> Self {
        Self::set_in(TestApp::start().await).await
    }

    pub async fn set_in(app: TestApp) -> Self {
        let luigi = app.restaurant("Luigi").opens().await;
        let (ada, mario) = (app.customer("Ada").await, app.driver("Mario").await);
        let profile = mario.goes_online(44.4960, 11.3400).await;
        Self { app, luigi, ada, mario, profile }
    }

    /// An order with a note and a confirmed delivery.
    pub async fn confirmed(&self) -> (Value, Value) {
        let line = json!([{ "itemId": self.luigi.any_dish().id, "quantity": 1, "note": "for Ada's mother" }]);
        let mut request_body = delivery_details();
        for (name, value) in [("restaurantId", json!(self.luigi.id)), ("lines", line), ("note", json!("ring at Rossi"))]
        {
            request_body[name] = value;
        }
        let order = self.ada.asks_for_order(&uuid::Uuid::new_v4().to_string(), &request_body).await.expect(201);
        let order = self.luigi.owner.moves(&order, "CONFIRMED").await;
        let delivery = self.luigi.owner.finds_delivery(&order).await;
        (order, delivery)
    }

    /// The same, picked up by the driver.
    pub async fn carried(&self) -> (Value, Value) {
        let (order, delivery) = self.confirmed().await;
        (order, self.luigi.owner.assigns(&delivery, Some(&self.profile)).await.expect(200))
    }

    pub async fn sends(&self, place: (f64, f64), at: Option<DateTime<Utc>>) -> crate::reply::Reply {
        let place = json!({ "lat": place.0, "lng": place.1 });
        let body = match at {
            Some(at) => json!({ "place": place, "at": at }),
            None => json!({ "place": place }),
        };
        self.mario.post("/api/drivers/me/location", &body).await
    }

    pub async fn status_of(&self, driver: &Person) -> Value {
        driver.get("/api/me").await.expect(200)["driver"]["status"].clone()
    }
}

/// Everything that a user can read about an order and its delivery, as text.
async fn can_read(person: &Person, order: &Value, delivery: &Value) -> String {
    let (order, delivery) = (id_of(order), id_of(delivery));
    let paths = [
        "/api/deliveries".to_owned(),
        format!("/api/deliveries?orderId={order}"),
        format!("/api/deliveries/{delivery}"),
        format!("/api/orders/{order}"),
        format!("/api/orders/{order}/events"),
        "/api/orders".to_owned(),
    ];
    let mut text = String::new();
    for path in paths {
        let reply = person.get(&path).await;
        assert!([200, 404].contains(&reply.status), "{path}: {}", reply.status);
        text.push_str(&reply.text());
    }
    text
}

const SECRETS: [&str; 4] = ["Pratello", "44.4965", "Rossi", "mother"];

#[tokio::test]
async fn a_driver_sees_the_address_until_the_delivery_is_closed_or_handed_back() {
    let scene = Scene::set().await;
    for end in ["DELIVERED", "FAILED", "CANCELLED", "WAITING", "REASSIGNED"] {
        let (order, delivery) = scene.carried().await;
        let before = can_read(&scene.mario, &order, &delivery).await;
        for secret in SECRETS {
            assert!(before.contains(secret), "{end}: {secret} in {before}");
        }
        scene.luigi.owner.makes_steps(&order, &["PREPARING", "READY"]).await;
        let answer = match end {
            "CANCELLED" => scene.luigi.owner.tries_to_move(&order, "CANCELLED", Some("sold out")).await.status == 200,
            "REASSIGNED" => {
                let lucia = scene.app.driver("Lucia").await;
                let profile = lucia.goes_online(44.4960, 11.3400).await;
                scene.luigi.owner.assigns(&delivery, Some(&profile)).await.status == 200
            }
            "WAITING" => {
                let back = scene.mario.brings(&delivery, "WAITING").await;
                assert_eq!((&back["dropoff"]["address"], &back["driver"]), (&Value::Null, &Value::Null));
                true
            }
            _ => {
                scene.mario.brings(&delivery, "PICKED_UP").await;
                let closed = scene.mario.tries_to_bring(&delivery, end, Some("nobody opened")).await.expect(200);
                closed["dropoff"]["address"].is_null() && closed["dropoff"]["place"].is_null()
            }
        };
        assert!(answer, "{end}");
        let after = can_read(&scene.mario, &order, &delivery).await;
        for secret in SECRETS.into_iter().chain(["Lucia"]) {
            assert!(!after.contains(secret), "{end}: {secret} in {after}");
        }
        scene.mario.get(&format!("/api/orders/{}", id_of(&order))).await.refused(404, "not_found");
        // For all others it stays as it was.
        for person in [&scene.ada, &scene.luigi.owner] {
            assert_eq!(person.finds_delivery(&order).await["dropoff"]["address"], "Via del Pratello 12");
        }
        let open = scene.luigi.owner.finds_delivery(&order).await["closedAt"].is_null();
        if open {
            scene.luigi.owner.cancels(&order, "over").await;
        }
    }
}

#[tokio::test]
async fn a_status_response_for_a_closed_order_shows_the_driver_no_address() {
    let scene = Scene::set().await;
    let (order, delivery) = scene.carried().await;
    scene.luigi.owner.makes_steps(&order, &["PREPARING", "READY"]).await;
    let taken = scene.mario.moves(&order, "ON_THE_WAY").await;
    assert_eq!(taken["address"], "Via del Pratello 12");
    let closed = scene.mario.moves(&order, "DELIVERED").await;
    assert_eq!(
        (&closed["status"], &closed["address"], &closed["note"]),
        (&json!("DELIVERED"), &Value::Null, &Value::Null)
    );
    assert!(SECRETS.iter().all(|secret| !closed.to_string().contains(secret)), "{closed}");
    scene.mario.get(&format!("/api/deliveries/{}", id_of(&delivery))).await.expect(200);
}

#[tokio::test]
async fn the_location_of_a_driver_is_shown_while_they_are_on_the_way_with_this_delivery() {
    let scene = Scene::set().await;
    let (order, delivery) = scene.carried().await;
    let admin = scene.app.admin().await;
    let watchers = [&scene.ada, &scene.luigi.owner, &admin];
    let path = format!("/api/deliveries/{}", id_of(&delivery));
    let seen = async |expected: Value| {
        for person in watchers {
            assert_eq!(person.get(&path).await.expect(200)["driver"]["place"], expected);
            assert_eq!(person.finds_delivery(&order).await["driver"]["place"], expected);
        }
    };
    scene.luigi.owner.makes_steps(&order, &["PREPARING", "READY"]).await;
    seen(Value::Null).await;
    scene.mario.brings(&delivery, "ARRIVED").await;
    seen(Value::Null).await;
    scene.mario.brings(&delivery, "PICKED_UP").await;
    seen(json!({ "lat": 44.496, "lng": 11.34 })).await;
    scene.mario.brings(&delivery, "DELIVERED").await;
    seen(Value::Null).await;
    // With the next delivery, on the way to another customer.
    let (next, other) = scene.carried().await;
    scene.luigi.owner.makes_steps(&next, &["PREPARING", "READY"]).await;
    scene.mario.brings(&other, "PICKED_UP").await;
    seen(Value::Null).await;
    // Events do not contain locations either.
    scene.app.wait_for_final_log().await;
    for person in watchers {
        let events = person.get(&format!("/api/orders/{}/events", id_of(&order))).await.expect(200);
        assert!(!events.to_string().contains("44.496,"), "{events}");
    }
}

#[tokio::test]
async fn the_location_of_a_driver_before_the_trip_is_not_shown() {
    let scene = Scene::set().await;
    let (order, delivery) = scene.carried().await;
    scene.luigi.owner.makes_steps(&order, &["PREPARING", "READY"]).await;
    scene.mario.brings(&delivery, "ARRIVED").await;
    // The driver's phone has not reported since before this delivery.
    scene.app.advance_clock(chrono::TimeDelta::minutes(6));
    scene.mario.brings(&delivery, "PICKED_UP").await;
    assert_eq!(scene.ada.finds_delivery(&order).await["driver"]["place"], Value::Null);
    scene.sends((44.4962, 11.3402), None).await.expect(204);
    assert_eq!(scene.ada.finds_delivery(&order).await["driver"]["place"], json!({ "lat": 44.4962, "lng": 11.3402 }));
}

#[tokio::test]
async fn administrators_see_where_a_driver_is_only_while_they_are_on_duty_and_present() {
    let scene = Scene::set().await;
    let admin = scene.app.admin().await;
    let listed = async || {
        let list = admin.get("/api/admin/drivers").await.expect(200);
        let driver = &list["data"][0];
        assert_eq!(driver["place"].is_null(), driver["locatedAt"].is_null(), "{driver}");
        (driver["status"].as_str().unwrap().to_owned(), !driver["place"].is_null())
    };
    assert_eq!(listed().await, ("AVAILABLE".into(), true));
    scene.app.advance_clock(chrono::TimeDelta::minutes(4));
    assert_eq!(listed().await, ("OFFLINE".into(), false), "absent");
    scene.sends((44.4960, 11.3400), None).await.expect(204);
    assert_eq!(listed().await, ("AVAILABLE".into(), true));
    let (order, delivery) = scene.carried().await;
    assert_eq!(listed().await, ("BUSY".into(), true));
    scene.luigi.owner.makes_steps(&order, &["PREPARING", "READY"]).await;
    scene.mario.brings(&delivery, "PICKED_UP").await;
    scene.app.advance_clock(chrono::TimeDelta::minutes(4));
    assert_eq!(listed().await, ("BUSY".into(), false), "carries an order, and has not been heard of");
    scene.mario.brings(&delivery, "DELIVERED").await;
    let off = scene.mario.put("/api/drivers/me/availability", &json!({ "status": "OFFLINE" })).await.expect(200);
    assert_eq!((&off["place"], &off["locatedAt"]), (&Value::Null, &Value::Null));
    assert_eq!(listed().await, ("OFFLINE".into(), false));
}

#[tokio::test]
async fn offline_results_repeated_to_a_driver_have_no_address() {
    let scene = Scene::set().await;
    let (order, _) = scene.carried().await;
    scene.luigi.owner.makes_steps(&order, &["PREPARING", "READY"]).await;
    let step = |seq: i64, status: &str, version: Option<i64>| {
        let mut payload = json!({ "orderId": id_of(&order), "status": status });
        if let Some(version) = version {
            payload["version"] = json!(version);
        }
        op(seq, "order.status", scene.app.clock.now(), payload)
    };
    let batch = [step(1, "ON_THE_WAY", Some(1)), step(2, "ON_THE_WAY", None), step(3, "DELIVERED", None)];
    for round in 0..2 {
        let reply = sends(&scene.mario, "phone", &batch).await;
        let expected = if round == 0 {
            ["rejected:version_conflict", "applied", "applied"]
        } else {
            ["duplicate:rejected", "duplicate:applied", "duplicate:applied"]
        };
        assert_eq!(outcomes(&reply), expected);
        let text = reply.text();
        assert!(text.contains(id_of(&order)), "the results name the order: {text}");
        assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
    }
}

#[test]
fn the_transition_table_of_deliveries_is_complete() {
    use DeliveryStatus::{Arrived, Assigned, Cancelled, Delivered, Failed, Offered, PickedUp, Waiting};
    let all = [Waiting, Offered, Assigned, Arrived, PickedUp, Delivered, Failed, Cancelled];
    assert_eq!(STEPS.len(), all.len());
    for from in all {
        let before_pickup = matches!(from, Waiting | Offered | Assigned | Arrived);
        assert_eq!(from.may_become(Failed), from == PickedUp, "{from:?}");
        assert_eq!(from.may_become(Delivered), from == PickedUp, "{from:?}");
        assert_eq!(from.may_become(Cancelled), before_pickup, "{from:?}");
        assert_eq!(from.may_become(PickedUp), before_pickup, "{from:?}");
        assert_eq!(from.may_become(Waiting), matches!(from, Offered | Assigned | Arrived), "{from:?}");
        assert_eq!(from.may_become(Arrived), from == Assigned, "{from:?}");
    }
    // Every status of an order is in the table of pairs, once.
    let orders: Vec<_> = WITH_ORDER.iter().map(|(order, _)| *order).collect();
    assert_eq!(orders, OrderStatus::ALL);
}

#[tokio::test]
async fn a_delivery_is_handed_back_before_pickup_and_reassigned() {
    let scene = Scene::set().await;
    let lucia = scene.app.driver("Lucia").await;
    let theirs = lucia.goes_online(44.4970, 11.3400).await;
    let (order, delivery) = scene.carried().await;
    scene.luigi.owner.makes_steps(&order, &["PREPARING", "READY"]).await;
    scene.mario.tries_to_bring(&delivery, "FAILED", Some("a puncture")).await.refused(409, "illegal_transition");
    scene.mario.brings(&delivery, "ARRIVED").await;
    scene.mario.tries_to_bring(&delivery, "FAILED", Some("a puncture")).await.refused(409, "illegal_transition");
    scene.mario.tries_to_bring(&delivery, "WAITING", Some("a puncture")).await.expect(200);
    assert_eq!(scene.status_of(&scene.mario).await, "AVAILABLE");
    let waiting = scene.ada.finds_delivery(&order).await;
    assert_eq!(
        (&waiting["status"], &waiting["driver"], &waiting["assignedBecause"], &waiting["reason"]),
        (&json!("WAITING"), &Value::Null, &Value::Null, &json!("a puncture"))
    );
    // He has no access to it any more.
    scene.mario.tries_to_bring(&delivery, "PICKED_UP", None).await.refused(409, "no_longer_assigned");
    // Staff hand it back too, and the new driver delivers it.
    let assigned = scene.luigi.owner.assigns(&delivery, Some(&theirs)).await.expect(200);
    assert_eq!(assigned["reason"], Value::Null, "why the last driver gave it back is not about the next one");
    assert_eq!(scene.luigi.owner.brings(&delivery, "WAITING").await["status"], "WAITING");
    scene.luigi.owner.assigns(&delivery, Some(&theirs)).await.expect(200);
    lucia.brings(&delivery, "PICKED_UP").await;
    lucia.tries_to_bring(&delivery, "WAITING", None).await.refused(409, "illegal_transition");
    lucia.brings(&delivery, "DELIVERED").await;
    assert_eq!(scene.ada.reads_order(&order).await["status"], "DELIVERED");
}

#[tokio::test]
async fn a_failed_delivery_does_not_deliver_the_order() {
    let scene = Scene::set().await;
    let (order, delivery) = scene.carried().await;
    scene.luigi.owner.makes_steps(&order, &["PREPARING", "READY"]).await;
    scene.mario.brings(&delivery, "PICKED_UP").await;
    let failed = scene.mario.tries_to_bring(&delivery, "FAILED", Some("nobody opened")).await.expect(200);
    assert_eq!(failed["reason"], Value::Null, "a closed delivery tells its driver nothing that was written about it");
    assert_eq!(scene.luigi.owner.finds_delivery(&order).await["reason"], "nobody opened");
    let refusal = scene.luigi.owner.tries_to_move(&order, "DELIVERED", None).await.refused(409, "illegal_transition");
    assert_eq!(refusal["deliveryStatus"], "FAILED");
    assert_eq!(scene.ada.reads_order(&order).await["status"], "ON_THE_WAY");
    scene.luigi.owner.tries_to_move(&order, "CANCELLED", None).await.refused(422, "invalid_request");
    assert_eq!(scene.luigi.owner.cancels(&order, "nobody opened").await["status"], "CANCELLED");
    // An order that is cancelled on its way is a failed delivery, also without a step of the driver.
    let (order, delivery) = scene.carried().await;
    scene.luigi.owner.makes_steps(&order, &["PREPARING", "READY"]).await;
    scene.mario.brings(&delivery, "PICKED_UP").await;
    scene.luigi.owner.cancels(&order, "the driver called").await;
    let failed = scene.ada.finds_delivery(&order).await;
    assert_eq!((&failed["status"], &failed["reason"]), (&json!("FAILED"), &json!("the driver called")));
}

#[tokio::test]
async fn comanda_check_finds_every_contradicting_pair() {
    let mut scene = Scene::set().await;
    scene.app.without_check();
    let (order, _) = scene.carried().await;
    let rule = "the status of a delivery fits the status of its order";
    let orders = ["PENDING", "CONFIRMED", "PREPARING", "READY", "ON_THE_WAY", "DELIVERED", "CANCELLED"];
    let deliveries = ["WAITING", "OFFERED", "ASSIGNED", "ARRIVED", "PICKED_UP", "DELIVERED", "FAILED", "CANCELLED"];
    let allowed = ["---- ----", "xxxx ----", "xxxx ----", "xxxx ----", "---- x-x-", "---- -x--", "---- --xx"];
    for (status, row) in orders.iter().zip(allowed) {
        let row: Vec<_> = row.chars().filter(|mark| *mark != ' ').collect();
        for (delivery, mark) in deliveries.iter().zip(row) {
            let closed = ["DELIVERED", "FAILED", "CANCELLED"].contains(delivery);
            let waiting = *delivery == "WAITING";
            let driver: String = if waiting { "null".into() } else { "(select id from drivers limit 1)".to_owned() };
            let statement = format!(
                "update deliveries set status = '{delivery}', driver_id = {driver},
                     closed_at = {}, picked_up_at = case when '{delivery}' in ('PICKED_UP', 'DELIVERED', 'FAILED') then now() end;
                 update orders set status = '{status}', closed_at = {}, cancel_reason = {} where fulfilment =
                 'DELIVERY'",
                if closed { "now()" } else { "null" },
                if ["DELIVERED", "CANCELLED"].contains(status) { "now()" } else { "null" },
                if *status == "CANCELLED" { "'x'" } else { "null" },
            );
            scene.app.execute(&statement).await;
            let broken = crate::check::broken_rules(&scene.app).await.contains(&rule.to_owned());
            assert_eq!(broken, mark == '-', "{status} beside {delivery}, {}", id_of(&order));
        }
    }
}
