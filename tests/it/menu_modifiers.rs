//! Modifiers in the menu, the cart and the order; stock and its ledger; items that are switched off until a time,
//! day-parts, allergens, languages.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::people::{Person, id_of};
use crate::shop::Shop;

pub fn euros(amount: i64) -> Value {
    json!({ "amount": amount, "currency": "EUR" })
}

/// A burger with a size (one of two) and extras (up to three; cheese has a nested group).
pub struct Grill {
    pub shop: Shop,
    pub size: Value,
    pub extras: Value,
    pub ripeness: Value,
    pub burger: String,
}

impl Grill {
    pub async fn opens(app: &TestApp) -> Self {
        let shop = app.restaurant("Grill").sells("Burger", 1000).opens().await;
        let group = async |body: Value| shop.owner.post(&shop.path("/modifier-groups"), &body).await.expect(201);
        let size = group(json!({ "name": "Size", "min": 1, "max": 1, "modifiers": [
            { "name": "Small", "price": euros(0) }, { "name": "Large", "price": euros(300) }] }))
        .await;
        let ripeness = group(json!({ "name": "Ripeness", "min": 1, "max": 1, "modifiers": [
            { "name": "Young", "price": euros(0) }, { "name": "Old", "price": euros(50), "stock": 3 }] }))
        .await;
        let extras = group(json!({ "name": "Extras", "min": 0, "max": 3, "modifiers": [
            { "name": "Cheese", "price": euros(150), "modifierGroups": [id_of(&ripeness)],
              "allergens": [{ "allergen": "MILK", "level": "CONTAINS" }], "diets": ["VEGETARIAN"] },
            { "name": "Bacon", "price": euros(200), "stock": 5, "allergens": [] }] }))
        .await;
        let burger = shop.any_dish().id.clone();
        let patch = json!({ "modifierGroups": [id_of(&size), id_of(&extras)],
            "allergens": [{ "allergen": "GLUTEN", "level": "CONTAINS" }, { "allergen": "SESAME",
            "level": "MAY_CONTAIN" }] });
        shop.owner.patch(&shop.path(&format!("/items/{burger}")), &patch).await.expect(200);
        Self { shop, size, extras, ripeness, burger }
    }

    pub fn choice(group: &Value, index: usize) -> Value {
        group["modifiers"][index]["id"].clone()
    }

    pub fn large(&self) -> Value {
        json!({ "modifierId": Self::choice(&self.size, 1) })
    }

    pub fn old_cheese(&self) -> Value {
        json!({ "modifierId": Self::choice(&self.extras, 0),
            "modifiers": [{ "modifierId": Self::choice(&self.ripeness, 1) }] })
    }

    pub fn bacon(&self, quantity: u8) -> Value {
        json!({ "modifierId": Self::choice(&self.extras, 1), "quantity": quantity })
    }

    pub async fn puts(&self, guest: &Person, quantity: u8, modifiers: Value) -> crate::reply::Reply {
        let line = json!({ "itemId": self.burger, "quantity": quantity, "modifiers": modifiers });
        guest.put(&self.shop.path("/cart"), &json!({ "lines": [line] })).await
    }

    pub async fn stock(&self, group: &Value, index: usize) -> Value {
        let path = self.shop.path(&format!("/modifier-groups/{}", id_of(group)));
        self.shop.owner.get(&path).await.expect(200)["modifiers"][index]["stock"].clone()
    }
}

#[tokio::test]
async fn choices_are_priced_sold_and_stored() {
    let app = TestApp::start().await;
    let grill = Grill::opens(&app).await;
    let ada = app.customer("Ada").await;
    let cart = grill.puts(&ada, 2, json!([grill.large(), grill.old_cheese(), grill.bacon(2)])).await.expect(200);
    let line = &cart["lines"][0];
    // 10.00 + 3.00 + (1.50 + 0.50) + 2 × 2.00
    assert_eq!(line["unitPrice"], euros(1900));
    assert_eq!(line["total"], euros(3800));
    assert_eq!(line["orderable"], true, "{line}");
    assert_eq!(
        line["allergens"],
        json!({ "contains": ["GLUTEN", "MILK"], "mayContain": ["SESAME"], "complete": false, "diets": [] })
    );
    let order = ada.orders_cart(&cart, &Value::Null).await.expect(201);
    assert_eq!(order["totals"]["items"], euros(3800));
    assert_eq!(order["items"][0]["modifiers"], line["modifiers"]);
    assert_eq!(order["items"][0]["allergens"], line["allergens"]);
    assert_eq!(order["items"][0]["modifiers"][1]["modifiers"][0]["name"], "Old");
    assert_eq!((grill.stock(&grill.extras, 1).await, grill.stock(&grill.ripeness, 1).await), (json!(1), json!(1)));
    // The menu changes; the order does not.
    let path = grill.shop.path(&format!("/modifier-groups/{}", id_of(&grill.extras)));
    grill.shop.owner.delete(&path).await.expect(204);
    assert_eq!(ada.reads_order(&order).await["items"], order["items"]);
    ada.cancels(&order, "too much").await;
    assert_eq!(grill.stock(&grill.ripeness, 1).await, json!(3));
}

