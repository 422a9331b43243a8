//! Statements on an order's status, and on what a cancellation returns.

use std::iter;

use uuid::Uuid;

use super::slots;
use crate::actor::Actor;
use crate::coupons;
use crate::events::sql::PreparedEvent;
use crate::events::{self, PreparedEffects};
use crate::ids::{DriverId, OrderId, RestaurantId, UserId};
use crate::menu;
use crate::menu::stock::LARGEST_STOCK;
use crate::orders::status::StatusChange;
use crate::orders::{Order, OrderStatus};
use crate::problem::Problem;
use crate::tenancy::{Acting, RestaurantScope};
use crate::uow::{OneCall, Tx};

/// Saves a change of status that the state machine allowed, and appends the event. A cancellation also returns the
/// slot, the coupon and, if the change says so, the stock:
/// the only statement that writes a status after placement.
pub async fn save_status(
    tx: &mut Tx,
    scope: &RestaurantScope,
    order: &Order,
    change: StatusChange,
) -> Result<Order, Problem> {
    let changed = order.after(&change, tx.now());
    let saved = sqlx::query!(
        "with of_network as (
             update order_networks set closed_at = $11, unanswered_portions = 0
             where $13 and restaurant_id = $1 and order_id = $2
         )
         update orders set status = $5, version = $6, promised_at = $7, cancellable_until = $8, cancel_reason = $9,
             updated_at = $10, closed_at = $11, slot = $12
         where restaurant_id = $1 and id = $2 and version = $3 and status = $4",
        scope.restaurant() as RestaurantId,
        order.id as OrderId,
        order.version,
        change.from() as OrderStatus,
        changed.status as OrderStatus,
        changed.version,
        changed.promised_at,
        changed.cancellable_until,
        changed.cancel_reason,
        changed.updated_at,
        changed.closed_at,
        changed.slot,
        changed.closed_at.is_some() || (order.is_unanswered() && !changed.is_unanswered()),
    )
    .execute(tx.connection())
    .await?;
    if saved.rows_affected() != 1 {
        return Err(Problem::internal(&"a locked order changed under its lock"));
    }
    if change.cancels() {
        give_back(tx, scope, order, change.returns_stock()).await?;
    }
    events::publish(tx, scope, changed.status_changed_event()?).await?;
    Ok(changed)
}

/// Saves a change of status that the state machine allowed, with its event and `effects`, in a transaction of its own.
/// [`OneCall::Outdated`]: the order or its delivery has changed since it was read.
///
/// # Errors
/// Those of PostgreSQL.
pub async fn save_in_one_call(
    tx: &mut Tx,
    scope: &RestaurantScope,
    (order, changed): (&Order, &Order),
    event: &PreparedEvent,
    effects: &PreparedEffects,
) -> Result<OneCall<()>, sqlx::Error> {
    let events: Vec<_> = iter::once(event).chain(&effects.events).collect();
    let saved = sqlx::query_scalar!(
        r#"select change_order_status($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                                      $19, $20, $21, $22, $23) as "is_saved!""#,
        Acting::from(*scope) as Acting,
        tx.is_flushed_later(),
        scope.restaurant() as RestaurantId,
        order.id as OrderId,
        order.version,
        order.status as OrderStatus,
        changed.closed_at.is_some() || (order.is_unanswered() && !changed.is_unanswered()),
        changed.status as OrderStatus,
        changed.promised_at,
        changed.cancellable_until,
        changed.closed_at,
        changed.updated_at,
        effects.delivery.as_ref().map(|change| change.get()),
        scope.actor() as Actor,
        &column(&events, |event| event.aggregate.to_owned()),
        &column(&events, |event| event.id),
        &column(&events, |event| event.version),
        &column(&events, |event| event.name.to_owned()),
        &column(&events, |event| event.concerns.customer.map(UserId::uuid)) as &[Option<Uuid>],
        &column(&events, |event| event.concerns.driver.map(DriverId::uuid)) as &[Option<Uuid>],
        &column(&events, |event| event.concerns.former_driver.map(DriverId::uuid)) as &[Option<Uuid>],
        &column(&events, |event| event.concerns.is_closed),
        &column(&events, |event| event.payload.get().to_owned()),
    )
    .fetch_one(tx.connection())
    .await?;
    if !saved {
        return Ok(OneCall::Outdated);
    }
    for event in events {
        tx.note_event();
        tx.note_bytes(event.counted_bytes(scope));
    }
    Ok(OneCall::Done(()))
}

