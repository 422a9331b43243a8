//! The status table of an order, compared with its description, rule by rule and over HTTP.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::people::{Person, delivery_details};
use crate::shop::Shop;
use comanda::actor::Actor;
use comanda::fulfilment::Fulfilment;
use comanda::ids::{OrderId, RestaurantId, UserId};
use comanda::money::Amount;
use comanda::orders::status::{AppliesTo, CANCEL_WINDOW, CancelledStock, CannotAdvance, STEPS, StatusUpdate};
use comanda::orders::{Order, OrderStatus, Totals};

/// The transitions as the design describes them, written a second time on purpose: who may make which, for which
/// orders, and whether a reason is required. ADMIN may make all that STAFF may.
const DESIGN: &[(&str, &str, &str, &str, bool)] = &[
    ("PENDING", "CONFIRMED", "STAFF ADMIN SYSTEM", "DELIVERY PICKUP DINE_IN", false),
    ("PENDING", "CANCELLED", "CUSTOMER STAFF ADMIN SYSTEM", "DELIVERY PICKUP DINE_IN", false),
    ("CONFIRMED", "PREPARING", "STAFF ADMIN", "DELIVERY PICKUP DINE_IN", false),
    ("CONFIRMED", "CANCELLED", "STAFF ADMIN CUSTOMER", "DELIVERY PICKUP DINE_IN", false),
    ("PREPARING", "READY", "STAFF ADMIN", "DELIVERY PICKUP DINE_IN", false),
    ("PREPARING", "ON_THE_WAY", "DRIVER STAFF ADMIN", "DELIVERY", false),
    ("PREPARING", "CANCELLED", "STAFF ADMIN", "DELIVERY PICKUP DINE_IN", true),
    ("READY", "ON_THE_WAY", "DRIVER STAFF ADMIN", "DELIVERY", false),
    ("READY", "DELIVERED", "STAFF ADMIN", "PICKUP DINE_IN", false),
    ("READY", "CANCELLED", "STAFF ADMIN", "DELIVERY PICKUP DINE_IN", true),
    ("ON_THE_WAY", "DELIVERED", "DRIVER STAFF ADMIN", "DELIVERY PICKUP DINE_IN", false),
    ("ON_THE_WAY", "CANCELLED", "STAFF ADMIN", "DELIVERY PICKUP DINE_IN", true),
];

const ACTORS: [Actor; 5] = [Actor::Customer, Actor::Staff, Actor::Driver, Actor::Admin, Actor::System];
const FULFILMENTS: [Fulfilment; 3] = [Fulfilment::Delivery, Fulfilment::Pickup, Fulfilment::DineIn];

fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()
}

fn order(status: OrderStatus, fulfilment: Fulfilment, updated_at: DateTime<Utc>) -> Order {
    let currency = "EUR".parse().unwrap();
    let nothing = Amount::ZERO.of(currency);
    Order {
        id: OrderId::new(),
        number: 1,
        restaurant_id: RestaurantId::new(),
        customer_id: UserId::new(),
        cart_id: None,
        quote_id: None,
        coupon_code: None,
        scheduled_for: None,
        slot: None,
        fulfilment,
        status,
        version: 1,
        currency,
        items: Vec::new(),
        totals: Totals {
            items: nothing,
            tax: nothing,
            included_tax: nothing,
            taxes: Vec::new(),
            delivery_fee: nothing,
            service_fee: nothing,
            tip: nothing,
            discount: nothing,
            total: nothing,
        },
        address: None,
        place: None,
        delivery_zone: None,
        lead_minutes: 0,
        table: None,
        note: None,
        accept_by: None,
        cancellable_until: (status == OrderStatus::Confirmed).then(|| updated_at + CANCEL_WINDOW),
        promised_at: None,
        ready_from: None,
        ready_until: None,
        cancel_reason: None,
        placed_at: updated_at,
        updated_at,
        closed_at: None,
    }
}

/// The preparation time of the tested orders.
const PREPARATION: TimeDelta = TimeDelta::minutes(20);

fn update(to: OrderStatus, reason: Option<&str>) -> StatusUpdate {
    StatusUpdate { to, reason: reason.map(Into::into), return_stock: false }
}

/// The expected result of one update.
fn described(
    from: OrderStatus,
    to: OrderStatus,
    kind: Fulfilment,
    actor: Actor,
    reason: bool,
) -> Option<CannotAdvance> {
    let (from, to, kind, actor) = (word(from), word(to), word(kind), word(actor));
    let has = |list: &str, wanted: &str| list.split(' ').any(|one| one == wanted);
    let row = DESIGN.iter().find(|(start, finish, _, kinds, _)| *start == from && *finish == to && has(kinds, &kind));
    match row {
        None => Some(CannotAdvance::NoSuchStep),
        Some((_, _, actors, ..)) if !has(actors, &actor) => Some(CannotAdvance::NotYours),
        Some((.., needs_reason)) if *needs_reason && !reason => Some(CannotAdvance::ReasonMissing),
        Some(_) => None,
    }
}

