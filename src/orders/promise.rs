//! A later promise: the kitchen says that it will take longer than it said when it confirmed.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::OrderAccess;
use super::status::CANCEL_WINDOW;
use super::{Order, OrderStatus, sql};
use crate::app::App;
use crate::extract::{Body, IfMatch, Versioned};
use crate::ids::OrderId;
use crate::problem::{Code, Problem, ProblemBody};
use crate::timestamp::Timestamp;

/// The route of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(update_order_promise))
}

/// Why an order gets no later promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CannotPromise {
    /// Nothing is being cooked: there is no promise, or it has been kept.
    NotCooking,
    /// It is not later than what was promised, or has passed already.
    NotLater,
    /// It is further away than a promise may be moved.
    TooFar,
}

/// Proof that a later promise may be made. Only [`Order::promise`] makes one.
#[derive(Debug)]
#[must_use = "a promise is made only when it is saved"]
pub struct PromiseChange {
    promised_at: DateTime<Utc>,
    cancellable_until: Option<DateTime<Utc>>,
}

impl PromiseChange {
    /// When it will be ready.
    pub const fn promised_at(&self) -> DateTime<Utc> {
        self.promised_at
    }

    /// Until when the customer may take the order back after it.
    pub const fn cancellable_until(&self) -> Option<DateTime<Utc>> {
        self.cancellable_until
    }
}

impl Order {
    /// A later promise. Whoever is told to wait longer before cooking has begun may think it over again.
    ///
    /// # Errors
    /// Why not.
    pub fn promise(
        &self,
        promised_at: DateTime<Utc>,
        now: DateTime<Utc>,
        longest: Duration,
    ) -> Result<PromiseChange, CannotPromise> {
        let cancellable_until = match self.status {
            OrderStatus::Confirmed => Some(now + CANCEL_WINDOW),
            OrderStatus::Preparing => None,
            _ => return Err(CannotPromise::NotCooking),
        };
        if promised_at <= now || self.promised_at.is_some_and(|before| promised_at <= before) {
            return Err(CannotPromise::NotLater);
        }
        if promised_at > now + longest {
            return Err(CannotPromise::TooFar);
        }
        Ok(PromiseChange { promised_at, cancellable_until })
    }
}

/// The new promised time.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewPromise {
    /// Later than the current value, and at most `ORDER_LONGEST_DELAY` from now.
    promised_at: Timestamp,
}

/// Postpone the promised time of an order
///
/// While it is CONFIRMED or PREPARING. The customer is notified (`order:promise-changed`) and, before preparation
/// starts, has two minutes to cancel.
#[utoipa::path(patch, path = "/api/orders/{orderId}/promise", tag = "orders", security(("token" = [])),
    params(("orderId" = OrderId, Path), ("If-Match" = Option<String>, Header, description = "The expected version, in quotes as in ETag")),
    request_body = NewPromise,
    responses(
        (status = 200, description = "The order after the change", body = Order),
        (status = 403, description = "Only staff of the restaurant can change the promised time", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Resource not found, or the caller has no access to it", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The order is not CONFIRMED or PREPARING", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "Version conflict; `current` is the current state", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The time is not later than the current promise, or too late", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn update_order_promise(
    State(app): State<Arc<App>>,
    access: OrderAccess,
    if_match: IfMatch,
    Body(body): Body<NewPromise>,
) -> Result<Versioned<Order>, Problem> {
    let (scope, id, longest) = (access.scope, access.order, app.config.orders.longest_delay);
    let body = app
        .db
        .write(scope, move |tx| {
            Box::pin(async move {
                let order = sql::lock(tx, &scope, id).await?.ok_or_else(Problem::not_found)?;
                if_match.check(order.version, &order)?;
                let change = order
                    .promise(body.promised_at.utc(), tx.now(), longest)
                    .map_err(|refusal| refused(refusal, &order))?;
                sql::answers::save_promise(tx, &scope, &order, change).await
            })
        })
        .await?;
    Ok(Versioned { version: body.version, body })
}

fn refused(refusal: CannotPromise, order: &Order) -> Problem {
    match refusal {
        CannotPromise::NotCooking => {
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
    }
}
