//! Retention: every table has a row in `retention.rs` or a reason to be kept.

use std::collections::BTreeSet;
use std::time::Duration;

use comanda::retention::{self, RULES};
use reqwest::Method;
use serde_json::json;

use crate::app::{TestApp, eventually};

/// Deletes the old rows of a table; returns their number.
pub async fn deletes_expired(app: &TestApp, table: &str) -> u64 {
    let rule = RULES.iter().find(|rule| rule.table == table).expect("a rule for it");
    retention::delete_expired_rows(&app.running().app, rule).await.unwrap()
}

/// Tables without a rule, and what limits their rows.
const KEPT: &[(&str, &str)] = &[
    ("_sqlx_migrations", "one row for each migration"),
    ("cart_items", "its cart"),
    ("carts", "one open cart for each user and restaurant; orders refer to ordered ones"),
    ("contact_codes", "one row for each user and channel; a new code replaces the one before"),
    ("coupon_redemptions", "its order"),
    ("coupons", "limited for each restaurant; orders refer to deleted ones"),
    ("day_counters", "one row for each restaurant and day"),
    ("deliveries", "its order"),
    ("delivery_zones", "its restaurant"),
    ("drivers", "one row for each driver"),
    ("event_epoch", "one row"),
    ("events", "the log of all changes"),
    ("exceptional_days", "its restaurant"),
    ("exceptional_hours", "its restaurant"),
    ("images", "deleted when not in use (images/actions/delete_unused.rs)"),
    ("invitations", "limited for each restaurant"),
    ("item_modifier_groups", "its item"),
    ("memberships", "its restaurant"),
    ("menu_categories", "its restaurant; orders refer to deleted ones"),
    ("menu_items", "its restaurant; orders refer to deleted ones"),
    ("menus", "its restaurant"),
    ("modifier_groups", "its restaurant"),
    ("modifiers", "its restaurant"),
    ("nested_modifier_groups", "its modifier"),
    ("notification_deliveries", "its notification"),
    ("notification_preferences", "its user"),
    ("opening_hours", "its restaurant"),
    ("order_items", "its order"),
    ("orders", "kept for accounting"),
    ("push_devices", "limited for each user"),
    ("recovery_codes", "its user"),
    ("restaurants", "created by administrators"),
    ("revocations", "deleted by the listener that reads them (accounts/sql/revocations.rs)"),
    ("second_factors", "its user"),
    ("slots", "one row for each slot that was ever taken"),
    ("stock_ledger", "kept for accounting: its sum is the stock"),
    ("tax_classes", "its restaurant"),
    ("user_addresses", "limited for each user"),
    ("users", "limited for each network and day"),
];

#[tokio::test]
async fn every_table_has_a_retention_rule_or_a_reason() {
    let app = TestApp::start().await;
    let tables =
        "select relname::text from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace
                  and not relispartition";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&app.superuser).await.unwrap();
    let ruled: BTreeSet<_> = RULES.iter().map(|rule| rule.table.to_owned()).collect();
    let kept: BTreeSet<_> = KEPT.iter().map(|(table, _)| (*table).to_owned()).collect();
    assert!(ruled.is_disjoint(&kept));
    let known: BTreeSet<_> = ruled.union(&kept).cloned().collect();
    let new: Vec<_> = tables.iter().filter(|table| !known.contains(*table)).collect();
    assert!(new.is_empty(), "say in retention.rs or here what ends the rows of {new:?}");
    for table in ruled {
        assert!(tables.contains(&table), "{table} is not there");
    }
}

/// Without such a policy a rule deletes no row, and no error is returned.
#[tokio::test]
async fn policies_allow_the_platform_to_delete_rows_of_every_rule() {
    let app = TestApp::start().await;
    let denied = "select c.relname::text from pg_class c
        where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace and c.relrowsecurity
          and not exists (select from pg_policy p where p.polrelid = c.oid and p.polcmd in ('d', '*')
                          and pg_get_expr(p.polqual, c.oid) like '%app_platform()%')";
    let denied: Vec<String> = sqlx::query_scalar(denied).fetch_all(&app.superuser).await.unwrap();
    let without: Vec<_> =
        RULES.iter().map(|rule| rule.table).filter(|table| denied.iter().any(|one| one == table)).collect();
    assert_eq!(without, [""; 0], "tables without a policy that allows the platform to delete");
}

/// A server that is restarted more often than its interval deletes rows too.
#[test]
fn the_first_round_comes_soon_after_the_start() {
    let table = [(86_400, 60), (600, 60), (60, 60), (30, 30), (1, 1)];
    for (every, first) in table {
        let (every, first) = (Duration::from_secs(every), Duration::from_secs(first));
        assert_eq!(retention::first_round(every), first, "{every:?}");
    }
}

#[tokio::test]
async fn a_stored_response_is_repeated_while_its_key_is_kept() {
    let app = TestApp::with(&[("IDEMPOTENCY_KEY_RETENTION", "2d")]).await;
    let ada = app.customer("Ada").await;
    let adds = async || {
        let request = ada.request(Method::POST, "/api/me/addresses").header("idempotency-key", "k");
        ada.send(request.json(&json!({ "address": "Via Zamboni 2" }))).await.expect(201)["id"].clone()
    };
    let first = adds().await;
    app.execute("update idempotency_keys set created_at = created_at - interval '47 hours'").await;
    assert_eq!((deletes_expired(&app, "idempotency_keys").await, adds().await), (0, first.clone()));
    app.execute("update idempotency_keys set created_at = created_at - interval '2 hours'").await;
    assert_eq!(deletes_expired(&app, "idempotency_keys").await, 1);
    assert_ne!(adds().await, first, "afterwards it is a new request");
}

#[tokio::test]
async fn expired_rows_are_deleted_in_batches_and_others_are_not() {
    let app = TestApp::with(&[("RETENTION_INTERVAL", "1s")]).await;
    let ada = app.customer("Ada").await;
    app.execute(&format!(
        "insert into idempotency_keys (user_id, operation, key, fingerprint, created_at)
         select (select id from users where email = '{0}'), 'x', n::text, sha256('x'), now() - interval '31 days'
         from generate_series(1, 1200) n;
         insert into sessions (id, user_id, created_at, last_used_at, refreshed_at, expires_at)
         select gen_random_uuid(), (select id from users where email = '{0}'), '2020-01-01', '2020-01-01',
         '2020-01-01', '2020-02-01'
         from generate_series(1, 3);
         insert into attempt_limits (key, count, ends_at) select sha256(n::text::bytea), 1, '2020-01-01' from
         generate_series(1, 3) n",
        ada.email
    ))
    .await;
    for (table, left) in [("idempotency_keys", 0), ("sessions", 1), ("attempt_limits", 0)] {
        let question: &'static str = match table {
            "idempotency_keys" => "select count(*) from idempotency_keys",
            "sessions" => "select count(*) from sessions",
            _ => "select count(*) from attempt_limits",
        };
        eventually(table, async || app.count(question).await == left).await;
    }
    ada.get("/api/me").await.expect(200);
}

#[tokio::test]
async fn one_node_at_a_time_deletes_expired_rows() {
    let app = TestApp::start().await;
    app.execute("insert into attempt_limits (key, count, ends_at) values (sha256('a'), 1, '2020-01-01')").await;
    let mut other = app.superuser.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock($1)").bind(0x636f_6d61_6e64_6101_i64).execute(&mut *other).await.unwrap();
    assert_eq!(deletes_expired(&app, "attempt_limits").await, 0, "another node is at it");
    other.rollback().await.unwrap();
    assert_eq!(deletes_expired(&app, "attempt_limits").await, 1);
}
