//! Statements on slots: how many orders are due in each, for restaurants that bound them.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::ids::RestaurantId;
use crate::problem::Problem;
use crate::restaurants::slots::Slot;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// The longest that a slot lasts (`slots_length`): what began earlier has ended.
const LONGEST: TimeDelta = TimeDelta::minutes(240);

/// How many orders are due in each slot of a span. Slots of several lengths overlap where a restaurant has changed how long
/// its slots are.
#[derive(Debug, Default)]
pub struct DueOrders(BTreeMap<DateTime<Utc>, (DateTime<Utc>, i32)>);

impl DueOrders {
    /// Those that are due in a slot, or in one that overlaps with it.
    pub fn within(&self, slot: Slot) -> i32 {
        let begun = self.0.range(slot.starts_at - LONGEST..slot.ends_at);
        begun.filter(|(_, (ends_at, _))| *ends_at > slot.starts_at).map(|(_, (_, taken))| taken).sum()
    }
}

/// How many orders are due in slots that overlap with a span.
pub async fn taken(
    tx: &mut Tx,
    scope: &RestaurantScope,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<DueOrders, Problem> {
    let rows = sqlx::query!(
        "select starts_at, ends_at, taken from slots
         where restaurant_id = $1 and starts_at > $2 and starts_at <= $3 and taken > 0",
        scope.restaurant() as RestaurantId,
        from - LONGEST,
        until,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(DueOrders(rows.into_iter().map(|row| (row.starts_at, (row.ends_at, row.taken))).collect()))
}

/// Takes a place in a slot, if there is one, under the lock of its row: of many who come at once no more get in than may.
/// `false`: it is full. Slots of another length that overlap with it count as well.
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
        slot.starts_at - LONGEST,
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
