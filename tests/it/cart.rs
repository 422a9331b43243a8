//! The cart on the server.

use serde_json::json;

use crate::app::TestApp;

#[tokio::test]
async fn a_cart_is_one_a_customer_and_restaurant_and_shows_the_prices_of_the_moment() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells("Margherita", 850).opens().await;
    let mario = app.restaurant("Mario").opens().await;
    let ada = app.customer("Ada").await;
    let first = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 2)]).await;
    assert_eq!((&first["version"], &first["status"]), (&json!(1), &json!("OPEN")));
    assert_eq!(first["lines"][0]["total"], json!({ "amount": 1700, "currency": "EUR" }));
    let second = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
    assert_eq!((&second["id"], &second["version"]), (&first["id"], &json!(2)));
    assert_ne!(ada.puts_in_cart(&mario, &[(mario.any_dish(), 1)]).await["id"], first["id"]);
    let item = luigi.path(&format!("/items/{}", luigi.any_dish().id));
    luigi.owner.patch(&item, &json!({ "price": { "amount": 900, "currency": "EUR" } })).await.expect(200);
    assert_eq!(ada.get(&luigi.path("/cart")).await.expect(200)["itemsTotal"]["amount"], 900);
    let bob = app.customer("Bob").await;
    assert_eq!(bob.get(&luigi.path("/cart")).await.expect(200)["lines"], json!([]));
}

#[tokio::test]
async fn a_cart_takes_what_is_on_this_menu_in_decent_numbers() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let mario = app.restaurant("Mario").opens().await;
    let ada = app.customer("Ada").await;
    let own = json!({ "itemId": luigi.any_dish().id, "quantity": 1 });
    let put = async |lines: serde_json::Value| ada.put(&luigi.path("/cart"), &json!({ "lines": lines })).await;
    let kept = put(json!([own])).await.expect(200);
    let item = |id: &str, quantity: serde_json::Value| json!([own, { "itemId": id, "quantity": quantity }]);
    let dish = luigi.any_dish().id.as_str();
    let bad = [
        (item(&mario.any_dish().id, json!(1)), "/lines/1/itemId"),
        (item("itm_01h455vb4pex5vsknk084sn02q", json!(1)), "/lines/1/itemId"),
        (item(&luigi.id, json!(1)), "/lines/1/itemId"),
        (item(dish, json!(0)), "/lines/1/quantity"),
        (item(dish, json!(-3)), "/lines/1/quantity"),
        (item(dish, json!(100)), "/lines/1/quantity"),
        (item(dish, json!(9_223_372_036_854_775_807_i64)), "/lines/1/quantity"),
        (item(dish, json!(1e300)), "/lines/1/quantity"),
        (item(dish, json!(1.5)), "/lines/1/quantity"),
        (item(dish, json!("2")), "/lines/1/quantity"),
        (item(dish, json!(null)), "/lines/1/quantity"),
        (json!(vec![own.clone(); 101]), "/lines"),
        (json!([{ "itemId": dish, "quantity": 1, "note": "x".repeat(501) }]), "/lines/0/note"),
        (json!([{ "itemId": dish, "quantity": 1, "price": 1 }]), "/lines/0/price"),
        (json!({}), "/lines"),
    ];
    for (lines, pointer) in bad {
        let refusal = put(lines.clone()).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], pointer, "{lines}");
    }
    assert_eq!(ada.get(&luigi.path("/cart")).await.expect(200), kept, "what was refused left no trace");
    put(json!(vec![own.clone(); 100])).await.expect(200);
    ada.get("/api/restaurants/rst_01h455vb4pex5vsknk084sn02q/cart").await.refused(404, "not_found");
    let nowhere = ada.put("/api/restaurants/rst_01h455vb4pex5vsknk084sn02q/cart", &json!({ "lines": [] })).await;
    nowhere.refused(404, "not_found");
    app.stranger().get(&luigi.path("/cart")).await.refused(401, "unauthenticated");
}
