//! Orders: placed from a cart at the restaurant's price, listed, followed, cancelled.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::people::{Person, delivery_details, id_of};

#[tokio::test]
async fn an_order_passes_from_cart_to_pickup() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells("Margherita", 850).sells("Tiramisù", 600).opens().await;
    let (ada, staff) = (app.customer("Ada").await, app.staff_of(&luigi).await);
    let order = ada.places_order(&luigi, &[(luigi.dish("Margherita"), 2), (luigi.dish("Tiramisù"), 1)]).await;
    assert_eq!(order["status"], "PENDING");
    assert_eq!(order["number"], 1);
    assert_eq!(order["totals"]["total"], json!({ "amount": 2300, "currency": "EUR" }));
    let order = staff.makes_steps(&order, &["CONFIRMED", "PREPARING", "READY", "DELIVERED"]).await;
    assert_eq!(order["version"], 5);
    assert!(order["closedAt"].is_string());
    assert_eq!(ada.reads_order(&order).await, order);
}

#[tokio::test]
async fn the_server_prices_lines_tax_delivery_and_tip() {
    let app = TestApp::start().await;
    let luigi = app
        .restaurant("Luigi")
        .sells("Margherita", 855)
        .sells("Acqua", 150)
        .with("taxBasisPoints", json!(1000))
        .with("deliveryFee", json!({ "amount": 290, "currency": "EUR" }))
        .opens()
        .await;
    let ada = app.customer("Ada").await;
    let cart = ada.puts_in_cart(&luigi, &[(luigi.dish("Margherita"), 1), (luigi.dish("Acqua"), 3)]).await;
    assert_eq!(cart["itemsTotal"]["amount"], 1305);
    let mut details = delivery_details();
    details["tip"] = json!({ "amount": 200, "currency": "EUR" });
    details["note"] = json!("second bell");
    let order = ada.orders_cart(&cart, &details).await.expect(201);
    let amount = |part: &str| order["totals"][part]["amount"].as_i64().unwrap();
    // 10 % of 8.55 is 85.5 cents, rounded to the even 86; of 4.50 it is 45.
    assert_eq!((amount("items"), amount("tax"), amount("deliveryFee"), amount("tip")), (1305, 131, 290, 200));
    assert_eq!((amount("serviceFee"), amount("discount"), amount("total")), (0, 0, 1926));
    assert_eq!(order["items"][1]["total"]["amount"], 450);
    assert_eq!((&order["address"], &order["note"]), (&details["address"], &details["note"]));
}

#[tokio::test]
async fn an_order_keeps_the_names_and_prices_at_placement() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells("Margherita", 850).opens().await;
    let ada = app.customer("Ada").await;
    let order = ada.places_order(&luigi, &[(luigi.dish("Margherita"), 1)]).await;
    let item = luigi.path(&format!("/items/{}", luigi.any_dish().id));
    let dearer = json!({ "name": "Regina", "price": { "amount": 990, "currency": "EUR" } });
    luigi.owner.patch(&item, &dearer).await.expect(200);
    assert_eq!(ada.reads_order(&order).await, order);
    luigi.owner.delete(&item).await.expect(204);
    assert_eq!(ada.reads_order(&order).await["items"][0]["name"], "Margherita");
}

#[tokio::test]
async fn numbers_begin_at_one_each_local_day() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let dish = luigi.any_dish();
    for number in 1..=3 {
        assert_eq!(ada.places_order(&luigi, &[(dish, 1)]).await["number"], number);
    }
    app.advance_clock(TimeDelta::hours(11));
    let later = app.customer("Late").await;
    app.advance_clock(TimeDelta::hours(14));
    // A day later the numbers begin again; the token is still valid for its twelve hours.
    let fresh = app.customer("Fresh").await;
    assert_eq!(fresh.places_order(&luigi, &[(dish, 1)]).await["number"], 1);
    later.get("/api/me").await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn a_restaurant_that_accepts_by_itself_confirms_at_once() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").with("autoAccept", json!(true)).opens().await;
    let ada = app.customer("Ada").await;
    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
    let order = ada.orders_cart(&cart, &delivery_details()).await.expect(201);
    assert_eq!((&order["status"], &order["version"]), (&json!("CONFIRMED"), &json!(2)));
    assert!(order["promisedAt"].is_string());
    assert_eq!(ada.finds_delivery(&order).await["status"], "WAITING");
    let events = ada.reads_events(&order, 3).await;
    let names_and_actors: Vec<_> = events.iter().map(|e| (e["name"].clone(), e["actor"].clone())).collect();
    let expected =
        [("order:new", "CUSTOMER"), ("order:status-changed", "SYSTEM"), ("delivery:status-changed", "SYSTEM")];
    assert_eq!(names_and_actors, expected.map(|(name, actor)| (json!(name), json!(actor))));
}

