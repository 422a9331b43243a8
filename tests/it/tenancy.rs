//! The two separations of restaurants: the predicates of queries, and row level security, each tested alone.

use std::str::FromStr as _;

use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection};

use crate::app::TestApp;
use crate::people::{Person, delivery_details, id_of};
use crate::reply::Reply;
use crate::shop::Shop;

/// Tables of restaurants that everybody may read, because guests see them before they sign in.
pub const PUBLIC: &[&str] = &[
    "delivery_zones",
    "exceptional_days",
    "exceptional_hours",
    "images",
    "item_modifier_groups",
    "menu_categories",
    "menu_items",
    "menus",
    "modifier_groups",
    "modifiers",
    "nested_modifier_groups",
    "opening_hours",
    "tax_classes",
];

/// Rows of tables that [`world`] does not fill.
const FURTHER_ROWS: &str = "
    insert into invitations (restaurant_id, id, email, role, code_hash, created_at, expires_at)
        select id, gen_random_uuid(), 'grace@example.com', 'STAFF', decode(repeat('ab', 32), 'hex'), now(),
               now() + interval '1 day' from restaurants;
    insert into modifier_groups (restaurant_id, id, key, name, min_choices, max_choices, created_at, updated_at)
        select id, gen_random_uuid(), 'size', 'Size', 0, 1, now(), now() from restaurants;
    insert into modifiers (restaurant_id, id, group_id, key, name, price, position, created_at, updated_at)
        select restaurant_id, gen_random_uuid(), id, 'large', 'Large', 100, 0, now(), now() from modifier_groups;
    insert into item_modifier_groups (restaurant_id, item_id, group_id, position)
        select restaurant_id, i.id, g.id, 0 from menu_items i join modifier_groups g using (restaurant_id);
    insert into nested_modifier_groups (restaurant_id, modifier_id, group_id, position)
        select restaurant_id, id, group_id, 0 from modifiers;
    insert into order_networks (restaurant_id, order_id, network, for_later, unanswered_portions, placed_at)
        select restaurant_id, id, decode(repeat('ab', 16), 'hex'), false, 0, placed_at from orders;
    insert into images (restaurant_id, id, provider, key, created_at)
        select id, gen_random_uuid(), 'local', id::text, now() from restaurants;
    insert into tax_classes (restaurant_id, name, delivery, pickup, dine_in)
        select id, 'drinks', 220000, 220000, 100000 from restaurants;
    insert into stock_ledger (restaurant_id, item_id, delta, reason, at)
        select restaurant_id, id, 1, 'SET', now() from menu_items where stock is null limit 1;
    update menu_items set stock = 1 where id in (select item_id from stock_ledger);
    insert into notifications (id, restaurant_id, dedupe_key, kind, category, created_at)
        select gen_random_uuid(), id, 'order:' || id, 'order.confirmed', 'ORDER', now() from restaurants;
    insert into notification_deliveries
            (id, restaurant_id, notification_id, channel, target, priority, state, next_attempt_at, created_at, final_at)
        select gen_random_uuid(), restaurant_id, id, 'EMAIL', 'grace@example.com', 5, 'SENT', now(), now(), now()
        from notifications where restaurant_id is not null";

/// A world in which every table with restaurants has rows.
async fn world(app: &TestApp) -> (Shop, Person, Value) {
    let hours: Vec<_> = (1..=7).map(|day| json!({ "weekday": day, "opens": "00:00", "closes": "24:00" })).collect();
    let luigi =
        app.restaurant("Luigi").with("hours", json!(hours)).with("slots", json!({ "capacity": 9 })).opens().await;
    let holiday = json!([{ "date": "2099-12-25", "spans": [{ "opens": "18:00", "closes": "22:00" }] }]);
    luigi.owner.put(&luigi.path("/hours"), &json!({ "weekly": hours, "exceptions": holiday })).await.expect(200);
    let zone = json!({ "name": "Town", "radiusMetres": 5000, "fee": { "base": { "amount": 200, "currency": "EUR" } } });
    let middle = json!({ "type": "Point", "coordinates": [11.3426, 44.4949] });
    let zones = json!([{ "type": "Feature", "geometry": middle, "properties": zone }]);
    let zones = json!({ "type": "FeatureCollection", "features": zones });
    luigi.owner.put(&luigi.path("/zones"), &zones).await.expect(200);
    let (ada, mario) = (app.customer("Ada").await, app.driver("Mario").await);
    mario.goes_online(44.4960, 11.3400).await;
    let coupon = json!({ "code": "TEN", "kind": "PERCENT", "basisPoints": 1000 });
    luigi.owner.post(&luigi.path("/coupons"), &coupon).await.expect(201);
    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
    let mut details = delivery_details();
    details["couponCode"] = json!("ten");
    let order = ada.orders_cart(&cart, &details).await.expect(201);
    let order = luigi.owner.moves(&order, "CONFIRMED").await;
    luigi.owner.assigns(&luigi.owner.finds_delivery(&order).await, None).await.expect(200);
    ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
    let lines = json!([{ "itemId": luigi.any_dish().id, "quantity": 1 }]);
    ada.post(&luigi.path("/quotes"), &json!({ "lines": lines, "fulfilment": "PICKUP" })).await.expect(201);
    sqlx::raw_sql(FURTHER_ROWS).execute(&app.superuser).await.unwrap();
    (luigi, ada, order)
}