#[tokio::test]
async fn invalid_choices_are_refused_with_their_pointer() {
    let app = TestApp::start().await;
    let grill = Grill::opens(&app).await;
    let other = Grill::opens(&app).await;
    let ada = app.customer("Ada").await;
    let young = json!({ "modifierId": Grill::choice(&grill.ripeness, 0) });
    let cheese = json!({ "modifierId": Grill::choice(&grill.extras, 0) });
    let cases = [
        (json!([]), "/lines/0/modifiers"),
        (json!([grill.large(), grill.large()]), "/lines/0/modifiers/1/modifierId"),
        (json!([grill.large(), grill.bacon(4)]), "/lines/0/modifiers"),
        (json!([grill.large(), grill.bacon(0)]), "/lines/0/modifiers/1/quantity"),
        (json!([grill.large(), other.bacon(1)]), "/lines/0/modifiers/1/modifierId"),
        (json!([grill.large(), young]), "/lines/0/modifiers/1/modifierId"),
        (json!([grill.large(), cheese]), "/lines/0/modifiers/1/modifiers"),
    ];
    for (choices, pointer) in cases {
        let refusal = grill.puts(&ada, 1, choices.clone()).await.refused(422, "invalid_request");
        let pointers: Vec<_> = refusal["errors"].as_array().unwrap().iter().map(|one| one["pointer"].clone()).collect();
        assert!(pointers.contains(&json!(pointer)), "{choices}: {refusal}");
    }
    let nested = json!([{ "modifierId": Grill::choice(&grill.extras, 0),
        "modifiers": [{ "modifierId": Grill::choice(&grill.ripeness, 0), "modifiers": [] }] }]);
    grill.puts(&ada, 1, nested).await.refused(422, "invalid_request");
}

#[tokio::test]
async fn a_cart_tells_whether_its_choices_are_still_valid() {
    let app = TestApp::start().await;
    let grill = Grill::opens(&app).await;
    let ada = app.customer("Ada").await;
    let owner = &grill.shop.owner;
    grill.puts(&ada, 1, json!([grill.large(), grill.bacon(1)])).await.expect(200);
    let reason = async || ada.get(&grill.shop.path("/cart")).await.expect(200)["lines"][0]["reason"].clone();
    assert_eq!(reason().await, Value::Null);
    let bacon = Grill::choice(&grill.extras, 1);
    let path = format!("/modifier-groups/{}/modifiers/{}", id_of(&grill.extras), bacon.as_str().unwrap());
    let until = app.clock.now() + TimeDelta::hours(2);
    let off = json!({ "available": false, "until": until });
    owner.put(&grill.shop.path(&format!("{path}/availability")), &off).await.expect(200);
    assert_eq!(reason().await, "unavailable");
    app.advance_clock(TimeDelta::hours(3));
    assert_eq!(reason().await, Value::Null, "on again by itself");
    owner.put(&grill.shop.path(&format!("{path}/stock")), &json!({ "stock": 0 })).await.expect(200);
    assert_eq!(reason().await, "out_of_stock");
    owner.put(&grill.shop.path(&format!("{path}/stock")), &json!({ "stock": null })).await.expect(200);
    let size = grill.shop.path(&format!("/modifier-groups/{}", id_of(&grill.size)));
    owner.patch(&size, &json!({ "min": 2, "max": 2 })).await.expect(200);
    assert_eq!(reason().await, "choices_changed");
    let cart = ada.get(&grill.shop.path("/cart")).await.expect(200);
    let missing =
        json!({ "pointer": "/modifiers", "code": "invalid", "message": "must have exactly 2 of “Size”, not 1" });
    assert_eq!(cart["lines"][0]["errors"], json!([missing]));
    let refusal = ada.orders_cart(&cart, &Value::Null).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"][0]["pointer"], "/lines/0/modifiers");
    assert_eq!(refusal["items"], json!([{ "itemId": grill.burger, "reason": "choices_changed" }]));
}

