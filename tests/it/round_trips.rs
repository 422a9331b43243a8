//! The number of round trips to PostgreSQL of each request; each statement is one, `BEGIN` and `COMMIT` included. They
//! are counted, not timed; a number here is increased only on purpose.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use crate::app::TestApp;
use crate::people::{delivery_details, id_of};
use crate::shop::Shop;

/// The statements of requests, as the driver logs them.
#[derive(Clone, Default)]
struct StatementLog(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for StatementLog {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // Statements of background tasks belong to no request.
        let of_a_request =
            || context.event_scope(event).is_some_and(|mut spans| spans.any(|span| span.name() == "request"));
        if event.metadata().target() == "sqlx::query" && of_a_request() {
            let mut statement = Statement::default();
            event.record(&mut statement);
            let text = if statement.whole.is_empty() { statement.summary } else { statement.whole };
            // Once for each connection the driver reads our types; and the user of a session is cached, but read
            // again when this node has not received revocations for a while.
            if !["pg_catalog", "attrelid", "confirmed_counter"].iter().any(|word| text.contains(word)) {
                self.0.lock().unwrap().push(text.split_whitespace().collect::<Vec<_>>().join(" "));
            }
        }
    }
}

#[derive(Default)]
struct Statement {
    summary: String,
    whole: String,
}

impl Visit for Statement {
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.clone_into(&mut self.whole),
            _ => {}
        }
    }
}

impl StatementLog {
    /// Records everything in this process from here on.
    fn listen() -> Self {
        let log = Self::default();
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(log.clone())).unwrap();
        log
    }

    /// The number of statements and transactions since the last call, and the statements.
    fn count(&self) -> (usize, usize, Vec<String>) {
        let said = std::mem::take(&mut *self.0.lock().unwrap());
        (said.len(), said.iter().filter(|text| text.starts_with("BEGIN")).count(), said)
    }
}

/// Counts the statements of actions, and compares all of them with the expected numbers.
struct Counts {
    log: StatementLog,
    rows: Vec<(String, usize, usize)>,
    said: Vec<(String, Vec<String>)>,
}

impl Counts {
    fn begin(log: StatementLog) -> Self {
        log.count();
        Self { log, rows: Vec::new(), said: Vec::new() }
    }

    fn take(&mut self, what: &str) {
        let (statements, transactions, said) = self.log.count();
        self.rows.push((what.to_owned(), statements, transactions));
        self.said.push((what.to_owned(), said));
    }

    fn expect(self, known: &[(&str, usize, usize)]) {
        let rows: Vec<_> = self.rows.iter().map(|(what, one, other)| (what.as_str(), *one, *other)).collect();
        assert_eq!(rows, known, "statements and transactions; said was {:#?}", self.said);
    }
}

/// A customer at a restaurant: fills a cart, changes it, orders from it, from lines and from a quote, reads; staff
/// confirm one order and cancel another.
async fn everything(log: &StatementLog, app: &TestApp, shop: &Shop, line: &Value) -> Counts {
    let (ada, staff) = (app.customer("Ada").await, app.staff_of(shop).await);
    // The first request with a token has more statements than later ones.
    ada.get("/api/me").await.expect(200);
    staff.get("/api/me").await.expect(200);
    let mut counts = Counts::begin(log.clone());
    let mut wanted = delivery_details();
    wanted["restaurantId"] = json!(shop.id);
    wanted["lines"] = json!([line, line]);
    ada.asks_for_order("the-first-order", &wanted).await.expect(201);
    counts.take("the first order of a restaurant");
    let cart = ada.put(&shop.path("/cart"), &json!({ "lines": [line, line] })).await.expect(200);
    counts.take("the cart is put");
    let mut change = line.clone();
    change["key"] = json!("another");
    let changed = ada.patch(&shop.path("/cart"), &json!({ "lines": [change] })).await.expect(200);
    assert_eq!(changed["lines"].as_array().map(Vec::len), Some(3));
    counts.take("it is changed");
    ada.get(&shop.path("/cart")).await.expect(200);
    counts.take("it is read");
    let order = ada.orders_cart(&cart, &delivery_details()).await.expect(201);
    counts.take("an order from it");
    assert_eq!(ada.reads_order(&order).await, order);
    counts.take("the order is read");
    let other = ada.asks_for_order("lines", &wanted).await.expect(201);
    counts.take("an order from lines");
    let wanted = json!({ "lines": [line, line], "fulfilment": "DELIVERY", "place": delivery_details()["place"] });
    let quote = ada.post(&shop.path("/quotes"), &wanted).await.expect(201);
    counts.take("a quote");
    let wanted = json!({ "quoteId": id_of(&quote), "address": delivery_details()["address"] });
    let quoted = ada.asks_for_order("quote", &wanted).await.expect(201);
    assert_eq!(ada.reads_order(&quoted).await, quoted);
    counts.take("an order from it, and reading it");
    staff.moves(&order, "CONFIRMED").await;
    counts.take("staff confirm");
    staff.moves(&order, "PREPARING").await;
    counts.take("staff begin to cook");
    ada.moves(&other, "CANCELLED").await;
    counts.take("the customer cancels");
    counts
}

