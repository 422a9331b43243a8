//! Cart, quote and order agree at every instant: a basket whose lines are all orderable is quoted and ordered, any
//! other one is refused by both. Random menus with stock, choices, items that are switched off and times of day.

use chrono::{Duration, Timelike as _};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::TestApp;
use crate::people::id_of;

fn euros(amount: i64) -> Value {
    json!({ "amount": amount, "currency": "EUR" })
}

#[tokio::test]
async fn exactly_the_carts_called_orderable_can_be_quoted_and_ordered() {
    let app = TestApp::with(&[("ORDER_MAX_OPEN", "500"), ("ORDER_MAX_RECENT", "500")]).await;
    let mut random = StdRng::seed_from_u64(11);
    let (mut taken, mut refused, mut badly_chosen) = (0, 0, 0);
    for _ in 0..8 {
        let shop = app.restaurant("Bistro").with("timezone", json!("UTC")).opens().await;
        let ada = app.customer("Ada").await;
        let now = app.clock.now();
        // Served around this hour, or around another one.
        let hour = |shift: i64| {
            let time = |shift: i64| format!("{:02}:30", (now + Duration::hours(shift)).hour());
            json!([{ "days": [1, 2, 3, 4, 5, 6, 7], "from": time(shift - 2), "to": time(shift + 2) }])
        };
        let stock = |random: &mut StdRng| random.random_bool(0.5).then(|| random.random_range(0..=6));
        let modifiers: Vec<Value> = (0..4)
            .map(|number| {
                json!({ "name": format!("M{number}"), "price": euros(50), "available": random.random_bool(0.85),
                    "stock": stock(&mut random) })
            })
            .collect();
        let group = json!({ "name": "Extras", "min": random.random_range(0..=1), "max": 3, "modifiers": modifiers });
        let group = shop.owner.post(&shop.path("/modifier-groups"), &group).await.expect(201);
        let mut items = Vec::new();
        for number in 0..5 {
            let parts = [json!([]), json!([]), json!([]), hour(0), hour(8)][random.random_range(0..5)].clone();
            let groups = if random.random_bool(0.6) { json!([id_of(&group)]) } else { json!([]) };
            let item = json!({ "categoryId": shop.category, "name": format!("Dish {number}"), "price": euros(500),
                "available": random.random_bool(0.9), "stock": stock(&mut random), "modifierGroups": groups,
                "dayParts": parts });
            items.push(shop.owner.post(&shop.path("/items"), &item).await.expect(201));
        }
        for _ in 0..12 {
            let mut lines = Vec::new();
            for line in 0..random.random_range(1..=3) {
                let item = &items[random.random_range(0..items.len())];
                let asks = item["modifierGroups"].as_array().is_some_and(|groups| !groups.is_empty());
                let choices: Vec<_> = (0..if asks { random.random_range(0..=2) } else { 0 })
                    .map(|place| {
                        json!({ "modifierId": group["modifiers"][place]["id"],
                      "quantity": random.random_range(1..=2) })
                    })
                    .collect();
                lines.push(json!({ "itemId": item["id"], "quantity": random.random_range(1..=2), "modifiers": choices,
                    "note": format!("Line {line}") }));
            }
            let quote = json!({ "lines": lines, "fulfilment": "PICKUP" });
            let from_lines = ada.post(&shop.path("/quotes"), &quote).await;
            let cart = ada.put(&shop.path("/cart"), &json!({ "lines": lines })).await;
            let what = format!("{lines:?}: {} {}", cart.text(), from_lines.text());
            if cart.status != 200 {
                // Too few or too many choices: no cart stores it, and it is neither quoted nor ordered.
                assert!(cart.status == 422 || cart.status == 409, "{what}");
                assert_ne!(from_lines.status, 201, "{what}");
                badly_chosen += 1;
                continue;
            }
            let cart = cart.json();
            let is_orderable = cart["lines"].as_array().unwrap().iter().all(|line| line["orderable"] == true);
            let quote = json!({ "cartId": id_of(&cart), "fulfilment": "PICKUP" });
            let from_cart = ada.post(&shop.path("/quotes"), &quote).await;
            let order = ada.orders_cart(&cart, &Value::Null).await;
            let expected = if is_orderable { 201 } else { order.status };
            assert_eq!([from_lines.status, from_cart.status, order.status], [expected; 3], "{what} {}", order.text());
            if is_orderable {
                taken += 1;
            } else {
                assert!([409, 422].contains(&order.status), "{what} {}", order.text());
                let code = |reply: &crate::reply::Reply| reply.json()["code"].clone();
                assert_eq!(code(&from_cart), code(&order), "{what}");
                let body = json!({ "restaurantId": shop.id, "lines": lines, "fulfilment": "PICKUP" });
                let direct = ada.asks_for_order(&Uuid::new_v4().to_string(), &body).await;
                assert_eq!((direct.status, code(&direct)), (from_lines.status, code(&from_lines)), "{what}");
                refused += 1;
            }
        }
    }
    assert!(taken > 10 && refused > 10, "{taken} taken, {refused} refused, {badly_chosen} badly chosen");
}

