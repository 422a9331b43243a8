//! Statements that find and remove the demo data. They run as the owner of the schema, without row level security, in
//! one transaction.

use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::remove::Removed;

/// An enabled account of the demo.
#[derive(sqlx::FromRow)]
pub struct DemoAccount {
    /// Argon2id in PHC form.
    pub password_hash: String,
}

/// Enabled accounts with an e-mail address of the demo's domain.
pub async fn enabled_accounts(owner: &mut PgConnection, domain: &str) -> Result<Vec<DemoAccount>, sqlx::Error> {
    sqlx::query_as("select password_hash from users where email like '%@' || $1 and disabled_at is null")
        .bind(domain)
        .fetch_all(owner)
        .await
}

/// Switches off, for one transaction, that policies apply to the owner of the tables; they never apply to a superuser.
const POLICIES: &str = "do $$ declare one text; begin
    for one in select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid =
    c.relnamespace
               where n.nspname = 'public' and c.relkind = 'r' and c.relrowsecurity
    loop execute format('alter table %s %s row level security', one, current_setting('comanda.policies')); end loop;
end $$";

/// Deletes the restaurants with all their data, and the users with an address of the domain. Users with orders or
/// deliveries of other restaurants are disabled instead.
pub async fn remove(owner: &mut PgConnection, restaurants: &[Uuid], domain: &str) -> Result<Removed, sqlx::Error> {
    let mut tx = owner.begin().await?;
    let mut removed = Removed::default();
    sqlx::raw_sql("set local comanda.policies = 'no force'").execute(&mut *tx).await?;
    sqlx::raw_sql(POLICIES).execute(&mut *tx).await?;
    let of_restaurants = [
        "delete from events where restaurant_id = any($1)",
        "delete from orders where restaurant_id = any($1)",
        "delete from menu_items where restaurant_id = any($1)",
        "update restaurants set image_id = null where id = any($1)",
        "delete from images where restaurant_id = any($1)",
        "delete from menu_categories where restaurant_id = any($1)",
    ];
    for statement in of_restaurants {
        sqlx::query(statement).bind(restaurants).execute(&mut *tx).await?;
    }
    let gone = sqlx::query("delete from restaurants where id = any($1)").bind(restaurants).execute(&mut *tx).await?;
    removed.restaurants = gone.rows_affected();
    let gone = sqlx::query(
        "delete from users u where u.email like '%@' || $1
             and not exists (select from orders o where o.customer_id = u.id)
             and not exists (select from deliveries d where d.customer_id = u.id)
             and not exists (select from coupon_redemptions r where r.user_id = u.id)
             and not exists (
                 select from drivers p join deliveries d on d.driver_id = p.id where p.user_id = u.id)",
    )
    .bind(domain)
    .execute(&mut *tx)
    .await?;
    removed.users = gone.rows_affected();
    let kept = sqlx::query(
        "update users set disabled_at = coalesce(disabled_at, now()), password_hash = 'none', role = 'CUSTOMER'
         where email like '%@' || $1",
    )
    .bind(domain)
    .execute(&mut *tx)
    .await?;
    removed.disabled = kept.rows_affected();
    let revoke = "update sessions s set revoked_at = now(), revoked_reason = 'disabled' from users u
                  where u.id = s.user_id and u.email like '%@' || $1 and s.revoked_at is null";
    sqlx::query(revoke).bind(domain).execute(&mut *tx).await?;
    sqlx::raw_sql("set local comanda.policies = 'force'").execute(&mut *tx).await?;
    sqlx::raw_sql(POLICIES).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(removed)
}
