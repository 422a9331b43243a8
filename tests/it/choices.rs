//! Required modifier groups: a missing choice gives the same error everywhere, and exactly the items that the menu
//! shows as orderable can be ordered.

use std::collections::HashMap;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::TestApp;
use crate::guests::a_guest;
use crate::menu_modifiers::{Grill, euros};
use crate::people::{Person, id_of};
use crate::reply::Reply;
use crate::shop::Shop;
use crate::sync::{op, sends};

/// Pointer and message of each error; `below` is the pointer of the line in the request.
fn faults(problem: &Value, below: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("no errors in {problem}"));
    let one = |error: &Value| {
        let pointer = text(&error["pointer"]);
        let pointer = pointer.strip_prefix(below).unwrap_or_else(|| panic!("{pointer} is not below {below}"));
        (pointer.to_owned(), text(&error["message"]))
    };
    errors.iter().map(one).collect()
}

/// The problem of the one rejected operation.
fn rejection(reply: &Reply) -> Value {
    let answer = reply.expect(200)["data"][0].clone();
    assert_eq!(answer["outcome"], "rejected", "{answer}");
    assert_eq!((&answer["problem"]["status"], &answer["problem"]["code"]), (&json!(422), &json!("invalid_request")));
    answer["problem"].clone()
}

async fn orders_lines(person: &Person, shop: &Shop, lines: &Value) -> Reply {
    let body = json!({ "restaurantId": shop.id, "lines": lines, "fulfilment": "PICKUP" });
    person.asks_for_order(&Uuid::new_v4().to_string(), &body).await
}

#[tokio::test]
async fn a_missing_choice_is_reported_alike_everywhere() {
    let app = TestApp::start().await;
    let grill = Grill::opens(&app).await;
    let (ada, guest) = (app.customer("Ada").await, a_guest(&app).await);
    let cheese = |nested: Value| json!({ "modifierId": Grill::choice(&grill.extras, 0), "modifiers": nested });
    let young = json!({ "modifierId": Grill::choice(&grill.ripeness, 0) });
    let size = |count: u8| format!("must have exactly 1 of “Size”, not {count}");
    let ripeness = |count: u8| format!("must have exactly 1 of “Ripeness”, not {count}");
    let small = json!({ "modifierId": Grill::choice(&grill.size, 0) });
    let old = json!({ "modifierId": Grill::choice(&grill.ripeness, 1) });
    let cases = [
        (json!([]), vec![("/modifiers", size(0))]),
        (json!([grill.large(), small]), vec![("/modifiers", size(2))]),
        (json!([grill.large(), cheese(json!([]))]), vec![("/modifiers/1/modifiers", ripeness(0))]),
        (json!([cheese(json!([young, old])), grill.large()]), vec![("/modifiers/0/modifiers", ripeness(2))]),
        (json!([cheese(json!([]))]), vec![("/modifiers", size(0)), ("/modifiers/0/modifiers", ripeness(0))]),
    ];
    let mut seq = 0;
    for (choices, expected) in cases {
        let expected: Vec<_> = expected.into_iter().map(|(pointer, message)| (pointer.to_owned(), message)).collect();
        let line = json!({ "itemId": grill.burger, "quantity": 1, "modifiers": choices });
        let mut keyed = line.clone();
        keyed["key"] = json!("one");
        let cart = grill.shop.path("/cart");
        let quote = json!({ "lines": [line], "fulfilment": "PICKUP" });
        for reply in [
            ada.put(&cart, &json!({ "lines": [line] })).await,
            ada.patch(&cart, &json!({ "lines": [keyed] })).await,
            guest.put(&cart, &json!({ "lines": [line] })).await,
            ada.post(&grill.shop.path("/quotes"), &quote).await,
            orders_lines(&ada, &grill.shop, &json!([line])).await,
        ] {
            assert_eq!(faults(&reply.refused(422, "invalid_request"), "/lines/0"), expected, "{choices}");
        }
        let place = json!({ "restaurantId": grill.shop.id, "lines": [line], "fulfilment": "PICKUP" });
        let reply = sends(&ada, "phone", &[op(seq + 1, "order.place", app.clock.now(), place)]).await;
        assert_eq!(faults(&rejection(&reply), "/lines/0"), expected, "{choices}");
        keyed["restaurantId"] = json!(grill.shop.id);
        let reply = sends(&ada, "phone", &[op(seq + 2, "cart.line", app.clock.now(), keyed)]).await;
        assert_eq!(faults(&rejection(&reply), ""), expected, "{choices}");
        seq += 2;
    }
    assert_eq!(app.count("select (select count(*) from orders) + (select count(*) from cart_items)").await, 0);
}

