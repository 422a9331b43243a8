//! Whether a cancellation returns stock: for each status, each actor and each kind of request.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::menu_document::{euros, id_at, menu, puts};
use crate::people::{Person, id_of};
use crate::shop::Shop;
use crate::sync::{op, sends};

/// The status from which orders are cancelled, the steps to it, and whether the stock returns automatically.
const FROM: [(&str, &[&str], bool); 5] = [
    ("PENDING", &[], true),
    ("CONFIRMED", &["CONFIRMED"], true),
    ("PREPARING", &["CONFIRMED", "PREPARING"], false),
    ("READY", &["CONFIRMED", "PREPARING", "READY"], false),
    ("ON_THE_WAY", &["CONFIRMED", "PREPARING", "READY", "ON_THE_WAY"], false),
];

/// The request that cancels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By `PATCH /api/orders/{id}/status`, one order at a time.
    Alone,
    /// The restaurant's bulk update, or the administrator's.
    Bulk(bool),
    /// `order.status` of an offline device.
    Offline,
}

impl Way {
    /// Cancels; returns the status code.
    async fn cancels(
        self,
        app: &TestApp,
        person: &Person,
        shop: &Shop,
        order: &Value,
        request_body: &Value,
        seq: i64,
    ) -> u64 {
        let mut request_body = request_body.clone();
        match self {
            Self::Alone => {
                let reply = person.patch(&format!("/api/orders/{}/status", id_of(order)), &request_body).await;
                reply.status.into()
            }
            Self::Bulk(by_admin) => {
                request_body["orderId"] = order["id"].clone();
                let path =
                    if by_admin { "/api/admin/orders/bulk-status".into() } else { shop.path("/orders/bulk-status") };
                let reply = person.post(&path, &json!({ "changes": [request_body] })).await.expect(200);
                reply["data"][0]["status"].as_u64().unwrap()
            }
            Self::Offline => {
                request_body["orderId"] = order["id"].clone();
                let reply =
                    sends(person, &format!("phone {seq}"), &[op(1, "order.status", app.clock.now(), request_body)])
                        .await
                        .expect(200);
                let answer = &reply["data"][0];
                if answer["outcome"] == "applied" { 200 } else { answer["problem"]["status"].as_u64().unwrap() }
            }
        }
    }
}

