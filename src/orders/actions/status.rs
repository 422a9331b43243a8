//! Changes the status of an order: for staff and drivers over HTTP, for offline operations and for the system. A
//! request over HTTP that changes one order is usually one call, without a transaction of several statements
//! (`one_call.rs`).

use chrono::TimeDelta;

use super::slots::move_slot;
use crate::accounts::Caller;
use crate::extract::IfMatch;
use crate::ids::OrderId;
use crate::orders::status::{CannotAdvance, StatusUpdate};
use crate::orders::{Order, OrderStatus, sql};
use crate::permission::Operation;
use crate::problem::{Code, Problem};
use crate::restaurants;
use crate::tenancy::RestaurantScope;
use crate::text::MultiLine;
use crate::uow::{Database, Tx};

mod one_call;

use one_call::Attempt;

/// Reads the fields of a request body.
///
/// # Errors
/// 422 when `return_stock` is given for any status but CANCELLED.
pub fn parse_update(
    to: OrderStatus,
    reason: Option<MultiLine<500>>,
    return_stock: Option<bool>,
) -> Result<StatusUpdate, Problem> {
    if return_stock.is_some() && to != OrderStatus::Cancelled {
        return Err(Problem::invalid_field("/returnStock", "is allowed only when the status is CANCELLED"));
    }
    Ok(StatusUpdate { to, reason: reason.map(String::from), return_stock: return_stock.unwrap_or(false) })
}

/// Locks the order, checks the update against the status table, and saves the new status together with its event.
///
/// # Errors
/// 404 for an order that the scope does not show, 409 `illegal_transition`, 412 `version_conflict`, 403 when the
/// actor's role does not allow the transition, 422 when its reason is missing.
pub async fn advance(
    tx: &mut Tx,
    scope: &RestaurantScope,
    id: OrderId,
    if_match: IfMatch,
    update: StatusUpdate,
) -> Result<Order, Problem> {
    let to = update.to;
    let order = sql::lock(tx, scope, id).await?.ok_or_else(Problem::not_found)?;
    if_match.check(order.version, &order)?;
    let preparation = match to {
        OrderStatus::Confirmed => restaurants::sql::preparation(tx, scope.restaurant()).await?,
        _ => TimeDelta::zero(),
    };
    let change =
        order.advance(update, preparation, scope.actor(), tx.now()).map_err(|refusal| problem(refusal, &order, to))?;
    let order = match change.promised_at() {
        Some(promised_at) => Order { slot: move_slot(tx, scope, &order, promised_at).await?, ..order },
        None => order,
    };
    sql::save_status(tx, scope, &order, change).await
}

/// The request of a caller to change the status of one order, as a unit of work of its own; returns the order as the
/// caller may see it.
///
/// # Errors
/// 404 for an order that does not exist or that the caller may not see, and those of [`advance`].
pub async fn request(
    db: &Database,
    caller: &Caller,
    operation: Operation,
    id: OrderId,
    if_match: IfMatch,
    update: StatusUpdate,
) -> Result<Order, Problem> {
    let attempt = one_call::advance(db, caller, operation, id, if_match, update.clone()).await?;
    let (scope, order) = match attempt {
        (scope, Attempt::Changed(order)) => (scope, *order),
        (scope, Attempt::NeedsTransaction) => {
            let work =
                db.write(scope, move |tx| Box::pin(async move { advance(tx, &scope, id, if_match, update).await }));
            (scope, work.await?)
        }
    };
    Ok(order.shown_to(&scope))
}

fn problem(refusal: CannotAdvance, order: &Order, to: OrderStatus) -> Problem {
    let illegal = |detail: String| {
        Problem::new(Code::IllegalTransition, detail)
            .with("currentStatus", order.status)
            .with("requestedStatus", to)
            .with("currentVersion", order.version)
    };
    match refusal {
        CannotAdvance::NoSuchStep => {
            illegal("Get the order, and choose a status that its current status allows.".into())
        }
        CannotAdvance::TooLate => illegal("The time to cancel has passed. Contact the restaurant.".into()),
        CannotAdvance::NotYours => Problem::new(Code::Forbidden, "Your role cannot make this status change."),
        CannotAdvance::ReasonMissing => Problem::invalid_field("/reason", "is required for this status change"),
    }
}
