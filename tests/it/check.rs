//! `comanda check`: a consistent database passes, and each violation that a test writes directly into the tables is
//! reported.

use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::app::TestApp;
use crate::harness_clock::program;
use crate::people::id_of;

/// The output of the command, and its exit status.
fn check(url: &str) -> (String, Option<i32>) {
    let mut command = program();
    command.args(["--config", "/dev/null", "check"]).env("DATABASE_URL", url);
    let output = command.output().unwrap();
    (String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(), output.status.code())
}

/// On most managed servers the owner of the tables is not a superuser, and row level security applies to it.
#[tokio::test]
async fn a_database_owner_without_superuser_rights_can_run_the_check() {
    let mut app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells("Margherita", 850).opens().await;
    let ada = app.customer("Ada").await;
    let order = ada.places_order(&luigi, &[(luigi.any_dish(), 2)]).await;
    luigi.owner.makes_steps(&order, &["CONFIRMED", "PREPARING"]).await;
    app.without_check();
    let mut database = PgConnection::connect(&app.database_url).await.unwrap();
    let owner = format!("owner_{}", uuid::Uuid::new_v4().simple());
    let hand_over = format!(
        "create role {owner}; grant comanda_app to {owner}; do $$ declare one regclass; begin
             for one in select oid from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
             loop
                 execute format('alter table %s owner to {owner}', one);
             end loop; end $$; set role {owner}"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(hand_over)).execute(&mut database).await.unwrap();
    let mut broken = async || {
        let findings = comanda::check::check(&mut database, |_| ()).await.unwrap();
        findings.into_iter().flat_map(|found| found.broken).collect::<Vec<_>>()
    };
    assert_eq!(broken().await, Vec::<String>::new());
    app.execute("set session_replication_role = replica; update carts set order_id = null, status = 'OPEN'").await;
    assert_eq!(broken().await.len(), 1, "the cart does not name its order");
}

/// The violated rules in a server's database.
pub async fn broken_rules(app: &TestApp) -> Vec<String> {
    let mut database = PgConnection::connect(&app.database_url).await.unwrap();
    let findings = comanda::check::check(&mut database, |_| ()).await.unwrap();
    findings.iter().filter(|found| !found.broken.is_empty()).map(|found| found.rule.to_owned()).collect()
}

#[tokio::test]
async fn the_check_reports_each_inconsistency() {
    let mut app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells_counted("Margherita", 850, 9).opens().await;
    let order = app.customer("Ada").await.places_order(&luigi, &[(luigi.any_dish(), 2)]).await;
    luigi.owner.moves(&order, "CONFIRMED").await;
    let (said, code) = check(&app.database_url);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with("      0  in all\n") && !said.contains(" - "), "{said}");

    app.without_check();
    app.execute(
        "set session_replication_role = replica;
         update orders set status = 'READY', items_total = items_total + 1, total = total + 1;
         update menu_items set stock = stock + 1;
         alter table menu_items no force row level security;",
    )
    .await;
    let (said, code) = check(&app.database_url);
    assert_eq!(code, Some(1), "{said}");
    for line in [
        "      1  money: an order's lines add up to its items",
        "      1  money: an order is taxed on its lines after the discount, and on its fees if at all",
        "      1  stock: the ledger adds up to every stock",
        "      1  state: every status of an order follows from the one before by the table of transitions",
        "      1  isolation: row level security is forced on every table of a restaurant",
        "         - menu_items",
        "      5  in all",
    ] {
        assert!(said.lines().any(|said| said == line), "{line} is not in\n{said}");
    }
}

