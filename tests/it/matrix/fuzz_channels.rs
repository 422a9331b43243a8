//! Invalid values in every message of a socket, and in every payload of an offline operation.

use std::collections::BTreeMap;

use comanda::router;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::callers::{Caller, Target};
use super::fuzz::{Cycle, places, with_fragment};
use super::hostile_values::{json_fragments, words_of_a_library};
use super::world::World;
use crate::socket::Socket;

/// Every field of every payload. An operation that is invalid is rejected; it must not count as a server error, which
/// would be tried again and end as DEAD.
#[tokio::test]
async fn invalid_offline_payloads_are_rejected_and_not_dead() {
    let world = World::new().await;
    let (ada, owner) = (world.person(Caller::Ada), world.person(Caller::OwnerA));
    let (document, ids) = (router::document(), world.ids(Target::A));
    let now = world.app.clock.now();
    let line = json!({ "itemId": ids["itemId"], "quantity": 1 });
    let good = [
        (
            ada,
            "order.place",
            "OfflineOrder",
            json!({ "restaurantId": ids["restaurantId"], "fulfilment": "PICKUP", "lines": [line] }),
        ),
        (owner, "order.status", "OfflineStatus", json!({ "orderId": ids["orderId"], "status": "PREPARING" })),
        (
            owner,
            "stock.change",
            "OfflineStock",
            json!({ "restaurantId": ids["restaurantId"], "itemId": ids["itemId"], "stock": 500 }),
        ),
        (
            ada,
            "cart.line",
            "OfflineCartLine",
            json!({ "restaurantId": ids["restaurantId"], "key": "a", "quantity": 1, "itemId": ids["itemId"] }),
        ),
        (ada, "profile.fields", "OfflineProfile", json!({ "name": "Ada" })),
    ];
    let mut fragments = Cycle(json_fragments(), 0);
    for (person, kind, schema, payload) in good {
        let mut ops = Vec::new();
        for place in places(&document, &json!({ "$ref": format!("#/components/schemas/{schema}") })) {
            for fragment in fragments.take(30) {
                // A lone surrogate and a number beyond every type are not valid JSON: they make the whole batch
                // invalid.
                if fragment.contains("\\ud8")
                    || fragment.contains("\\udc")
                    || fragment.contains("e999")
                    || fragment.len() > 300
                {
                    continue;
                }
                ops.push(with_fragment(&payload, &place, &fragment));
            }
        }
        for batch in ops.chunks(60) {
            let ops: Vec<_> = batch
                .iter()
                .enumerate()
                .map(|(index, payload)| {
                    let (seq, name) = (index + 1, Uuid::new_v4());
                    format!(
                        r#"{{"seq":{seq},"opId":"{name}","at":"{}","kind":"{kind}","payload":{payload}}}"#,
                        now.to_rfc3339()
                    )
                })
                .collect();
            let body = format!(r#"{{"deviceId":"{kind}","ops":[{}]}}"#, ops.join(","));
            let request = person.request(Method::POST, "/api/orders/sync").header("content-type", "application/json");
            let request = request.header("idempotency-key", Uuid::new_v4().to_string());
            let reply = person.send(request.body(body)).await;
            assert_eq!(reply.status, 200, "{kind}: {}", reply.text());
            for answer in reply.json()["data"].as_array().unwrap() {
                let words = words_of_a_library(&answer.to_string());
                assert!(words.is_none(), "{kind}: a library says {words:?}: {answer}");
            }
            let failed = world.app.count("select count(*) from sync_operations where attempts > 0").await;
            assert_eq!(failed, 0, "{kind}");
            world.app.execute("delete from sync_operations").await;
            world.app.execute("delete from sync_devices").await;
        }
    }
}

#[tokio::test]
async fn nothing_a_socket_sends_makes_the_server_fail() {
    let world = World::new().await;
    let base = world.app.endpoint.base.clone();
    let token = world.person(Caller::OwnerA).token.clone().unwrap();
    let rooms = ["restaurant", "order", "delivery", "driver", "user", "", "\\u0000"];
    let mut sent = Vec::new();
    for fragment in json_fragments().iter().filter(|fragment| fragment.len() < 9_000) {
        for (event, body) in [
            ("join", fragment.clone()),
            ("join", format!("{{\"room\":{fragment}}}")),
            (
                "join",
                format!("{{\"room\":\"restaurant:{}\",\"after\":{fragment}}}", world.ids(Target::A)["restaurantId"]),
            ),
            ("leave", format!("{{\"room\":{fragment}}}")),
            ("auth:renew", format!("{{\"token\":{fragment}}}")),
            ("auth:renew", fragment.clone()),
            ("anything", fragment.clone()),
        ] {
            sent.push((event, body));
        }
        if let Some(text) = fragment.strip_prefix('"') {
            sent.extend(rooms.map(|kind| ("join", format!("{{\"room\":\"{kind}:{text}}}"))));
        }
    }
    let mut socket = Socket::open(&base, &token).await.unwrap();
    for (event, body) in sent {
        let answer = socket.asks_raw(event, &body).await;
        if answer.is_null() {
            // Invalid JSON may end the connection; the server continues.
            socket = Socket::open(&base, &token).await.unwrap();
            continue;
        }
        let shown = format!("{event} {}: {answer}", body.chars().take(120).collect::<String>());
        assert!(!matches!(answer["error"]["code"].as_str(), Some("internal" | "busy")), "{shown}");
        assert!(words_of_a_library(&answer.to_string()).is_none(), "{shown}");
    }
    let handshakes: BTreeMap<_, _> =
        json_fragments().into_iter().map(|one| (one.clone(), format!("{{\"token\":{one}}}"))).collect();
    for (fragment, auth) in handshakes.iter().filter(|(one, _)| one.len() < 9_000) {
        for auth in [auth, fragment] {
            assert!(Socket::open_raw(&base, auth).await.is_none_or(|refused| !refused.contains("internal")), "{auth}");
        }
    }
    assert!(Socket::open(&base, &token).await.is_ok());
}
