//! Reordering, and bulk updates of the status.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::people::id_of;

#[tokio::test]
async fn reordering_fills_the_cart_and_names_missing_items() {
    let app = TestApp::start().await;
    let luigi =
        app.restaurant("Luigi").sells("Margherita", 850).sells("Calzone", 950).sells("Acqua", 150).opens().await;
    let (ada, bob) = (app.customer("Ada").await, app.customer("Bob").await);
    let group = json!({ "name": "Extras", "min": 0, "max": 3, "modifiers": [
        { "name": "Olives", "price": { "amount": 100, "currency": "EUR" } }] });
    let group = luigi.owner.post(&luigi.path("/modifier-groups"), &group).await.expect(201);
    let margherita = luigi.path(&format!("/items/{}", luigi.dish("Margherita").id));
    luigi.owner.patch(&margherita, &json!({ "modifierGroups": [id_of(&group)] })).await.expect(200);
    let olives = group["modifiers"][0]["id"].clone();
    let content = json!({ "lines": [
        { "itemId": luigi.dish("Margherita").id, "quantity": 2, "modifiers": [{ "modifierId": olives }],
          "note": "hot" },
        { "itemId": luigi.dish("Calzone").id, "quantity": 1 },
        { "itemId": luigi.dish("Acqua").id, "quantity": 3 },
    ] });
    let cart = ada.put(&luigi.path("/cart"), &content).await.expect(200);
    let order = ada.orders_cart(&cart, &Value::Null).await.expect(201);
    let again = format!("/api/orders/{}/reorder", id_of(&order));

    let all = ada.post(&again, &Value::Null).await.expect(200);
    assert_eq!(all["leftOut"], json!([]));
    assert_eq!(all["cart"]["itemsTotal"], cart["itemsTotal"]);
    assert_eq!(
        (&all["cart"]["lines"][0]["modifiers"][0]["name"], &all["cart"]["lines"][0]["note"]),
        (&json!("Olives"), &json!("hot"))
    );
    assert_ne!(all["cart"]["id"], cart["id"]);

    ada.put(&luigi.path("/cart"), &json!({ "lines": [] })).await.expect(200);
    luigi.owner.delete(&luigi.path(&format!("/items/{}", luigi.dish("Calzone").id))).await.expect(204);
    luigi.owner.patch(&margherita, &json!({ "modifierGroups": [] })).await.expect(200);
    let acqua = luigi.path(&format!("/items/{}/availability", luigi.dish("Acqua").id));
    luigi.owner.put(&acqua, &json!({ "available": false })).await.expect(200);
    let some = ada.post(&again, &Value::Null).await.expect(200);
    let why: Vec<_> =
        some["leftOut"].as_array().unwrap().iter().map(|one| (one["line"].clone(), one["reason"].clone())).collect();
    assert_eq!(why, [(json!(1), json!("choices_changed")), (json!(2), json!("deleted"))]);
    assert_eq!(some["leftOut"][1]["name"], "Calzone");
    let lines = some["cart"]["lines"].as_array().unwrap();
    assert_eq!((lines.len(), &lines[0]["orderable"], &lines[0]["reason"]), (1, &json!(false), &json!("unavailable")));

    bob.post(&again, &Value::Null).await.refused(404, "not_found");
    let theirs = luigi.owner.post(&again, &Value::Null).await.expect(200);
    assert!(theirs["cart"]["lines"].as_array().unwrap().iter().all(|line| line["note"].is_null()), "{theirs}");
    assert_ne!(theirs["cart"]["id"], some["cart"]["id"], "whoever may see it gets it into a cart of their own");
    assert_eq!(app.count("select count(*) from orders").await, 1, "nothing is ordered by it");
}

#[tokio::test]
async fn a_bulk_update_has_a_result_for_each_order() {
    let app = TestApp::with(&[("ORDER_BULK_MAX", "5")]).await;
    let (luigi, mario) = (app.restaurant("Luigi").opens().await, app.restaurant("Mario").opens().await);
    let ada = app.customer("Ada").await;
    let (one, two) = (
        ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await,
        ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await,
    );
    let other = ada.places_order(&mario, &[(mario.any_dish(), 1)]).await;
    let staff = app.staff_of(&luigi).await;
    let path = luigi.path("/orders/bulk-status");
    let change = |order: &Value, status: &str| json!({ "orderId": id_of(order), "status": status });
    let body = json!({ "changes": [
        change(&one, "CONFIRMED"), change(&two, "READY"), change(&other, "CONFIRMED"), change(&one, "PREPARING"),
        { "orderId": id_of(&two), "status": "CONFIRMED", "version": 7 },
    ] });
    let answer = staff.post(&path, &body).await.expect(200);
    let results: Vec<_> = answer["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["status"].as_i64().unwrap(), one["problem"]["code"].as_str()))
        .collect();
    let refusals = [Some("illegal_transition"), Some("not_found"), Some("version_conflict")];
    assert_eq!(results, [(200, None), (409, refusals[0]), (404, refusals[1]), (200, None), (412, refusals[2])]);
    assert_eq!(answer["data"][3]["order"], ada.reads_order(&one).await);
    assert_eq!(answer["data"][1]["problem"]["currentStatus"], "PENDING");
    assert_eq!(ada.reads_order(&other).await["status"], "PENDING", "another restaurant's is out of reach");

    let admin = app.admin().await;
    let body = json!({ "changes": [change(&two, "CONFIRMED"), change(&other, "CONFIRMED"), {
        "orderId": "ord_01h455vb4pex5vsknk084sn02q", "status": "CONFIRMED" }] });
    let answer = admin.post("/api/admin/orders/bulk-status", &body).await.expect(200);
    let statuses: Vec<_> =
        answer["data"].as_array().unwrap().iter().map(|one| one["status"].as_i64().unwrap()).collect();
    assert_eq!(statuses, [200, 200, 404]);
    assert_eq!(ada.reads_order(&other).await["status"], "CONFIRMED");

    let many = json!({ "changes": vec![change(&one, "READY"); 6] });
    for (person, path) in [(&staff, path.as_str()), (&admin, "/api/admin/orders/bulk-status")] {
        for wrong in [json!({ "changes": [] }), many.clone()] {
            assert_eq!(
                person.post(path, &wrong).await.refused(422, "invalid_request")["errors"][0]["pointer"],
                "/changes"
            );
        }
    }
    staff.post("/api/admin/orders/bulk-status", &body).await.refused(403, "forbidden");
    ada.post(&path, &body).await.refused(404, "not_found");
}