/// A connection with the role of the application and without a user.
async fn as_application(app: &TestApp) -> PgConnection {
    let options = PgConnectOptions::from_str(&app.database_url).unwrap().options([("role", "comanda_app")]);
    options.connect().await.unwrap()
}

async fn tables(app: &TestApp, question: &'static str) -> Vec<String> {
    sqlx::query_scalar(question).fetch_all(&app.superuser).await.unwrap()
}

const TENANT_TABLES: &str = "select c.relname::text from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'restaurant_id'
    where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace order by 1";

#[tokio::test]
async fn without_a_tenancy_context_no_rows_are_visible_or_changed() {
    let mut app = TestApp::start().await;
    app.without_check();
    world(&app).await;
    let mut nobody = as_application(&app).await;
    let mut all = tables(&app, TENANT_TABLES).await;
    all.push("idempotency_keys".into());
    assert!(all.len() >= 12, "{all:?}");
    for table in &all {
        let count = format!("select count(*) from {table}");
        let stored: i64 = sqlx::query_scalar(AssertSqlSafe(count.clone())).fetch_one(&app.superuser).await.unwrap();
        assert!(stored > 0, "the world has no row in {table}");
        let seen: i64 = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut nobody).await.unwrap();
        let expected = if PUBLIC.contains(&table.as_str()) { stored } else { 0 };
        assert_eq!(seen, expected, "{table}");
        let removed = sqlx::query(AssertSqlSafe(format!("delete from {table}"))).execute(&mut nobody).await;
        // Either the row is not visible, or the role has no privilege to delete.
        assert_eq!(removed.map_or(0, |done| done.rows_affected()), 0, "{table}");
        if table != "idempotency_keys" {
            let moved = format!("update {table} set restaurant_id = restaurant_id");
            let moved = sqlx::query(AssertSqlSafe(moved)).execute(&mut nobody).await;
            assert_eq!(moved.map_or(0, |done| done.rows_affected()), 0, "{table}");
        }
    }
    let changed = sqlx::query("update restaurants set name = 'Mine'").execute(&mut nobody).await.unwrap();
    assert_eq!(changed.rows_affected(), 0);
}

#[tokio::test]
async fn the_context_of_one_restaurant_reads_and_writes_nothing_of_another() {
    let app = TestApp::start().await;
    let (luigi, ..) = world(&app).await;
    let other = app.restaurant("Other").opens().await;
    let mut tenant = as_application(&app).await;
    let id: comanda::ids::RestaurantId = other.id.parse().unwrap();
    sqlx::query("select set_config('app.tenant', $1, false)")
        .bind(id.uuid().to_string())
        .execute(&mut tenant)
        .await
        .unwrap();
    for table in [
        "orders",
        "order_items",
        "deliveries",
        "carts",
        "cart_items",
        "day_counters",
        "quotes",
        "slots",
        "coupons",
        "coupon_redemptions",
    ] {
        let count = format!("select count(*) from {table}");
        let seen: i64 = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut tenant).await.unwrap();
        assert_eq!(seen, 0, "{table}");
    }
    let of_luigi: comanda::ids::RestaurantId = luigi.id.parse().unwrap();
    let category: comanda::ids::CategoryId = luigi.category.parse().unwrap();
    let refused = sqlx::query(
        "insert into menu_items (restaurant_id, id, category_id, name, price, position, created_at, updated_at)
         values ($1, gen_random_uuid(), $2, 'Poison', 1, 1, now(), now())",
    )
    .bind(of_luigi.uuid())
    .bind(category.uuid())
    .execute(&mut tenant)
    .await
    .unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("42501"), "{refused}");
}