#[test]
fn every_status_update_follows_the_documented_table() {
    let now = noon();
    let mut granted = 0;
    for from in OrderStatus::ALL {
        for to in OrderStatus::ALL {
            for kind in FULFILMENTS {
                for actor in ACTORS {
                    for reason in [None, Some("the oven is broken")] {
                        let answer = order(from, kind, now).advance(update(to, reason), PREPARATION, actor, now);
                        let expected = described(from, to, kind, actor, reason.is_some());
                        let case = format!("{from:?} → {to:?} by {actor:?}, {kind:?}, {reason:?}");
                        assert_eq!(answer.as_ref().err().copied(), expected, "{case}");
                        if let Ok(change) = answer {
                            granted += 1;
                            assert_eq!((change.from(), change.to(), change.reason()), (from, to, reason), "{case}");
                            assert_eq!(change.closed_at().is_some(), to.is_final(), "{case}");
                            assert_eq!(change.cancels(), to == OrderStatus::Cancelled, "{case}");
                            // Before preparation stock returns in any case, afterwards only if the request says so.
                            let early = matches!(from, OrderStatus::Pending | OrderStatus::Confirmed);
                            assert_eq!(change.returns_stock(), change.cancels() && early, "{case}");
                            let said = StatusUpdate { return_stock: true, ..update(to, reason) };
                            let change = order(from, kind, now).advance(said, PREPARATION, actor, now).unwrap();
                            assert_eq!(change.returns_stock(), to == OrderStatus::Cancelled, "{case}");
                            let promise = (to == OrderStatus::Confirmed).then(|| now + TimeDelta::minutes(20));
                            assert_eq!(change.promised_at(), promise, "{case}");
                            let window = (to == OrderStatus::Confirmed).then(|| now + CANCEL_WINDOW);
                            assert_eq!(change.cancellable_until(), window, "{case}");
                        }
                    }
                }
            }
        }
    }
    assert!(granted > 100, "{granted}");
}

#[test]
fn every_status_is_reached_and_nothing_follows_an_end() {
    for status in OrderStatus::ALL {
        let left = STEPS.iter().any(|step| step.from == status);
        let reached = STEPS.iter().any(|step| step.to == status);
        assert_eq!(left, !status.is_final(), "{status:?}");
        assert_eq!(reached, status != OrderStatus::Pending, "{status:?}");
    }
    assert_eq!(STEPS.len(), DESIGN.len());
}

#[test]
fn the_documented_table_is_the_one_in_the_code() {
    let page = include_str!("../../docs/orders.md");
    let (_, rest) = page.split_once("<!-- status table -->\n").unwrap();
    let (table, _) = rest.split_once("<!-- end -->").unwrap();
    let mut expected = "| from | to | who | for | note |\n|---|---|---|---|---|\n".to_owned();
    for step in STEPS {
        let who: Vec<_> = step.actors.iter().map(|actor| word(*actor)).collect();
        let kinds = match step.applies {
            AppliesTo::All => "all",
            AppliesTo::Delivery => "DELIVERY",
            AppliesTo::PickupAndDineIn => "PICKUP, DINE_IN",
        };
        let (from, to) = (word(step.from), word(step.to));
        writeln!(expected, "| {from} | {to} | {} | {kinds} | {} |", who.join(", "), step.note).unwrap();
    }
    assert_eq!(table, expected, "write this between the comments of docs/orders.md:\n{expected}");
}

#[test]
fn a_customer_cancels_within_the_window_and_not_after() {
    let confirmed_at = noon();
    let order = order(OrderStatus::Confirmed, Fulfilment::Pickup, confirmed_at);
    let cancel = |after| {
        order.advance(update(OrderStatus::Cancelled, None), PREPARATION, Actor::Customer, confirmed_at + after).err()
    };
    assert_eq!(cancel(CANCEL_WINDOW), None);
    assert_eq!(cancel(CANCEL_WINDOW + TimeDelta::microseconds(1)), Some(CannotAdvance::TooLate));
    let staff = order.advance(
        update(OrderStatus::Cancelled, None),
        PREPARATION,
        Actor::Staff,
        confirmed_at + TimeDelta::days(1),
    );
    assert!(staff.is_ok());
}

/// A fixed time, which is passed to the rules.
fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

/// Orders of each fulfilment, PENDING.
async fn one_of_each(ada: &Person, luigi: &Shop) -> Vec<Value> {
    let mut orders = Vec::new();
    for details in [delivery_details(), json!({}), json!({ "fulfilment": "DINE_IN", "table": "7" })] {
        let cart = ada.puts_in_cart(luigi, &[(luigi.any_dish(), 1)]).await;
        orders.push(ada.orders_cart(&cart, &details).await.expect(201));
    }
    orders
}

