//! The audit of the events that the listener received: a correct log, and every kind of fault.

use comanda::delivery::status::{self as delivery_status, DeliveryStatus};
use comanda::orders::OrderStatus;
use comanda::orders::status::{self as order_status, AppliesTo};
use comanda_replay::audit::{Audit, Subject};
use serde_json::{Value, json};

/// An event of the order `ord_1`, or of its delivery, in the room `rst_1`.
fn event(subject: Subject, seq: u64, version: u64, status: &str) -> Value {
    let (noun, id) = match subject {
        Subject::Order => ("order", "ord_1"),
        Subject::Delivery => ("delivery", "dlv_1"),
    };
    let mut event = json!({ "seq": seq, "version": version, "restaurantId": "rst_1", "orderId": "ord_1" });
    event[format!("{noun}Id")] = json!(id);
    event[noun] = json!({ "id": id, "version": version, "status": status });
    event
}

const LIFE: [&str; 6] = ["PENDING", "CONFIRMED", "PREPARING", "READY", "ON_THE_WAY", "DELIVERED"];

fn order_event(seq: u64, version: u64) -> (&'static str, Value) {
    let name = if version == 1 { "order:new" } else { "order:status-changed" };
    (name, event(Subject::Order, seq, version, LIFE[version as usize - 1]))
}

/// An audit of a whole order, whose events are given as (connection, seq, version).
fn received(events: &[(u32, u64, u64)]) -> Audit {
    let mut audit = Audit::default();
    for (connection, seq, version) in events {
        let (name, event) = order_event(*seq, *version);
        audit.event("rst_1", *connection, name, &event);
    }
    audit.compare(Subject::Order, "ord_1", &json!({ "id": "ord_1", "version": 6, "status": "DELIVERED" }));
    audit
}

#[test]
fn a_complete_order_passes_the_audit() {
    let findings = received(&[(1, 10, 1), (1, 13, 2), (1, 16, 3), (1, 17, 4), (1, 30, 5), (1, 31, 6)]).close();
    assert!(findings.clean(), "{findings:?}");
    assert_eq!(findings.received, 6);
}

#[test]
fn events_repeated_after_a_reconnect_are_counted_and_no_fault() {
    let events = [(1, 10, 1), (1, 13, 2), (1, 16, 3), (2, 13, 2), (2, 16, 3), (2, 17, 4), (2, 30, 5), (2, 31, 6)];
    let findings = received(&events).close();
    assert!(findings.clean(), "{findings:?}");
    assert_eq!((findings.received, findings.repeated), (6, 2));
}

#[test]
fn every_kind_of_fault_is_found() {
    // (name, events, lost, duplicate, out of order)
    let cases: [(&str, &[(u32, u64, u64)], u64, u64, u64); 6] = [
        ("a gap", &[(1, 10, 1), (1, 13, 2), (1, 17, 4), (1, 30, 5), (1, 31, 6)], 1, 0, 0),
        ("nothing", &[], 6, 0, 0),
        ("the end is missing", &[(1, 10, 1), (1, 13, 2), (1, 16, 3), (1, 17, 4)], 2, 0, 0),
        (
            "a number twice",
            &[(1, 10, 1), (1, 10, 1), (1, 13, 2), (1, 16, 3), (1, 17, 4), (1, 30, 5), (1, 31, 6)],
            0,
            1,
            0,
        ),
        (
            "a version twice",
            &[(1, 10, 1), (1, 13, 2), (1, 14, 2), (1, 16, 3), (1, 17, 4), (1, 30, 5), (1, 31, 6)],
            0,
            1,
            0,
        ),
        // Both the number and the version decrease: two faults.
        ("late", &[(1, 10, 1), (1, 16, 3), (1, 13, 2), (1, 17, 4), (1, 30, 5), (1, 31, 6)], 0, 0, 2),
    ];
    for (what, events, lost, duplicated, out_of_order) in cases {
        let findings = received(events).close();
        let found = (findings.lost, findings.duplicated, findings.out_of_order, findings.wrong);
        assert_eq!(found, (lost, duplicated, out_of_order, 0), "{what}: {findings:?}");
        assert!(!findings.faults.is_empty(), "{what}");
    }
}

