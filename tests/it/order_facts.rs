//! Orders are decided on facts in memory: after every change they are what a quote says, which is decided on what the
//! database holds.

use axum::http::Method;
use chrono::{Datelike as _, TimeDelta};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::app::TestApp;
use crate::people::{Person, delivery_details, id_of};
use crate::shop::{Dish, Shop};

fn euros(amount: i64) -> Value {
    json!({ "amount": amount, "currency": "EUR" })
}

/// A restaurant with an item that has an uncounted stock, two groups of modifiers, a category, a zone.
struct Luigi {
    shop: Shop,
    group: Value,
}

impl Luigi {
    async fn opens(app: &TestApp) -> Self {
        let rates = json!({ "delivery": 400, "pickup": 2200, "dineIn": 1000 });
        let shop = app
            .restaurant("Luigi")
            .sells("Margherita", 850)
            .sells_counted("Tiramisu", 500, 500)
            .with("taxClasses", json!([{ "name": "drinks", "basisPoints": rates }]))
            .opens()
            .await;
        let modifiers = json!([{ "name": "Large", "price": euros(200) }, { "name": "Small", "price": euros(0) }]);
        let group = json!({ "name": "Size", "min": 0, "max": 1, "modifiers": modifiers });
        let group = shop.owner.post(&shop.path("/modifier-groups"), &group).await.expect(201);
        let item = shop.path(&format!("/items/{}", shop.dish("Margherita").id));
        shop.owner.patch(&item, &json!({ "modifierGroups": [id_of(&group)] })).await.expect(200);
        Self { shop, group }
    }

    fn lines(&self) -> Value {
        let large = &self.group["modifiers"][0]["id"];
        json!([
            { "itemId": self.shop.dish("Margherita").id, "quantity": 2, "modifiers": [{ "modifierId": large }] },
            { "itemId": self.shop.dish("Tiramisu").id, "quantity": 3 },
        ])
    }

    /// Orders, and compares what is ordered or refused with a quote of the same lines. Returns what is compared.
    async fn orders_as_quoted(&self, ada: &Person, what: &str) -> Value {
        let place = delivery_details()["place"].clone();
        let quote = json!({ "lines": self.lines(), "fulfilment": "DELIVERY", "place": place });
        let quote = ada.post(&self.shop.path("/quotes"), &quote).await;
        let mut order = delivery_details();
        order["restaurantId"] = json!(self.shop.id);
        order["lines"] = self.lines();
        let order = ada.asks_for_order(&Uuid::new_v4().to_string(), &order).await;
        assert_eq!(order.status, quote.status, "{what}: {} {}", order.text(), quote.text());
        let (order, quote) = (order.json(), quote.json());
        for part in ["code", "totals", "items", "deliveryZone"] {
            assert_eq!(order.get(part), quote.get(part), "{what}");
        }
        json!([order["code"], order["totals"], order["items"]])
    }
}

