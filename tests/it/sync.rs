//! Offline operations: run once and in order; a repetition receives the same result.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{TestApp, eventually};
use crate::people::{Person, id_of};
use crate::reply::Reply;
use crate::shop::{Dish, Shop};

mod crashes;
mod devices;
mod drivers;
mod histories;
mod large_results;
mod later;
mod limits;
mod revoked;
mod runs;

/// Sends operations with a new key.
pub async fn sends(person: &Person, device: &str, ops: &[Value]) -> Reply {
    sends_as(person, &Uuid::new_v4().to_string(), device, ops).await
}

/// Sends operations with this key.
async fn sends_as(person: &Person, key: &str, device: &str, ops: &[Value]) -> Reply {
    let body = json!({ "deviceId": device, "ops": ops });
    let request = person.request(reqwest::Method::POST, "/api/orders/sync");
    person.send(request.header("idempotency-key", key).json(&body)).await
}

/// The result of each operation as a text: `applied`, `duplicate:applied`, `rejected:code`, `blocked:3:missing`.
#[track_caller]
pub fn outcomes(reply: &Reply) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let word = |one: &Value| match one["outcome"].as_str().unwrap() {
        "rejected" => format!("rejected:{}", text(&one["problem"]["code"])),
        "blocked" => format!("blocked:{}:{}", one["waitsFor"]["seq"], text(&one["waitsFor"]["why"])),
        "duplicate" => format!("duplicate:{}", text(&one["first"])),
        other => other.to_owned(),
    };
    reply.expect(200)["data"].as_array().unwrap().iter().map(word).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "each caller writes it in place")]
pub fn op(seq: i64, kind: &str, at: DateTime<Utc>, payload: Value) -> Value {
    json!({ "seq": seq, "opId": format!("op-{seq}"), "at": at, "kind": kind, "payload": payload })
}

fn place(shop: &Shop, dish: &Dish, quantity: i64) -> Value {
    json!({ "restaurantId": shop.id, "fulfilment": "PICKUP", "lines": [{ "itemId": dish.id, "quantity": quantity }] })
}

fn moves(op: &str, status: &str) -> Value {
    json!({ "orderOp": op, "status": status })
}

pub fn stock(shop: &Shop, dish: &Dish, change: i64) -> Value {
    json!({ "restaurantId": shop.id, "itemId": dish.id, "change": change })
}

#[tokio::test]
async fn a_stored_result_shows_staff_no_customer_data() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells("Tiramisù", 600).opens().await;
    let ada = app.customer("Ada").await;
    let now = app.clock.now();
    let mut wanted = place(&luigi, luigi.any_dish(), 1);
    wanted["note"] = json!("Ring at Rossi's");
    let placed = sends(&ada, "phone", &[op(1, "order.place", now, wanted)]).await.expect(200);
    assert_eq!(placed["data"][0]["result"]["note"], "Ring at Rossi's", "the customer's own result is whole");
    let order = placed["data"][0]["result"]["id"].clone();
    let ops = [op(1, "order.status", now, json!({ "orderId": order, "status": "CONFIRMED" }))];
    let first = sends(&luigi.owner, "tablet", &ops).await.expect(200);
    let again = sends(&luigi.owner, "tablet", &ops).await.expect(200);
    for answer in [first, again] {
        let result = &answer["data"][0]["result"];
        assert_eq!((&result["status"], &result["note"]), (&json!("CONFIRMED"), &Value::Null), "{answer}");
    }
}

