//! Statements on counted stock. Every statement that changes a count also writes the ledger.

use crate::ids::{ItemId, ModifierId, OrderId, RestaurantId};
use crate::menu::stock::{StockChange, StockFilter, StockMovement, StockOutcome};
use crate::paging::Page;
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// Changes the stock of an item.
pub async fn of_item(
    tx: &mut Tx,
    scope: &RestaurantScope,
    id: ItemId,
    change: StockChange,
) -> Result<StockOutcome, Problem> {
    let now = tx.now();
    let row = sqlx::query_as!(
        StockOutcome,
        r#"with old as materialized (
               select id, stock, case when $4::int is null then $3::int else stock + $4 end as wanted from menu_items
               where restaurant_id = $1 and id = $2 and deleted_at is null for no key update
           ), changed as (
               update menu_items i set stock = old.wanted, updated_at = $5 from old
               where i.restaurant_id = $1 and i.id = old.id and ($4 is null or old.wanted between 0 and 1000000)
               returning i.id, i.stock, coalesce(i.stock, 0) - coalesce(old.stock, 0) as delta,
                   (i.stock is null) <> (old.stock is null)
                   or (coalesce(i.stock, 1) = 0) <> (coalesce(old.stock, 1) = 0) as visible
           ), written as (
               insert into stock_ledger (restaurant_id, item_id, delta, reason, at)
               select $1, id, delta, 'SET', $5 from changed where delta <> 0
           )
           select exists (select from changed) as "is_done!",
               coalesce((select visible from changed), false) as "visible!",
               coalesce(wanted > 1000000, false) as "is_too_much!"
           from old"#,
        scope.restaurant() as RestaurantId,
        id as ItemId,
        change.to(),
        change.by(),
        now,
    )
    .fetch_optional(tx.connection())
    .await?;
    row.ok_or_else(Problem::not_found)
}

/// Changes the stock of a modifier.
pub async fn of_modifier(
    tx: &mut Tx,
    scope: &RestaurantScope,
    id: ModifierId,
    change: StockChange,
) -> Result<StockOutcome, Problem> {
    let now = tx.now();
    let row = sqlx::query_as!(
        StockOutcome,
        r#"with old as materialized (
               select id, stock, case when $4::int is null then $3::int else stock + $4 end as wanted from modifiers
               where restaurant_id = $1 and id = $2 and deleted_at is null for no key update
           ), changed as (
               update modifiers m set stock = old.wanted, updated_at = $5 from old
               where m.restaurant_id = $1 and m.id = old.id and ($4 is null or old.wanted between 0 and 1000000)
               returning m.id, m.stock, coalesce(m.stock, 0) - coalesce(old.stock, 0) as delta,
                   (m.stock is null) <> (old.stock is null)
                   or menu_shows_stock($1, m.group_id, old.stock, m.stock) as visible
           ), written as (
               insert into stock_ledger (restaurant_id, modifier_id, delta, reason, at)
               select $1, id, delta, 'SET', $5 from changed where delta <> 0
           )
           select exists (select from changed) as "is_done!",
               coalesce((select visible from changed), false) as "visible!",
               coalesce(wanted > 1000000, false) as "is_too_much!"
           from old"#,
        scope.restaurant() as RestaurantId,
        id as ModifierId,
        change.to(),
        change.by(),
        now,
    )
    .fetch_optional(tx.connection())
    .await?;
    row.ok_or_else(Problem::not_found)
}

/// A page of the ledger, latest first. Each filter has an index in this order and a branch of its own; the other
/// branches are not executed.
pub async fn movements(
    tx: &mut Tx,
    scope: &RestaurantScope,
    of: StockFilter,
    page: Page,
) -> Result<Vec<StockMovement>, Problem> {
    let before = page.after_id().map_or(i64::MAX, |id| i64::try_from(id.as_u64_pair().1).unwrap_or(i64::MAX));
    let rows = sqlx::query_as!(
        StockMovement,
        r#"select id as "id!", item_id as "item_id: _", modifier_id as "modifier_id: _", order_id as "order_id: _",
                  delta as "change!", reason as "reason!: _", at as "at!"
           from ((select * from stock_ledger
                  where restaurant_id = $1 and id < $5 and $2::uuid is null and $3::uuid is null and $4::uuid is null
                  order by id desc limit $6)
                 union all
                 (select * from stock_ledger
                  where restaurant_id = $1 and item_id = $2 and id < $5 and ($4 is null or order_id = $4)
                  order by id desc limit $6)
                 union all
                 (select * from stock_ledger
                  where restaurant_id = $1 and modifier_id = $3 and id < $5 and ($4 is null or order_id = $4)
                  order by id desc limit $6)
                 union all
                 (select * from stock_ledger
                  where restaurant_id = $1 and order_id = $4 and id < $5 and $2 is null and $3 is null
                  order by id desc limit $6)) l
           order by id desc limit $6"#,
        scope.restaurant() as RestaurantId,
        of.item as Option<ItemId>,
        of.modifier as Option<ModifierId>,
        of.order as Option<OrderId>,
        before,
        page.fetch,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows)
}