/// Every change that decides whether and at what price something can be ordered: method, path, body.
fn changes(app: &TestApp, luigi: &Luigi) -> Vec<(Method, String, Value)> {
    let shop = &luigi.shop;
    let item = |name: &str, rest: &str| shop.path(&format!("/items/{}{rest}", shop.dish(name).id));
    let group = shop.path(&format!("/modifier-groups/{}", id_of(&luigi.group)));
    let modifier = format!("{group}/modifiers/{}", id_of(&luigi.group["modifiers"][0]));
    let category = shop.path(&format!("/categories/{}", shop.category));
    let another_day = (app.clock.now() + TimeDelta::days(3)).weekday().number_from_monday();
    let never = json!([{ "days": [another_day], "from": "10:00", "to": "11:00" }]);
    let closed = json!({ "weekly": [{ "weekday": another_day, "opens": "10:00", "closes": "11:00" }] });
    let zone = |minimum: i64, fee: i64| {
        let properties = json!({ "name": "Around", "radiusMetres": 3000.0, "leadMinutes": 25,
            "minimumOrder": euros(minimum),
            "fee": { "base": euros(fee), "perKilometre": euros(50), "freeAbove": null } });
        let place = json!({ "type": "Point", "coordinates": [11.3426, 44.4949] });
        let feature = json!({ "type": "Feature", "geometry": place, "properties": properties });
        json!({ "type": "FeatureCollection", "features": [feature] })
    };
    let tomorrow = app.clock.now() + TimeDelta::days(1);
    let pause = json!({ "until": tomorrow, "reason": "A broken oven" });
    let patch = |body: Value| (Method::PATCH, shop.path(""), body);
    vec![
        patch(json!({ "deliveryFee": euros(310) })),
        patch(json!({ "taxBasisPoints": 1_000 })),
        patch(json!({ "pricesIncludeTax": false })),
        patch(json!({ "serviceFee": { "basisPoints": 500, "fixed": euros(30) } })),
        patch(json!({ "taxRounding": "HALF_EVEN" })),
        patch(json!({ "minimumOrder": euros(9_000) })),
        patch(json!({ "minimumOrder": euros(0) })),
        patch(json!({ "accepting": false })),
        patch(json!({ "accepting": true })),
        (Method::PUT, shop.path("/hours"), closed),
        (Method::PUT, shop.path("/hours"), json!({ "alwaysOpen": true })),
        (Method::PUT, shop.path("/pause"), pause),
        (Method::DELETE, shop.path("/pause"), Value::Null),
        (Method::PUT, shop.path("/zones"), zone(0, 290)),
        (Method::PUT, shop.path("/zones"), zone(0, 190)),
        (Method::PUT, shop.path("/zones"), zone(20_000, 190)),
        (Method::PUT, shop.path("/zones"), json!({ "type": "FeatureCollection", "features": [] })),
        (Method::PATCH, item("Margherita", ""), json!({ "price": euros(910) })),
        (Method::PATCH, item("Margherita", ""), json!({ "name": "Margherita DOP" })),
        (Method::PATCH, item("Margherita", ""), json!({ "taxClass": "drinks" })),
        (
            Method::PATCH,
            item("Margherita", ""),
            json!({ "allergens": [{ "allergen": "GLUTEN", "level": "CONTAINS" }] }),
        ),
        (Method::PATCH, item("Margherita", ""), json!({ "dayParts": never })),
        (Method::PATCH, item("Margherita", ""), json!({ "dayParts": [] })),
        (Method::PATCH, category.clone(), json!({ "dayParts": never })),
        (Method::PATCH, category, json!({ "dayParts": [] })),
        (Method::PUT, item("Margherita", "/availability"), json!({ "available": false })),
        (Method::PUT, item("Margherita", "/availability"), json!({ "available": true })),
        (Method::PUT, format!("{modifier}/availability"), json!({ "available": false })),
        (Method::PUT, format!("{modifier}/availability"), json!({ "available": true })),
        (Method::PATCH, group.clone(), json!({ "min": 2, "max": 2 })),
        (Method::PATCH, group, json!({ "min": 0, "max": 1 })),
        (Method::PUT, item("Margherita", "/stock"), json!({ "stock": 1 })),
        (Method::PUT, item("Margherita", "/stock"), json!({ "stock": 5 })),
        (Method::PUT, item("Margherita", "/stock"), json!({ "stock": null })),
        (Method::PUT, item("Tiramisu", "/stock"), json!({ "stock": 2 })),
        (Method::PUT, item("Tiramisu", "/stock"), json!({ "stock": 100 })),
        (Method::DELETE, item("Margherita", ""), Value::Null),
    ]
}

#[tokio::test]
async fn after_every_change_orders_are_as_quoted() {
    let limits = [("ORDER_MAX_OPEN", "500"), ("QUOTE_MAX_OPEN", "500")];
    let app = TestApp::with(&limits).await;
    let luigi = Luigi::opens(&app).await;
    let ada = app.customer("Ada").await;
    let mut before = luigi.orders_as_quoted(&ada, "at first").await;
    let mut without_effect = Vec::new();
    for (method, path, body) in changes(&app, &luigi) {
        let what = format!("{method} {path} {body}");
        let owner = &luigi.shop.owner;
        let reply = owner.send(owner.request(method, &path).json(&body)).await;
        assert!((200..300).contains(&reply.status), "{what}: {}", reply.text());
        let now = luigi.orders_as_quoted(&ada, &what).await;
        // The second order is decided on what the first one has left in memory.
        luigi.orders_as_quoted(&ada, &what).await;
        if now == before {
            without_effect.push(format!("{what}: {}", now[0]));
        }
        before = now;
    }
    assert!(without_effect.len() < 5, "{without_effect:#?}");
}

#[tokio::test]
async fn a_stock_that_begins_to_be_counted_is_taken_by_the_next_order() {
    let app = TestApp::start().await;
    let luigi = Luigi::opens(&app).await;
    let (ada, margherita) = (app.customer("Ada").await, luigi.shop.dish("Margherita"));
    luigi.orders_as_quoted(&ada, "uncounted").await;
    let stock = luigi.shop.path(&format!("/items/{}/stock", margherita.id));
    luigi.shop.owner.put(&stock, &json!({ "stock": 7 })).await.expect(200);
    luigi.orders_as_quoted(&ada, "counted").await;
    assert_eq!(luigi.shop.stock_of(margherita).await, Some(5));
    luigi.shop.owner.put(&stock, &json!({ "stock": null })).await.expect(200);
    luigi.orders_as_quoted(&ada, "uncounted again").await;
    assert_eq!(luigi.shop.stock_of(margherita).await, None);
}

