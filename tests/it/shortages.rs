//! A counted modifier of which two different items use portions: the sum over all lines counts, for every source of a
//! basket.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::people::id_of;
use crate::sync::{op, outcomes, sends};

#[tokio::test]
async fn shortages_are_summed_by_item_and_name_the_remaining_stock() {
    let app = TestApp::start().await;
    let shop = app.restaurant("Luigi").sells("Margherita", 850).sells_counted("Calzone", 950, 500).opens().await;
    let extras = json!({ "name": "Extras", "min": 0, "max": 9, "modifiers": [
        { "name": "Olives", "price": { "amount": 50, "currency": "EUR" }, "stock": 4 }] });
    let extras = shop.owner.post(&shop.path("/modifier-groups"), &extras).await.expect(201);
    let olives = extras["modifiers"][0]["id"].clone();
    for dish in &shop.dishes {
        let item = shop.path(&format!("/items/{}", dish.id));
        shop.owner.patch(&item, &json!({ "modifierGroups": [id_of(&extras)] })).await.expect(200);
    }
    let line = |dish: &str| {
        json!({ "itemId": shop.dish(dish).id, "quantity": 1, "modifiers": [{ "modifierId": olives,
      "quantity": 2 }] })
    };
    let lines = json!([line("Margherita"), line("Calzone")]);
    let order = json!({ "restaurantId": shop.id, "lines": lines, "fulfilment": "PICKUP" });
    let ada = app.customer("Ada").await;
    let first = ada.asks_for_order("four", &order).await.expect(201);
    let count = shop.path(&format!("/modifier-groups/{}/modifiers/{}/stock", id_of(&extras), olives.as_str().unwrap()));
    shop.owner.put(&count, &json!({ "stock": 3 })).await.expect(200);
    let short =
        json!([{ "itemId": null, "modifierId": olives, "name": "Olives", "left": 3, "wanted": 4, "lines": [0, 1] }]);
    let names_it = |refusal: &Value| {
        assert_eq!(refusal["shortages"], short, "{refusal}");
        assert!(refusal["detail"].as_str().unwrap().contains("3 of “Olives”"), "{refusal}");
        let pointers: Vec<_> = refusal["errors"].as_array().unwrap().iter().map(|one| one["pointer"].clone()).collect();
        assert_eq!(pointers, ["/lines/0", "/lines/1"]);
        assert_eq!(refusal["items"].as_array().map(Vec::len), Some(2), "{refusal}");
    };
    let again = ada.post(&format!("/api/orders/{}/reorder", id_of(&first)), &json!({})).await.expect(200);
    for line in again["cart"]["lines"].as_array().unwrap() {
        assert_eq!((&line["orderable"], &line["reason"]), (&json!(false), &json!("out_of_stock")));
        assert_eq!(line["shortages"], short);
    }
    names_it(&ada.orders_cart(&again["cart"], &Value::Null).await.refused(409, "out_of_stock"));
    let request_body = json!({ "lines": lines, "fulfilment": "PICKUP" });
    names_it(&ada.post(&shop.path("/quotes"), &request_body).await.refused(409, "out_of_stock"));
    names_it(&ada.asks_for_order("more", &order).await.refused(409, "out_of_stock"));
    let reply = sends(&ada, "phone", &[op(1, "order.place", app.clock.now(), order.clone())]).await;
    assert_eq!(outcomes(&reply), ["rejected:out_of_stock"]);
    names_it(&reply.json()["data"][0]["problem"]);
    shop.owner.put(&count, &json!({ "stock": 4 })).await.expect(200);
    ada.orders_cart(&again["cart"], &Value::Null).await.expect(201);
}