#[tokio::test]
async fn a_closed_restaurant_takes_no_orders() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
    luigi.owner.patch(&luigi.path(""), &json!({ "accepting": false })).await.expect(200);
    ada.orders_cart(&cart, &Value::Null).await.refused(409, "restaurant_closed");
    // A single minute a week, which is not now: opening hours are in the restaurant's zone.
    let elsewhen = (app.clock.now() + TimeDelta::days(3)).format("%u").to_string().parse::<i16>().unwrap();
    let hours = json!([{ "weekday": elsewhen, "opens": "12:00", "closes": "12:01" }]);
    luigi.owner.patch(&luigi.path(""), &json!({ "accepting": true, "hours": hours })).await.expect(200);
    let refusal = ada.orders_cart(&cart, &Value::Null).await.refused(409, "restaurant_closed");
    assert_eq!(refusal["hours"], hours);
    luigi.owner.patch(&luigi.path(""), &json!({ "hours": [] })).await.expect(200);
    ada.orders_cart(&cart, &Value::Null).await.refused(409, "restaurant_closed");
    luigi.owner.put(&luigi.path("/hours"), &json!({ "weekly": [] })).await.expect(200);
    ada.orders_cart(&cart, &Value::Null).await.refused(409, "restaurant_closed");
    luigi.owner.patch(&luigi.path(""), &json!({ "alwaysOpen": true })).await.expect(200);
    ada.orders_cart(&cart, &Value::Null).await.expect(201);
}

#[tokio::test]
async fn an_order_below_the_minimum_is_refused_with_the_missing_amount() {
    let app = TestApp::start().await;
    let minimum = json!({ "amount": 1500, "currency": "EUR" });
    let luigi = app.restaurant("Luigi").sells("Margherita", 850).with("minimumOrder", minimum.clone()).opens().await;
    let ada = app.customer("Ada").await;
    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
    let refusal = ada.orders_cart(&cart, &Value::Null).await.refused(409, "below_minimum");
    assert_eq!((&refusal["minimumOrder"], &refusal["itemsTotal"]["amount"]), (&minimum, &json!(850)));
    ada.places_order(&luigi, &[(luigi.any_dish(), 2)]).await;
}

#[tokio::test]
async fn a_cart_becomes_one_order_and_the_next_write_opens_another() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
    let order = ada.orders_cart(&cart, &Value::Null).await.expect(201);
    let refusal = ada.orders_cart(&cart, &Value::Null).await.refused(409, "cart_closed");
    assert_eq!(refusal["orderId"], order["id"]);
    let empty = ada.get(&luigi.path("/cart")).await.expect(200);
    assert_eq!((&empty["id"], &empty["lines"]), (&Value::Null, &json!([])));
    let next = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 2)]).await;
    assert_ne!(next["id"], cart["id"]);
    let emptied = ada.puts_in_cart(&luigi, &[]).await;
    ada.orders_cart(&emptied, &Value::Null).await.refused(409, "cart_empty");
}

#[tokio::test]
async fn unavailable_or_deleted_items_cannot_be_ordered() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells("Margherita", 850).sells("Calzone", 950).opens().await;
    let ada = app.customer("Ada").await;
    let cart = ada.puts_in_cart(&luigi, &[(luigi.dish("Margherita"), 1), (luigi.dish("Calzone"), 1)]).await;
    let calzone = luigi.path(&format!("/items/{}", luigi.dish("Calzone").id));
    luigi.owner.put(&format!("{calzone}/availability"), &json!({ "available": false })).await.expect(200);
    let refusal = ada.orders_cart(&cart, &Value::Null).await.refused(409, "item_unavailable");
    assert_eq!(refusal["items"], json!([{ "itemId": luigi.dish("Calzone").id, "reason": "unavailable" }]));
    luigi.owner.delete(&calzone).await.expect(204);
    let refusal = ada.orders_cart(&cart, &Value::Null).await.refused(409, "item_unavailable");
    assert_eq!(refusal["items"][0]["reason"], "deleted");
    let shown = ada.get(&luigi.path("/cart")).await.expect(200);
    assert_eq!((&shown["lines"][1]["orderable"], &shown["lines"][1]["reason"]), (&json!(false), &json!("deleted")));
}