#[tokio::test]
async fn a_choice_that_becomes_required_is_reported_alike_everywhere() {
    let app = TestApp::start().await;
    let grill = Grill::opens(&app).await;
    let (ada, shop) = (app.customer("Ada").await, &grill.shop);
    let old_cheese = json!([grill.large(), grill.old_cheese()]);
    let line = json!({ "itemId": grill.burger, "quantity": 1, "modifiers": old_cheese });
    let order = orders_lines(&ada, shop, &json!([line])).await.expect(201);
    let cart = grill.puts(&ada, 1, old_cheese).await.expect(200);
    let request_body = json!({ "cartId": id_of(&cart), "fulfilment": "PICKUP" });
    let quote = ada.post(&shop.path("/quotes"), &request_body).await.expect(201);
    for group in [&grill.size, &grill.ripeness] {
        let path = shop.path(&format!("/modifier-groups/{}", id_of(group)));
        shop.owner.patch(&path, &json!({ "min": 2, "max": 2 })).await.expect(200);
    }
    let message = |group: &str| format!("must have exactly 2 of “{group}”, not 1");
    let expected =
        [("/modifiers".to_owned(), message("Size")), ("/modifiers/1/modifiers".to_owned(), message("Ripeness"))];
    let shown = ada.get(&shop.path("/cart")).await.expect(200)["lines"][0].clone();
    assert_eq!((&shown["orderable"], &shown["reason"]), (&json!(false), &json!("choices_changed")));
    assert_eq!(faults(&shown, ""), expected);
    for reply in [
        ada.orders_cart(&cart, &Value::Null).await,
        ada.post(&shop.path("/quotes"), &request_body).await,
        orders_lines(&ada, shop, &json!([line])).await,
    ] {
        let refusal = reply.refused(422, "invalid_request");
        assert_eq!(faults(&refusal, "/lines/0"), expected);
        assert_eq!(refusal["items"], json!([{ "itemId": grill.burger, "reason": "choices_changed" }]));
    }
    // The quoted item is not on the menu any more: the difference, and the reason.
    let quoted = ada.asks_for_order("quoted", &json!({ "quoteId": id_of(&quote) })).await.refused(409, "quote_changed");
    assert_eq!(faults(&quoted, "/lines/0"), expected);
    let again = ada.post(&format!("/api/orders/{}/reorder", id_of(&order)), &json!({})).await.expect(200);
    assert_eq!((&again["leftOut"][0]["line"], &again["leftOut"][0]["reason"]), (&json!(1), &json!("choices_changed")));
    assert_eq!(faults(&again["leftOut"][0], ""), expected);
    assert_eq!(app.count("select count(*) from orders").await, 1);
}

/// The smallest choices for an item: the minimum of each group, modifiers with the largest stock first.
fn least_choices(groups: &HashMap<String, Value>, asked: &Value, times: i64, depth: u8) -> Vec<Value> {
    let mut choices = Vec::new();
    for group in asked.as_array().unwrap() {
        let group = &groups[group.as_str().unwrap()];
        let mut missing = group["min"].as_i64().unwrap();
        let mut offered: Vec<_> = group["modifiers"].as_array().unwrap().iter().collect();
        let left = |one: &Value| one["stock"].as_i64().unwrap_or(99);
        offered.sort_by_key(|one| (one["available"] == false, std::cmp::Reverse(left(one))));
        for one in offered {
            // As many of it as possible, with the choices of its nested groups.
            let nested = |count: i64| match depth {
                0 => least_choices(groups, &one["modifierGroups"], times * count, 1),
                _ => Vec::new(),
            };
            let is_there = |count: i64| {
                let enough = |choice: &Value| choice["missing"] != true;
                one["available"] == true && left(one) >= times * count && nested(count).iter().all(enough)
            };
            let Some(count) = (1..=missing).rev().find(|count| is_there(*count)) else { continue };
            let mut choice = json!({ "modifierId": one["id"], "quantity": count });
            if depth == 0 {
                choice["modifiers"] = json!(nested(count));
            }
            choices.push(choice);
            missing -= count;
        }
        if missing > 0 {
            choices.push(json!({ "missing": true }));
        }
    }
    choices
}

fn modifier(random: &mut StdRng, asks: &Value) -> Value {
    let stock = random.random_bool(0.5).then(|| random.random_range(0..=4));
    let available = random.random_bool(0.8);
    json!({ "name": "M", "price": euros(50), "available": available, "stock": stock, "modifierGroups": asks })
}