#[tokio::test]
async fn portions_come_back_before_cooking_and_afterwards_only_if_staff_say_so() {
    let app = TestApp::start().await;
    let shop = app.restaurant("Luigi").sells_counted("Margherita", 850, 500).opens().await;
    let extras = json!({ "name": "Extras", "min": 0, "max": 3, "modifiers": [
        { "name": "Olives", "price": { "amount": 50, "currency": "EUR" }, "stock": 500 }] });
    let extras = shop.owner.post(&shop.path("/modifier-groups"), &extras).await.expect(201);
    let dish = shop.any_dish();
    let item = shop.path(&format!("/items/{}", dish.id));
    shop.owner.patch(&item, &json!({ "modifierGroups": [id_of(&extras)] })).await.expect(200);
    let olives = extras["modifiers"][0]["id"].clone();
    let (ada, staff, admin) = (app.customer("Ada").await, app.staff_of(&shop).await, app.admin().await);
    let stocks = async || {
        let group = shop.owner.get(&shop.path(&format!("/modifier-groups/{}", id_of(&extras)))).await.expect(200);
        (shop.stock_of(dish).await.unwrap(), group["modifiers"][0]["stock"].as_i64().unwrap())
    };
    let line = json!([{ "itemId": dish.id, "quantity": 2, "modifiers": [{ "modifierId": olives, "quantity": 2 }] }]);
    let mut seq = 0;
    let people = [
        ("customer", &ada, [Way::Alone, Way::Offline].as_slice()),
        ("staff", &staff, [Way::Alone, Way::Bulk(false), Way::Offline].as_slice()),
        ("admin", &admin, [Way::Alone, Way::Bulk(true), Way::Offline].as_slice()),
    ];
    for (from, steps, returns) in FROM {
        for (who, person, ways) in people {
            for (way, said) in ways.iter().flat_map(|way| [None, Some(false), Some(true)].map(|said| (*way, said))) {
                let mut body = crate::people::delivery_details();
                (body["restaurantId"], body["lines"]) = (json!(shop.id), line.clone());
                let order = ada.asks_for_order(&uuid::Uuid::new_v4().to_string(), &body).await.expect(201);
                shop.owner.makes_steps(&order, steps).await;
                let before = stocks().await;
                let mut request_body = json!({ "status": "CANCELLED", "reason": "Burnt" });
                if let Some(said) = said {
                    request_body["returnStock"] = json!(said);
                }
                seq += 1;
                let status = way.cancels(&app, person, &shop, &order, &request_body, seq).await;
                let what = format!("{who} cancels {from}, {way:?}, returnStock {said:?}");
                let may = who != "customer" || ["PENDING", "CONFIRMED"].contains(&from);
                assert_eq!(status == 200, may, "{what}: {status}");
                let comes_back = may && (returns || said == Some(true));
                let expected = if comes_back { (before.0 + 2, before.1 + 4) } else { before };
                assert_eq!(stocks().await, expected, "{what}");
                if may {
                    // A second time nothing returns.
                    seq += 1;
                    assert_eq!(way.cancels(&app, person, &shop, &order, &request_body, seq).await, 409, "{what}");
                    assert_eq!(stocks().await, expected, "{what}, twice");
                } else {
                    shop.owner.patch(&format!("/api/orders/{}/status", id_of(&order)), &request_body).await.expect(200);
                }
            }
        }
    }
}

/// Whether the menu shows a change of stock takes a lookup for each modifier that has the group, which may be two
/// thousand.
#[tokio::test]
async fn orders_ask_once_for_each_group_whether_the_menu_shows_its_stock() {
    let mut app = TestApp::start().await;
    app.without_check();
    let luigi = app.restaurant("Luigi").opens().await;
    let modifiers: Vec<_> = (0..5)
        .map(|number| {
            json!({ "key": number.to_string(), "name": format!("Extra {number}"), "price": euros(10),
          "stock": 9 })
        })
        .collect();
    let document = json!({
        "categories": [{ "key": "pizza", "name": "Pizza", "items": [
            { "key": "a", "name": "Margherita", "price": euros(850), "modifierGroups": ["extra", "more"] }] }],
        "modifierGroups": [{ "key": "extra", "name": "Extra", "max": 5, "modifiers": modifiers },
                           { "key": "more", "name": "More", "max": 5, "modifiers": modifiers }],
    });
    puts(&luigi, &document).await.expect(200);
    let menu = menu(&luigi).await;
    let groups = menu["modifierGroups"].as_array().unwrap().iter();
    let chosen: Vec<_> = groups
        .flat_map(|group| group["modifiers"].as_array().unwrap())
        .map(|modifier| json!({ "modifierId": modifier["id"] }))
        .collect();
    assert_eq!(chosen.len(), 10);
    app.execute(
        "create table asked_of (group_id uuid); grant all on asked_of to comanda_app;
         create or replace function menu_shows_stock(restaurant uuid, asked_in uuid, before integer, after integer)
             returns boolean language plpgsql volatile
             as $$ begin insert into asked_of values (asked_in); return false; end $$",
    )
    .await;
    let ada = app.customer("Ada").await;
    let item = id_at(&menu, "/categories/0/items/0");
    let lines = json!([{ "itemId": item, "quantity": 2, "modifiers": chosen }]);
    let order = json!({ "restaurantId": luigi.id, "lines": lines, "fulfilment": "PICKUP" });
    let order = ada.asks_for_order("a-key-of-this-test", &order).await.expect(201);
    assert_eq!(app.count("select count(*) from asked_of").await, 2);
    app.execute("truncate asked_of").await;
    ada.tries_to_move(&order, "CANCELLED", None).await.expect(200);
    assert_eq!(app.count("select count(*) from asked_of").await, 2);
}