#[tokio::test]
async fn every_tenant_table_has_row_security_and_every_table_a_comment() {
    let app = TestApp::start().await;
    let unguarded = tables(
        &app,
        "select c.relname::text from pg_class c
         where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
           and (c.relname = 'restaurants' or exists (
               select from pg_attribute a where a.attrelid = c.oid and a.attname = 'restaurant_id'))
           and not (c.relrowsecurity and c.relforcerowsecurity
               and exists (select from pg_policy p where p.polrelid = c.oid))",
    )
    .await;
    assert_eq!(unguarded, [""; 0], "tables of a restaurant without forced row level security");
    let nameless = tables(
        &app,
        "select c.relname::text from pg_class c
         where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace and c.relname <> '_sqlx_migrations'
           and coalesce(obj_description(c.oid, 'pg_class'), '') = ''",
    )
    .await;
    assert_eq!(nameless, [""; 0], "tables without a comment");
    let loose = tables(
        &app,
        "select c.relname::text from pg_class c
         join pg_attribute a on a.attrelid = c.oid and a.attname = 'restaurant_id' and a.attnotnull
         where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace and c.relname <> 'events'
           and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary
                           and i.indkey[0] = a.attnum)",
    )
    .await;
    assert_eq!(loose, [""; 0], "tables whose key does not begin with the restaurant");
}

#[tokio::test]
async fn the_application_owns_nothing_and_bypasses_nothing() {
    let app = TestApp::start().await;
    let powers = app
        .count(
            "select count(*) from pg_roles where rolname = 'comanda_app'
             and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolcanlogin)",
        )
        .await;
    assert_eq!(powers, 0);
    let mut application = as_application(&app).await;
    for forbidden in [
        "create table mine (n int)",
        "alter table orders disable row level security",
        "drop policy read on orders",
        "update events set name = 'x'",
        "delete from events",
        "truncate orders",
        "update event_epoch set base = 0",
        "select * from _sqlx_migrations",
    ] {
        let refused = sqlx::query(forbidden).execute(&mut application).await;
        let code = refused.unwrap_err().as_database_error().unwrap().code().unwrap().into_owned();
        assert_eq!(code, "42501", "{forbidden}");
    }
}

/// The response to every kind of request for another user's object.
async fn asks_everywhere(person: &Person, luigi: &str, order: &str, delivery: &str, item: &str) -> Vec<Reply> {
    let restaurant = format!("/api/restaurants/{luigi}");
    let price = json!({ "price": { "amount": 1, "currency": "EUR" } });
    vec![
        person.get(&format!("/api/orders/{order}")).await,
        person.get(&format!("/api/orders/{order}/events")).await,
        person.patch(&format!("/api/orders/{order}/status"), &json!({ "status": "CONFIRMED" })).await,
        person.get(&format!("/api/orders?restaurantId={luigi}")).await,
        person.get(&format!("/api/deliveries/{delivery}")).await,
        person.get(&format!("/api/deliveries?orderId={order}")).await,
        person.get(&format!("/api/deliveries?restaurantId={luigi}")).await,
        person.post(&format!("/api/deliveries/{delivery}/assign"), &json!({})).await,
        person.patch(&format!("/api/deliveries/{delivery}/status"), &json!({ "status": "PICKED_UP" })).await,
        person.get(&format!("{restaurant}/members")).await,
        person.patch(&restaurant, &json!({ "name": "Mine" })).await,
        person.post(&format!("{restaurant}/categories"), &json!({ "name": "Mine" })).await,
        person.patch(&format!("{restaurant}/items/{item}"), &price).await,
        person.put(&format!("{restaurant}/items/{item}/availability"), &json!({ "available": false })).await,
        person.delete(&format!("{restaurant}/items/{item}")).await,
    ]
}

#[tokio::test]
async fn a_resource_of_somebody_else_is_404() {
    let app = TestApp::start().await;
    let (luigi, ada, order) = world(&app).await;
    let delivery = ada.finds_delivery(&order).await;
    let item = &luigi.any_dish().id;
    let other = app.restaurant("Other").opens().await;
    let idle = app.driver("Idle").await;
    let written = app.rows_written().await;
    for person in [&other.owner, &app.customer("Bob").await, &idle] {
        let theirs = asks_everywhere(person, &luigi.id, id_of(&order), id_of(&delivery), item).await;
        let missing = asks_everywhere(
            person,
            "rst_01h455vb4pex5vsknk084sn02q",
            "ord_01h455vb4pex5vsknk084sn02q",
            "dlv_01h455vb4pex5vsknk084sn02q",
            "itm_01h455vb4pex5vsknk084sn02q",
        )
        .await;
        for (theirs, missing) in theirs.iter().zip(&missing) {
            theirs.refused(404, "not_found");
            assert_eq!(theirs.without_request_id(), missing.without_request_id());
            let names = |reply: &Reply| reply.headers.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(theirs), names(missing), "not even the headers tell them apart");
        }
    }
    let cart = ada.get(&luigi.path("/cart")).await.expect(200);
    other.owner.orders_cart(&cart, &Value::Null).await.refused(404, "not_found");
    // Bob has registered in the meantime.
    assert_eq!(app.rows_written().await, written + 1);
}
