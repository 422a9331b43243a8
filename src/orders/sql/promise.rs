//! The statement that postpones the promised time of an order.

use chrono::{DateTime, Utc};

use crate::events;
use crate::ids::{OrderId, RestaurantId};
use crate::orders::Order;
use crate::orders::promise::PromiseChange;
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// Saves the postponed time of a locked order and the slot whose capacity it takes then, and appends its event.
pub async fn save(
    tx: &mut Tx,
    scope: &RestaurantScope,
    order: &Order,
    change: PromiseChange,
    slot: Option<DateTime<Utc>>,
) -> Result<Order, Problem> {
    let now = tx.now();
    let saved = sqlx::query!(
        "update orders set promised_at = $4, cancellable_until = $5, slot = $7, version = version + 1,
             updated_at = $6
         where restaurant_id = $1 and id = $2 and version = $3
         returning promised_at, cancellable_until, version, updated_at",
        scope.restaurant() as RestaurantId,
        order.id as OrderId,
        order.version,
        change.promised_at(),
        change.cancellable_until(),
        now,
        slot,
    )
    .fetch_optional(tx.connection())
    .await?
    .ok_or_else(|| Problem::internal(&"a locked order changed under its lock"))?;
    let changed = Order {
        promised_at: saved.promised_at,
        cancellable_until: saved.cancellable_until,
        version: saved.version,
        slot,
        updated_at: saved.updated_at,
        ..order.clone()
    };
    events::publish(tx, scope, changed.promise_changed_event()?).await?;
    Ok(changed)
}
