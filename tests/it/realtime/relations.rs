//! Membership in a room ends with the relation: a driver receives the events of a delivery while it is assigned to
//! them, on every node, and none of later ones, in commit order.

use comanda::database::DatabaseServer;
use comanda::serve::{self, Running};
use serde_json::{Value, json};

use super::phone::{Phone, Received};
use super::stage::{Stage, token_of};
use crate::app::{config, server_url};
use crate::people::{Person, id_of};

/// So long that only a wake-up explains that an event arrives.
const NO_POLL: (&str, &str) = ("EVENT_POLL_INTERVAL", "1h");

/// A stage with a second node, and two drivers on duty.
struct Scene {
    stage: Stage,
    other: Running,
    mario: Driver,
    lucia: Driver,
}

struct Driver {
    person: Person,
    profile: Value,
}

impl Driver {
    async fn on_duty(stage: &Stage, name: &str) -> Self {
        let person = stage.app.driver(name).await;
        let profile = person.goes_online(44.4960, 11.3400).await;
        Self { person, profile }
    }

    fn room(&self) -> String {
        format!("driver:{}", id_of(&self.profile))
    }
}

impl Scene {
    async fn set(settings: &[(&str, &str)]) -> Self {
        let stage = Stage::set_with(settings).await;
        let settings = config(&stage.app.database_url, settings);
        let reached = DatabaseServer::find(&settings).await.unwrap();
        let other = serve::start(settings, &reached, stage.app.clock.clone(), false).await.unwrap();
        let (mario, lucia) = (Driver::on_duty(&stage, "Mario").await, Driver::on_duty(&stage, "Lucia").await);
        Self { stage, other, mario, lucia }
    }

    /// The address of the second node.
    fn there(&self) -> String {
        format!("http://{}", self.other.address)
    }

    /// Ada's confirmed order, whose delivery is assigned to Mario.
    async fn carried(&self) -> (Value, Value) {
        let order = self.stage.ada_orders_delivery().await;
        let order = self.stage.shop.owner.moves(&order, "CONFIRMED").await;
        let delivery = self.stage.shop.owner.finds_delivery(&order).await;
        let delivery = self.stage.shop.owner.assigns(&delivery, Some(&self.mario.profile)).await.expect(200);
        (order, delivery)
    }

    /// Mario's client on a node, in every room that he may join.
    async fn listening(&self, url: &str, order: &Value, delivery: &Value) -> Phone {
        let mut phone = Phone::signed_in(url, "websocket", token_of(&self.mario.person)).await;
        let last = self.stage.last().await;
        for room in rooms(order, delivery).into_iter().chain([self.mario.room()]) {
            phone.join(&room, Some(last)).await;
        }
        phone
    }

    async fn end(self) {
        self.other.stop().await;
    }
}

fn rooms(order: &Value, delivery: &Value) -> [String; 2] {
    [format!("order:{}", id_of(order)), format!("delivery:{}", id_of(delivery))]
}

/// It contains neither the customer's address and note nor the other driver.
#[track_caller]
fn assert_tells_nothing((name, body): &Received, other: &Driver) {
    let text = body.to_string();
    for secret in ["Pratello", "44.4965", id_of(&other.profile), "Lucia"] {
        assert!(!text.contains(secret), "{name} tells {secret}: {text}");
    }
}

/// All events that a client received, once a marker that is written last has reached a client that receives
/// everything.
async fn all_received(scene: &Scene, phones: &mut [Phone; 2]) -> [Vec<Received>; 2] {
    // Every node has sent its events once the owner's client on it has the marker.
    for url in [scene.stage.url().to_owned(), scene.there()] {
        let mut owner = Phone::signed_in(&url, "websocket", token_of(&scene.stage.shop.owner)).await;
        let last = scene.stage.last().await;
        owner.join(&scene.stage.room(), Some(last)).await;
    }
    let [here, there] = phones;
    [here.everything().await, there.everything().await]
}