#[tokio::test]
async fn groups_that_nest_too_deep_or_in_a_circle_are_refused() {
    let app = TestApp::start().await;
    let grill = Grill::opens(&app).await;
    let (owner, shop) = (&grill.shop.owner, &grill.shop);
    let with_nested =
        |name: &str, nested: &Value| json!([{ "name": name, "price": euros(0), "modifierGroups": [id_of(nested)] }]);
    // Extras have a nested group already: nesting extras would be a second level.
    let deep = json!({ "name": "Menu", "min": 0, "max": 1, "modifiers": with_nested("Side", &grill.extras) });
    let refusal = owner.post(&shop.path("/modifier-groups"), &deep).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"][0]["pointer"], "/modifiers/0/modifierGroups/0");
    for (group, nested) in [(&grill.ripeness, &grill.extras), (&grill.ripeness, &grill.ripeness)] {
        let path = shop.path(&format!("/modifier-groups/{}", id_of(group)));
        owner.patch(&path, &json!({ "modifiers": with_nested("X", nested) })).await.refused(422, "invalid_request");
    }
    // A group that is nested in others may not have nested groups.
    let path = shop.path(&format!("/modifier-groups/{}", id_of(&grill.ripeness)));
    owner.patch(&path, &json!({ "modifiers": with_nested("X", &grill.size) })).await.refused(422, "invalid_request");
}

#[tokio::test]
async fn an_invalid_modifier_group_is_refused_by_field() {
    let app = TestApp::with(&[("MENU_MAX_GROUPS", "1"), ("MENU_MAX_MODIFIERS", "2")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let path = luigi.path("/modifier-groups");
    let modifier = |price: Value| json!({ "name": "One", "price": price });
    let cases = [
        (json!({ "name": "G", "min": 3, "max": 2, "modifiers": [] }), "/min"),
        (json!({ "name": "G", "min": 0, "max": 0, "modifiers": [] }), "/max"),
        (json!({ "name": "G", "max": 1, "modifiers": [modifier(euros(-1))] }), "/modifiers/0/price"),
        (
            json!({ "name": "G", "max": 1, "modifiers": [modifier(json!({ "amount": 1, "currency": "XYZ" }))] }),
            "/modifiers/0/price/currency",
        ),
        (
            json!({ "name": "G", "max": 1, "modifiers": [modifier(json!({ "amount": 1, "currency": "USD" }))] }),
            "/modifiers/0/price/currency",
        ),
        (
            json!({ "name": "G", "max": 1, "modifiers": [modifier(euros(1)), modifier(euros(1)), modifier(euros(1))] }),
            "/modifiers",
        ),
        (
            json!({ "name": "G", "max": 1, "modifiers": [], "translations": { "Italian!": {} } }),
            "/translations/Italian!",
        ),
    ];
    for (body, pointer) in cases {
        let refusal = luigi.owner.post(&path, &body).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], pointer, "{refusal}");
    }
    let one = json!({ "name": "G", "max": 1, "modifiers": [] });
    luigi.owner.post(&path, &one).await.expect(201);
    luigi.owner.post(&path, &one).await.refused(422, "invalid_request");
    app.customer("Eve").await.post(&path, &one).await.refused(404, "not_found");
}

