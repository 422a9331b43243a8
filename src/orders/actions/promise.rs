//! Postpones the promised time of an order.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::slots::move_slot;
use crate::extract::IfMatch;
use crate::ids::OrderId;
use crate::orders::promise::CannotPromise;
use crate::orders::{Order, sql};
use crate::problem::{Code, Problem};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// Locks the order, checks the new promised time, moves the order to the slot of that time, and saves it together with
/// its event. The time must be at most `longest` from now; the current value changes nothing.
///
/// # Errors
/// 404 for an order that the scope does not show, 412 `version_conflict`, 409 `illegal_transition` when the order is
/// not CONFIRMED or PREPARING, 422 when the time is not later or is too late.
pub async fn postpone(
    tx: &mut Tx,
    scope: &RestaurantScope,
    id: OrderId,
    if_match: IfMatch,
    promised_at: DateTime<Utc>,
    longest: Duration,
) -> Result<Order, Problem> {
    let order = sql::lock(tx, scope, id).await?.ok_or_else(Problem::not_found)?;
    if_match.check(order.version, &order)?;
    let change = order.promise(promised_at, tx.now(), longest).map_err(|refusal| problem(refusal, &order))?;
    let Some(change) = change else { return Ok(order) };
    let slot = move_slot(tx, scope, &order, change.promised_at()).await?;
    sql::promise::save(tx, scope, &order, change, slot).await
}

fn problem(refusal: CannotPromise, order: &Order) -> Problem {
    match refusal {
        CannotPromise::NotInProgress => {
            let detail = "Only an order that is CONFIRMED or PREPARING can be promised for later.";
            Problem::new(Code::IllegalTransition, detail)
                .with("currentStatus", order.status)
                .with("currentVersion", order.version)
        }
        CannotPromise::NotLater => {
            Problem::invalid_field("/promisedAt", "must be later than now and than the current promise")
                .with("promisedAt", order.promised_at)
        }
        CannotPromise::TooFar => {
            Problem::invalid_field("/promisedAt", "must be within ORDER_LONGEST_DELAY of the server's configuration")
        }
        CannotPromise::AfterHandOver(last) => {
            Problem::invalid_field("/promisedAt", "must not be after the last hand-over of the restaurant")
                .with("latest", last)
        }
    }
}
