//! Amounts of usual size in currencies of every exponent: accepted in every field up to a limit in the currency's
//! scale, which the error states; amounts that the server computes have no limit.

use comanda::money::Currency;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::TestApp;
use crate::people::{Person, delivery_details, id_of};
use crate::reply::Reply;
use crate::shop::Shop;
use crate::sync::{op, outcomes, sends};

/// A currency, a usual price in minor units, and the largest amount as an error writes it.
const EVERYDAY: [(&str, i64, &str); 11] = [
    ("IDR", 150_000_000, "100000000000.00 IDR"),
    ("LBP", 135_000_000, "100000000000.00 LBP"),
    ("IRR", 2_000_000_000, "10000000000000.00 IRR"),
    ("UZS", 15_000_000, "100000000000.00 UZS"),
    ("COP", 4_500_000, "10000000000.00 COP"),
    ("VND", 150_000, "100000000000 VND"),
    ("KRW", 18_000, "1000000000 KRW"),
    ("JPY", 1_500, "100000000 JPY"),
    ("KWD", 3_250, "1000000.000 KWD"),
    ("EUR", 1_250, "1000000.00 EUR"),
    ("USD", 1_250, "1000000.00 USD"),
];

/// A field in which clients send an amount.
struct Entrance {
    name: &'static str,
    method: Method,
    path: String,
    body: Box<dyn Fn(&Value) -> Value>,
    /// The status for an accepted amount.
    taken: u16,
}

fn entrance(
    name: &'static str,
    method: Method,
    path: String,
    taken: u16,
    body: impl Fn(&Value) -> Value + 'static,
) -> Entrance {
    Entrance { name, method, path, body: Box::new(body), taken }
}

/// A restaurant with an item, a group with a modifier, and a coupon; and the fields of its staff.
async fn staff_entrances(shop: &Shop) -> Vec<Entrance> {
    let one = json!({ "amount": 1, "currency": shop.body["currency"] });
    let group = json!({ "name": "Extras", "min": 0, "max": 9, "modifiers": [{ "name": "Egg", "price": one }] });
    let group = shop.owner.post(&shop.path("/modifier-groups"), &group).await.expect(201);
    let coupon = json!({ "code": "SAVES", "kind": "AMOUNT", "amount": one });
    let coupon = shop.owner.post(&shop.path("/coupons"), &coupon).await.expect(201);
    let (group, coupon, category) = (id_of(&group).to_owned(), id_of(&coupon).to_owned(), shop.category.clone());
    let item = shop.path(&format!("/items/{}", shop.any_dish().id));
    let coupons = shop.path("/coupons");
    let zones = |fee: fn(&Value) -> Value| {
        move |amount: &Value| {
            let mut rules = json!({ "name": "Town", "radiusMetres": 5000, "leadMinutes": 0 });
            for (field, value) in fee(amount).as_object().unwrap() {
                rules[field] = value.clone();
            }
            let point = json!({ "type": "Point", "coordinates": [11.34, 44.49] });
            let feature = json!({ "type": "Feature", "geometry": point, "properties": rules });
            json!({ "type": "FeatureCollection", "features": [feature] })
        }
    };
    let code = || Uuid::new_v4().simple().to_string()[..12].to_owned();
    let dish = |price: &Value| json!({ "key": "d", "name": "Dish", "price": price });
    let (post, put, patch) = (Method::POST, Method::PUT, Method::PATCH);
    vec![
        entrance(
            "item",
            post.clone(),
            shop.path("/items"),
            201,
            move |amount| json!({ "categoryId": category, "name": "Dish", "price": amount }),
        ),
        entrance("item patch", patch.clone(), item, 200, |amount| json!({ "price": amount })),
        entrance(
            "modifier",
            post.clone(),
            shop.path("/modifier-groups"),
            201,
            |amount| json!({ "name": "G", "min": 0, "max": 1, "modifiers": [{ "name": "M", "price": amount }] }),
        ),
        entrance(
            "modifiers patch",
            patch.clone(),
            shop.path(&format!("/modifier-groups/{group}")),
            200,
            |amount| json!({ "modifiers": [{ "name": "M", "price": amount }] }),
        ),
        entrance("delivery fee", patch.clone(), shop.path(""), 200, |amount| json!({ "deliveryFee": amount })),
        entrance("minimum order", patch.clone(), shop.path(""), 200, |amount| json!({ "minimumOrder": amount })),
        entrance("fixed fee", patch.clone(), shop.path(""), 200, |amount| json!({ "serviceFee": { "fixed": amount } })),
        entrance(
            "cap of the fee",
            patch.clone(),
            shop.path(""),
            200,
            |amount| json!({ "serviceFee": { "basisPoints": 100, "cap": amount } }),
        ),
        entrance("zone", put.clone(), shop.path("/zones"), 200, zones(|amount| json!({ "fee": { "base": amount } }))),
        entrance("distance", put.clone(), shop.path("/zones"), 200, {
            zones(|amount| json!({ "fee": { "base": amount, "perKilometre": amount, "freeAbove": amount } }))
        }),
        entrance("minimum of a zone", put.clone(), shop.path("/zones"), 200, {
            zones(|amount| json!({ "fee": { "base": amount }, "minimumOrder": amount }))
        }),
        entrance(
            "coupon",
            post.clone(),
            coupons.clone(),
            201,
            move |amount| json!({ "code": code(), "kind": "AMOUNT", "amount": amount }),
        ),
        entrance(
            "cap of a coupon",
            post.clone(),
            coupons.clone(),
            201,
            move |amount| json!({ "code": code(), "kind": "PERCENT", "basisPoints": 1000, "cap": amount }),
        ),
        entrance(
            "minimum of a coupon",
            post,
            coupons.clone(),
            201,
            move |amount| json!({ "code": code(), "kind": "FREE_DELIVERY", "minimumItems": amount }),
        ),
        entrance("coupon patch", patch, format!("{coupons}/{coupon}"), 200, |amount| json!({ "minimumItems": amount })),
        entrance(
            "menu document",
            put.clone(),
            format!("{}?dryRun=true", shop.path("/menu")),
            200,
            move |amount| json!({ "categories": [{ "key": "c", "name": "C", "items": [dish(amount)] }] }),
        ),
        entrance("modifier in a document", put, format!("{}?dryRun=true", shop.path("/menu")), 200, |amount| {
            let modifier = json!({ "key": "m", "name": "M", "price": amount });
            json!({ "categories": [], "modifierGroups": [{ "key": "g", "name": "G", "max": 1,
              "modifiers": [modifier] }] })
        }),
    ]
}