#[tokio::test]
async fn a_batch_runs_in_order_and_each_operation_has_a_result() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells_counted("Tiramisù", 600, 10).opens().await;
    let (tablet, dish, now) = (&luigi.owner, luigi.any_dish(), app.clock.now());
    let ops = [
        op(1, "order.place", now, place(&luigi, dish, 2)),
        op(2, "order.status", now, moves("op-1", "CONFIRMED")),
        op(3, "order.status", now, moves("op-1", "READY")),
        op(4, "order.status", now, moves("op-1", "PREPARING")),
        op(5, "stock.change", now, stock(&luigi, dish, 5)),
        op(6, "profile.fields", now, json!({ "name": "Luigi's tablet" })),
        op(7, "cart.line", now, json!({ "restaurantId": luigi.id, "key": "a", "quantity": 1, "itemId": dish.id })),
        op(8, "order.frobnicate", now, json!({})),
        op(9, "order.place", now, json!({ "restaurantId": luigi.id, "lines": [] })),
    ];
    let first = sends(tablet, "tablet", &ops).await;
    let refused = "rejected:illegal_transition".to_owned();
    let applied = "applied".to_owned();
    let bad = "rejected:invalid_request".to_owned();
    let expected = [&applied, &applied, &refused, &applied, &applied, &applied, &applied, &bad, &bad];
    assert_eq!(outcomes(&first), expected.map(Clone::clone));
    let answers = first.json();
    let order = &answers["data"][0]["result"];
    assert_eq!((&order["status"], &order["version"], &order["cartId"]), (&json!("PENDING"), &json!(1), &Value::Null));
    assert_eq!(answers["data"][3]["result"], tablet.reads_order(order).await);
    let fault = &answers["data"][8]["problem"]["errors"][0];
    assert_eq!((&fault["pointer"], &fault["message"]), (&json!("/fulfilment"), &json!("is required")));
    assert_eq!(luigi.stock_of(dish).await, Some(13));
    assert_eq!(tablet.get("/api/me").await.expect(200)["name"], "Luigi's tablet");
    assert_eq!(tablet.get(&luigi.path("/cart")).await.expect(200)["lines"][0]["key"], "a");

    // Everything again: nothing is run, and the results are the same bytes.
    let again = sends(tablet, "tablet", &ops).await;
    assert!(outcomes(&again).iter().all(|word| word.starts_with("duplicate:")), "{:?}", outcomes(&again));
    for (one, other) in answers["data"].as_array().unwrap().iter().zip(again.json()["data"].as_array().unwrap()) {
        assert_eq!(
            (&one["result"], &one["problem"], &one["outcome"]),
            (&other["result"], &other["problem"], &other["first"])
        );
    }
    let third = sends(tablet, "tablet", &ops).await;
    assert_eq!(third.bytes, again.bytes);
    assert_eq!(app.count("select count(*) from orders").await, 1);
    assert_eq!(luigi.stock_of(dish).await, Some(13));
}

#[tokio::test]
async fn a_key_stores_the_complete_response() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (ada, now) = (app.customer("Ada").await, app.clock.now());
    let ops = [op(1, "order.place", now, place(&luigi, luigi.any_dish(), 1))];
    let first = sends_as(&ada, "one", "phone", &ops).await;
    assert_eq!(outcomes(&first), ["applied"]);
    let again = sends_as(&ada, "one", "phone", &ops).await;
    assert_eq!((again.bytes.clone(), again.header("idempotency-replayed")), (first.bytes.clone(), "true"));
    let other = [op(2, "profile.fields", now, json!({ "name": "Ada" }))];
    sends_as(&ada, "one", "phone", &other).await.refused(422, "idempotency_key_reused");
    let body = json!({ "deviceId": "phone", "ops": ops });
    ada.post("/api/orders/sync", &body).await.refused(400, "idempotency_key_missing");
    // Results of waiting operations are not stored: the same key reads them again.
    let gap = [op(3, "order.place", now, place(&luigi, luigi.any_dish(), 1))];
    assert_eq!(outcomes(&sends_as(&ada, "two", "phone", &gap).await), ["blocked:2:missing"]);
    assert_eq!(outcomes(&sends(&ada, "phone", &other).await), ["applied"]);
    let answer = sends_as(&ada, "two", "phone", &gap).await;
    assert_eq!(answer.header("idempotency-replayed"), "");
    assert_eq!(outcomes(&answer), ["duplicate:applied"], "it ran when the gap was filled");
}

