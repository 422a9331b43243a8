//! Requests that change nothing: version and `ETag` stay, and no event is written.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::people::id_of;
use crate::shop::Shop;

/// A restaurant with every kind of object, and their ids.
struct Scene {
    app: TestApp,
    shop: Shop,
    group: Value,
    coupon: Value,
}

impl Scene {
    async fn set() -> Self {
        let app = TestApp::start().await;
        let shop = app.restaurant("Luigi").sells_counted("Margherita", 850, 20).opens().await;
        let euro = |amount: i64| json!({ "amount": amount, "currency": "EUR" });
        let modifiers =
            json!([{ "name": "Olives", "price": euro(100), "stock": 5 }, { "name": "Basil", "price": euro(0) }]);
        let group = json!({ "name": "Extra", "min": 0, "max": 2, "modifiers": modifiers });
        let group = shop.owner.post(&shop.path("/modifier-groups"), &group).await.expect(201);
        let coupon = json!({ "code": "TEN", "kind": "PERCENT", "basisPoints": 1000, "limitPerUser": 1 });
        let coupon = shop.owner.post(&shop.path("/coupons"), &coupon).await.expect(201);
        let item = json!({ "modifierGroups": [group["id"]], "diets": ["VEGETARIAN"], "allergens": [],
            "dayParts": [{ "days": [1, 2, 3], "from": "11:00", "to": "15:00" }],
            "translations": { "de": { "name": "Margarita" } } });
        shop.owner.patch(&shop.path(&format!("/items/{}", shop.any_dish().id)), &item).await.expect(200);
        let profile = json!({
            "cuisines": ["Pizza", "Pasta"], "contact": { "phone": "+39 051 1234567", "website": "https://luigi.example" },
            "taxBasisPoints": 1000, "taxClasses": [{ "name": "drinks", "basisPoints": { "delivery": 2200, "pickup": 2200, "dineIn": 2200 } }],
            "serviceFee": { "basisPoints": 300 }, "slots": { "minutes": 30, "capacity": 5 },
        });
        shop.owner.patch(&shop.path(""), &profile).await.expect(200);
        Self { app, shop, group, coupon }
    }

    async fn get(&self, path: &str) -> Value {
        self.shop.owner.get(&self.shop.path(path)).await.expect(200)
    }

    /// The versions of everything that has one, and the number of events.
    async fn versions(&self) -> Vec<String> {
        let mut versions = Vec::new();
        let coupon = format!("/coupons/{}", id_of(&self.coupon));
        for path in ["", "/hours", "/zones", "/menu", "/menu/document", &coupon] {
            let reply = self.shop.owner.get(&self.shop.path(path)).await;
            reply.expect(200);
            versions.push(format!("{path} {}", reply.header("etag")));
        }
        let cart = self.get("/cart").await;
        versions.push(format!("cart {} {}", cart["version"], cart["updatedAt"]));
        let events = self.app.count("select count(*) from events").await;
        let ledger = self.app.count("select count(*) from stock_ledger").await;
        versions.extend([format!("events {events}"), format!("ledger {ledger}")]);
        versions
    }
}

/// Only these fields of a body.
fn only(body: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), body[*name].clone())).collect::<serde_json::Map<_, _>>().into()
}

