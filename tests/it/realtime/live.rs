//! Events are delivered, and missed events are replayed.

use serde_json::{Value, json};

use super::TRANSPORTS;
use super::stage::{Stage, token_of};
use crate::people::id_of;

/// The body of an event equals the response of a GET.
async fn assert_as_read(stage: &Stage, event: &Value) {
    let order = stage.shop.owner.reads_order(&event["order"]).await;
    assert_eq!((&event["order"], &event["orderId"]), (&order, &order["id"]));
    assert_eq!((&event["restaurantId"], &event["version"]), (&order["restaurantId"], &order["version"]));
}

#[tokio::test]
async fn events_of_an_order_equal_its_get() {
    let stage = Stage::set().await;
    for transport in TRANSPORTS {
        let (mut phone, stands) = stage.watching(transport).await;
        let order = stage.ada_orders().await;
        let (name, event) = phone.next().await;
        assert_eq!((name.as_str(), &event["version"], &event["actor"]), ("order:new", &json!(1), &json!("CUSTOMER")));
        assert_as_read(&stage, &event).await;
        assert!(event["seq"].as_i64().unwrap() > stands);
        for (version, status) in [(2, "CONFIRMED"), (3, "PREPARING"), (4, "READY")] {
            stage.shop.owner.moves(&order, status).await;
            let (name, event) = phone.next().await;
            assert_eq!((name.as_str(), &event["version"]), ("order:status-changed", &json!(version)));
            assert_eq!(event["order"]["status"], status);
            assert_as_read(&stage, &event).await;
        }
        phone.received_nothing().await;
    }
}

#[tokio::test]
async fn a_delivery_event_reaches_all_its_participants() {
    let stage = Stage::set().await;
    let rider = stage.app.driver("Rider").await;
    let driver = rider.goes_online(44.49, 11.34).await;
    let order = stage.ada_orders_delivery().await;
    let order_room = format!("order:{}", id_of(&order));
    let driver_room = format!("driver:{}", id_of(&driver));

    let seen = stage.last().await;
    let mut ada = stage.phone_of(&stage.ada, "websocket").await;
    ada.join(&order_room, Some(seen)).await;
    let mut phone = stage.phone_of(&rider, "websocket").await;
    phone.join(&driver_room, Some(seen)).await;
    stage.shop.owner.moves(&order, "CONFIRMED").await;
    assert_eq!(ada.next().await.0, "order:status-changed");
    let (name, opened) = ada.next().await;
    assert_eq!((name.as_str(), &opened["delivery"]["status"]), ("delivery:status-changed", &json!("WAITING")));
    let delivery = &opened["delivery"];
    phone.received_nothing().await;

    stage.shop.owner.assigns(delivery, None).await.expect(200);
    let (name, event) = phone.next().await;
    assert_eq!(name, "delivery:assigned");
    let path = format!("/api/deliveries/{}", id_of(delivery));
    assert_eq!(event["delivery"], rider.get(&path).await.expect(200));
    assert_eq!(ada.next().await, (name, event.clone()));

    // Both reconnect and receive the events that they may see.
    let mut again = stage.phone_of(&rider, "websocket").await;
    again.join(&driver_room, Some(0)).await;
    assert_eq!(again.received_numbers(), [event["seq"].as_i64().unwrap()]);
    again.join(&format!("delivery:{}", id_of(delivery)), Some(0)).await;
    assert_eq!(again.received_numbers().len(), 2);
    ada.join(&order_room, Some(seen)).await;
    assert_eq!(ada.received_numbers().len(), 3);
}

#[tokio::test]
async fn missed_events_are_replayed_in_order_before_new_ones() {
    let stage = Stage::set().await;
    for transport in TRANSPORTS {
        let (mut phone, _) = stage.watching(transport).await;
        let first = stage.ada_orders().await;
        let seen = phone.next().await.1["seq"].as_i64().unwrap();
        phone.hang_up().await;

        stage.shop.owner.moves(&first, "CONFIRMED").await;
        let second = stage.ada_orders().await;
        stage.shop.owner.cancels(&second, "out of flour").await;

        let last = stage.last().await;
        let missed = stage.numbers_after(seen).await;
        assert_eq!((missed.len(), missed.last()), (3, Some(&last)));
        phone.sign_in(token_of(&stage.shop.owner)).await;
        stage.watching(transport).await;
        let stands = phone.join(&stage.room(), Some(seen)).await;
        assert_eq!(phone.received_numbers(), missed, "all of it came before the answer");
        assert!(stands >= last);

        stage.shop.owner.moves(&first, "PREPARING").await;
        let (_, live) = phone.next().await;
        assert_eq!(live["order"]["status"], "PREPARING");
        assert!(live["seq"].as_i64().unwrap() > stands);

        // The number in an acknowledgement is a valid position to resume from, like that of an event.
        phone.hang_up().await;
        phone.sign_in(token_of(&stage.shop.owner)).await;
        phone.join(&stage.room(), Some(stands)).await;
        assert_eq!(phone.received_numbers(), [live["seq"].as_i64().unwrap()]);
        phone.received_nothing().await;
    }
}

#[tokio::test]
async fn changes_of_a_restaurant_and_its_menu_are_events() {
    let stage = Stage::set().await;
    let (mut phone, _) = stage.watching("websocket").await;
    let owner = &stage.shop.owner;
    let restaurant = owner.patch(&stage.shop.path(""), &json!({ "accepting": false })).await.expect(200);
    let (name, event) = phone.next().await;
    assert_eq!((name.as_str(), &event["restaurant"]), ("restaurant:changed", &restaurant));
    owner.post(&stage.shop.path("/categories"), &json!({ "name": "Drinks" })).await.expect(201);
    assert_eq!(phone.next().await.0, "menu:changed");
}