#[tokio::test]
async fn an_early_operation_waits_for_missing_ones_and_then_runs() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (tablet, now) = (&luigi.owner, app.clock.now());
    let ops = [
        op(1, "order.place", now, place(&luigi, luigi.any_dish(), 1)),
        op(2, "order.status", now, moves("op-1", "CONFIRMED")),
        op(3, "order.status", now, moves("op-1", "PREPARING")),
        op(4, "profile.fields", now, json!({ "name": "Late" })),
    ];
    let early = sends(tablet, "tablet", &[ops[2].clone(), ops[3].clone(), ops[1].clone()]).await;
    assert_eq!(
        outcomes(&early),
        ["blocked:1:missing", "applied", "blocked:1:missing"],
        "the latest write needs no order"
    );
    let rest = sends(tablet, "tablet", &ops[..1]).await;
    assert_eq!(outcomes(&rest), ["applied"]);
    assert_eq!(tablet.reads_order(&rest.json()["data"][0]["result"]).await["status"], "PREPARING");
    let duplicate = "duplicate:applied";
    assert_eq!(outcomes(&sends(tablet, "tablet", &ops).await), [duplicate; 4]);
}

#[tokio::test]
async fn a_rejected_operation_rejects_only_its_dependents() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells_counted("Tiramisù", 600, 3).opens().await;
    let (tablet, dish, now) = (&luigi.owner, luigi.any_dish(), app.clock.now());
    let mut dear = place(&luigi, dish, 1);
    dear["expectedTotal"] = json!({ "amount": 500, "currency": "EUR" });
    let ops = [
        op(1, "order.place", now, place(&luigi, dish, 4)),
        op(2, "order.status", now, moves("op-1", "CONFIRMED")),
        op(3, "order.place", now, dear),
        op(4, "order.place", now, place(&luigi, dish, 3)),
        op(5, "order.status", now, moves("op-4", "CONFIRMED")),
        op(6, "order.status", now, moves("op-7", "CONFIRMED")),
        op(7, "stock.change", now, stock(&luigi, dish, -1)),
        op(8, "order.status", now, json!({ "orderId": "ord_01h455vb4pex5vsknk084sn02q", "status": "CONFIRMED" })),
    ];
    let reply = sends(tablet, "tablet", &ops).await;
    assert_eq!(
        outcomes(&reply),
        [
            "rejected:out_of_stock",
            "rejected:dependency_rejected",
            "rejected:price_changed",
            "applied",
            "applied",
            "rejected:invalid_request",
            "rejected:out_of_stock",
            "rejected:not_found",
        ]
    );
    let problem = &reply.json()["data"][2]["problem"];
    assert_eq!((&problem["total"]["amount"], &problem["expectedTotal"]["amount"]), (&json!(600), &json!(500)));
    assert_eq!(luigi.stock_of(dish).await, Some(0));
}

#[tokio::test]
async fn operations_have_the_permissions_of_whoever_sends_them() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells_counted("Tiramisù", 600, 3).opens().await;
    let (ada, bob, now) = (app.customer("Ada").await, app.customer("Bob").await, app.clock.now());
    let order = ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await;
    let by_id = |status: &str| json!({ "orderId": id_of(&order), "status": status });
    let ops = [
        op(1, "order.status", now, by_id("CONFIRMED")),
        op(2, "stock.change", now, stock(&luigi, luigi.any_dish(), 9)),
        op(3, "order.status", now, by_id("CANCELLED")),
    ];
    assert_eq!(outcomes(&sends(&bob, "phone", &ops).await), ["rejected:not_found"; 3]);
    assert_eq!(outcomes(&sends(&ada, "phone", &ops).await), ["rejected:forbidden", "rejected:not_found", "applied"]);
    // Devices of two users with the same name are different devices.
    assert_eq!(app.count("select count(*) from sync_devices").await, 2);
    app.stranger().post("/api/orders/sync", &json!({})).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn a_sequence_number_and_an_operation_id_identify_one_operation() {
    let app = TestApp::start().await;
    let (ada, now) = (app.customer("Ada").await, app.clock.now());
    let named = |seq: i64, id: &str, name: &str| {
        json!({ "seq": seq, "opId": id, "at": now, "kind": "profile.fields",
      "payload": { "name": name } })
    };
    assert_eq!(outcomes(&sends(&ada, "phone", &[named(1, "a", "Ada")]).await), ["applied"]);
    let wrong = [
        named(1, "b", "Ada"),
        named(2, "a", "Ada"),
        named(1, "a", "Eve"),
        named(2, "b", "Ada L"),
        named(2, "b", "Ada L"),
    ];
    let reused = "rejected:idempotency_key_reused";
    assert_eq!(outcomes(&sends(&ada, "phone", &wrong).await), [reused, reused, reused, "applied", "duplicate:applied"]);
    assert_eq!(ada.get("/api/me").await.expect(200)["name"], "Ada L");
}