fn column<T>(events: &[&PreparedEvent], value: impl Fn(&PreparedEvent) -> T) -> Vec<T> {
    events.iter().map(|event| value(event)).collect()
}

/// Returns what the order took, in the sequence in which it was taken (`orders/actions/place.rs`): the stock if
/// `stock`, the slot and the coupon.
async fn give_back(tx: &mut Tx, scope: &RestaurantScope, order: &Order, stock: bool) -> Result<(), Problem> {
    let menu_changed = stock && return_stock(tx, scope, order.id).await?;
    if let Some(slot) = order.slot {
        slots::give_back(tx, scope, slot).await?;
    }
    if order.coupon_code.is_some() {
        coupons::sql::give_back(tx, scope, order.id).await?;
    }
    if menu_changed { menu::sql::announce(tx, scope).await } else { Ok(()) }
}

/// Returns the stock that an order took according to the ledger, of items that are still counted, up to the largest
/// stock: staff may have counted the stock again meanwhile. `true`: the menu may change. Takes the same advisory lock
/// as `place::insert`.
async fn return_stock(tx: &mut Tx, scope: &RestaurantScope, order: OrderId) -> Result<bool, Problem> {
    let now = tx.now();
    let returned = sqlx::query!(
        r#"with turn as materialized (
               select lock_stock($1)
           ), taken as materialized (
               select item_id, modifier_id, -sum(delta)::int as portions from stock_ledger
               where restaurant_id = $1 and order_id = $2 group by item_id, modifier_id having sum(delta) < 0
           ), locked as materialized (
               select i.id, least(t.portions, $4 - i.stock) as portions
               from (select count(*) from turn) as first cross join taken t
               join menu_items i on i.restaurant_id = $1 and i.id = t.item_id
               order by i.id for no key update of i
           ), locked_modifiers as materialized (
               select m.id, least(t.portions, $4 - m.stock) as portions
               from (select count(*) from locked) as first cross join taken t
               join modifiers m on m.restaurant_id = $1 and m.id = t.modifier_id
               order by m.id for no key update of m
           ), items as (
               update menu_items i set stock = i.stock + l.portions, updated_at = $3
               from locked l where i.restaurant_id = $1 and i.id = l.id and i.stock is not null
               returning i.id, l.portions, i.stock
           ), back as (
               update modifiers m set stock = m.stock + l.portions, updated_at = $3
               from locked_modifiers l where m.restaurant_id = $1 and m.id = l.id and m.stock is not null
               returning m.id, m.group_id, l.portions, m.stock
           ), written as (
               insert into stock_ledger (restaurant_id, item_id, modifier_id, order_id, delta, reason, at)
               select $1::uuid, id, null::uuid, $2::uuid, portions, 'RETURNED', $3::timestamptz from items
               where portions > 0
               union all select $1, null, id, $2, portions, 'RETURNED', $3 from back where portions > 0
           )
           select exists (select from items where stock = portions)
               or exists (select from (select group_id, min(stock - portions) as least from back group by group_id)
               of_group
                          where menu_shows_stock($1, group_id, least, least + 1)) as "menu_changed!""#,
        scope.restaurant() as RestaurantId,
        order as OrderId,
        now,
        LARGEST_STOCK,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(returned.menu_changed)
}
