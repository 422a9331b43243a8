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
use crate::orders::Order;
use crate::orders::access::OrderAccess;
use crate::orders::actions::promise::postpone;
use crate::problem::{Problem, ProblemBody};
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
    let promised_at = body.promised_at.utc();
    let order = app
        .db
        .write(scope, move |tx| Box::pin(async move { postpone(tx, &scope, id, if_match, promised_at, longest).await }))
        .await?;
    Ok(Versioned { version: order.version, body: order })
}