#[tokio::test]
async fn a_batch_has_bounds() {
    let app = TestApp::with(&[("SYNC_MAX_OPS", "3"), ("SYNC_MAX_WAITING", "4"), ("SYNC_MAX_DEVICES", "2")]).await;
    let (ada, now) = (app.customer("Ada").await, app.clock.now());
    let name = |seq: i64| op(seq, "profile.fields", now, json!({ "name": "Ada" }));
    let unknown = |seq: i64| op(seq, "order.status", now, moves("op-1", "CONFIRMED"));
    for (ops, pointer) in [(vec![], "/ops"), ((1..5).map(name).collect(), "/ops"), (vec![name(0)], "/ops/0/seq")] {
        let refusal = sends(&ada, "phone", &ops).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], pointer);
    }
    sends(&ada, &"x".repeat(65), &[name(1)]).await.refused(422, "invalid_request");
    assert_eq!(app.count("select count(*) from sync_devices").await, 0);
    assert_eq!(outcomes(&sends(&ada, "phone", &[unknown(2), unknown(3), unknown(4)]).await), ["blocked:1:missing"; 3]);
    let refusal = sends(&ada, "phone", &[unknown(5), unknown(6)]).await.refused(409, "too_many");
    assert_eq!(refusal["nextSeq"], 1);
    assert_eq!(outcomes(&sends(&ada, "phone", &[unknown(5)]).await), ["blocked:1:missing"]);
    sends(&ada, "tablet", &[name(1), unknown(3)]).await.expect(200);
    sends(&ada, "watch", &[name(1)]).await.refused(409, "too_many");
    sends(&ada, "tablet", &[name(2)]).await.expect(200);
}

#[tokio::test]
async fn a_client_clock_in_the_future_does_not_win_permanently() {
    let app = TestApp::start().await;
    let (ada, now) = (app.customer("Ada").await, app.clock.now());
    let name = |at: DateTime<Utc>, name: &str| op(1, "profile.fields", at, json!({ "name": name }));
    let year = |year: &str| format!("{year}-01-01T00:00:00Z").parse().unwrap();
    assert_eq!(outcomes(&sends(&ada, "future", &[name(year("2099"), "Future")]).await), ["rejected:clock_skew"]);
    let ahead = now + TimeDelta::minutes(4);
    assert_eq!(outcomes(&sends(&ada, "ahead", &[name(ahead, "Ahead")]).await), ["applied"]);
    let past = sends(&ada, "past", &[name(year("1970"), "Past")]).await;
    assert_eq!(past.expect(200)["data"][0]["result"], json!({ "holds": false }));
    app.advance_clock(TimeDelta::seconds(1));
    let right = sends(&ada, "right", &[name(app.clock.now(), "Right")]).await;
    assert_eq!(right.expect(200)["data"][0]["result"], json!({ "holds": true }));
    assert_eq!(ada.get("/api/me").await.expect(200)["name"], "Right");
}

/// A server error for one item: every operation on it fails.
pub async fn poison(app: &TestApp, dish: &str) {
    app.execute(&format!(
        "create function poison() returns trigger language plpgsql as $$ begin
             if new.name = '{dish}' then raise exception 'a fault of ours'; end if; return new; end $$;
         create trigger poison before update on menu_items for each row execute function poison()"
    ))
    .await;
}