/// Every request of a restaurant that can be repeated. Each is sent twice; only the first may change anything.
#[expect(clippy::too_many_lines, reason = "a table")]
async fn requests(scene: &Scene) -> Vec<(Method, &'static str, String, Value)> {
    let item = format!("/items/{}", scene.shop.any_dish().id);
    let group = format!("/modifier-groups/{}", id_of(&scene.group));
    let modifier = format!("{group}/modifiers/{}", id_of(&scene.group["modifiers"][0]));
    let category = format!("/categories/{}", scene.shop.category);
    let coupon = format!("/coupons/{}", id_of(&scene.coupon));
    let until = |hours: i64| scene.app.clock.now() + TimeDelta::hours(hours);
    let hours = json!({
        "weekly": [{ "weekday": 6, "opens": "18:00", "closes": "23:00" }, { "weekday": 5, "opens": "12:00", "closes": "15:00" }],
        "exceptions": [
            { "date": "2030-12-25", "note": "Christmas", "spans": [] },
            { "date": "2030-12-24", "spans": [{ "opens": "18:00", "closes": "20:00" }, { "opens": "10:00", "closes": "14:00" }] },
        ],
    });
    let ring = json!([[11.1, 44.4], [11.512_345_678_9, 44.4], [11.5, 44.654_321_1], [11.1, 44.4]]);
    let zones = json!({ "type": "FeatureCollection", "features": [
        { "type": "Feature", "geometry": { "type": "Polygon", "coordinates": [ring] },
          "properties": { "name": "Centre", "fee": { "base": { "amount": 250, "currency": "EUR" } } } },
        { "type": "Feature", "geometry": { "type": "Point", "coordinates": [11.3426, 44.4949] },
          "properties": { "name": "Near", "radiusMetres": 4_000.5, "fee": { "base": { "amount": 350, "currency": "EUR" } } } },
    ] });
    let weekly = json!([{ "weekday": 6, "opens": "18:00", "closes": "23:00" }, { "weekday": 5, "opens": "12:00", "closes": "15:00" }]);
    let profile = [
        "name",
        "slug",
        "description",
        "cuisines",
        "contact",
        "address",
        "place",
        "timezone",
        "pricesIncludeTax",
        "taxBasisPoints",
        "taxClasses",
        "taxRounding",
        "taxRoundingLevel",
        "deliveryFee",
        "serviceFee",
        "minimumOrder",
        "autoAccept",
        "acceptMinutes",
        "preparationMinutes",
        "slots",
        "accepting",
        "lastOrders",
    ];
    let profile = only(&scene.get("").await, &profile);
    let mut whole_item = scene.get(&item).await;
    for name in ["id", "image", "unavailableUntil", "orderable"] {
        whole_item.as_object_mut().unwrap().remove(name);
    }
    let shown_group = scene.get(&group).await;
    let shown_category = scene.get(&category).await;
    let document = scene.get("/menu/document").await;
    let dish = &scene.shop.any_dish().id;
    let line = |key: &str, quantity: u8| json!({ "key": key, "itemId": dish, "quantity": quantity });
    let (patch, put, delete) = (Method::PATCH, Method::PUT, Method::DELETE);
    let row = |method: &Method, route, path: &str, body| (method.clone(), route, path.to_owned(), body);
    vec![
        row(&put, "/cart", "/cart", json!({ "lines": [] })),
        row(&put, "/cart", "/cart", json!({ "lines": [line("b", 2), line("a", 1)] })),
        row(&patch, "/cart", "/cart", json!({ "lines": [] })),
        row(&patch, "/cart", "/cart", json!({ "lines": [line("a", 3)] })),
        row(&patch, "/cart", "/cart", json!({ "lines": [{ "key": "b", "quantity": 0 }] })),
        row(&put, "/cart", "/cart", json!({ "lines": [line("a", 3)] })),
        row(&patch, "", "", json!({})),
        row(&patch, "", "", json!({ "description": "Since 1954", "name": "Da Luigi" })),
        row(&patch, "", "", profile),
        row(&patch, "", "", json!({ "hours": weekly })),
        row(&patch, "", "", json!({ "alwaysOpen": true })),
        row(&put, "/hours", "/hours", hours),
        row(&put, "/hours", "/hours", json!({ "weekly": [] })),
        row(&put, "/hours", "/hours", json!({ "alwaysOpen": true })),
        row(&put, "/zones", "/zones", zones),
        row(&put, "/pause", "/pause", json!({ "until": until(1), "reason": "The oven is cold" })),
        row(&delete, "/pause", "/pause", Value::Null),
        row(&delete, "/image", "/image", Value::Null),
        row(&patch, "/categories/{categoryId}", &category, json!({})),
        row(&patch, "/categories/{categoryId}", &category, json!({ "name": "Pizza", "position": 3 })),
        row(
            &patch,
            "/categories/{categoryId}",
            &category,
            only(&shown_category, &["key", "name", "position", "dayParts", "translations"]),
        ),
        row(&patch, "/items/{itemId}", &item, json!({})),
        row(&patch, "/items/{itemId}", &item, json!({ "name": "Marinara", "stock": 7 })),
        row(&patch, "/items/{itemId}", &item, whole_item),
        row(&delete, "/items/{itemId}/image", &format!("{item}/image"), Value::Null),
        row(&put, "/items/{itemId}/availability", &format!("{item}/availability"), json!({ "available": true })),
        row(&put, "/items/{itemId}/availability", &format!("{item}/availability"), json!({ "available": false })),
        row(
            &put,
            "/items/{itemId}/availability",
            &format!("{item}/availability"),
            json!({ "available": false, "until": until(2) }),
        ),
        row(&put, "/items/{itemId}/stock", &format!("{item}/stock"), json!({ "stock": 0 })),
        row(&put, "/items/{itemId}/stock", &format!("{item}/stock"), json!({ "stock": null })),
        row(&patch, "/modifier-groups/{groupId}", &group, json!({})),
        row(&patch, "/modifier-groups/{groupId}", &group, json!({ "max": 1 })),
        row(
            &patch,
            "/modifier-groups/{groupId}",
            &group,
            only(&shown_group, &["key", "name", "min", "max", "translations"]),
        ),
        row(
            &put,
            "/modifier-groups/{groupId}/modifiers/{modifierId}/availability",
            &format!("{modifier}/availability"),
            json!({ "available": false }),
        ),
        row(
            &put,
            "/modifier-groups/{groupId}/modifiers/{modifierId}/availability",
            &format!("{modifier}/availability"),
            json!({ "available": false, "until": until(2) }),
        ),
        row(
            &put,
            "/modifier-groups/{groupId}/modifiers/{modifierId}/availability",
            &format!("{modifier}/availability"),
            json!({ "available": true }),
        ),
        row(
            &put,
            "/modifier-groups/{groupId}/modifiers/{modifierId}/stock",
            &format!("{modifier}/stock"),
            json!({ "stock": 0 }),
        ),
        row(&put, "/menu", "/menu", document),
        row(&patch, "/coupons/{couponId}", &coupon, json!({})),
        row(
            &patch,
            "/coupons/{couponId}",
            &coupon,
            json!({ "active": false, "limitTotal": 9, "validUntil": until(99) }),
        ),
        row(&patch, "/coupons/{couponId}", &coupon, json!({ "validUntil": null })),
    ]
}