#[tokio::test]
async fn an_order_makes_a_fixed_number_of_database_round_trips() {
    let log = StatementLog::listen();
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let counts = everything(&log, &app, &luigi, &json!({ "itemId": luigi.any_dish().id, "quantity": 1 })).await;
    counts.expect(&[
        ("the first order of a restaurant", 3, 0),
        ("the cart is put", 6, 1),
        ("it is changed", 6, 1),
        ("it is read", 4, 1),
        ("an order from it", 2, 0),
        ("the order is read", 1, 0),
        ("an order from lines", 1, 0),
        ("a quote", 6, 1),
        ("an order from it, and reading it", 10, 1),
        ("staff confirm", 3, 0),
        ("staff begin to cook", 2, 0),
        ("the customer cancels", 8, 1),
    ]);
}

#[tokio::test]
async fn an_order_with_modifiers_stock_and_zones_makes_a_fixed_number_of_round_trips() {
    let log = StatementLog::listen();
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells_counted("Burger", 1000, 50).opens().await;
    let free = json!({ "amount": 0, "currency": "EUR" });
    let group =
        json!({ "name": "Size", "min": 1, "max": 1, "modifiers": [{ "name": "Large", "price": free, "stock": 50 }] });
    let group = luigi.owner.post(&luigi.path("/modifier-groups"), &group).await.expect(201);
    let asks = json!({ "modifierGroups": [id_of(&group)] });
    luigi.owner.patch(&luigi.path(&format!("/items/{}", luigi.any_dish().id)), &asks).await.expect(200);
    let zone = json!({ "type": "Feature", "geometry": { "type": "Point", "coordinates": [11.3426, 44.4949] },
        "properties": { "name": "Around", "radiusMetres": 3000.0, "leadMinutes": 25, "minimumOrder": null,
            "fee": { "base": free, "perKilometre": null, "freeAbove": null } } });
    let zones = json!({ "type": "FeatureCollection", "features": [zone] });
    luigi.owner.put(&luigi.path("/zones"), &zones).await.expect(200);
    let size = &group["modifiers"][0]["id"];
    let line = json!({ "itemId": luigi.any_dish().id, "quantity": 1, "modifiers": [{ "modifierId": size }] });
    let counts = everything(&log, &app, &luigi, &line).await;
    counts.expect(&[
        ("the first order of a restaurant", 4, 0),
        ("the cart is put", 7, 1),
        ("it is changed", 7, 1),
        ("it is read", 5, 1),
        ("an order from it", 3, 0),
        ("the order is read", 1, 0),
        ("an order from lines", 2, 0),
        ("a quote", 7, 1),
        ("an order from it, and reading it", 11, 1),
        ("staff confirm", 3, 0),
        ("staff begin to cook", 2, 0),
        ("the customer cancels", 8, 1),
    ]);
}