#[tokio::test]
async fn staff_complete_every_kind_of_order_only_by_the_transition_table() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (ada, staff) = (app.customer("Ada").await, app.staff_of(&luigi).await);
    for mut order in one_of_each(&ada, &luigi).await {
        let kind = order["fulfilment"].as_str().unwrap().to_owned();
        let last = if kind == "DELIVERY" { "ON_THE_WAY" } else { "READY" };
        for next in ["CONFIRMED", "PREPARING", "READY", last, "DELIVERED"] {
            if order["status"] == next {
                continue;
            }
            for wrong in OrderStatus::ALL.map(word) {
                let from = order["status"].as_str().unwrap();
                let has = |kinds: &str| kinds.split(' ').any(|one| one == kind);
                if DESIGN.iter().any(|(start, to, _, kinds, _)| *start == from && *to == wrong && has(kinds)) {
                    continue;
                }
                let refusal = staff.tries_to_move(&order, &wrong, Some("no")).await.refused(409, "illegal_transition");
                assert_eq!(refusal["currentStatus"], order["status"]);
                assert_eq!(refusal["requestedStatus"], wrong);
                assert_eq!(refusal["currentVersion"], order["version"]);
            }
            order = staff.moves(&order, next).await;
        }
        for to in OrderStatus::ALL.map(word) {
            staff.tries_to_move(&order, &to, Some("no")).await.refused(409, "illegal_transition");
        }
    }
}

#[tokio::test]
async fn a_transition_by_another_actor_is_refused() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (ada, staff) = (app.customer("Ada").await, app.staff_of(&luigi).await);
    let order = ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await;
    ada.tries_to_move(&order, "CONFIRMED", None).await.refused(403, "forbidden");
    let order = staff.makes_steps(&order, &["CONFIRMED", "PREPARING"]).await;
    ada.tries_to_move(&order, "CANCELLED", Some("I changed my mind")).await.refused(403, "forbidden");
    let refusal = staff.tries_to_move(&order, "CANCELLED", None).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"][0]["pointer"], "/reason");
    assert_eq!(staff.cancels(&order, "the oven is broken").await["cancelReason"], "the oven is broken");
}

#[tokio::test]
async fn an_administrator_does_what_staff_do() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (ada, admin) = (app.customer("Ada").await, app.admin().await);
    let order = ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await;
    let order = admin.makes_steps(&order, &["CONFIRMED", "PREPARING", "READY", "DELIVERED"]).await;
    assert_eq!(order["status"], "DELIVERED");
    let events = admin.reads_events(&order, 5).await;
    let actors: Vec<_> = events.iter().map(|event| event["actor"].clone()).collect();
    assert_eq!(actors, ["CUSTOMER", "ADMIN", "ADMIN", "ADMIN", "ADMIN"]);
}

#[tokio::test]
async fn a_customer_after_the_window_has_to_ask_the_restaurant() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (ada, staff) = (app.customer("Ada").await, app.staff_of(&luigi).await);
    let order = ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await;
    let order = staff.moves(&order, "CONFIRMED").await;
    app.advance_clock(CANCEL_WINDOW + TimeDelta::seconds(1));
    ada.tries_to_move(&order, "CANCELLED", None).await.refused(409, "illegal_transition");
    staff.cancels(&order, "as the guest wished").await;
}

/// The console has a copy of the table for its buttons; the copy is equal to the table.
#[test]
fn the_console_has_the_transition_table() {
    let quoted = |words: Vec<String>| words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ");
    let rows = STEPS.iter().map(|step| {
        let people = [Actor::Customer, Actor::Driver, Actor::Staff];
        let who = people.into_iter().filter(|actor| step.actors.contains(actor));
        let who = quoted(who.map(|actor| word(actor).to_lowercase()).collect());
        let only = match step.applies {
            AppliesTo::All => "",
            AppliesTo::Delivery => ", only: ['DELIVERY']",
            AppliesTo::PickupAndDineIn => ", only: ['PICKUP', 'DINE_IN']",
        };
        let reason = if step.needs_reason { ", reason: true" } else { "" };
        let stock = if step.stock == CancelledStock::ReturnsIfSaid { ", choosesStock: true" } else { "" };
        format!("  {{ from: '{}', to: '{}', who: [{who}]{only}{reason}{stock} }},", word(step.from), word(step.to))
    });
    let table = format!("const STEPS = [\n{}\n];\n", rows.collect::<Vec<_>>().join("\n"));
    let console = std::fs::read_to_string("console/status.js").unwrap();
    assert!(console.contains(&table), "console/status.js has another table than src/orders/status.rs:\n{table}");
}
