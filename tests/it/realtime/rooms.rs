//! Who may join which room, and for how long.

use chrono::TimeDelta;
use comanda::ids::{OrderId, RestaurantId};
use comanda::realtime::room::Room;
use serde_json::{Value, json};

use super::TRANSPORTS;
use super::phone::Phone;
use super::stage::{Stage, assert_same, token_of};
use crate::app::eventually;
use crate::people::id_of;

/// How long tokens live.
const TEN_MINUTES: (&str, &str) = ("JWT_EXPIRES_IN", "10m");

#[tokio::test]
async fn a_socket_without_a_valid_token_is_refused() {
    let stage = Stage::set().await;
    let (head, rest) = token_of(&stage.ada).split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    let (_, foreign_rest) = token_of(&stage.bob).split_once('.').unwrap();
    let foreign_body = foreign_rest.split_once('.').unwrap().0;
    let bad = [
        Value::Null,
        json!({}),
        json!({ "token": "" }),
        json!({ "token": 7 }),
        json!({ "token": "forged" }),
        json!({ "token": format!("{head}.{foreign_body}.{signature}") }),
        json!({ "token": format!("{head}.{body}.{}", "A".repeat(signature.len())) }),
    ];
    for transport in TRANSPORTS {
        let mut phone = Phone::new(stage.url(), transport);
        for auth in &bad {
            assert_eq!(phone.connect(auth).await, json!({ "refused": "unauthorized" }), "{transport} {auth}");
        }
        phone.sign_in(token_of(&stage.ada)).await;
    }
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let stage = Stage::set_with(&[TEN_MINUTES]).await;
    stage.app.advance_clock(TimeDelta::minutes(11));
    let mut phone = Phone::new(stage.url(), "websocket");
    assert_eq!(phone.connect(&json!({ "token": token_of(&stage.ada) })).await, json!({ "refused": "unauthorized" }));
}

#[tokio::test]
async fn strangers_get_404() {
    let stage = Stage::set().await;
    let order = stage.ada_orders_delivery().await;
    stage.shop.owner.moves(&order, "CONFIRMED").await;
    let delivery = stage.ada.finds_delivery(&order).await;
    let of_others = [
        stage.room(),
        format!("order:{}", id_of(&order)),
        format!("delivery:{}", id_of(&delivery)),
        format!("user:{}", stage.ada.id),
    ];
    let of_nobody = [
        "restaurant:rst_01jd3k9y5xfmt8zq2v7c4n6b0e",
        "order:ord_01jd3k9y5xfmt8zq2v7c4n6b0e",
        "delivery:dlv_01jd3k9y5xfmt8zq2v7c4n6b0e",
        "user:usr_01jd3k9y5xfmt8zq2v7c4n6b0e",
        "order:ord_no",
    ];
    for transport in TRANSPORTS {
        let mut bob = stage.phone_of(&stage.bob, transport).await;
        let nothing = bob.try_join(of_nobody[0], None).await;
        assert_eq!((&nothing["ok"], &nothing["error"]["status"]), (&json!(false), &json!(404)));
        assert_eq!(nothing["error"]["code"], "not_found");
        for room in of_others.iter().map(String::as_str).chain(of_nobody) {
            assert_eq!(bob.try_join(room, Some(0)).await, nothing, "{room}");
        }
        stage.shop.owner.moves(&stage.ada_orders().await, "CONFIRMED").await;
        bob.received_nothing().await;
    }
}

