//! Orders: placed, walked along the status table, cancelled.

use serde_json::json;

use crate::app::TestApp;

#[tokio::test]
async fn an_order_travels_from_the_cart_to_the_counter() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells("Margherita", 850).sells("Tiramisù", 600).opens().await;
    let (ada, staff) = (app.customer("Ada").await, app.staff_of(&luigi).await);
    let order = ada.places_order(&luigi, &[(luigi.dish("Margherita"), 2), (luigi.dish("Tiramisù"), 1)]).await;
    assert_eq!(order["status"], "PENDING");
    assert_eq!(order["number"], 1);
    assert_eq!(order["totals"]["total"], json!({ "amount": 2300, "currency": "EUR" }));
    let order = staff.walks(&order, &["CONFIRMED", "PREPARING", "READY", "DELIVERED"]).await;
    assert_eq!(order["version"], 5);
    assert!(order["closedAt"].is_string());
}