/// The stock was counted again while orders were open, and they are cancelled.
#[tokio::test]
async fn a_cancellation_returns_stock_up_to_the_maximum() {
    let app = TestApp::start().await;
    let shop = app.restaurant("Luigi").sells_counted("Margherita", 850, 1_000_000).opens().await;
    let extras = json!({ "name": "Extras", "min": 0, "max": 3, "modifiers": [
        { "name": "Olives", "price": { "amount": 50, "currency": "EUR" }, "stock": 1_000_000 }] });
    let extras = shop.owner.post(&shop.path("/modifier-groups"), &extras).await.expect(201);
    let dish = shop.any_dish();
    let item = shop.path(&format!("/items/{}", dish.id));
    shop.owner.patch(&item, &json!({ "modifierGroups": [id_of(&extras)] })).await.expect(200);
    let olives = extras["modifiers"][0]["id"].as_str().unwrap().to_owned();
    let of_olives = shop.path(&format!("/modifier-groups/{}/modifiers/{olives}/stock", id_of(&extras)));
    let ada = app.customer("Ada").await;
    let places = async || {
        let line =
            json!([{ "itemId": dish.id, "quantity": 3, "modifiers": [{ "modifierId": olives, "quantity": 1 }] }]);
        let order = json!({ "restaurantId": shop.id, "fulfilment": "PICKUP", "lines": line });
        ada.asks_for_order(&uuid::Uuid::new_v4().to_string(), &order).await.expect(201)
    };
    let returned = async |order: &Value| {
        let of_order = shop.path(&format!("/stock-ledger?orderId={}", id_of(order)));
        let rows = shop.owner.get(&of_order).await.expect(200);
        let rows = rows["data"].as_array().unwrap().clone();
        rows.iter()
            .filter(|row| row["reason"] == "RETURNED")
            .map(|row| row["change"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    let (first, second) = (places().await, places().await);
    // Six are gone, and five are counted again.
    for path in [format!("{item}/stock"), of_olives] {
        shop.owner.put(&path, &json!({ "change": 5 })).await.expect(200);
    }
    let (third, fourth) = (places().await, places().await);
    let stocks = async || {
        let group = shop.owner.get(&shop.path(&format!("/modifier-groups/{}", id_of(&extras)))).await.expect(200);
        (shop.stock_of(dish).await.unwrap(), group["modifiers"][0]["stock"].as_i64().unwrap())
    };
    assert_eq!(stocks().await, (999_993, 999_993));
    let expected = [(first, 999_996, vec![3, 3]), (second, 999_999, vec![3, 3]), (third, 1_000_000, vec![1, 1])];
    for (order, left, change) in expected {
        ada.cancels(&order, "I am not hungry any more").await;
        assert_eq!((stocks().await, returned(&order).await), ((left, left), change));
    }
    ada.cancels(&fourth, "I am not hungry any more").await;
    assert_eq!((stocks().await, returned(&fourth).await), ((1_000_000, 1_000_000), Vec::new()));
    // More is refused, with the reason.
    for (change, message) in
        [(1, "must leave a stock of at most 1000000"), (i32::MIN, "must be between -1000000 and 1000000")]
    {
        let refused = shop.owner.put(&format!("{item}/stock"), &json!({ "change": change })).await;
        refused.refused(422, "invalid_request");
        assert_eq!(refused.json()["errors"][0]["message"], message);
    }
    // The returned number can be counted down, and a menu with it can be sent back.
    let shown = shop.owner.get(&item).await.expect(200);
    shop.owner.patch(&item, &json!({ "stock": shown["stock"] })).await.expect(200);
    shop.owner.put(&format!("{item}/stock"), &json!({ "change": -1 })).await.expect(200);
    assert_eq!(shop.stock_of(dish).await, Some(999_999));
}
