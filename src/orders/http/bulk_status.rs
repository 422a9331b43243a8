//! Bulk updates of the status of orders: each in its own transaction, and with its own result.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::Caller;
use crate::accounts::caller::Admin;
use crate::app::App;
use crate::batch_results::ResultBudget;
use crate::bounded;
use crate::client::Client;
use crate::extract::{Body, IfMatch, Json};
use crate::ids::{OrderId, RestaurantId, UserId};
use crate::limits;
use crate::orders::access::OrderAccess;
use crate::orders::actions::status::{advance, parse_update};
use crate::orders::{Order, OrderStatus};
use crate::permission::Operation;
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::access::Staff;
use crate::tenancy::RestaurantScope;
use crate::text::MultiLine;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(bulk_update_orders)).routes(routes!(bulk_update_restaurant_orders))
}

/// The new status of one order.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = BulkStatusChange)]
struct OrderChange {
    order_id: OrderId,
    status: OrderStatus,
    /// The reason; required for the transitions for which the status table says so.
    #[schema(inline)]
    reason: Option<MultiLine<500>>,
    /// For a cancellation from PREPARING on: true returns the portions of counted items to stock. Earlier cancellations
    /// always return them. Default: false.
    return_stock: Option<bool>,
    /// The version that the order must have; absent: any version.
    version: Option<i64>,
}

/// Status changes of several orders, applied in this order.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = BulkStatusUpdate)]
struct BulkUpdate {
    /// The changes, at most `ORDER_BULK_MAX`.
    #[serde(deserialize_with = "bounded::list::<_, _, 1000>")]
    changes: Vec<OrderChange>,
}

/// The result of one change: the order, or the problem.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BulkResult {
    /// The id of the order.
    order_id: OrderId,
    /// The HTTP status that the change would have had as a single request.
    #[schema(example = 200)]
    status: u16,
    /// The order with its new status, if it was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Order>)]
    order: Option<Box<RawValue>>,
    /// Why it was not changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProblemBody>)]
    problem: Option<Box<RawValue>>,
    /// True: `order` or `problem` is left out, because the results of this response exceed `BATCH_MAX_RESULT_BYTES`.
    /// `status` holds; get the order to see it. Absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_omitted: bool,
}

/// One result for each change, in the order of the changes.
#[derive(Serialize, ToSchema)]
struct BulkResults {
    data: Vec<BulkResult>,
}

/// The result of a change; its order or problem is left out if the response has no room for it.
fn result(
    order_id: OrderId,
    outcome: Result<Order, Problem>,
    budget: &mut ResultBudget,
) -> Result<BulkResult, Problem> {
    let status = outcome.as_ref().map_or_else(|problem| problem.code().status().as_u16(), |_| 200);
    let mut result = BulkResult { order_id, status, order: None, problem: None, is_omitted: true };
    if budget.is_exhausted() {
        return Ok(result);
    }
    let raw = |body: Result<Box<RawValue>, serde_json::Error>| body.map_err(|error| Problem::internal(&error));
    let (order, problem) = match outcome {
        Ok(order) => (Some(raw(to_raw_value(&order))?), None),
        Err(problem) => (None, Some(raw(to_raw_value(&problem.body(None)))?)),
    };
    let bytes = order.iter().chain(&problem).map(|body| body.get().len()).sum();
    if budget.take(bytes) {
        (result.order, result.problem, result.is_omitted) = (order, problem, false);
    }
    Ok(result)
}

fn check(app: &App, update: BulkUpdate) -> Result<Vec<OrderChange>, Problem> {
    let max = app.config.orders.bulk_max;
    if (1..=max).contains(&update.changes.len()) {
        return Ok(update.changes);
    }
    Err(Problem::invalid_field("/changes", format!("must be 1 to {max}")))
}

/// Makes the changes one after another, at one restaurant, or with `None` at the restaurant of each order.
async fn apply_all(
    app: &App,
    caller: Caller,
    client: Client,
    restaurant: Option<RestaurantScope>,
    update: BulkUpdate,
) -> Result<Json<BulkResults>, Problem> {
    let mut data = Vec::new();
    let mut budget = ResultBudget::new(app.config.http.batch_max_result_bytes);
    for (position, change) in check(app, update)?.into_iter().enumerate() {
        let order = change.order_id;
        let outcome = async {
            // The first change was drawn with the request itself.
            if position > 0 {
                draw(app, caller.user, client).await?;
            }
            let scope = match restaurant {
                Some(scope) => scope,
                None => OrderAccess::of(app, &caller, order, Operation::UpdateOrderStatus).await?.scope,
            };
            apply(app, scope, change).await
        };
        data.push(result(order, outcome.await, &mut budget)?);
    }
    Ok(Json(BulkResults { data }))
}

/// Draws for a change from the rate limits of the user and of the network, as for a request.
///
/// # Errors
/// 429 with `retryAfter` in seconds. Changes beyond the limit are refused one by one; those before them are made.
async fn draw(app: &App, user: UserId, client: Client) -> Result<(), Problem> {
    let allowance = app.limits.draw_for_action(user, client.network()).await;
    if allowance.is_granted {
        return Ok(());
    }
    Err(limits::too_many(allowance.wait).with("retryAfter", limits::seconds_up(allowance.wait).max(1)))
}

async fn apply(app: &App, scope: RestaurantScope, change: OrderChange) -> Result<Order, Problem> {
    let OrderChange { order_id, status, reason, return_stock, version } = change;
    let update = parse_update(status, reason, return_stock)?;
    app.db
        .write(scope, move |tx| Box::pin(async move { advance(tx, &scope, order_id, IfMatch(version), update).await }))
        .await
}

/// Update the status of many orders
///
/// Of any restaurant. Each order has its own transaction: one that cannot be updated does not affect the others. Send
/// `version` for a change that must not be made twice. Each change counts as a request for the rate limit: those beyond
/// it have the status 429, and `problem.retryAfter` says in how many seconds to send them again.
#[utoipa::path(post, path = "/api/admin/orders/bulk-status", tag = "orders", security(("token" = [])),
    request_body = BulkUpdate,
    responses(
        (status = 200, description = "The result of each change", body = BulkResults),
        (status = 403, description = "Requires the role ADMIN",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The list is empty or too long",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn bulk_update_orders(
    State(app): State<Arc<App>>,
    admin: Admin,
    client: Client,
    Body(update): Body<BulkUpdate>,
) -> Result<Json<BulkResults>, Problem> {
    apply_all(&app, admin.caller, client, None, update).await
}

/// Update the status of many orders of a restaurant
///
/// Like the administrators' operation, for the restaurant's own staff.
#[utoipa::path(post, path = "/api/restaurants/{restaurantId}/orders/bulk-status", tag = "orders",
    security(("token" = [])), params(("restaurantId" = RestaurantId, Path)), request_body = BulkUpdate,
    responses(
        (status = 200, description = "The result of each change", body = BulkResults),
        (status = 404, description = "The restaurant does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The list is empty or too long",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn bulk_update_restaurant_orders(
    State(app): State<Arc<App>>,
    staff: Staff,
    client: Client,
    Body(update): Body<BulkUpdate>,
) -> Result<Json<BulkResults>, Problem> {
    apply_all(&app, staff.caller, client, Some(staff.scope), update).await
}
