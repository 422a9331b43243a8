//! One step of an order, by whoever asks for it: a person over HTTP, a phone that was offline, the house itself.

use chrono::TimeDelta;

use crate::orders::status::{CannotAdvance, Wish};
use crate::orders::{Order, OrderStatus, sql};
use crate::ids::OrderId;
use crate::problem::{Code, Problem};
use crate::restaurants;
use crate::tenancy::RestaurantScope;
use crate::text::MultiLine;
use crate::uow::Tx;
use crate::wire::IfMatch;

/// Where somebody wants an order to go.
#[derive(Debug, Clone)]
pub struct StepWish {
    /// The status that the order is to have.
    pub to: OrderStatus,
    /// What the customer is told; some steps ask for it (`status.rs`).
    pub reason: Option<String>,
    /// What it took of counted stock returns, where the status table leaves that to whoever takes the step.
    pub return_stock: bool,
}

impl StepWish {
    /// Without a reason.
    pub const fn to(to: OrderStatus) -> Self {
        Self { to, reason: None, return_stock: false }
    }

    /// As a body says it.
    ///
    /// # Errors
    /// `returnStock` with anything but a cancellation.
    pub fn read(to: OrderStatus, reason: Option<MultiLine<500>>, return_stock: Option<bool>) -> Result<Self, Problem> {
        if return_stock.is_some() && to != OrderStatus::Cancelled {
            return Err(Problem::invalid_field("/returnStock", "is allowed only when the status is CANCELLED"));
        }
        Ok(Self { to, reason: reason.map(String::from), return_stock: return_stock.unwrap_or(false) })
    }
}

/// One step of an order: locked, checked against the table, saved with its event.
///
/// # Errors
/// 404, 409 `illegal_transition`, 412 `version_conflict`, 403 or 422, as the case is.
pub async fn advance(
    tx: &mut Tx,
    scope: &RestaurantScope,
    id: OrderId,
    if_match: IfMatch,
    step: StepWish,
) -> Result<Order, Problem> {
    let StepWish { to, reason, return_stock } = step;
    let order = sql::lock(tx, scope, id).await?.ok_or_else(Problem::not_found)?;
    if_match.check(order.version, &order)?;
    let preparation = match to {
        OrderStatus::Confirmed => restaurants::sql::preparation(tx, scope.restaurant()).await?,
        _ => TimeDelta::zero(),
    };
    let change = order
        .advance(Wish { to, reason, return_stock, preparation }, scope.actor(), tx.now())
        .map_err(|refusal| refused(refusal, &order, to))?;
    sql::save_status(tx, scope, &order, change).await
}

fn refused(refusal: CannotAdvance, order: &Order, to: OrderStatus) -> Problem {
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
