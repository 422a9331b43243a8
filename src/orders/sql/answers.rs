//! Statements on what a restaurant owes its guests: an answer in time, and a promise that is kept or moved.

use chrono::{DateTime, Utc};

use super::Row;
use crate::events;
use crate::ids::{OrderId, RestaurantId};
use crate::orders::Order;
use crate::orders::promise::PromiseChange;
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// An order that its restaurant did not answer in time.
#[derive(Debug, Clone, Copy)]
pub struct Overdue {
    /// The restaurant that did not answer.
    pub restaurant_id: RestaurantId,
    /// The order that was not answered.
    pub id: OrderId,
    /// Until when it should have been answered.
    pub accept_by: DateTime<Utc>,
}

/// Orders of any restaurant that were to be answered by now, the longest overdue first, after the one named.
pub async fn overdue(tx: &mut Tx, after: Option<Overdue>, limit: i64) -> Result<Vec<Overdue>, Problem> {
    let now = tx.now();
    let orders = sqlx::query_as!(
        Overdue,
        r#"select restaurant_id, id, accept_by as "accept_by!" from orders
           where closed_at is null and accept_by <= $1 and status = 'PENDING'
             and (accept_by, id) > (coalesce($2, '-infinity'::timestamptz),
                                    coalesce($3, '00000000-0000-0000-0000-000000000000'::uuid))
           order by accept_by, id limit $4"#,
        now,
        after.map(|last| last.accept_by),
        after.map(|last| last.id.uuid()),
        limit,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(orders)
}

/// Locks an order that is still not answered. `None`: it was, or somebody is at it this moment.
pub async fn lock_overdue(tx: &mut Tx, scope: &RestaurantScope, id: OrderId) -> Result<Option<Order>, Problem> {
    let now = tx.now();
    let row = orders!(
        ["where restaurant_id = $1 and id = $2 and status = 'PENDING' and accept_by <= $3 for no key update skip locked"],
        scope.restaurant() as RestaurantId,
        id as OrderId,
        now,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(Row::into_order))
}

/// Saves a later promise and appends its event. The order is locked.
pub async fn save_promise(
    tx: &mut Tx,
    scope: &RestaurantScope,
    order: &Order,
    change: PromiseChange,
) -> Result<Order, Problem> {
    let now = tx.now();
    let saved = sqlx::query!(
        "update orders set promised_at = $4, cancellable_until = $5, version = version + 1, updated_at = $6
         where restaurant_id = $1 and id = $2 and version = $3
         returning promised_at, cancellable_until, version, updated_at",
        scope.restaurant() as RestaurantId,
        order.id as OrderId,
        order.version,
        change.promised_at(),
        change.cancellable_until(),
        now,
    )
    .fetch_optional(tx.connection())
    .await?
    .ok_or_else(|| Problem::internal(&"a locked order changed under its lock"))?;
    let changed = Order {
        promised_at: saved.promised_at,
        cancellable_until: saved.cancellable_until,
        version: saved.version,
        updated_at: saved.updated_at,
        ..order.clone()
    };
    events::publish(tx, scope, changed.promise_changed_event()?).await?;
    Ok(changed)
}
