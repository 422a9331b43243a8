//! Everything a client can use up has an end.

use serde_json::json;

use super::TRANSPORTS;
use super::stage::{Stage, assert_same, token_of};
use crate::people::id_of;

#[tokio::test]
async fn a_message_that_is_too_large_ends_the_connection() {
    let stage = Stage::set().await;
    for transport in TRANSPORTS {
        let mut phone = stage.phone(transport).await;
        let fits = phone.ask("join", &json!([{ "room": "x".repeat(15_000) }])).await;
        assert_eq!(fits["error"]["status"], 422, "{fits}");
        phone.send("join", &json!({ "room": "x".repeat(30_000) })).await;
        assert!(phone.ended().await.starts_with("transport"));
        phone.sign_in(token_of(&stage.shop.owner)).await;
    }
}

#[tokio::test]
async fn a_socket_joins_so_many_rooms_and_no_more() {
    let stage = Stage::set_with(&[("SOCKET_MAX_ROOMS", "2")]).await;
    let order = stage.ada_orders().await;
    let third = format!("order:{}", id_of(&order));
    for transport in TRANSPORTS {
        let mut phone = stage.phone(transport).await;
        phone.join(&stage.room(), None).await;
        phone.join(&format!("user:{}", stage.shop.owner.id), None).await;
        let refusal = phone.try_join(&third, None).await;
        assert_eq!((&refusal["error"]["status"], &refusal["error"]["limit"]), (&json!(429), &json!(2)), "{refusal}");
        // Joining again where one is takes no further place.
        phone.join(&stage.room(), None).await;
        phone.ask("leave", &json!([{ "room": stage.room() }])).await;
        phone.join(&third, None).await;
    }
}

#[tokio::test]
async fn a_flood_of_requests_is_refused_and_not_queued() {
    let stage = Stage::set_with(&[("SOCKET_MAX_ROOMS", "2")]).await;
    let mut phone = stage.phone("websocket").await;
    let mut asked = Vec::new();
    for _ in 0..300 {
        asked.push(phone.ask_later("join", &json!([{ "room": stage.room(), "after": 0 }])).await);
    }
    let mut refused = 0;
    for id in asked {
        let answer = phone.answer(id).await;
        assert!(answer["ok"] == true || answer["error"]["status"] == 429, "{answer}");
        refused += usize::from(answer["ok"] == false);
    }
    assert!(refused > 0);
    phone.join(&stage.room(), None).await;
}

#[tokio::test]
async fn who_does_not_read_is_disconnected_and_comes_back_for_the_rest() {
    let settings = [("SOCKET_BUFFER_PACKETS", "16"), ("EVENT_POLL_INTERVAL", "20ms")];
    let stage = Stage::set_with(&settings).await;
    let (mut phone, begin) = stage.watching("websocket").await;
    let (mut awake, _) = stage.watching("websocket").await;
    phone.fall_asleep().await;
    // More than the kernel's buffers hold.
    for _ in 0..10 {
        stage.write_events(200, 8_000).await;
    }
    let awaited = stage.numbers_after(begin).await;
    let last = *awaited.last().unwrap();
    while awake.next().await.1["seq"] != last {}
    phone.wake_up().await;
    assert_eq!(phone.ended().await, "io server disconnect");
    let mut seen = phone.heard_numbers();
    assert!(seen.len() < awaited.len());
    // Up to there nothing is missing.
    assert_same(&seen, &awaited[..seen.len()]);

    phone.sign_in(token_of(&stage.shop.owner)).await;
    phone.join(&stage.room(), Some(seen.last().copied().unwrap_or(begin))).await;
    seen.extend(phone.heard_numbers());
    assert_same(&seen, &awaited);
}
