//! `comanda check`: whole books pass, and each part of them that is broken behind the program's back is named.

use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::app::TestApp;
use crate::harness_clock::program;
use crate::people::id_of;

/// What the command prints and how it ends.
fn check(url: &str) -> (String, Option<i32>) {
    let mut command = program();
    command.args(["--config", "/dev/null", "check"]).env("DATABASE_URL", url);
    let output = command.output().unwrap();
    (String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(), output.status.code())
}

/// The rules that do not hold in a server's database.
pub async fn broken_rules(app: &TestApp) -> Vec<String> {
    let mut database = PgConnection::connect(&app.database_url).await.unwrap();
    let findings = comanda::check::check(&mut database, |_| ()).await.unwrap();
    findings.iter().filter(|found| !found.broken.is_empty()).map(|found| found.rule.to_owned()).collect()
}

#[tokio::test]
async fn broken_books_are_named_part_by_part() {
    let mut app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells_counted("Margherita", 850, 9).opens().await;
    let order = app.customer("Ada").await.places_order(&luigi, &[(luigi.any_dish(), 2)]).await;
    luigi.owner.moves(&order, "CONFIRMED").await;
    let (said, code) = check(&app.database_url);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with("      0  in all\n") && !said.contains(" - "), "{said}");

    app.without_audit();
    app.does(
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
        "      1  state: an order walks along the table of steps, from PENDING to where it is",
        "      1  isolation: row level security is forced on every table of a restaurant",
        "         - menu_items",
        "      5  in all",
    ] {
        assert!(said.lines().any(|said| said == line), "{line} is not in\n{said}");
    }
}

#[tokio::test]
async fn what_is_counted_beside_the_orders_is_held_against_them() {
    let mut app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").with("slots", json!({ "capacity": 5 })).opens().await;
    let coupon = json!({ "code": "TEN", "kind": "PERCENT", "basisPoints": 1000 });
    luigi.owner.post(&luigi.path("/coupons"), &coupon).await.expect(201);
    let ada = app.customer("Ada").await;
    let lines = json!([{ "itemId": luigi.any_dish().id, "quantity": 1 }]);
    let wish = json!({ "lines": lines, "fulfilment": "PICKUP", "couponCode": "TEN" });
    let quote = ada.post(&luigi.path("/quotes"), &wish).await.expect(201);
    ada.asks_for_order("one", &json!({ "quoteId": id_of(&quote) })).await.expect(201);
    let (said, code) = check(&app.database_url);
    assert_eq!(code, Some(0), "{said}");

    app.without_audit();
    app.does(
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
        "      1  money: an order redeems the coupon it names once, for what it took off, and gives it back when it is cancelled",
        "      1  money: a quote became the order that names it, at the price it was quoted at",
        "      1  state: a slot counts the orders that are due in it",
        "      4  in all",
    ] {
        assert!(said.lines().any(|said| said == line), "{line} is not in\n{said}");
    }
}

#[tokio::test]
async fn a_database_of_another_version_is_not_judged() {
    let mut app = TestApp::start().await;
    app.without_audit();
    app.does("insert into _sqlx_migrations select 9999, 'later', now(), true, ''::bytea, 1").await;
    let (said, code) = check(&app.database_url);
    assert!(code == Some(1) && said.contains("newer than this program (migration 9999"), "{said}");
    app.does("delete from _sqlx_migrations where version >= 20").await;
    let (said, code) = check(&app.database_url);
    assert!(code == Some(1) && said.contains("run `comanda migrate` first"), "{said}");
}