/// The fields of customers: a tip, in every request for an order.
fn customer_entrances(shop: &Shop) -> Vec<Entrance> {
    let (id, item) = (shop.id.clone(), shop.any_dish().id.clone());
    let lines = json!([{ "itemId": item, "quantity": 1 }]);
    let (quoted, ordered) = (lines.clone(), lines);
    vec![
        entrance(
            "tip of a quote",
            Method::POST,
            shop.path("/quotes"),
            201,
            move |amount| json!({ "lines": quoted, "fulfilment": "PICKUP", "tip": amount }),
        ),
        entrance(
            "tip of an order",
            Method::POST,
            "/api/orders".into(),
            201,
            move |amount| json!({ "restaurantId": id, "lines": ordered, "fulfilment": "PICKUP", "tip": amount }),
        ),
    ]
}

impl Entrance {
    async fn asked(&self, person: &Person, amount: &Value) -> Reply {
        let request =
            person.request(self.method.clone(), &self.path).header("idempotency-key", Uuid::new_v4().to_string());
        person.send(request.json(&(self.body)(amount))).await
    }
}

/// For one currency: the accepted and refused amounts in each field, and the texts of the errors.
async fn holds(app: &TestApp, code: &'static str, everyday: i64, bound: &str) {
    let shop = app.restaurant(code).with("currency", json!(code)).sells("Meal", everyday).opens().await;
    let ada = app.customer("Ada").await;
    let largest = code.parse::<Currency>().unwrap().largest_named_amount();
    let money = |units: i64| json!({ "amount": units, "currency": code });
    let mut entrances: Vec<_> = customer_entrances(&shop).into_iter().map(|one| (&ada, one)).collect();
    entrances.extend(staff_entrances(&shop).await.into_iter().map(|one| (&shop.owner, one)));
    for (person, entrance) in &entrances {
        for units in [1, everyday, everyday * 12, largest] {
            let reply = entrance.asked(person, &money(units)).await;
            assert_eq!(reply.status, entrance.taken, "{code} {}: {units}: {}", entrance.name, reply.text());
        }
        for units in [largest + 1, largest * 10, i64::MAX, -1] {
            let refusal = entrance.asked(person, &money(units)).await.refused(422, "invalid_request");
            let message = refusal["errors"][0]["message"].as_str().unwrap();
            assert!(message.contains(bound), "{code} {}: {units}: {message} does not name {bound}", entrance.name);
        }
        for odd in [json!(1.5), json!("1"), json!(1e30)] {
            let amount = json!({ "amount": odd, "currency": code });
            let reply = entrance.asked(person, &amount).await;
            assert!([400, 422].contains(&reply.status), "{code} {}: {odd}: {}", entrance.name, reply.text());
        }
    }
    as_a_table(&shop, largest, bound).await;
}