#[tokio::test]
async fn users_may_join_their_own_rooms() {
    let stage = Stage::set().await;
    let order = stage.ada_orders().await;
    let room = format!("order:{}", id_of(&order));
    let mut phone = stage.phone_of(&stage.ada, "websocket").await;
    let last = stage.last().await;
    phone.join(&room, Some(last)).await;
    phone.join(&format!("user:{}", stage.ada.id), Some(last)).await;
    let refusal = phone.try_join("driver:drv_01jd3k9y5xfmt8zq2v7c4n6b0e", None).await;
    assert_eq!(refusal["error"]["status"], 403, "{refusal}");
    stage.shop.owner.moves(&order, "CONFIRMED").await;
    // She is in both of its rooms and receives the event once.
    assert_eq!(phone.next().await.1["order"]["status"], "CONFIRMED");
    phone.received_nothing().await;

    let rider = stage.app.driver("Rider").await;
    let driver = rider.get("/api/me").await.expect(200)["driver"]["id"].as_str().unwrap().to_owned();
    let mut rider = stage.phone_of(&rider, "websocket").await;
    rider.join(&format!("driver:{driver}"), None).await;
    let refusal = rider.try_join("driver:drv_01jd3k9y5xfmt8zq2v7c4n6b0e", None).await;
    assert_eq!(refusal["error"]["status"], 404, "{refusal}");
}

#[tokio::test]
async fn malformed_messages_are_refused_and_affect_no_other_socket() {
    let stage = Stage::set().await;
    for transport in TRANSPORTS {
        let mut phone = stage.phone(transport).await;
        let nonsense = [
            ("join", json!([])),
            ("join", json!([null])),
            ("join", json!([7])),
            ("join", json!(["restaurant"])),
            ("join", json!([{ "room": 3 }])),
            ("join", json!([{ "room": "everything" }])),
            ("join", json!([{ "room": "kitchen:rst_01jd3k9y5xfmt8zq2v7c4n6b0e" }])),
            ("join", json!([{ "room": stage.room(), "after": "yesterday" }])),
            ("join", json!([{ "room": stage.room(), "after": 1.5 }])),
            ("join", json!([{ "room": stage.room(), "since": 1 }])),
            ("join", json!([{ "room": stage.room(), "after": 9_007_199_254_740_991_i64 }])),
            ("leave", json!([{}])),
            ("auth:renew", json!([token_of(&stage.bob)])),
            ("shout", json!(["hello"])),
        ];
        for (name, arguments) in nonsense {
            let answer = phone.ask(name, &arguments).await;
            assert_eq!(answer["ok"], false, "{name} {arguments}: {answer}");
            assert_eq!(answer["error"]["status"], 422, "{name} {arguments}: {answer}");
        }
        phone.send("join", &json!(null)).await;
        phone.join(&stage.room(), None).await;
    }
}

#[tokio::test]
async fn a_socket_receives_nothing_of_a_room_it_has_left() {
    let stage = Stage::set().await;
    let (mut phone, _) = stage.watching("websocket").await;
    let answer = phone.ask("leave", &json!([{ "room": stage.room() }])).await;
    assert_eq!(answer, json!({ "ok": true, "room": stage.room() }));
    let (mut other, _) = stage.watching("websocket").await;
    stage.ada_orders().await;
    assert_eq!(other.next().await.0, "order:new");
    phone.received_nothing().await;
}

#[tokio::test]
async fn a_socket_that_joins_its_room_again_misses_no_event() {
    let stage = Stage::set().await;
    for transport in TRANSPORTS {
        let (mut phone, last) = stage.watching(transport).await;
        let mut asked = Vec::new();
        for _ in 0..20 {
            stage.write_events(5, 0).await;
            asked.push(phone.ask_later("join", &json!([{ "room": stage.room() }])).await);
        }
        for id in asked {
            assert_eq!(phone.answer(id).await["ok"], true);
        }
        assert_same(&phone.next_numbers(100).await, &stage.numbers_after(last).await);

        // A refusal changes nothing.
        let refusal = phone.try_join(&stage.room(), Some(9_007_199_254_740_991)).await;
        assert_eq!(refusal["error"]["status"], 422, "{refusal}");
        stage.write_events(3, 0).await;
        assert_same(&phone.next_numbers(3).await, &stage.numbers_after(last).await[100..]);

        // With `after`, the events since then are sent again, before new ones.
        phone.join(&stage.room(), Some(last)).await;
        stage.write_events(1, 0).await;
        assert_same(&phone.next_numbers(104).await, &stage.numbers_after(last).await);
        phone.received_nothing().await;
    }
}

