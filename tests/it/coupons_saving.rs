//! Coupons that would not reduce the price: refused everywhere, and not used up.

use serde_json::json;
use uuid::Uuid;

use crate::app::TestApp;
use crate::coupons::{euros, makes_coupon};
use crate::people::{delivery_details, id_of};
use crate::sync::{op, outcomes, sends};

/// Coupons that would not reduce the price are refused in every way of ordering, and neither counted nor used up.
#[tokio::test]
async fn a_coupon_that_saves_nothing_is_refused_and_not_used_up() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells("Pizza", 850).sells("Olive", 4).sells("Water", 0);
    let luigi = luigi.with("deliveryFee", euros(290)).opens().await;
    // Delivery within the zone is free for 8 euros and more.
    let fee = json!({ "base": euros(290), "freeAbove": euros(800) });
    let rules = json!({ "name": "Town", "radiusMetres": 5000, "leadMinutes": 0, "fee": fee });
    let point = json!({ "type": "Point", "coordinates": [11.3340, 44.4965] });
    let feature = json!({ "type": "Feature", "geometry": point, "properties": rules });
    let zones = json!({ "type": "FeatureCollection", "features": [feature] });
    luigi.owner.put(&luigi.path("/zones"), &zones).await.expect(200);
    for coupon in [
        json!({ "code": "RIDE", "kind": "FREE_DELIVERY", "limitTotal": 9, "limitPerUser": 1 }),
        json!({ "code": "TENTH", "kind": "PERCENT", "basisPoints": 1000, "limitTotal": 9, "limitPerUser": 1 }),
        json!({ "code": "CENTS", "kind": "AMOUNT", "amount": euros(5), "limitTotal": 9, "limitPerUser": 1 }),
        json!({ "code": "CAPPED", "kind": "PERCENT", "basisPoints": 10_000, "cap": euros(100), "limitPerUser": 1 }),
    ] {
        makes_coupon(&luigi, coupon).await;
    }
    let ada = app.customer("Ada").await;
    let useless = [
        ("RIDE", "Pizza", true),
        ("RIDE", "Pizza", false),
        // A tenth of 4 cents is 0.4.
        ("TENTH", "Olive", false),
        ("TENTH", "Water", true),
        ("CENTS", "Water", false),
        ("CENTS", "Water", true),
        ("CAPPED", "Water", false),
    ];
    let mut seq = 0;
    for (code, dish, delivered) in useless {
        let what = format!("{code} on {dish}, delivered: {delivered}");
        let mut details = if delivered { delivery_details() } else { json!({ "fulfilment": "PICKUP" }) };
        details["couponCode"] = json!(code);
        let cart = ada.puts_in_cart(&luigi, &[(luigi.dish(dish), 1)]).await;
        let mut lines = details.clone();
        lines["lines"] = json!([{ "itemId": luigi.dish(dish).id, "quantity": 1 }]);
        let mut request_body = lines.clone();
        request_body.as_object_mut().unwrap().remove("address");
        let quoted_cart = json!({ "cartId": id_of(&cart), "fulfilment": request_body["fulfilment"],
            "couponCode": code, "place": request_body["place"] });
        lines["restaurantId"] = json!(luigi.id);
        for reply in [
            ada.orders_cart(&cart, &details).await,
            ada.asks_for_order(&Uuid::new_v4().to_string(), &lines).await,
            ada.post(&luigi.path("/quotes"), &request_body).await,
            ada.post(&luigi.path("/quotes"), &quoted_cart).await,
        ] {
            let refusal = reply.refused(409, "coupon_not_applicable");
            assert_eq!(refusal["couponCode"], code, "{what}");
        }
        seq += 1;
        let reply = sends(&ada, "phone", &[op(seq, "order.place", app.clock.now(), lines)]).await;
        assert_eq!(outcomes(&reply), ["rejected:coupon_not_applicable"], "{what}");
        // Without the coupon it can be ordered; the cart still exists.
        let mut plain = details.clone();
        plain.as_object_mut().unwrap().remove("couponCode");
        let order = ada.orders_cart(&cart, &plain).await.expect(201);
        // The same again, with the coupon.
        let again = ada.post(&format!("/api/orders/{}/reorder", id_of(&order)), &json!({})).await.expect(200);
        ada.orders_cart(&again["cart"], &details).await.refused(409, "coupon_not_applicable");
        // A quote without it does not use it.
        request_body.as_object_mut().unwrap().remove("couponCode");
        let quote = ada.post(&luigi.path("/quotes"), &request_body).await.expect(201);
        let with_code = json!({ "quoteId": id_of(&quote), "couponCode": code, "address": details["address"] });
        let mut with_code = with_code;
        if !delivered {
            with_code.as_object_mut().unwrap().remove("address");
        }
        ada.asks_for_order(&Uuid::new_v4().to_string(), &with_code).await.refused(409, "quote_changed");
    }
    assert_eq!(app.count("select count(*) from coupon_redemptions").await, 0);
    assert_eq!(app.count("select sum(redeemed)::bigint from coupons").await, 0);
    // None of them counts as used: each can still be used once, where it reduces the price.
    let useful =
        [("TENTH", "Pizza", false), ("CENTS", "Olive", false), ("RIDE", "Olive", true), ("CAPPED", "Olive", false)];
    for (code, dish, delivered) in useful {
        let mut body = if delivered { delivery_details() } else { json!({ "fulfilment": "PICKUP" }) };
        body["couponCode"] = json!(code);
        let cart = ada.puts_in_cart(&luigi, &[(luigi.dish(dish), 1)]).await;
        ada.orders_cart(&cart, &body).await.expect(201);
    }
    assert_eq!(app.count("select sum(redeemed)::bigint from coupons").await, 4);
    assert_eq!(app.count("select count(*) from coupon_redemptions where saved <= 0").await, 0);
}

/// A quote whose coupon would not reduce the price any more, because delivery is free now: the quote is honoured with
/// its discount, and the coupon is used.
#[tokio::test]
async fn a_quoted_saving_is_applied_as_quoted() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").with("deliveryFee", euros(290)).opens().await;
    makes_coupon(&luigi, json!({ "code": "RIDE", "kind": "FREE_DELIVERY" })).await;
    let ada = app.customer("Ada").await;
    let mut request_body = json!({ "lines": [{ "itemId": luigi.any_dish().id, "quantity": 1 }], "couponCode": "RIDE" });
    (request_body["fulfilment"], request_body["place"]) = (json!("DELIVERY"), delivery_details()["place"].clone());
    let quote = ada.post(&luigi.path("/quotes"), &request_body).await.expect(201);
    luigi.owner.patch(&luigi.path(""), &json!({ "deliveryFee": euros(0) })).await.expect(200);
    ada.post(&luigi.path("/quotes"), &request_body).await.refused(409, "coupon_not_applicable");
    let body = json!({ "quoteId": id_of(&quote), "address": "Via del Pratello 12" });
    let order = ada.asks_for_order("quoted", &body).await.expect(201);
    assert_eq!((&order["totals"], &order["couponCode"]), (&quote["totals"], &json!("RIDE")));
    assert_eq!(app.count("select saved from coupon_redemptions").await, 290);
}