/// A CSV table contains prices in major units.
async fn as_a_table(shop: &Shop, largest: i64, bound: &str) {
    let currency: Currency = shop.body["currency"].as_str().unwrap().parse().unwrap();
    let one = 10_i64.pow(currency.exponent());
    for (price, taken) in [(largest / one, true), (largest / one + 1, false)] {
        let table = format!("type,key,in,name,price,currency\ncategory,c,,C,,\nitem,d,c,Dish,{price},{currency}\n");
        let request = shop.owner.request(Method::POST, &shop.path("/menu.csv?dryRun=true"));
        let reply = shop.owner.send(request.header("content-type", "text/csv").body(table)).await;
        if taken {
            let report = reply.expect(200);
            let added = report["changes"].to_string();
            assert!(added.contains(&largest.to_string()) || report["applied"] == false, "{added}");
        } else {
            let message = reply.refused(422, "invalid_request").to_string();
            assert!(
                message.contains(bound) && message.contains("line 3, column 5 (price)"),
                "{message} does not name {bound}"
            );
        }
    }
}

#[tokio::test]
async fn large_currencies_name_everyday_amounts_everywhere() {
    let app = TestApp::start().await;
    for (code, everyday, bound) in &EVERYDAY[..4] {
        holds(&app, code, *everyday, bound).await;
    }
}

#[tokio::test]
async fn middling_currencies_name_everyday_amounts_everywhere() {
    let app = TestApp::start().await;
    for (code, everyday, bound) in &EVERYDAY[4..8] {
        holds(&app, code, *everyday, bound).await;
    }
}

#[tokio::test]
async fn small_currencies_name_everyday_amounts_everywhere() {
    let app = TestApp::start().await;
    for (code, everyday, bound) in &EVERYDAY[8..] {
        holds(&app, code, *everyday, bound).await;
    }
}