#[tokio::test]
async fn concurrent_buyers_never_take_more_modifiers_than_the_stock() {
    let app = TestApp::start().await;
    let grill = Grill::opens(&app).await;
    let stock = json!({ "stock": 20 });
    let burger = grill.shop.path(&format!("/items/{}/stock", grill.burger));
    grill.shop.owner.put(&burger, &stock).await.expect(200);
    let bacon = Grill::choice(&grill.extras, 1);
    let path = format!("/modifier-groups/{}/modifiers/{}/stock", id_of(&grill.extras), bacon.as_str().unwrap());
    grill.shop.owner.put(&grill.shop.path(&path), &json!({ "stock": 30 })).await.expect(200);
    let crowd = app.crowd(24).await;
    let buys = crowd.iter().map(async |guest| {
        let cart = grill.puts(guest, 1, json!([grill.large(), grill.bacon(2)])).await.expect(200);
        let reply = guest.orders_cart(&cart, &Value::Null).await;
        if reply.status == 201 {
            Some(reply.json())
        } else {
            reply.refused(409, "out_of_stock");
            None
        }
    });
    // Staff correct the count while orders are placed: stock that orders took stays taken.
    let corrects = async {
        for _ in 0..5 {
            let fewer = grill.shop.owner.put(&grill.shop.path(&path), &json!({ "change": -1 })).await;
            if fewer.status == 200 {
                grill.shop.owner.put(&grill.shop.path(&path), &json!({ "change": 1 })).await.expect(200);
            } else {
                fewer.refused(409, "out_of_stock");
            }
        }
    };
    let (bought, ()) = tokio::join!(futures_util::future::join_all(buys), corrects);
    let bought: Vec<_> = bought.into_iter().flatten().collect();
    assert!((14..=15).contains(&bought.len()), "{} orders", bought.len());
    let left = 30 - 2 * i64::try_from(bought.len()).unwrap();
    assert_eq!(grill.stock(&grill.extras, 1).await, json!(left));
    for order in bought.iter().take(4) {
        grill.shop.owner.cancels(order, "grill is cold").await;
    }
    assert_eq!(grill.stock(&grill.extras, 1).await, json!(left + 8));
    let sums = app
        .count(
            "select sum(delta) from stock_ledger where modifier_id is not null and reason <> 'SET' having count(*) > 0",
        )
        .await;
    assert_eq!(sums, left + 8 - 30);
}

#[tokio::test]
async fn stock_never_becomes_negative() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells_counted("Porchetta", 900, 2).sells("Water", 100).opens().await;
    let path = |name: &str| luigi.path(&format!("/items/{}/stock", luigi.dish(name).id));
    luigi.owner.put(&path("Porchetta"), &json!({ "change": -3 })).await.refused(409, "out_of_stock");
    luigi.owner.put(&path("Water"), &json!({ "change": 1 })).await.refused(409, "out_of_stock");
    luigi.owner.put(&path("Water"), &json!({})).await.refused(422, "invalid_request");
    luigi.owner.put(&path("Water"), &json!({ "stock": 1, "change": 1 })).await.refused(422, "invalid_request");
    luigi.owner.put(&path("Water"), &json!({ "stock": -1 })).await.refused(422, "invalid_request");
    let version = async || app.count("select version from menus").await;
    let before = version().await;
    assert_eq!(luigi.owner.put(&path("Porchetta"), &json!({ "change": -1 })).await.expect(200)["stock"], 1);
    assert_eq!(version().await, before, "guests see no difference");
    luigi.owner.put(&path("Porchetta"), &json!({ "change": -1 })).await.expect(200);
    assert_eq!(version().await, before + 1, "sold out");
    app.customer("Eve").await.put(&path("Water"), &json!({ "stock": 1 })).await.refused(404, "not_found");
}

/// The stock of an item read again and again is what the restaurant sells.
#[tokio::test]
async fn only_staff_read_the_exact_stock() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells_counted("Porchetta", 850, 500).opens().await;
    let group = json!({ "name": "Size", "min": 0, "max": 1, "modifiers": [
        { "name": "Large", "price": { "amount": 100, "currency": "EUR" }, "stock": 300 }] });
    let group = luigi.owner.post(&luigi.path("/modifier-groups"), &group).await.expect(201);
    let item = luigi.path(&format!("/items/{}", luigi.any_dish().id));
    let group = luigi.path(&format!("/modifier-groups/{}", group["id"].as_str().unwrap()));
    let (staff, eve) = (app.staff_of(&luigi).await, app.customer("Eve").await);
    assert_eq!(staff.get(&item).await.expect(200)["stock"], 500);
    assert_eq!(staff.get(&group).await.expect(200)["modifiers"][0]["stock"], 300);
    for path in [&item, &group] {
        eve.get(path).await.refused(404, "not_found");
        app.stranger().get(path).await.refused(401, "unauthenticated");
    }
    let menu = app.stranger().get(&luigi.path("/menu")).await.expect(200).to_string();
    assert!(!menu.contains("\"stock\""), "{menu}");
}