/// Creates a group, and remembers the stock, which guests do not see.
async fn adds_group(
    shop: &Shop,
    groups: &mut HashMap<String, Value>,
    name: &str,
    min: i64,
    modifiers: &[Value],
) -> String {
    let body = json!({ "name": name, "min": min, "max": 9, "modifiers": modifiers });
    let mut group = shop.owner.post(&shop.path("/modifier-groups"), &body).await.expect(201);
    for (shown, sent) in group["modifiers"].as_array_mut().unwrap().iter_mut().zip(modifiers) {
        shown["stock"] = sent["stock"].clone();
    }
    let id = id_of(&group).to_owned();
    groups.insert(id.clone(), group);
    id
}

/// Random menus with groups that are switched off, sold out, short and nested: the smallest choices for an item can
/// be ordered exactly if the menu shows it as orderable; an item that is not orderable is refused with every choice.
#[tokio::test]
async fn exactly_the_items_called_orderable_can_be_ordered() {
    let app = TestApp::start().await;
    let (mut orderable, mut not) = (0, 0);
    for seed in 0..12 {
        let mut random = StdRng::seed_from_u64(seed);
        let (shop, ada) = (app.restaurant("Bistro").opens().await, app.customer("Ada").await);
        let mut groups: HashMap<String, Value> = HashMap::new();
        let mut top = Vec::new();
        for number in 0..3 {
            let mut modifiers = Vec::new();
            for _ in 0..random.random_range(1..=3) {
                let mut asks = json!([]);
                // A separate group, so that no two groups use the same portions.
                if random.random_bool(0.6) {
                    let modifiers: Vec<_> =
                        (0..random.random_range(1..=3)).map(|_| modifier(&mut random, &json!([]))).collect();
                    asks =
                        json!([adds_group(&shop, &mut groups, "Nested", random.random_range(0..=2), &modifiers).await]);
                }
                modifiers.push(modifier(&mut random, &asks));
            }
            top.push(
                adds_group(&shop, &mut groups, &format!("G{number}"), random.random_range(0..=3), &modifiers).await,
            );
        }
        for number in 0..6 {
            let asked: Value = top.iter().filter(|_| random.random_bool(0.5)).cloned().collect();
            let item = json!({ "categoryId": shop.category, "name": format!("Dish {number}"), "price": euros(500),
                "available": random.random_bool(0.9),
                "stock": random.random_bool(0.5).then(|| random.random_range(0..=2)),
                "modifierGroups": asked });
            let item = shop.owner.post(&shop.path("/items"), &item).await.expect(201);
            let menu = app.stranger().get(&shop.path("/menu")).await.expect(200);
            let items = menu["categories"].as_array().unwrap().iter().flat_map(|one| one["items"].as_array().unwrap());
            let shown = items.clone().find(|one| one["id"] == item["id"]).expect("it is on the menu");
            let choices = least_choices(&groups, &asked, 1, 0);
            let is_missing = choices.iter().any(|choice| choice["missing"] == true);
            let choices: Vec<_> = choices.into_iter().filter(|choice| choice["missing"] != true).collect();
            let line = json!([{ "itemId": item["id"], "quantity": 1, "modifiers": choices }]);
            // Nothing is ordered: a quote refuses exactly what an order would refuse.
            let reply = ada.post(&shop.path("/quotes"), &json!({ "lines": line, "fulfilment": "PICKUP" })).await;
            let what = format!("menu {seed}, {shown}, {line}: {}", reply.text());
            assert_eq!(shown["orderable"] == true, reply.status == 201, "{what}");
            assert_eq!(shown["orderable"] == true, shown["reason"].is_null(), "{what}");
            if shown["orderable"] == true {
                orderable += 1;
            } else {
                not += 1;
                let word = shown["reason"].as_str().unwrap();
                let expected = match reply.json()["code"].as_str().unwrap() {
                    "out_of_stock" => ["out_of_stock", "choices_unavailable"].contains(&word),
                    "item_unavailable" => ["unavailable", "choices_unavailable", "out_of_stock"].contains(&word),
                    "invalid_request" => is_missing,
                    _ => false,
                };
                assert!(expected, "{what}");
                let ordered = orders_lines(&ada, &shop, &line).await;
                assert!([409, 422].contains(&ordered.status), "{what}");
            }
        }
    }
    assert!(orderable > 15 && not > 15, "{orderable} orderable items and {not} others");
}