#[tokio::test]
async fn orders_are_listed_for_their_participants() {
    let app = TestApp::start().await;
    let (luigi, mario) = (app.restaurant("Luigi").opens().await, app.restaurant("Mario").opens().await);
    let (ada, bob) = (app.customer("Ada").await, app.customer("Bob").await);
    let first = ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await;
    let second = ada.places_order(&mario, &[(mario.any_dish(), 1)]).await;
    let third = bob.places_order(&luigi, &[(luigi.any_dish(), 1)]).await;
    let first = luigi.owner.moves(&first, "CONFIRMED").await;
    let list = |person: crate::people::Person, query: String| async move {
        person.get(&format!("/api/orders{query}")).await.expect(200)["data"].clone()
    };
    assert_eq!(list(ada.clone(), String::new()).await, json!([second, first]));
    assert_eq!(list(ada.clone(), "?status=CONFIRMED".into()).await, json!([first]));
    let of_luigi = format!("?restaurantId={}", luigi.id);
    assert_eq!(list(luigi.owner.clone(), of_luigi.clone()).await, json!([third, first]));
    assert_eq!(list(luigi.owner.clone(), format!("{of_luigi}&status=PENDING")).await, json!([third]));
    assert_eq!(list(app.admin().await, of_luigi.clone()).await, json!([third, first]));
    ada.get(&format!("/api/orders{of_luigi}")).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_change_of_an_order_requires_its_current_version() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let order = ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await;
    let path = format!("/api/orders/{}", id_of(&order));
    assert_eq!(ada.get(&path).await.header("etag"), "\"1\"");
    let status = format!("{path}/status");
    let confirmed = luigi.owner.patch_version(&status, "\"1\"", &json!({ "status": "CONFIRMED" })).await;
    let current = confirmed.expect(200);
    assert_eq!(confirmed.header("etag"), "\"2\"");
    let stale = luigi.owner.patch_version(&status, "\"1\"", &json!({ "status": "CANCELLED", "reason": "late" })).await;
    assert_eq!(stale.refused(412, "version_conflict")["current"], current);
    assert_eq!(stale.header("etag"), "\"2\"");
    luigi.owner.patch_version(&status, "*", &json!({ "status": "PREPARING" })).await.expect(200);
}

