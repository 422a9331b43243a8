//! Changing the status of a delivery, and of its order with it.

use crate::delivery::access::DeliveryAccess;
use crate::delivery::{Delivery, DeliveryStatus, sql};
use crate::events;
use crate::extract::IfMatch;
use crate::orders::status::StatusUpdate;
use crate::orders::{self, OrderStatus};
use crate::problem::{Code, Problem};
use crate::uow::Tx;

/// Changes the status of a delivery: its own, or that of its order, which the delivery follows.
///
/// # Errors
/// 404 for a delivery that the caller does not see or no longer carries, 409 `illegal_transition`, 412
/// `version_conflict`, 422 for a status that cannot be requested, and for FAILED without a reason.
pub async fn advance(
    tx: &mut Tx,
    access: DeliveryAccess,
    if_match: IfMatch,
    to: DeliveryStatus,
    reason: Option<String>,
) -> Result<Delivery, Problem> {
    let scope = access.scope;
    // Locks the order first, the delivery second, the driver third: the same sequence as when a delivery follows its
    // order.
    let order_status = match to {
        DeliveryStatus::PickedUp => Some(OrderStatus::OnTheWay),
        DeliveryStatus::Delivered => Some(OrderStatus::Delivered),
        DeliveryStatus::Waiting | DeliveryStatus::Arrived | DeliveryStatus::Failed => None,
        DeliveryStatus::Offered | DeliveryStatus::Assigned | DeliveryStatus::Cancelled => {
            return Err(Problem::invalid_field("/status", "must be WAITING, ARRIVED, PICKED_UP, DELIVERED or FAILED"));
        }
    };
    if order_status.is_some() {
        // The result is not checked here: a driver does not see an order whose delivery is closed, and the check of the
        // delivery below returns the right error.
        orders::sql::lock(tx, &scope, access.order).await?;
    }
    let delivery = sql::lock(tx, &scope, access.delivery).await?.ok_or_else(Problem::not_found)?;
    // It may have been given to another driver since access was checked.
    let carrier = delivery.driver.as_ref().map(|carrier| carrier.id);
    if scope.driver_id().is_some_and(|driver| carrier != Some(driver)) {
        return Err(Problem::not_found());
    }
    let shown = delivery.clone().shown_to(&scope);
    let is_repeated = delivery.status == to;
    // A change of the order records the driver's activity itself (`follow.rs`).
    if let Some(driver) = scope.driver_id().filter(|_| is_repeated || order_status.is_none()) {
        sql::drivers::seen(tx, driver).await?;
    }
    if is_repeated {
        // A repetition changes nothing, whatever version it contains, because the first response may have been lost.
        return Ok(shown);
    }
    if_match.check(delivery.version, &shown)?;
    let change = delivery.follow(to, tx.now()).map_err(|_| illegal(&delivery, to))?;
    if let Some(step) = order_status {
        let update = StatusUpdate::to(step);
        orders::actions::status::advance(tx, &scope, access.order, IfMatch(None), update).await?;
        let moved = sql::get(tx, &scope, access.delivery).await?.ok_or_else(Problem::not_found)?;
        return Ok(moved.shown_to(&scope));
    }
    if to == DeliveryStatus::Failed && reason.is_none() {
        return Err(Problem::invalid_field("/reason", "is required for FAILED"));
    }
    let saved = sql::save_status(tx, &scope, &delivery, &change, reason.as_deref()).await?;
    events::publish(tx, &scope, saved.status_changed_event()?).await?;
    Ok(saved.shown_to(&scope))
}

fn illegal(delivery: &Delivery, to: DeliveryStatus) -> Problem {
    Problem::new(Code::IllegalTransition, "Get the delivery, and choose a status that its current status allows.")
        .with("currentStatus", delivery.status)
        .with("requestedStatus", to)
        .with("currentVersion", delivery.version)
}
