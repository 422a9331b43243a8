//! Statements on slots: how many orders are due in each, for restaurants that bound them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::ids::RestaurantId;
use crate::problem::Problem;
use crate::restaurants::slots::Slot;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// How many orders are due in the slots that begin in a span.
pub async fn taken(
    tx: &mut Tx,
    scope: &RestaurantScope,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<BTreeMap<DateTime<Utc>, i32>, Problem> {
    let rows = sqlx::query!(
        "select starts_at, taken from slots
         where restaurant_id = $1 and starts_at >= $2 and starts_at <= $3 and taken > 0 order by starts_at",
        scope.restaurant() as RestaurantId,
        from,
        until,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(|row| (row.starts_at, row.taken)).collect())
}

/// Takes a place in a slot, if there is one, under the lock of its row: of many who come at once no more get in than may.
/// `false`: it is full. Slots of another length that begin within it count as well.
pub async fn take(tx: &mut Tx, scope: &RestaurantScope, slot: Slot, capacity: i32) -> Result<bool, Problem> {
    let taken = sqlx::query!(
        "with others as materialized (
             select coalesce(sum(taken), 0) as taken from slots
             where restaurant_id = $1 and starts_at > $2 and starts_at < $3
         )
         insert into slots as s (restaurant_id, starts_at, taken)
         select $1, $2, 1 from others where others.taken < $4
         on conflict (restaurant_id, starts_at) do update set taken = s.taken + 1
             where s.taken + (select taken from others) < $4
         returning s.taken",
        scope.restaurant() as RestaurantId,
        slot.starts_at,
        slot.ends_at,
        i64::from(capacity),
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(taken.is_some())
}

/// Gives a place back: its order was cancelled.
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
