//! Lists of orders: filters, search, and pages that are stable while orders arrive.

use chrono::TimeDelta;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row as _};

use crate::app::TestApp;
use crate::people::{Person, delivery_details};
use crate::shop::Shop;

/// The numbers of the orders in a list.
async fn numbers(person: &Person, query: &str) -> Vec<i64> {
    let list = person.get(&format!("/api/orders?{query}")).await.expect(200);
    list["data"].as_array().unwrap().iter().map(|order| order["number"].as_i64().unwrap()).collect()
}

async fn places(person: &Person, luigi: &Shop, details: Value) -> Value {
    let cart = person.puts_in_cart(luigi, &[(luigi.any_dish(), 1)]).await;
    person.orders_cart(&cart, &details).await.expect(201)
}

#[tokio::test]
async fn orders_are_found_by_status_time_kind_and_text() {
    let app = TestApp::with(&[("ORDER_CHECK_INTERVAL", "1m")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (ada, bob) = (app.customer("Ada Lovelace").await, app.customer("Bob 100%").await);
    let first = places(&ada, &luigi, delivery_details()).await;
    let second = places(&bob, &luigi, json!({ "note": "no_onions, please" })).await;
    app.advance_clock(TimeDelta::minutes(2));
    let third = places(&ada, &luigi, json!({ "fulfilment": "DINE_IN", "table": "7" })).await;
    luigi.owner.moves(&first, "CONFIRMED").await;
    bob.cancels(&second, "not hungry").await;
    let shop = format!("restaurantId={}", luigi.id);
    let finds = async |query: &str| numbers(&luigi.owner, &format!("{shop}&{query}")).await;

    assert_eq!(finds("").await, [3, 2, 1]);
    assert_eq!(finds("status=PENDING,CONFIRMED").await, [3, 1]);
    assert_eq!(finds("status=CANCELLED").await, [2]);
    assert_eq!(finds("status=CANCELLED,PENDING").await, [3, 2]);
    assert_eq!(finds("fulfilment=DINE_IN").await, [3]);
    let at = |order: &Value| order["placedAt"].as_str().unwrap().to_owned();
    assert_eq!(finds(&format!("from={}", at(&second))).await, [3, 2]);
    assert_eq!(finds(&format!("to={}", at(&second))).await, [1], "the end is not in it");
    assert_eq!(finds(&format!("from={}&to={}&status=PENDING,CANCELLED", at(&first), at(&third))).await, [2]);
    for (text, found) in [
        ("2", vec![2]),
        ("%231", vec![1]),
        ("lovelace", vec![3, 1]),
        ("no_onions", vec![2]),
        ("noXonions", vec![]),
        ("100%25", vec![2]),
        ("%25", vec![2]),
        ("%5C", vec![]),
    ] {
        assert_eq!(finds(&format!("q={text}")).await, found, "{text}");
    }
    assert_eq!(numbers(&ada, "q=luigi").await, [3, 1], "one's own are found by the restaurant's name");
    assert_eq!(numbers(&ada, "q=onions").await, [0; 0], "and nobody else's");
    assert_eq!(numbers(&ada, "status=CONFIRMED&fulfilment=DELIVERY").await, [1]);
    // A text is searched in the last month unless the query has `from`.
    app.advance_clock(TimeDelta::days(32));
    let owner = app.customer("New").await;
    let admin = app.admin().await;
    assert_eq!(numbers(&admin, &format!("{shop}&q=lovelace")).await, [0; 0]);
    assert_eq!(numbers(&admin, &format!("{shop}&q=lovelace&from={}", at(&first))).await, [3, 1]);
    assert_eq!(numbers(&owner, "q=lovelace").await, [0; 0]);
}

#[tokio::test]
async fn invalid_queries_of_lists_are_refused_with_the_reason() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    for (query, pointer) in [
        ("status=EATEN", "?status"),
        ("status=PENDING,,READY", "?status"),
        ("status=", "?status"),
        ("from=2026-05-02T00:00:00Z&to=2026-05-01T00:00:00Z", "?to"),
        ("from=2026-05-01T00:00:00Z&to=2026-05-01T00:00:00Z", "?to"),
        ("from=yesterday", "?from"),
        ("fulfilment=FLYING", "?fulfilment"),
        ("q=x&from=2020-01-01T00:00:00Z", "?from"),
        ("q=a%00b", "?q"),
        (&format!("q={}", "x".repeat(101)), "?q"),
        ("limit=201", "?limit"),
        ("cursor=nonsense", "?cursor"),
        ("colour=red", "?colour"),
    ] {
        let refusal = ada.get(&format!("/api/orders?{query}")).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], pointer, "{query}");
    }
}