/// Requests below a restaurant that are not in the table, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("delete /categories/{categoryId}", "the second time it is not found"),
    ("delete /items/{itemId}", "the second time it is not found"),
    ("delete /modifier-groups/{groupId}", "the second time it is not found"),
    ("delete /coupons/{couponId}", "the second time it is not found"),
    ("delete /invitations/{invitationId}", "the second time it is not found"),
    ("delete /members/{userId}", "the second time it is not found"),
    ("patch /members/{userId}", "no version and no event"),
    ("patch /security", "no version and no event"),
];

#[tokio::test]
async fn a_repeated_request_changes_no_version_and_writes_no_event() {
    let scene = Scene::set().await;
    let owner = &scene.shop.owner;
    for (method, _, path, body) in requests(&scene).await {
        let ask = || owner.send(owner.request(method.clone(), &scene.shop.path(&path)).json(&body));
        let first = ask().await;
        first.expect(200);
        let before = scene.versions().await;
        scene.app.advance_clock(TimeDelta::seconds(1));
        let again = ask().await;
        again.expect(200);
        let what = format!("{method} {path} {body}");
        assert_eq!(scene.versions().await, before, "{what}");
        assert_eq!(again.header("etag"), first.header("etag"), "{what}");
        if path != "/menu" {
            assert_eq!(again.json(), first.json(), "{what}");
        }
    }
    // The response of GET can be sent back.
    for path in ["/hours", "/zones", "/menu"] {
        let from = if path == "/menu" { "/menu/document" } else { path };
        let mut body = scene.get(from).await;
        if path == "/hours" {
            body = only(&body, &["alwaysOpen", "weekly", "exceptions"]);
        }
        let before = scene.versions().await;
        owner.put(&scene.shop.path(path), &body).await.expect(200);
        assert_eq!(scene.versions().await, before, "{path}");
    }
}