/// The price of 99 of the most expensive item with its most expensive modifier, tax, a service fee, delivery, a tip
/// and a coupon: more than any client may send, and accepted in every way of ordering and reading.
#[tokio::test]
async fn totals_computed_by_the_server_have_no_limit() {
    let app = TestApp::start().await;
    for (code, ..) in EVERYDAY {
        let largest = code.parse::<Currency>().unwrap().largest_named_amount();
        let money = |units: i64| json!({ "amount": units, "currency": code });
        let shop = app.restaurant(code).with("currency", json!(code)).sells("A whole ox", largest);
        let shop = shop.with("taxBasisPoints", json!(1100)).with("deliveryFee", money(largest));
        let shop = shop.with("serviceFee", json!({ "basisPoints": 500, "fixed": money(largest) })).opens().await;
        let coupon = json!({ "code": "TENTH", "kind": "PERCENT", "basisPoints": 1000 });
        shop.owner.post(&shop.path("/coupons"), &coupon).await.expect(201);
        let (ada, ox) = (app.customer("Ada").await, shop.any_dish());
        let mut details = delivery_details();
        (details["tip"], details["couponCode"]) = (money(largest), json!("TENTH"));
        // 99 items, less 10 %, and 11 % tax on that; delivery, the fixed fee, 5 % service fee, a tip.
        let items = 99 * largest;
        let net = items - items / 10;
        let total = net + net * 11 / 100 + largest + (largest + items / 20) + largest;
        let cart = ada.puts_in_cart(&shop, &[(ox, 99)]).await;
        assert_eq!(cart["itemsTotal"], money(items), "{code}");
        let order = ada.orders_cart(&cart, &details).await.expect(201);
        assert_eq!(order["totals"]["total"], money(total), "{code}");
        let mut offline = details.clone();
        for (name, value) in [
            ("restaurantId", json!(shop.id)),
            ("lines", json!([{ "itemId": ox.id, "quantity": 99 }])),
            ("expectedTotal", money(total)),
        ] {
            offline[name] = value;
        }
        let reply = sends(&ada, code, &[op(1, "order.place", app.clock.now(), offline.clone())]).await;
        assert_eq!(outcomes(&reply), ["applied"], "{code}: {}", reply.text());
        offline["expectedTotal"] = money(total - 1);
        let reply = sends(&ada, code, &[op(2, "order.place", app.clock.now(), offline)]).await;
        assert_eq!(outcomes(&reply), ["rejected:price_changed"], "{code}");
        let mut request_body = json!({ "lines": [{ "itemId": ox.id, "quantity": 99 }], "fulfilment": "DELIVERY" });
        for field in ["place", "tip", "couponCode"] {
            request_body[field] = details[field].clone();
        }
        let quote = ada.post(&shop.path("/quotes"), &request_body).await.expect(201);
        assert_eq!(quote["totals"], order["totals"], "{code}");
        assert_eq!(ada.get(&shop.path(&format!("/quotes/{}", id_of(&quote)))).await.expect(200), quote);
        let from_quote = json!({ "quoteId": id_of(&quote), "address": details["address"] });
        let quoted = ada.asks_for_order(&Uuid::new_v4().to_string(), &from_quote).await.expect(201);
        assert_eq!(quoted["totals"], order["totals"], "{code}");
        shop.owner.makes_steps(&order, &["CONFIRMED", "PREPARING", "READY"]).await;
        let listed = shop.owner.get(&format!("/api/orders?restaurantId={}", shop.id)).await.expect(200);
        assert_eq!(listed["data"].as_array().map(Vec::len), Some(3), "{code}");
        ada.reads_events(&order, 5).await;
        let again = ada.post(&format!("/api/orders/{}/reorder", id_of(&order)), &json!({})).await.expect(200);
        assert_eq!(again["cart"]["itemsTotal"], money(items), "{code}");
    }
}

/// A hundred lines of 99 of the most expensive item in rials exceed 64 bits: refused with a reason, and nothing is
/// written.
#[tokio::test]
async fn overflowing_amounts_are_refused_and_never_wrap() {
    let app = TestApp::start().await;
    let largest = "IRR".parse::<Currency>().unwrap().largest_named_amount();
    let shop = app.restaurant("Rial").with("currency", json!("IRR")).sells("A herd", largest).opens().await;
    let ada = app.customer("Ada").await;
    let lines: Value = (0..100).map(|_| json!({ "itemId": shop.any_dish().id, "quantity": 99 })).collect();
    let order = json!({ "restaurantId": shop.id, "lines": lines, "fulfilment": "PICKUP" });
    let before = app.rows_written().await;
    let refusals = [
        ada.put(&shop.path("/cart"), &json!({ "lines": lines })).await,
        ada.post(&shop.path("/quotes"), &json!({ "lines": lines, "fulfilment": "PICKUP" })).await,
        ada.asks_for_order("herds", &order).await,
    ];
    for refusal in refusals {
        let outcomes = refusal.refused(422, "invalid_request");
        assert!(outcomes["detail"].as_str().unwrap().contains("too large"), "{outcomes}");
    }
    assert_eq!(app.rows_written().await, before);
    let reply = sends(&ada, "phone", &[op(1, "order.place", app.clock.now(), order)]).await;
    assert_eq!(outcomes(&reply), ["rejected:invalid_request"]);
    assert_eq!(app.count("select count(*) from orders").await, 0);
}