#[tokio::test]
async fn the_check_compares_counters_with_orders() {
    let mut app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").with("slots", json!({ "capacity": 5 })).opens().await;
    let coupon = json!({ "code": "TEN", "kind": "PERCENT", "basisPoints": 1000 });
    luigi.owner.post(&luigi.path("/coupons"), &coupon).await.expect(201);
    let ada = app.customer("Ada").await;
    let lines = json!([{ "itemId": luigi.any_dish().id, "quantity": 1 }]);
    let request_body = json!({ "lines": lines, "fulfilment": "PICKUP", "couponCode": "TEN" });
    let quote = ada.post(&luigi.path("/quotes"), &request_body).await.expect(201);
    ada.asks_for_order("one", &json!({ "quoteId": id_of(&quote) })).await.expect(201);
    let (said, code) = check(&app.database_url);
    assert_eq!(code, Some(0), "{said}");

    app.without_check();
    app.execute(
        "set session_replication_role = replica;
         update coupons set redeemed = 2;
         update coupon_redemptions set returned_at = redeemed_at;
         update quotes set total = total + 1;
         update slots set taken = 0;",
    )
    .await;
    let (said, code) = check(&app.database_url);
    assert_eq!(code, Some(1), "{said}");
    for line in [
        "      1  money: a coupon counts the orders that use it",
        "      1  money: an order redeems the coupon it names once, for what it took off, and gives it back when it is \
         cancelled",
        "      1  money: a quote became the order that names it, at the price it was quoted at",
        "      1  state: a slot counts the orders that are due in it",
        "      4  in all",
    ] {
        assert!(said.lines().any(|said| said == line), "{line} is not in\n{said}");
    }
}

#[tokio::test]
async fn a_database_of_another_version_is_not_checked() {
    let mut app = TestApp::start().await;
    app.without_check();
    app.execute("insert into _sqlx_migrations select 9999, 'later', now(), true, ''::bytea, 1").await;
    let (said, code) = check(&app.database_url);
    assert!(code == Some(1) && said.contains("newer than this program (migration 9999"), "{said}");
    app.execute("delete from _sqlx_migrations where version >= 20").await;
    let (said, code) = check(&app.database_url);
    assert!(code == Some(1) && said.contains("run `comanda migrate` first"), "{said}");
}

/// One order of each rounding rule, with two rates, a discount and taxed fees: valid, and then invalid with each
/// amount changed by one unit.
#[tokio::test]
async fn tax_that_is_rounded_otherwise_is_named() {
    const RULE: &str =
        "tax is rounded as the order says: half up or half even, on each line and fee or on all of a rate";
    let mut app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    let rates = |points: f64| json!({ "delivery": points, "pickup": points, "dineIn": points });
    for rounding in ["HALF_UP", "HALF_EVEN"] {
        for level in ["LINE", "ORDER"] {
            for included in [false, true] {
                let shop = app.restaurant("Luigi").sells("Half", 10_005).sells("Pizza", 855).sells("Olive", 5);
                let classes = json!([{ "name": "fees", "basisPoints": rates(887.5) }]);
                let shop = shop
                    .with("taxBasisPoints", json!(1000))
                    .with("taxRounding", json!(rounding))
                    .with("taxRoundingLevel", json!(level))
                    .with("pricesIncludeTax", json!(included))
                    .with("taxClasses", classes)
                    .with("deliveryFee", json!({ "amount": 295, "currency": "EUR" }))
                    .with("serviceFee", json!({ "basisPoints": 150 }))
                    .opens()
                    .await;
                let lines: Vec<_> = shop.dishes.iter().map(|dish| (dish, 1)).collect();
                ada.orders_delivery(&shop, &lines).await;
                ada.places_order(&shop, &lines[2..]).await;
            }
        }
    }
    assert!(broken_rules(&app).await.is_empty(), "{:?}", broken_rules(&app).await);
    app.without_check();
    for corruption in [
        // The other rounding rule.
        "update orders set tax_rounding = 'HALF_EVEN' where tax_rounding = 'HALF_UP'",
        "update orders set tax_rounding = 'HALF_UP' where tax_rounding = 'HALF_EVEN'",
        "update orders set tax_rounding_level = 'ORDER' where tax_rounding_level = 'LINE'",
        "update orders set tax_rounding_level = 'LINE' where tax_rounding_level = 'ORDER'",
        "update orders set tax_amounts[1] = tax_amounts[1] + 1, tax_total = tax_total + 1, total = total + 1
         where tax_total > 0",
    ] {
        let mut database = PgConnection::connect(&app.database_url).await.unwrap();
        sqlx::raw_sql("begin; set session_replication_role = replica; set app.platform = 'on'")
            .execute(&mut database)
            .await
            .unwrap();
        sqlx::query(corruption).execute(&mut database).await.unwrap();
        let rule = comanda::check::query_of(RULE).expect("the rule");
        let broken: Vec<String> =
            sqlx::query_scalar(rule).bind(sqlx::types::Json(json!({}))).fetch_all(&mut database).await.unwrap();
        assert!(!broken.is_empty(), "{corruption}");
        sqlx::raw_sql("rollback").execute(&mut database).await.unwrap();
    }
}

