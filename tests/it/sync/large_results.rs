//! A few kilobytes may contain operations whose results are whole orders: the results in a response are limited.

use serde_json::{Value, json};

use super::{moves, op, outcomes, place, sends};
use crate::app::TestApp;
use crate::shop::Shop;

/// The limit of these tests. An order with its long note is larger than half of it.
const LIMIT: usize = 20_000;

async fn start() -> (TestApp, Shop) {
    let app = TestApp::with(&[("BATCH_MAX_RESULT_BYTES", "20000"), ("ORDER_MAX_NOTES", "10000")]).await;
    let luigi = app.restaurant("Luigi").sells("Tiramisù", 600).opens().await;
    (app, luigi)
}

/// An order of some 12 kB, as an operation.
fn large_order(shop: &Shop) -> Value {
    let lines: Vec<_> = (0..12)
        .map(
            |line| json!({ "itemId": shop.any_dish().id, "quantity": 1, "note": format!("{line}{}", "x".repeat(490)) }),
        )
        .collect();
    let mut order = place(shop, shop.any_dish(), 1);
    order["lines"] = json!(lines);
    order
}

fn results(answer: &Value) -> usize {
    answer["data"].as_array().unwrap().iter().filter(|one| one["result"].is_object()).count()
}

fn is_omitted(answer: &Value) -> usize {
    answer["data"].as_array().unwrap().iter().filter(|one| one["isOmitted"] == true).count()
}

#[tokio::test]
async fn an_operation_repeated_in_a_batch_has_its_result_once() {
    let (app, luigi) = start().await;
    let ada = app.customer("Ada").await;
    let one = op(1, "order.place", app.clock.now(), large_order(&luigi));
    let copies = vec![one; 30];
    for _ in 0..2 {
        let answer = sends(&ada, "phone", &copies).await;
        let words = outcomes(&answer);
        assert!(words[1..].iter().all(|word| word == "duplicate:applied"), "{words:?}");
        let answer = answer.json();
        assert_eq!((results(&answer), is_omitted(&answer)), (1, 29));
        assert!(answer.to_string().len() < LIMIT + 30 * 150);
    }
}

#[tokio::test]
async fn results_beyond_the_bound_are_left_out_and_come_with_the_next_batch() {
    let (app, luigi) = start().await;
    let ada = app.customer("Ada").await;
    let ops: Vec<_> = (1..=8).map(|seq| op(seq, "order.place", app.clock.now(), large_order(&luigi))).collect();
    let answer = sends(&ada, "phone", &ops).await;
    assert_eq!(outcomes(&answer), ["applied"; 8]);
    let answer = answer.json();
    assert!((1..=2).contains(&results(&answer)) && results(&answer) + is_omitted(&answer) == 8, "{}", results(&answer));
    assert!(answer.to_string().len() < LIMIT + 8 * 150);
    let last = sends(&ada, "phone", &ops[7..]).await.expect(200);
    assert_eq!(
        (&last["data"][0]["first"], results(&last)),
        (&json!("applied"), 1),
        "each operation is reported when its result is requested"
    );
}

#[tokio::test]
async fn refused_changes_keep_no_whole_orders() {
    let (app, luigi) = start().await;
    let ada = app.customer("Ada").await;
    let mut order = large_order(&luigi);
    for line in order["lines"].as_array_mut().unwrap() {
        line["note"] = json!("\u{1F355}".repeat(490));
    }
    let mut ops = vec![op(1, "order.place", app.clock.now(), order)];
    ops.extend((2..=60).map(|seq| {
        let mut change = moves("op-1", "CANCELLED");
        change["version"] = json!(99);
        op(seq, "order.status", app.clock.now(), change)
    }));
    let answer = sends(&ada, "phone", &ops).await.expect(200);
    assert!(answer.to_string().len() < 3 * LIMIT, "{} bytes", answer.to_string().len());
    let kept = "select sum(octet_length(result::text)) from sync_operations where state = 'REJECTED'";
    let kept = app.count(kept).await;
    assert!(kept < 59 * 1_000, "{kept} bytes");
    let conflict = sends(&ada, "phone", &ops[1..2]).await.expect(200);
    assert_eq!(conflict["data"][0]["problem"]["code"], "version_conflict");
}

#[tokio::test]
async fn a_bulk_update_returns_a_limited_number_of_bytes_of_orders_and_conflicts() {
    let (app, luigi) = start().await;
    let ada = app.customer("Ada").await;
    let order = sends(&ada, "phone", &[op(1, "order.place", app.clock.now(), large_order(&luigi))]).await.expect(200);
    let id = &order["data"][0]["result"]["id"];
    let wrong = json!({ "orderId": id, "status": "CONFIRMED", "version": 99 });
    let right = json!({ "orderId": id, "status": "CONFIRMED" });
    let changes: Vec<_> = std::iter::repeat_n(wrong, 99).chain([right]).collect();
    let body = json!({ "changes": changes });
    let answer = luigi.owner.post(&luigi.path("/orders/bulk-status"), &body).await.expect(200);
    let data = answer["data"].as_array().unwrap();
    let statuses: Vec<_> = data.iter().map(|one| one["status"].as_i64().unwrap()).collect();
    assert_eq!((statuses.len(), statuses[0], statuses[98], statuses[99]), (100, 412, 412, 200));
    assert_eq!((data[0]["problem"]["code"].as_str(), &data[99]["isOmitted"]), (Some("version_conflict"), &json!(true)));
    assert!(answer.to_string().len() < LIMIT + 100 * 120, "{} bytes", answer.to_string().len());
    assert_eq!(luigi.owner.reads_order(&order["data"][0]["result"]).await["status"], "CONFIRMED");
}

#[tokio::test]
async fn write_limits_count_the_bytes_that_are_stored() {
    let app = TestApp::with(&[("WRITES_PER_USER", "150/24h"), ("ORDER_MAX_NOTES", "10000")]).await;
    let luigi = app.restaurant("Luigi").sells("Tiramisù", 600).opens().await;
    let ada = app.customer("Ada").await;
    let mut done = 0;
    for seq in 1..=10 {
        let answer = sends(&ada, "phone", &[op(seq, "order.place", app.clock.now(), large_order(&luigi))]).await;
        if answer.status == 429 {
            break;
        }
        done += 1;
        answer.expect(200);
    }
    // Each is sent as 8 kB, and writes the order, its event, its result and the stored response: about 40 kB
    // together.
    assert!((2..=5).contains(&done), "{done} orders");
    ada.get("/api/me").await.expect(200);
}

#[tokio::test]
async fn the_notes_of_an_order_are_limited_together() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells("Tiramisù", 600).opens().await;
    let ada = app.customer("Ada").await;
    let with_notes = |lines: usize| {
        let lines: Vec<_> = (0..lines)
            .map(|_| json!({ "itemId": luigi.any_dish().id, "quantity": 1, "note": "\u{1F355}".repeat(500) }))
            .collect();
        let mut order = place(&luigi, luigi.any_dish(), 1);
        order["lines"] = json!(lines);
        order
    };
    let ops =
        [op(1, "order.place", app.clock.now(), with_notes(4)), op(2, "order.place", app.clock.now(), with_notes(5))];
    let answer = sends(&ada, "phone", &ops).await;
    assert_eq!(outcomes(&answer), ["applied", "rejected:invalid_request"]);
    assert_eq!(answer.json()["data"][1]["problem"]["errors"][0]["pointer"], "/lines");
}
