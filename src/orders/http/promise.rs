//! `/api/orders/{orderId}/promise`: staff postpone the promised time of an order.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::extract::{Body, IfMatch, Versioned};
use crate::ids::OrderId;
use crate::orders::access::OrderAccess;
use crate::orders::actions::slots::move_slot;
use crate::orders::promise::CannotPromise;
use crate::orders::{Order, sql};
use crate::problem::{Code, Problem, ProblemBody};
use crate::timestamp::Timestamp;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(update_order_promise))
}

/// The new promised time.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewPromise {
    /// Later than the current value, at most `ORDER_LONGEST_DELAY` from now, and not after the last hand-over, as long
    /// as that has not passed. The current value changes nothing.
    promised_at: Timestamp,
}

/// Postpone the promised time of an order
///
/// While it is CONFIRMED or PREPARING. Where slots are limited, the order no longer counts for its slot, but for the
/// one in which it is promised now, also if that is full. The customer is notified (`order:promise-changed`) and,
/// before preparation starts, has two minutes to cancel.
#[utoipa::path(patch, path = "/api/orders/{orderId}/promise", tag = "orders", security(("token" = [])),
    params(("orderId" = OrderId, Path),
        ("If-Match" = Option<String>, Header, description = "The expected version, in quotes as in ETag")),
    request_body = NewPromise,
    responses(
        (status = 200, description = "The order after the change", body = Order),
        (status = 403, description = "Only staff of the restaurant can change the promised time",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Resource not found, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The order is not CONFIRMED or PREPARING",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "Version conflict; `current` is the current state",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The time is earlier than the current promise or has passed, or too late",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn update_order_promise(
    State(app): State<Arc<App>>,
    access: OrderAccess,
    if_match: IfMatch,
    Body(body): Body<NewPromise>,
) -> Result<Versioned<Order>, Problem> {
    let (scope, id, longest) = (access.scope, access.order, app.config.orders.longest_delay);
    let order = app
        .db
        .write(scope, move |tx| {
            Box::pin(async move {
                let order = sql::lock(tx, &scope, id).await?.ok_or_else(Problem::not_found)?;
                if_match.check(order.version, &order)?;
                let change = order
                    .promise(body.promised_at.utc(), tx.now(), longest)
                    .map_err(|refusal| problem(refusal, &order))?;
                let Some(change) = change else { return Ok(order) };
                let slot = move_slot(tx, &scope, &order, change.promised_at()).await?;
                sql::promise::save(tx, &scope, &order, change, slot).await
            })
        })
        .await?;
    Ok(Versioned { version: order.version, body: order })
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
