//! Statements on slots: how many orders are due in each, for restaurants that limit them.

use chrono::{DateTime, Utc};

use crate::ids::RestaurantId;
use crate::orders::availability::{DueOrders, LONGEST_SLOT};
use crate::problem::Problem;
use crate::restaurants::slots::Slot;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// The number of orders that are due in each slot that overlaps with a span.
pub async fn due_orders(
    tx: &mut Tx,
    scope: &RestaurantScope,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<DueOrders, Problem> {
    let rows = sqlx::query!(
        "select starts_at, ends_at, taken from slots
         where restaurant_id = $1 and starts_at > $2 and starts_at <= $3 and taken > 0",
        scope.restaurant() as RestaurantId,
        from - LONGEST_SLOT,
        until,
    )
    .fetch_all(tx.connection())
    .await?;
    let counts = rows.into_iter();
    Ok(counts.map(|row| (Slot { starts_at: row.starts_at, ends_at: row.ends_at }, row.taken)).collect())
}

/// Counts one more order for a slot, and locks its row, so that concurrent orders never exceed the capacity. `false`:
/// the slot is full. Orders in slots of another length that overlap with it count as well.
pub async fn take(tx: &mut Tx, scope: &RestaurantScope, slot: Slot, capacity: i32) -> Result<bool, Problem> {
    let taken = sqlx::query!(
        "with others as materialized (
             select coalesce(sum(taken), 0) as taken from slots
             where restaurant_id = $1 and starts_at > $5 and starts_at < $3 and starts_at <> $2 and ends_at > $2
         )
         insert into slots as s (restaurant_id, starts_at, ends_at, taken)
         select $1, $2, $3, 1 from others where others.taken < $4
         on conflict (restaurant_id, starts_at) do update set taken = s.taken + 1,
             ends_at = case when s.taken = 0 then excluded.ends_at else greatest(s.ends_at, excluded.ends_at) end
             where s.taken + (select taken from others) < $4
         returning s.taken",
        scope.restaurant() as RestaurantId,
        slot.starts_at,
        slot.ends_at,
        i64::from(capacity),
        slot.starts_at - LONGEST_SLOT,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(taken.is_some())
}

/// Counts one order fewer for a slot, after a cancellation.
pub async fn give_back(tx: &mut Tx, scope: &RestaurantScope, slot: DateTime<Utc>) -> Result<(), Problem> {
    sqlx::query!(
        "update slots set taken = taken - 1 where restaurant_id = $1 and starts_at = $2",
        scope.restaurant() as RestaurantId,
        slot,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