#[tokio::test]
async fn a_menu_of_more_items_than_the_cache_holds_is_ordered_from() {
    let app = TestApp::with(&[("ORDER_FACTS_CACHE_BYTES", "1048576")]).await;
    let ada = app.customer("Ada").await;
    let facts = &app.running().app.order_facts;
    // Each item takes about half a kilobyte, and half of the cache is for items.
    let mut shop = app.restaurant("Luigi").opens().await;
    let item = |number: i64| json!({ "key": number.to_string(), "name": format!("Dish {number}"), "price": euros(100 + number) });
    let menu = json!({ "language": "it", "categories": [{ "key": "all", "name": "All", "items": (0..990).map(item).collect::<Vec<_>>() }] });
    shop.owner.put(&shop.path("/menu"), &menu).await.expect(200);
    let menu = shop.owner.get(&shop.path("/menu")).await.expect(200);
    let items = menu["categories"][0]["items"].as_array().unwrap().iter();
    shop.dishes = items.map(|item| Dish { id: id_of(item).to_owned(), name: item["name"].to_string() }).collect();
    assert_eq!(shop.dishes.len(), 990);
    let mut largest = 0;
    for dishes in shop.dishes.chunks(90) {
        let lines: Vec<_> = dishes.iter().map(|dish| (dish, 1)).collect();
        let order = ada.places_order(&shop, &lines).await;
        assert_eq!(order["items"].as_array().map(Vec::len), Some(90));
        assert!(facts.bytes() <= 1 << 20);
        largest = largest.max(facts.bytes());
    }
    assert!(largest > 400 << 10, "{largest}");
    // The first ones were removed, and are read again.
    ada.places_order(&shop, &[(&shop.dishes[0], 1), (&shop.dishes[989], 1)]).await;
}

/// An edit of the menu and an order that both lock many items would deadlock if they did not lock the stock first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_and_edits_of_the_menu_do_not_deadlock() {
    let app = TestApp::with(&[("ORDER_MAX_OPEN", "500")]).await;
    let mut shop = app.restaurant("Luigi").opens().await;
    let menu = |price: i64| {
        let item = |number: i64| {
            json!({ "key": number.to_string(), "name": format!("Dish {number}"), "price": euros(price),
                "stock": 100_000 })
        };
        json!({ "language": "it",
            "categories": [{ "key": "all", "name": "All", "items": (0..90).map(item).collect::<Vec<_>>() }] })
    };
    shop.owner.put(&shop.path("/menu"), &menu(100)).await.expect(200);
    let shown = shop.owner.get(&shop.path("/menu")).await.expect(200);
    let items = shown["categories"][0]["items"].as_array().unwrap().iter();
    shop.dishes = items.map(|item| Dish { id: id_of(item).to_owned(), name: item["name"].to_string() }).collect();
    let mut at_once = JoinSet::new();
    for customer in app.crowd(4).await {
        let lines: Vec<_> = shop.dishes.iter().map(|dish| json!({ "itemId": dish.id, "quantity": 1 })).collect();
        let order = json!({ "restaurantId": shop.id, "fulfilment": "PICKUP", "lines": lines });
        at_once.spawn(async move {
            for _ in 0..8 {
                customer.asks_for_order(&Uuid::new_v4().to_string(), &order).await.expect(201);
            }
        });
    }
    let edited = shop.clone();
    at_once.spawn(async move {
        for price in 101..117 {
            edited.owner.put(&edited.path("/menu"), &menu(price)).await.expect(200);
        }
    });
    at_once.join_all().await;
    assert_eq!(app.count("select deadlocks from pg_stat_database where datname = current_database()").await, 0);
}

#[tokio::test]
async fn an_outdated_decision_writes_nothing() {
    let app = TestApp::start().await;
    let luigi = Luigi::opens(&app).await;
    let ada = app.customer("Ada").await;
    luigi.orders_as_quoted(&ada, "at first").await;
    luigi.shop.owner.patch(&luigi.shop.path(""), &json!({ "deliveryFee": euros(310) })).await.expect(200);
    luigi.orders_as_quoted(&ada, "after a change").await;
    // A row that is rolled back leaves a gap in the identities.
    let gaps = "select max(id) - min(id) + 1 - count(*) from stock_ledger";
    assert_eq!(app.count(gaps).await, 0);
}