#[tokio::test]
async fn pages_stay_what_they_are_while_orders_arrive() {
    let app = TestApp::with(&[("ORDER_CHECK_INTERVAL", "1m")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    for _ in 0..7 {
        places(&ada, &luigi, json!({})).await;
    }
    for filter in ["", "&status=PENDING", "&q=luigi&from=2020-01-01T00:00:00Z&to=2020-03-01T00:00:00Z", "&q=ada"] {
        let person = if filter.contains("luigi") { &ada } else { &luigi.owner };
        let whose = if filter.contains("luigi") { String::new() } else { format!("restaurantId={}", luigi.id) };
        let expected = numbers(person, &format!("{whose}{filter}&limit=200")).await;
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = person.get(&format!("/api/orders?{whose}{filter}&limit=2{cursor}")).await.expect(200);
            seen.extend(page["data"].as_array().unwrap().iter().map(|order| order["number"].as_i64().unwrap()));
            places(&ada, &luigi, json!({})).await;
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, expected, "{filter}");
    }
}

/// The recorded statement that reads a page of orders and contains this text.
fn recorded(part: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/.sqlx");
    let texts = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    let queries = texts.map(|text| serde_json::from_str::<Value>(&text).unwrap()["query"].as_str().unwrap().to_owned());
    queries
        .into_iter()
        .find(|query| query.contains("size_before") && query.contains(part))
        .unwrap_or_else(|| panic!("no statement with {part}"))
}

/// Rows that a plan filtered out, or read without an index.
fn wasted(plan: &Value) -> i64 {
    let own = plan["Rows Removed by Filter"].as_i64().unwrap_or_default();
    let scanned = if plan["Node Type"] == "Seq Scan" && plan["Relation Name"] == "orders" { 1_000_000 } else { 0 };
    own + scanned + plan["Plans"].as_array().into_iter().flatten().map(wasted).sum::<i64>()
}

/// The number of orders whose lines a plan read.
fn reads_of_lines(plan: &Value) -> i64 {
    let own = if plan["Relation Name"] == "order_items" { plan["Actual Loops"].as_i64().unwrap() } else { 0 };
    own + plan["Plans"].as_array().into_iter().flatten().map(reads_of_lines).sum::<i64>()
}

#[tokio::test]
async fn a_page_of_orders_is_read_from_an_index() {
    let mut app = TestApp::with(&[("ORDER_CHECK_INTERVAL", "1m")]).await;
    app.without_check();
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    places(&ada, &luigi, json!({})).await;
    app.execute(
        "insert into orders (restaurant_id, id, customer_id, day, number, fulfilment, status, currency, items_total,
             tax_total, delivery_fee, service_fee, tip, discount, total, placed_at, updated_at, created_at, closed_at,
             lines_size)
         select restaurant_id, gen_random_uuid(), customer_id, '2020-01-01', n, fulfilment, 'DELIVERED', currency,
             items_total, tax_total, delivery_fee, service_fee, tip, discount, total, at, at, at, at, lines_size
         from orders, generate_series(1, 20000) n, lateral (select placed_at - n * interval '1 minute' as at) t;
         analyze orders",
    )
    .await;
    let text = async |question: &'static str| -> String {
        sqlx::query_scalar(question).fetch_one(&app.superuser).await.unwrap()
    };
    let shop = text("select quote_literal(id) from restaurants").await;
    let customer = text("select quote_literal(customer_id) from orders limit 1").await;
    let deep = text("select quote_literal(max(placed_at) - interval '10 days') from orders").await;
    let earlier = text("select quote_literal(max(placed_at) - interval '11 days') from orders").await;
    let (of_shop, of_customer) = ("where restaurant_id = $1 and (placed_at", "where customer_id = $1 and (placed_at");
    for (part, arguments, orders) in [
        (of_shop, format!("{shop}, null, null, null, null, null, 10, 1000000"), 10),
        (of_shop, format!("{shop}, {deep}, null, null, null, null, 10, 1000000"), 10),
        (of_shop, format!("{shop}, {deep}, null, {earlier}, '{{DELIVERED}}', null, 10, 1000000"), 10),
        ("closed_at is null and (placed_at", format!("{shop}, null, null, null, '{{PENDING}}', null, 10, 1000000"), 1),
        (of_customer, format!("{customer}, null, null, null, null, null, 10, 1000000"), 10),
        (of_customer, format!("{customer}, {deep}, null, null, null, null, 10, 1000000"), 10),
        (of_customer, format!("{customer}, null, null, null, null, null, 10, 1"), 1),
    ] {
        let mut one = app.superuser.acquire().await.unwrap();
        let statement = recorded(part);
        let prepare = format!("set plan_cache_mode = force_generic_plan; deallocate all; prepare page as {statement}");
        sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *one).await.unwrap();
        let explain = format!("explain (analyze, format json) execute page({arguments})");
        let plan: String = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_one(&mut *one).await.unwrap().get_unchecked(0);
        let plan: Value = serde_json::from_str(&plan).unwrap();
        assert!(wasted(&plan[0]["Plan"]) < 100, "{part} ({arguments}) looks at too much: {plan:#}");
        assert_eq!(
            reads_of_lines(&plan[0]["Plan"]),
            orders,
            "{part} ({arguments}) reads the lines of others: {plan:#}"
        );
    }
}