#[tokio::test]
async fn each_change_raises_the_version_by_one() {
    let scene = Scene::set().await;
    let owner = &scene.shop.owner;
    let version = async || scene.get("").await["version"].as_i64().unwrap();
    let before = version().await;
    for name in ["Uno", "Uno", "Due", "Due"] {
        owner.patch(&scene.shop.path(""), &json!({ "name": name })).await.expect(200);
    }
    assert_eq!(version().await, before + 2);
    // An old version is refused, also if the content is unchanged.
    let reply = owner.patch_version(&scene.shop.path(""), "\"1\"", &json!({})).await;
    reply.refused(412, "version_conflict");
}

#[tokio::test]
async fn a_cart_has_a_new_version_when_its_lines_look_different() {
    let scene = Scene::set().await;
    let ada = scene.app.customer("Ada").await;
    let path = scene.shop.path("/cart");
    let line = |key: &str, quantity: u8, note: Option<&str>| json!({ "key": key, "itemId": scene.shop.any_dish().id, "quantity": quantity, "note": note });
    let (a, b) = (line("a", 1, None), line("b", 2, None));
    let put = async |lines: Value| ada.put(&path, &json!({ "lines": lines })).await.expect(200)["version"].clone();
    assert_eq!(put(json!([a, b])).await, 1);
    assert_eq!(put(json!([a, b])).await, 1);
    assert_eq!(put(json!([b, a])).await, 2, "another order");
    assert_eq!(put(json!([b, a])).await, 2);
    assert_eq!(put(json!([b])).await, 3);
    assert_eq!(put(json!([line("c", 2, None)])).await, 4, "another key");
    let change = async |line: Value| ada.patch(&path, &json!({ "lines": [line] })).await.expect(200)["version"].clone();
    assert_eq!(change(line("c", 2, Some("hot"))).await, 5);
    assert_eq!(change(line("c", 2, Some("hot"))).await, 5);
    assert_eq!(change(json!({ "key": "x", "quantity": 0 })).await, 5, "one that was not there");
    // A line that is written again unchanged still gets a new time, so that an older write does not win.
    scene.app.advance_clock(TimeDelta::minutes(10));
    assert_eq!(change(line("c", 2, Some("hot"))).await, 5);
    let mut older = line("c", 9, None);
    older["at"] = json!(scene.app.clock.now() - TimeDelta::minutes(5));
    assert_eq!(change(older).await, 5);
    assert_eq!(ada.get(&path).await.expect(200)["lines"][0]["quantity"], 2);
}

#[tokio::test]
async fn an_address_that_is_written_again_as_it_is_was_not_changed() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    let mut address = json!({ "address": "Via Indipendenza 1, Bologna", "label": "Home", "note": null,
        "place": { "lat": 44.4949, "lng": 11.3426 } });
    let saved = ada.post("/api/me/addresses", &address).await.expect(201);
    let path = format!("/api/me/addresses/{}", id_of(&saved));
    app.advance_clock(TimeDelta::minutes(1));
    assert_eq!(ada.put(&path, &address).await.expect(200), saved);
    address["note"] = json!("Ring twice");
    let changed = ada.put(&path, &address).await.expect(200);
    assert_ne!(changed["updatedAt"], saved["updatedAt"]);
    app.advance_clock(TimeDelta::minutes(1));
    assert_eq!(ada.put(&path, &address).await.expect(200), changed);
}

#[tokio::test]
async fn every_put_patch_and_delete_of_a_restaurant_is_in_the_table() {
    let scene = Scene::set().await;
    let document = scene.app.stranger().get("/api/openapi.json").await.expect(200);
    let tried: BTreeSet<_> = requests(&scene)
        .await
        .into_iter()
        .map(|(method, route, ..)| format!("{} {route}", method.as_str().to_lowercase()))
        .chain(ELSEWHERE.iter().map(|(request, _)| (*request).to_owned()))
        .collect();
    let mut offered = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let Some(rest) = path.strip_prefix("/api/restaurants/{restaurantId}") else { continue };
        for method in
            operations.as_object().unwrap().keys().filter(|name| ["put", "patch", "delete"].contains(&&***name))
        {
            offered.insert(format!("{method} {rest}"));
        }
    }
    let missing: Vec<_> = offered.difference(&tried).collect();
    assert!(missing.is_empty(), "add a row to `requests` for {missing:?}");
    assert_eq!(tried, offered);
}