#[tokio::test]
async fn a_dead_operation_blocks_only_its_dependents_until_an_operator_acts() {
    let fast = [("SYNC_ATTEMPTS", "3"), ("SYNC_RETRY_AFTER", "10ms"), ("SYNC_POLL_INTERVAL", "10ms")];
    let app = TestApp::with(&fast).await;
    let luigi = app.restaurant("Luigi").sells_counted("Bad", 600, 10).sells_counted("Good", 600, 10).opens().await;
    let (tablet, now) = (&luigi.owner, app.clock.now());
    let (bad, good) = (luigi.dish("Bad"), luigi.dish("Good"));
    poison(&app, "Bad").await;
    let ops = [
        op(1, "stock.change", now, stock(&luigi, bad, 1)),
        op(2, "order.place", now, place(&luigi, bad, 1)),
        op(3, "order.status", now, moves("op-2", "CONFIRMED")),
        op(4, "stock.change", now, stock(&luigi, bad, 1)),
        op(5, "order.place", now, place(&luigi, good, 1)),
        op(6, "order.status", now, moves("op-5", "CONFIRMED")),
        op(7, "stock.change", now, stock(&luigi, good, 1)),
    ];
    let first = outcomes(&sends(tablet, "tablet", &ops).await);
    assert_eq!(first[4..], ["applied", "applied", "applied"], "{first:?}");
    let dead = ["blocked:1:dead", "blocked:2:dead", "blocked:2:dead", "blocked:1:dead"];
    eventually("the third try", async || outcomes(&sends(tablet, "tablet", &ops).await)[..4] == dead).await;
    let config = crate::app::config(&app.database_url, &[]);
    let listed = comanda::operator::sync_list(&config, false).await.unwrap();
    assert_eq!(listed.iter().map(|one| (one.seq, one.attempts)).collect::<Vec<_>>(), [(1, 3), (2, 3)]);
    assert_eq!(listed[0].email, tablet.email);
    assert_eq!(comanda::operator::sync_list(&config, true).await.unwrap().len(), 4);
    let shown = comanda::operator::sync_show(&config, &listed[0].id.to_string()).await.unwrap();
    assert_eq!((shown.op_id.as_str(), shown.kind.as_str()), ("op-1", "stock.change"));
    app.execute("drop trigger poison on menu_items").await;
    assert_eq!(comanda::operator::sync_retry(&config, Some(&listed[0].id.to_string())).await.unwrap(), 1);
    eventually("the operator's retry", async || {
        outcomes(&sends(tablet, "tablet", &ops).await)[..4]
            == ["duplicate:applied", dead[1], dead[2], "duplicate:applied"]
    })
    .await;
    assert_eq!(comanda::operator::sync_retry(&config, None).await.unwrap(), 1);
    eventually("the rest", async || {
        outcomes(&sends(tablet, "tablet", &ops).await).iter().all(|one| one == "duplicate:applied")
    })
    .await;
    assert_eq!((luigi.stock_of(bad).await, luigi.stock_of(good).await), (Some(11), Some(10)));
    assert!(comanda::operator::sync_retry(&config, Some("syn_01h455vb4pex5vsknk084sn02q")).await.is_err());
}

#[tokio::test]
async fn a_batch_whose_worker_was_killed_continues_within_thirty_seconds() {
    let app = TestApp::with(&[("SYNC_POLL_INTERVAL", "10ms")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (ada, now) = (app.customer("Ada").await, app.clock.now());
    sends(&ada, "phone", &[op(1, "profile.fields", now, json!({ "name": "Ada" }))]).await.expect(200);
    // A worker leased the device and died.
    let until = now + TimeDelta::seconds(15);
    let dead =
        format!("update sync_devices set lease = gen_random_uuid(), lease_until = '{until}', due_at = '{until}'");
    app.execute(&dead).await;
    let ops = [op(2, "order.place", now, place(&luigi, luigi.any_dish(), 1))];
    assert_eq!(
        outcomes(&sends(&ada, "phone", &ops).await),
        ["blocked:2:running"],
        "it is stored, and somebody is at it"
    );
    assert_eq!(app.count("select count(*) from orders").await, 0);
    app.advance_clock(TimeDelta::seconds(16));
    eventually("another worker", async || app.count("select count(*) from orders").await == 1).await;
    assert_eq!(outcomes(&sends(&ada, "phone", &ops).await), ["duplicate:applied"]);
    let defaults = crate::app::config(&app.database_url, &[]).sync;
    assert!(defaults.lease + defaults.poll_interval < std::time::Duration::from_secs(30));
}