#[tokio::test]
async fn an_item_off_until_a_time_is_available_again_then() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (guest, path) = (app.stranger(), luigi.path(&format!("/items/{}/availability", luigi.any_dish().id)));
    let item = async || guest.get(&luigi.path("/menu")).await.expect(200)["categories"][0]["items"][0].clone();
    let until = app.clock.now() + TimeDelta::minutes(30);
    luigi.owner.put(&path, &json!({ "available": false, "until": until })).await.expect(200);
    let off = item().await;
    assert_eq!((&off["available"], &off["orderable"]), (&json!(false), &json!(false)));
    assert!(off["unavailableUntil"].is_string());
    app.advance_clock(TimeDelta::minutes(31));
    let on = item().await;
    assert_eq!(
        (&on["available"], &on["orderable"], &on["unavailableUntil"]),
        (&json!(true), &json!(true), &Value::Null)
    );
    for until in [app.clock.now() - TimeDelta::minutes(1), app.clock.now() + TimeDelta::days(500)] {
        luigi.owner.put(&path, &json!({ "available": false, "until": until })).await.refused(422, "invalid_request");
    }
    luigi.owner.put(&path, &json!({ "available": true, "until": until })).await.refused(422, "invalid_request");
    luigi.owner.put(&path, &json!({ "available": false })).await.expect(200);
    app.advance_clock(TimeDelta::days(30));
    assert_eq!(item().await["available"], false, "until somebody switches it on");
}

#[tokio::test]
async fn breakfast_ends() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").with("timezone", json!("UTC")).opens().await;
    let (ada, guest) = (app.customer("Ada").await, app.stranger());
    let now = app.clock.now();
    let time = |at: chrono::DateTime<chrono::Utc>| at.format("%H:%M").to_string();
    let windows = json!([{ "days": [1, 2, 3, 4, 5, 6, 7], "from": time(now - TimeDelta::minutes(5)),
      "to": time(now + TimeDelta::minutes(10)) }]);
    let category = luigi.path(&format!("/categories/{}", luigi.category));
    luigi.owner.patch(&category, &json!({ "dayParts": windows })).await.expect(200);
    let first = guest.get(&luigi.path("/menu")).await;
    assert_eq!(first.expect(200)["categories"][0]["items"][0]["orderable"], true);
    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
    assert_eq!(cart["lines"][0]["orderable"], true);
    app.advance_clock(TimeDelta::minutes(11));
    let later = guest
        .send(guest.request(Method::GET, &luigi.path("/menu")).header("if-none-match", first.header("etag")))
        .await;
    assert_eq!(
        later.expect(200)["categories"][0]["items"][0]["orderable"],
        false,
        "no version changed, but the hour did"
    );
    assert_eq!(ada.get(&luigi.path("/cart")).await.expect(200)["lines"][0]["reason"], "not_now");
    ada.orders_cart(&cart, &Value::Null).await.refused(409, "item_unavailable");
    let bad = json!({ "dayParts": [{ "days": [8], "from": "07:00", "to": "08:00" }] });
    let refusal = luigi.owner.patch(&category, &bad).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"][0]["pointer"], "/dayParts/0");
}

#[tokio::test]
async fn a_menu_is_read_in_the_language_of_the_reader() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells("Polpo", 900).sells("Pane", 100).opens().await;
    let item = luigi.path(&format!("/items/{}", luigi.dish("Polpo").id));
    let texts = json!({ "translations": { "en": { "name": "Octopus" }, "de": { "name": "Krake" } } });
    luigi.owner.patch(&item, &texts).await.expect(200);
    let guest = app.stranger();
    let names = async |path: &str, accept: &str| {
        let reply = guest.send(guest.request(Method::GET, &luigi.path(path)).header("accept-language", accept)).await;
        let menu = reply.expect(200);
        let names = menu["categories"][0]["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["name"].as_str().unwrap().to_owned());
        (names.collect::<Vec<_>>().join(" "), menu["language"].clone(), reply.header("etag").to_owned())
    };
    let (written, language, tag) = names("/menu", "*").await;
    assert_eq!((written.as_str(), language), ("Polpo Pane", Value::Null));
    let (english, language, english_tag) = names("/menu", "fr, en-GB;q=0.8, de;q=0.3").await;
    assert_eq!((english.as_str(), language), ("Octopus Pane", json!("en")));
    assert_ne!(tag, english_tag);
    assert_eq!(names("/menu?lang=de", "en").await.0, "Krake Pane");
    assert_eq!(names("/menu", "en;q=0, nonsense header;;;").await.0, "Polpo Pane");
    guest.get(&luigi.path("/menu?lang=%2F")).await.refused(422, "invalid_request");
    luigi.owner.patch(&item, &json!({ "translations": {} })).await.expect(200);
    assert_eq!(names("/menu", "en").await.0, "Polpo Pane");
}