#[test]
fn contents_that_contradict_themselves_are_found() {
    let wrong = |subject, version, change: &dyn Fn(&mut Value), name: &str| {
        let mut event = event(subject, 5, version, if subject == Subject::Order { "PENDING" } else { "WAITING" });
        change(&mut event);
        let mut audit = Audit::default();
        audit.event("rst_1", 1, name, &event);
        audit.close().wrong
    };
    let untouched = |_: &mut Value| {};
    assert_eq!(wrong(Subject::Order, 1, &untouched, "order:new"), 0);
    assert_eq!(wrong(Subject::Order, 1, &untouched, "order:status-changed"), 1, "a new order under another name");
    assert_eq!(wrong(Subject::Order, 1, &|event| event["order"]["version"] = json!(2), "order:new"), 1);
    assert_eq!(wrong(Subject::Order, 1, &|event| event["order"]["id"] = json!("ord_2"), "order:new"), 1);
    assert_eq!(wrong(Subject::Order, 1, &|event| event["restaurantId"] = json!("rst_2"), "order:new"), 1);
    assert_eq!(wrong(Subject::Order, 1, &|event| event["seq"] = Value::Null, "order:new"), 1);
    assert_eq!(wrong(Subject::Order, 1, &|event| event["order"]["status"] = json!("READY"), "order:new"), 1);
    assert_eq!(wrong(Subject::Delivery, 1, &untouched, "delivery:status-changed"), 0);
}

#[test]
fn the_check_finds_unknown_transitions_and_orders_without_placement() {
    let mut audit = Audit::default();
    audit.event("rst_1", 1, "order:new", &event(Subject::Order, 1, 1, "PENDING"));
    audit.event("rst_1", 1, "order:status-changed", &event(Subject::Order, 2, 2, "READY"));
    let findings = audit.close();
    assert_eq!((findings.wrong, findings.duplicated), (1, 1), "{findings:?}");
}

/// The audit's tables are written a second time on purpose; this says where they differ. Replayed orders are delivered.
#[test]
fn the_audit_accepts_the_transitions_of_the_program_and_no_others() {
    let accepts = |subject, from: &Value, to: &Value| {
        let name = if subject == Subject::Order { "order:status-changed" } else { "delivery:status-changed" };
        let mut audit = Audit::default();
        for (version, status) in [(5, from), (6, to)] {
            audit.event("rst_1", 1, name, &event(subject, version, version, status.as_str().unwrap()));
        }
        audit.close().wrong == 0
    };
    for (from, next) in delivery_status::STEPS {
        for (to, _) in delivery_status::STEPS {
            let (before, after) = (json!(from), json!(to));
            assert_eq!(accepts(Subject::Delivery, &before, &after), next.contains(to), "{from:?} to {to:?}");
        }
    }
    for from in OrderStatus::ALL {
        for to in OrderStatus::ALL {
            let is_step = order_status::STEPS
                .iter()
                .any(|step| (step.from, step.to) == (from, to) && step.applies != AppliesTo::PickupAndDineIn);
            let is_promise = from == to && matches!(from, OrderStatus::Confirmed | OrderStatus::Preparing);
            let accepted = accepts(Subject::Order, &json!(from), &json!(to));
            assert_eq!(accepted, is_step || is_promise, "{from:?} to {to:?}");
        }
    }
    assert!(!accepts(Subject::Delivery, &json!(DeliveryStatus::Assigned), &json!(DeliveryStatus::Failed)));
}

#[test]
fn the_audit_finds_a_get_that_differs_from_its_event() {
    let documents = [
        json!({ "id": "ord_1", "version": 1, "status": "CONFIRMED" }),
        json!({ "id": "ord_1", "version": 1, "status": "PENDING", "note": "extra" }),
        json!({ "id": "ord_1", "version": 0, "status": "PENDING" }),
    ];
    for document in documents {
        let mut audit = Audit::default();
        audit.event("rst_1", 1, "order:new", &event(Subject::Order, 1, 1, "PENDING"));
        audit.compare(Subject::Order, "ord_1", &document);
        let findings = audit.close();
        assert_eq!((findings.wrong, findings.lost), (1, 0), "{document}: {findings:?}");
    }
}