#[tokio::test]
async fn a_socket_ends_with_its_token_unless_that_is_renewed() {
    let stage = Stage::set_with(&[TEN_MINUTES]).await;
    let server = &stage.app.running().app;
    let session = server.tokens.check(token_of(&stage.ada), server.clock.now()).unwrap();
    let other = server.tokens.check(token_of(&stage.bob), server.clock.now()).unwrap();
    for transport in TRANSPORTS {
        let fresh = || server.tokens.issue(session.sub, session.sid, 0, server.clock.now()).unwrap();
        let mut phone = Phone::signed_in(stage.url(), transport, &fresh()).await;
        let mut lazy = Phone::signed_in(stage.url(), transport, &fresh()).await;
        stage.app.advance_clock(TimeDelta::seconds(545));
        for phone in [&mut phone, &mut lazy] {
            let (name, body) = phone.next().await;
            assert_eq!(name, "auth:expiring");
            assert!((1..=60).contains(&body["expiresIn"].as_i64().unwrap()), "{body}");
        }
        let other_session = server.tokens.issue(other.sub, other.sid, 0, server.clock.now());
        let of_another_session = phone.ask("auth:renew", &json!([{ "token": other_session.unwrap() }])).await;
        assert_eq!(of_another_session["error"]["status"], 403, "{of_another_session}");
        let forged = phone.ask("auth:renew", &json!([{ "token": "forged" }])).await;
        assert_eq!(forged["error"]["status"], 401, "{forged}");
        let renewed = phone.ask("auth:renew", &json!([{ "token": fresh() }])).await;
        assert_eq!(renewed["ok"], true, "{renewed}");
        stage.app.advance_clock(TimeDelta::seconds(65));
        assert_eq!(lazy.ended().await, "io server disconnect");
        phone.received_nothing().await;
    }
}

#[tokio::test]
async fn a_former_member_receives_no_more_events() {
    let stage = Stage::set().await;
    let staff = stage.app.staff_of(&stage.shop).await;
    let mut phone = stage.phone_of(&staff, "websocket").await;
    phone.join(&stage.room(), None).await;
    phone.join(&format!("user:{}", staff.id), None).await;
    let membership = stage.shop.path(&format!("/members/{}", staff.id));
    stage.shop.owner.delete(&membership).await.expect(204);
    let renewed = phone.ask("auth:renew", &json!([{ "token": token_of(&staff) }])).await;
    assert_eq!(renewed["ok"], true, "{renewed}");
    // The room was left at the renewal, unless the revocation was received first.
    assert!([json!([]), json!([stage.room()])].contains(&renewed["left"]), "{renewed}");
    stage.ada_orders().await;
    let (mut owner, _) = stage.watching("websocket").await;
    owner.received_nothing().await;
    phone.received_nothing().await;
}

/// The rooms of several sockets are checked again one socket at a time, each with all its rooms at once.
#[tokio::test]
async fn a_former_member_leaves_many_rooms_of_many_sockets() {
    let stage = Stage::set_with(&[("SOCKET_ROOM_CHECKS_AT_ONCE", "1"), ("SOCKET_MAX_ROOMS", "100")]).await;
    let staff = stage.app.staff_of(&stage.shop).await;
    let mut orders = Vec::new();
    for _ in 0..20 {
        orders.push(stage.ada_orders().await);
    }
    let own = staff.places_order(&stage.shop, &[(stage.shop.any_dish(), 1)]).await;
    let mut phones = Vec::new();
    for _ in 0..3 {
        let mut phone = stage.phone_of(&staff, "websocket").await;
        phone.join(&stage.room(), None).await;
        for order in orders.iter().chain([&own]) {
            phone.join(&format!("order:{}", id_of(order)), None).await;
        }
        phones.push(phone);
    }
    let membership = stage.shop.path(&format!("/members/{}", staff.id));
    for role in ["MANAGER", "STAFF"] {
        stage.shop.owner.patch(&membership, &json!({ "role": role })).await.expect(200);
    }
    for order in &orders {
        stage.shop.owner.moves(order, "CONFIRMED").await;
    }
    for phone in &mut phones {
        for _ in &orders {
            assert_eq!(phone.next().await.0, "order:status-changed", "a change of rank that ends nothing");
        }
    }
    stage.shop.owner.delete(&membership).await.expect(204);
    for phone in &mut phones {
        let left = phone.ask("auth:renew", &json!([{ "token": token_of(&staff) }])).await;
        assert_eq!(left["ok"], true, "{left}");
    }
    for order in &orders {
        stage.shop.owner.moves(order, "PREPARING").await;
    }
    stage.shop.owner.moves(&own, "CONFIRMED").await;
    for phone in &mut phones {
        assert_eq!(phone.next().await.1["order"]["id"], own["id"], "the room of their own order stays");
        phone.received_nothing().await;
    }
}