#[tokio::test]
async fn the_timeline_of_an_order_is_read_in_pages() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
    let order = ada.orders_cart(&cart, &delivery_details()).await.expect(201);
    let order = luigi.owner.makes_steps(&order, &["CONFIRMED", "PREPARING", "ON_THE_WAY", "DELIVERED"]).await;
    let path = format!("/api/orders/{}/events", id_of(&order));
    let all = ada.reads_events(&order, 8).await;
    let names: Vec<_> = all.iter().map(|event| event["name"].as_str().unwrap()).collect();
    let (new, order_moved, delivery_moved) = ("order:new", "order:status-changed", "delivery:status-changed");
    assert_eq!(
        names,
        [new, order_moved, delivery_moved, order_moved, order_moved, delivery_moved, order_moved, delivery_moved]
    );
    assert_eq!(all.last().unwrap()["event"]["delivery"], ada.finds_delivery(&order).await);
    assert_eq!(all[6]["event"]["order"], order);
    let mut pieces = Vec::new();
    let mut after = String::new();
    loop {
        let piece = ada.get(&format!("{path}?limit=3{after}")).await.expect(200);
        pieces.extend(piece["data"].as_array().unwrap().clone());
        match piece["nextCursor"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(pieces, all);
}

/// A page ends where its events exceed the limit of bytes, and the next one continues there.
#[tokio::test]
async fn pages_of_large_events_are_short_and_leave_none_out() {
    let app = TestApp::with(&[("ORDER_EVENTS_MAX_BYTES", "65536"), ("ORDER_MAX_NOTES", "10000")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let line = json!({ "itemId": luigi.any_dish().id, "quantity": 1, "note": "n".repeat(100) });
    let order = json!({ "restaurantId": luigi.id, "fulfilment": "PICKUP", "lines": vec![line; 100] });
    let order = ada.asks_for_order("long", &order).await.expect(201);
    luigi.owner.makes_steps(&order, &["CONFIRMED", "PREPARING", "READY"]).await;
    app.wait_for_final_log().await;
    let path = format!("/api/orders/{}/events", id_of(&order));
    let (mut after, mut pages, mut names) = (String::new(), 0, Vec::new());
    loop {
        let page = ada.get(&format!("{path}?limit=200{after}")).await.expect(200);
        let events = page["data"].as_array().unwrap();
        assert!(events.len() < 4, "{}", events.len());
        names.extend(events.iter().map(|event| event["name"].as_str().unwrap().to_owned()));
        pages += 1;
        match page["nextCursor"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(pages > 1, "{pages}");
}

/// A customer places a limited number of orders within an hour; those at a restaurant that they work for do not
/// count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_orders_of_a_customer_are_limited_over_all_restaurants() {
    let rules = [("ORDER_MAX_RECENT_ANYWHERE", "6"), ("ORDER_MAX_RECENT", "off"), ("ORDER_MAX_OPEN", "off")];
    let app = TestApp::with(&rules).await;
    let shops = [app.restaurant("Luigi").opens().await, app.restaurant("Mario").opens().await];
    let ada = app.customer("Ada").await;
    let orders = async |person: &Person, number: usize| {
        let shop = &shops[number % 2];
        let lines = json!([{ "itemId": shop.any_dish().id, "quantity": 1 }]);
        let order = json!({ "restaurantId": shop.id, "fulfilment": "PICKUP", "lines": lines });
        person.asks_for_order(&format!("order-{number}"), &order).await
    };
    let replies = futures_util::future::join_all((0..20).map(|number| orders(&ada, number))).await;
    let placed = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(placed, 6);
    let refusal = orders(&ada, 20).await;
    let refused = refusal.refused(429, "order_limit_reached");
    assert_eq!((&refused["limit"], &refused["count"], &refused["limitOf"]), (&json!(6), &json!(6), &json!("customer")));
    assert!(refusal.header("retry-after").parse::<u64>().unwrap() > 3_000);
    app.advance_clock(TimeDelta::minutes(61));
    orders(&ada, 21).await.expect(201);
    // A member of the restaurant places orders for guests.
    let owner = &shops[0].owner;
    for number in 0..8 {
        orders(owner, 100 + 2 * number).await.expect(201);
    }
    orders(owner, 201).await.expect(201);
}

/// Fifty concurrent scheduled orders, and more orders for now than an hour allows: exactly as many as allowed are
/// accepted, and a stored response is returned again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_orders_of_a_customer_are_limited() {
    let rules = [("ORDER_MAX_SCHEDULED", "3"), ("ORDER_MAX_OPEN", "5"), ("ORDER_MAX_RECENT", "6")];
    let app = TestApp::with(&rules).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let later = app.clock.now() + chrono::TimeDelta::hours(20);
    let body = |scheduled: bool| {
        let lines = json!([{ "itemId": luigi.any_dish().id, "quantity": 1 }]);
        let scheduled_for = scheduled.then_some(later);
        json!({ "restaurantId": luigi.id, "fulfilment": "PICKUP", "lines": lines, "scheduledFor": scheduled_for })
    };
    let mut all = tokio::task::JoinSet::new();
    for number in 0..50 {
        let (ada, body) = (ada.clone(), body(true));
        all.spawn(async move { ada.asks_for_order(&format!("later-{number}"), &body).await });
    }
    let replies = all.join_all().await;
    let placed: Vec<_> = replies.iter().filter(|reply| reply.status == 201).collect();
    assert_eq!(placed.len(), 3);
    for reply in replies.iter().filter(|reply| !matches!(reply.status, 201 | 503)) {
        assert_eq!((reply.status, &reply.json()["code"]), (429, &json!("order_limit_reached")));
    }
    for number in 0..2 {
        ada.asks_for_order(&format!("now-{number}"), &body(false)).await.expect(201);
    }
    let refusal = ada.asks_for_order("too-many", &body(false)).await.refused(429, "order_limit_reached");
    assert_eq!((&refusal["limit"], &refusal["count"]), (&json!(5), &json!(5)));
    // The response of a placed order is returned again.
    ada.asks_for_order("now-0", &body(false)).await.expect(201);
    assert_eq!(app.count("select count(*) from orders").await, 5);
    // Other customers are not limited by it, nor are members of the restaurant.
    app.customer("Bob").await.asks_for_order("bob", &body(true)).await.expect(201);
    for number in 0..7 {
        luigi.owner.asks_for_order(&format!("table-{number}"), &body(false)).await.expect(201);
    }
}
