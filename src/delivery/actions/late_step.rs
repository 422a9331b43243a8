//! A step that a driver took offline, and that arrives after the driver has lost the delivery.

use chrono::{DateTime, Utc};

use crate::delivery::past_assignments::counts;
use crate::delivery::{DeliveryStatus, sql};
use crate::events;
use crate::extract::IfMatch;
use crate::ids::OrderId;
use crate::orders::actions::status::advance;
use crate::orders::former_driver::refusal;
use crate::orders::status::StatusUpdate;
use crate::orders::{self, Order, OrderStatus};
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// The reason of the assignment.
const HAS_THE_FOOD: &str = "picked up before the delivery was taken back";

/// Takes the step. A pickup that happened while the delivery was the driver's is applied if no other driver has the
/// delivery since: the driver has the food, so they get it back and bring it. `happened_at` is the driver's own time of
/// the step; `None`: their clock is wrong.
///
/// # Errors
/// `no_longer_assigned` with the restaurant to call, for a step that the delivery does not allow any more. Those of
/// [`advance`] if the driver has the delivery again, or had it until it was closed.
pub async fn take(
    tx: &mut Tx,
    scope: &RestaurantScope,
    order: OrderId,
    if_match: IfMatch,
    update: StatusUpdate,
    happened_at: Option<DateTime<Utc>>,
) -> Result<Order, Problem> {
    let driver = scope.driver_id().ok_or_else(Problem::not_found)?;
    // Locks the order first and the delivery second, in the same sequence as every step of a delivery.
    orders::sql::lock(tx, scope, order).await?.ok_or_else(Problem::not_found)?;
    let delivery = sql::lock_of_order(tx, scope, order).await?.ok_or_else(Problem::not_found)?;
    if delivery.driver.as_ref().is_none_or(|carrier| carrier.id != driver) {
        let is_waiting = matches!(delivery.status, DeliveryStatus::Waiting | DeliveryStatus::Offered);
        let is_pickup = update.to == OrderStatus::OnTheWay && is_waiting;
        let past = sql::past_assignments::of(tx, scope, delivery.id, driver).await?;
        let counts = is_pickup && happened_at.is_some_and(|at| counts(&past, at));
        if !counts || sql::drivers::is_busy(tx, driver).await? {
            return Err(refusal(tx, scope, order, driver, update.to).await?);
        }
        let again = sql::assign(tx, scope, &delivery, driver, HAS_THE_FOOD, None).await?;
        events::publish(tx, scope, again.assigned_event()?).await?;
    }
    advance(tx, scope, order, if_match, update).await
}