#[tokio::test]
async fn the_check_finds_wrong_stock_returns_and_coupons_without_discount() {
    const RETURNS: &str =
        "a cancellation returns what is still counted: all of it before cooking, all or nothing afterwards";
    let mut app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells_counted("Pizza", 850, 90).sells_counted("Acqua", 150, 90).opens().await;
    let ada = app.customer("Ada").await;
    let coupon = json!({ "code": "TEN", "kind": "PERCENT", "basisPoints": 1000 });
    luigi.owner.post(&luigi.path("/coupons"), &coupon).await.expect(201);
    let lines: Vec<_> = luigi.dishes.iter().map(|dish| (dish, 2)).collect();
    let cart = ada.puts_in_cart(&luigi, &lines).await;
    ada.orders_cart(&cart, &json!({ "couponCode": "TEN" })).await.expect(201);
    let early = ada.places_order(&luigi, &lines).await;
    ada.cancels(&early, "Not hungry").await;
    // Stock that is not counted any more at the cancellation does not return, even if it is counted again later.
    let uncounted = ada.places_order(&luigi, &lines).await;
    let stock = luigi.path(&format!("/items/{}/stock", luigi.dish("Acqua").id));
    luigi.owner.put(&stock, &json!({ "stock": null })).await.expect(200);
    ada.cancels(&uncounted, "Not hungry").await;
    luigi.owner.put(&stock, &json!({ "stock": 50 })).await.expect(200);
    let late = ada.places_order(&luigi, &lines).await;
    luigi.owner.makes_steps(&late, &["CONFIRMED", "PREPARING", "READY"]).await;
    luigi.owner.cancels(&late, "Burnt").await;
    assert!(broken_rules(&app).await.is_empty(), "{:?}", broken_rules(&app).await);
    app.without_check();
    let id = |order: &serde_json::Value| id_of(order).parse::<comanda::ids::OrderId>().unwrap().uuid().to_string();
    let (early, late) = (id(&early), id(&late));
    let pizza = "item_id = (select id from menu_items where name = 'Pizza')";
    let corruptions = [
        // An early cancellation that returned no stock.
        format!(
            "delete from stock_ledger where order_id = '{early}' and reason = 'RETURNED' and {pizza};
                 update menu_items set stock = stock - 2 where name = 'Pizza'"
        ),
        // A late one that returned a part of it.
        format!(
            "insert into stock_ledger (restaurant_id, item_id, order_id, delta, reason, at)
                 select restaurant_id, item_id, order_id, 2, 'RETURNED', at from stock_ledger
                 where order_id = '{late}' and {pizza};
                 update menu_items set stock = stock + 2 where name = 'Pizza'"
        ),
        // A delivered order whose stock was returned.
        format!("update orders set status = 'DELIVERED', cancel_reason = null where id = '{early}'"),
    ];
    for corruption in corruptions {
        let mut database = PgConnection::connect(&app.database_url).await.unwrap();
        let statements =
            format!("begin; set session_replication_role = replica; set app.platform = 'on'; {corruption}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statements.as_str())).execute(&mut database).await.unwrap();
        let rule = comanda::check::query_of(RETURNS).expect("the rule");
        let tables = sqlx::types::Json(json!({ "returnsFrom": ["PENDING", "CONFIRMED"] }));
        let broken: Vec<String> = sqlx::query_scalar(rule).bind(tables).fetch_all(&mut database).await.unwrap();
        assert_eq!(broken.len(), 1, "{corruption}");
        sqlx::raw_sql("rollback").execute(&mut database).await.unwrap();
    }
    app.execute("set session_replication_role = replica; update coupon_redemptions set saved = 0").await;
    let (said, code) = check(&app.database_url);
    assert_eq!(code, Some(1), "{said}");
    let line = "      1  money: a coupon that was redeemed saved something";
    assert!(said.lines().any(|said| said == line), "{line} is not in\n{said}");
}