/// A former member is removed from rooms although all renewals that may be checked at once are stuck.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "a client that waits")]
async fn a_former_member_is_not_kept_in_rooms_by_renewals() {
    let patience = [("DATABASE_LOCK_TIMEOUT", "60s"), ("DATABASE_UNIT_TIMEOUT", "60s")];
    let stage = Stage::set_with(&[&[("SOCKET_ROOM_CHECKS_AT_ONCE", "1")][..], &patience].concat()).await;
    let staff = stage.app.staff_of(&stage.shop).await;
    let (mut former, mut owner) =
        (stage.phone_of(&staff, "websocket").await, stage.phone_of(&stage.shop.owner, "websocket").await);
    former.join(&stage.room(), None).await;
    owner.join(&stage.room(), None).await;
    let order = stage.ada_orders().await;
    let mut ada = stage.phone_of(&stage.ada, "websocket").await;
    ada.join(&format!("order:{}", id_of(&order)), None).await;
    // Reading orders waits from here on. A lock of the table would also hold back the event log.
    let mut holding = stage.app.superuser.acquire().await.unwrap();
    let policy = "create function waits() returns boolean language plpgsql volatile as $$
        begin perform pg_advisory_xact_lock_shared(1); return true; end $$;
        create policy waits on orders as restrictive for select using (waits());
        select pg_advisory_lock(1)";
    sqlx::raw_sql(policy).execute(&mut *holding).await.unwrap();
    let token = token_of(&stage.ada).to_owned();
    let renewing = tokio::spawn(async move { ada.ask("auth:renew", &json!([{ "token": token }])).await });
    eventually("the renewal waits", async || {
        let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted
            and database = (select oid from pg_database where datname = current_database())";
        stage.app.count(waiting).await == 1
    })
    .await;
    former.drops_received().await;
    owner.drops_received().await;
    stage.shop.owner.delete(&stage.shop.path(&format!("/members/{}", staff.id))).await.expect(204);
    let item = stage.shop.path(&format!("/items/{}", stage.shop.any_dish().id));
    let mut price = 1_000;
    loop {
        price += 1;
        let change = json!({ "price": { "amount": price, "currency": "EUR" } });
        stage.shop.owner.patch(&item, &change).await.expect(200);
        assert_eq!(owner.next().await.0, "menu:changed");
        if former.drops_received().await == 0 {
            break;
        }
        assert!(price < 1_500, "the former member still hears the restaurant's events");
    }
    sqlx::raw_sql("select pg_advisory_unlock(1); drop policy waits on orders; drop function waits")
        .execute(&mut *holding)
        .await
        .unwrap();
    assert_eq!(renewing.await.unwrap()["ok"], true);
}

#[test]
fn room_names_are_written_as_they_are_parsed() {
    let (restaurant, order) = (RestaurantId::new(), OrderId::new());
    for text in [format!("restaurant:{restaurant}"), format!("order:{order}")] {
        assert_eq!(text.parse::<Room>().unwrap().to_string(), text);
    }
    assert_eq!(format!("order:{order}").parse(), Ok(Room::Order(order)));
    for text in ["", ":", "order", "order:", "order:7", "Order:ord_01jd3k9y5xfmt8zq2v7c4n6b0e"] {
        assert!(text.parse::<Room>().is_err(), "{text}");
    }
    assert!(format!("order:{restaurant}").parse::<Room>().is_err());
}