/// Totals of orders with coupons, fees, tips and two tax rates, in currencies with no, two and three digits, compared
/// with integer arithmetic: halves are rounded up, and the parts add up to the total.
#[tokio::test]
async fn totals_add_up_in_currencies_of_every_size() {
    let app = TestApp::with(&[("ORDER_MAX_OPEN", "500")]).await;
    let mut random = StdRng::seed_from_u64(5);
    let half_up = |amount: i64, points: i64| (amount * points * 2 + 10_000) / 20_000;
    for currency in ["JPY", "KRW", "CLP", "ISK", "EUR", "KWD", "BHD", "TND", "JOD"] {
        let of = |amount: i64| json!({ "amount": amount, "currency": currency });
        let rates = |points: i64| json!({ "delivery": points, "pickup": points, "dineIn": points });
        let classes = json!([{ "name": "drinks", "basisPoints": rates(1_900) }]);
        let shop = app
            .restaurant("Bistro")
            .with("currency", json!(currency))
            .with("taxBasisPoints", json!(1_000))
            .with("taxClasses", classes)
            .with("serviceFee", json!({ "basisPoints": 250, "cap": of(333), "fixed": of(7) }))
            .with("deliveryFee", of(305))
            .opens()
            .await;
        let item = json!({ "categoryId": shop.category, "name": "Cola", "price": of(random.random_range(1..999)),
            "taxClass": "drinks" });
        let cola = shop.owner.post(&shop.path("/items"), &item).await.expect(201);
        let item = json!({ "categoryId": shop.category, "name": "Soup", "price": of(random.random_range(1..9_999)) });
        let soup = shop.owner.post(&shop.path("/items"), &item).await.expect(201);
        let coupons = [
            json!({ "code": "SHARE", "kind": "PERCENT", "basisPoints": 3_333, "cap": of(2_001) }),
            json!({ "code": "FIXED", "kind": "AMOUNT", "amount": of(1_000_001) }),
            json!({ "code": "BRING", "kind": "FREE_DELIVERY" }),
        ];
        for coupon in &coupons {
            shop.owner.post(&shop.path("/coupons"), coupon).await.expect(201);
        }
        let ada = app.customer("Ada").await;
        for code in [None, Some("SHARE"), Some("FIXED"), Some("BRING")] {
            let (colas, soups) = (random.random_range(1..=9), random.random_range(1..=9));
            let lines =
                json!([{ "itemId": cola["id"], "quantity": colas }, { "itemId": soup["id"], "quantity": soups }]);
            let body = json!({ "restaurantId": shop.id, "lines": lines, "fulfilment": "DELIVERY", "couponCode": code,
                "tip": of(15), "address": "Via 1", "place": { "lat": 44.4965, "lng": 11.334 } });
            let order = ada.asks_for_order(&Uuid::new_v4().to_string(), &body).await.expect(201);
            let total = |field: &str| {
                let money = &order["totals"][field];
                assert_eq!(money["currency"], currency, "{field} of {order}");
                money["amount"].as_i64().unwrap()
            };
            let price = |item: &Value| item["price"]["amount"].as_i64().unwrap();
            let (drinks, food) = (price(&cola) * colas, price(&soup) * soups);
            let items = drinks + food;
            let discount = match code {
                Some("SHARE") => half_up(items, 3_333).min(2_001),
                Some("FIXED") => items.min(1_000_001),
                _ => 0,
            };
            let delivery = if code == Some("BRING") { 0 } else { 305 };
            // By largest remainder: the first of equal ones gets the remaining unit.
            let mut off = [discount * drinks / items, discount * food / items];
            if off[0] + off[1] < discount {
                let lost = [discount * drinks % items, discount * food % items];
                off[usize::from(lost[1] > lost[0])] += 1;
            }
            let tax = half_up(drinks - off[0], 1_900) + half_up(food - off[1], 1_000);
            let fee = half_up(items, 250).min(333) + 7;
            let said = ["items", "discount", "tax", "deliveryFee", "serviceFee", "tip", "total"].map(total);
            let sum = items - discount + tax + delivery + fee + 15;
            assert_eq!(said, [items, discount, tax, delivery, fee, 15, sum], "{currency} {code:?} {order}");
            let lines = order["items"].as_array().unwrap().iter().map(|line| line["total"]["amount"].as_i64().unwrap());
            assert_eq!(lines.sum::<i64>(), items, "{order}");
        }
    }
}
