//! A canary in every text of restaurant A: in each text column of each table with a restaurant, read from the
//! database's catalogue, so that new columns are included.

use serde_json::json;
use sqlx::AssertSqlSafe;

use super::callers::{CANARY, Target};
use super::world::World;
use crate::tenancy::PUBLIC;

/// The canary in every public text of restaurant A, which must not be in a response about B.
pub const SHOWN: &str = "shownya";

/// Columns without texts of users: enum values of the program, names that other rows refer to, formats that a
/// constraint requires.
const CLOSED: &[(&str, &str)] = &[
    ("coupons.code", "a form that the database insists on"),
    ("events.aggregate", "a word of the program"),
    ("events.name", "a word of the program"),
    ("images.key", "where the store keeps the file"),
    ("images.provider", "a word of the program"),
    ("menus.language", "a language"),
    ("menu_items.tax_class", "names a row of tax_classes"),
    ("modifiers.tax_class", "names a row of tax_classes"),
    ("notification_deliveries.provider", "a word of the program"),
    ("notifications.kind", "a word of the program"),
    ("notifications.locale", "a language"),
    ("orders.coupon_code", "names a row of coupons"),
    ("orders.currency", "three letters"),
    ("restaurants.currency", "three letters"),
    ("restaurants.timezone", "a zone"),
    ("stock_ledger.reason", "a word of the program"),
];

/// Rows of tables that the world of the matrix does not fill.
const FURTHER_ROWS: &str = "
    update restaurants set paused_until = created_at, pause_reason = 'A break';
    insert into tax_classes (restaurant_id, name, delivery, pickup, dine_in)
        select id, 'drinks', 220000, 220000, 100000 from restaurants;
    insert into notifications (id, restaurant_id, dedupe_key, kind, category, created_at)
        select gen_random_uuid(), id, 'order:' || id, 'order.confirmed', 'ORDER', now() from restaurants;
    insert into notification_deliveries
            (id, restaurant_id, notification_id, channel, target, priority, state, next_attempt_at, created_at, final_at)
        select gen_random_uuid(), restaurant_id, id, 'EMAIL', 'grace@example.com', 5, 'SENT', now(), now(), now()
        from notifications where restaurant_id is not null";

/// Every text column of a restaurant's tables.
const COLUMNS: &str = "
    select c.relname::text, a.attname::text from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
    where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace and not a.attisdropped
      and a.atttypid in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype)
      and (c.relname = 'restaurants' or exists (select from pg_attribute r where r.attrelid = c.oid
                                                and r.attname = 'restaurant_id' and not r.attisdropped))
    order by 1, 2";

impl World {
    /// Writes a canary into all of them.
    pub async fn plants_canaries(&self) {
        self.fills_the_rest().await;
        let columns: Vec<(String, String)> = sqlx::query_as(COLUMNS).fetch_all(&self.app.superuser).await.unwrap();
        assert!(columns.len() > 35, "{columns:?}");
        let a: comanda::ids::RestaurantId = self.ids(Target::A)["restaurantId"].parse().unwrap();
        let mut without = Vec::new();
        for (table, column) in &columns {
            let name = format!("{table}.{column}");
            if CLOSED.iter().any(|(closed, _)| *closed == name) {
                continue;
            }
            let is_shown = table == "restaurants" || PUBLIC.contains(&table.as_str());
            let text = if is_shown { format!("-{SHOWN}") } else { format!(" {CANARY} note") };
            let key = if table == "restaurants" { "id" } else { "restaurant_id" };
            let plant = |new: &str, which: &str| {
                format!("update {table} set {column} = {new} where {key} = '{}' {which}", a.uuid())
            };
            // Only existing texts are replaced; some rows must not have one in their current state.
            let into_all = plant(&format!("coalesce({column}, left(md5(random()::text), 8)) || '{text}'"), "");
            let into_some = plant(&format!("{column} || '{text}'"), &format!("and {column} is not null"));
            let mut planted = sqlx::query(AssertSqlSafe(into_all)).execute(&self.app.superuser).await;
            if planted.is_err() {
                planted = sqlx::query(AssertSqlSafe(into_some)).execute(&self.app.superuser).await;
            }
            if planted.map_or(0, |done| done.rows_affected()) == 0 {
                without.push(name);
            }
        }
        assert!(without.is_empty(), "fill these, or say in CLOSED why they hold no text of people: {without:#?}");
        for (closed, _) in CLOSED {
            let (table, column) = closed.split_once('.').unwrap();
            assert!(columns.iter().any(|(t, c)| t == table && c == column), "{closed} is no column");
        }
    }

    /// A holiday, a zone, and the rows that no user of the world creates.
    async fn fills_the_rest(&self) {
        for shop in &self.shops {
            let always: Vec<_> =
                (1..=7).map(|day| json!({ "weekday": day, "opens": "00:00", "closes": "24:00" })).collect();
            let holiday = json!([{ "date": "2099-12-25", "note": "Closed", "spans": [] }]);
            let hours = json!({ "weekly": always, "exceptions": holiday });
            shop.owner.put(&shop.path("/hours"), &hours).await.expect(200);
            let fee = json!({ "base": { "amount": 0, "currency": "EUR" } });
            let town = json!({ "name": "Town", "radiusMetres": 5000, "fee": fee });
            let middle = json!({ "type": "Point", "coordinates": [11.3426, 44.4949] });
            let zone = json!({ "type": "Feature", "geometry": middle, "properties": town });
            let zones = json!({ "type": "FeatureCollection", "features": [zone] });
            shop.owner.put(&shop.path("/zones"), &zones).await.expect(200);
        }
        self.app.execute(FURTHER_ROWS).await;
    }
}