/// Reassigns, and checks which events a driver receives on two nodes.
async fn assert_the_former_driver_hears_nothing_more(settings: &[(&str, &str)]) {
    let scene = Box::pin(Scene::set(settings)).await;
    let (order, delivery) = scene.carried().await;
    let owner = &scene.stage.shop.owner;
    let (here, there) = (scene.stage.url().to_owned(), scene.there());
    let mut phones =
        [scene.listening(&here, &order, &delivery).await, scene.listening(&there, &order, &delivery).await];
    for phone in &mut phones {
        phone.received_nothing().await;
    }
    // While he has the delivery, he receives its events.
    owner.moves(&order, "PREPARING").await;
    for phone in &mut phones {
        let (name, event) = phone.next().await;
        assert_eq!((name.as_str(), &event["order"]["address"]), ("order:status-changed", &order["address"]));
    }
    owner.assigns(&delivery, Some(&scene.lucia.profile)).await.expect(200);
    owner.moves(&order, "READY").await;
    scene.lucia.person.brings(&delivery, "ARRIVED").await;
    scene.lucia.person.brings(&delivery, "PICKED_UP").await;
    for received in all_received(&scene, &mut phones).await {
        let names: Vec<_> = received.iter().map(|(name, _)| name.as_str()).collect();
        // The reassignment itself, without the other driver, and no later event.
        assert_eq!(names, ["delivery:unassigned"], "{received:?}");
        assert_eq!(received[0].1["deliveryId"], delivery["id"]);
        assert_eq!(received[0].1["delivery"], Value::Null);
        assert_tells_nothing(&received[0], &scene.lucia);
    }
    // He can neither join again nor read the events as missed ones.
    let mut again = Phone::signed_in(&there, "websocket", token_of(&scene.mario.person)).await;
    for room in rooms(&order, &delivery) {
        let refusal = again.try_join(&room, Some(0)).await;
        assert_eq!(refusal["error"]["status"], 404, "{room}: {refusal}");
    }
    again.join(&scene.mario.room(), Some(0)).await;
    let missed = again.everything().await;
    assert_eq!(missed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["delivery:unassigned"]);
    assert_tells_nothing(&missed[0], &scene.lucia);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_former_driver_receives_nothing_more_through_postgresql() {
    Box::pin(assert_the_former_driver_hears_nothing_more(&[NO_POLL])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_former_driver_receives_nothing_more_through_redis() {
    let redis = server_url("COMANDA_TEST_REDIS");
    Box::pin(assert_the_former_driver_hears_nothing_more(&[NO_POLL, ("REDIS_URL", &redis)])).await;
}

#[tokio::test]
async fn a_driver_receives_the_end_of_a_delivery_without_the_address_and_nothing_after_it() {
    let scene = Box::pin(Scene::set(&[NO_POLL])).await;
    let owner = &scene.stage.shop.owner;
    for end in ["DELIVERED", "CANCELLED", "FAILED", "WAITING"] {
        let before_this_one = scene.stage.last().await;
        let (order, delivery) = scene.carried().await;
        let (here, there) = (scene.stage.url().to_owned(), scene.there());
        let mut phones =
            [scene.listening(&here, &order, &delivery).await, scene.listening(&there, &order, &delivery).await];
        owner.makes_steps(&order, &["PREPARING", "READY"]).await;
        match end {
            "CANCELLED" => _ = owner.cancels(&order, "sold out").await,
            "WAITING" => _ = scene.mario.person.brings(&delivery, "WAITING").await,
            _ => {
                scene.mario.person.brings(&delivery, "PICKED_UP").await;
                scene.mario.person.tries_to_bring(&delivery, end, Some("nobody opened")).await.expect(200);
            }
        }
        for received in all_received(&scene, &mut phones).await {
            let (last, before) = received.split_last().expect("the end");
            let expected = if end == "WAITING" { "delivery:unassigned" } else { "delivery:status-changed" };
            assert_eq!(last.0, expected, "{end}: {received:?}");
            assert_tells_nothing(last, &scene.lucia);
            // The last event of the order is in the same transaction, and contains as little.
            let closed = before.iter().filter(|(_, body)| {
                ["DELIVERED", "CANCELLED"].contains(&body["order"]["status"].as_str().unwrap_or_default())
            });
            closed.for_each(|event| assert_tells_nothing(event, &scene.lucia));
        }
        // He cannot read it as a missed event either, from the log or from memory.
        for (url, after) in [(&here, 0), (&here, before_this_one), (&there, 0), (&there, before_this_one)] {
            let mut again = Phone::signed_in(url, "websocket", token_of(&scene.mario.person)).await;
            again.join(&scene.mario.room(), Some(after)).await;
            let missed = again.everything().await;
            assert!(missed.iter().any(|(_, body)| body["deliveryId"] == delivery["id"]), "{end}: {missed:?}");
            for event in &missed {
                assert_tells_nothing(event, &scene.lucia);
            }
        }
        if end == "FAILED" {
            // Later events of the restaurant are not sent to him.
            owner.cancels(&order, "nobody opened").await;
            for received in all_received(&scene, &mut phones).await {
                assert!(received.is_empty(), "{received:?}");
            }
        }
    }
    scene.end().await;
}

#[tokio::test]
async fn a_driver_who_joins_during_a_reassignment_is_in_the_room_only_while_assigned() {
    let scene = Box::pin(Scene::set(&[])).await;
    let owner = &scene.stage.shop.owner;
    let (order, delivery) = scene.carried().await;
    let room = &rooms(&order, &delivery)[0];
    let mut phone = Phone::signed_in(scene.stage.url(), "websocket", token_of(&scene.mario.person)).await;
    let mut names = Vec::new();
    for round in 0..20 {
        let (to, back) = (&scene.lucia.profile, &scene.mario.profile);
        let asked = phone.ask_later("join", &json!([{ "room": room }])).await;
        owner.assigns(&delivery, Some(to)).await.expect(200);
        let after = scene.stage.last().await;
        let answer = phone.answer(asked).await;
        assert!(answer["ok"] == true || answer["error"]["status"] == 404, "{round}: {answer}");
        owner.assigns(&delivery, Some(back)).await.expect(200);
        for event in phone.everything().await {
            assert!(
                event.1["seq"].as_i64().unwrap() <= after || event.0 == "delivery:unassigned",
                "{round}: {event:?}"
            );
            names.push(event.0.clone());
            // He may see the assignment that happened before he joined, with the address; never the other driver.
            assert!(!event.1.to_string().contains(id_of(&scene.lucia.profile)), "{round}: {event:?}");
        }
        phone.ask("leave", &json!([{ "room": room }])).await;
    }
    // He has the delivery again, and receives its events again.
    phone.join(room, None).await;
    owner.moves(&order, "PREPARING").await;
    let mut next = phone.next().await;
    while next.0.starts_with("delivery:") {
        next = phone.next().await;
    }
    assert_eq!(next.1["order"]["status"], "PREPARING", "{names:?}");
    scene.end().await;
}
