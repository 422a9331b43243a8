//! Routes of orders, below `/api/orders`: lists, one order, its status and its events. Placing an order is in
//! `http/place.rs`, bulk updates in `http/bulk_status.rs`.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{OrderAccess, StatusRequest, VisibleOrder};
use super::actions::status::{self, parse_update};
use super::former_driver::{NamedBy, explain};
use super::list::OrderQuery;
use super::sql::{self, list};
use super::{Order, OrderStatus};
use crate::accounts::caller::SignedIn;
use crate::app::App;
use crate::events::driver_view::{drivers, event_for_driver};
use crate::events::{Recorded, TimelineEntry};
use crate::extract::{Body, IfMatch, Json, Query, Versioned};
use crate::ids::{DriverId, OrderId};
use crate::paging::{List, Page};
use crate::permission::Operation;
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::access;
use crate::tenancy::TenancyContext;
use crate::text::MultiLine;

mod bulk_status;
mod place;
mod promise;
mod quotes;
mod reorder;
mod slots;

/// The routes of this feature.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(place::place_order, list_orders))
        .routes(routes!(get_order))
        .routes(routes!(update_order_status))
        .routes(routes!(list_order_events))
        .merge(quotes::routes())
        .merge(slots::routes())
        .merge(promise::routes())
        .merge(reorder::routes())
        .merge(bulk_status::routes())
}

/// List orders
///
/// Pages are stable while new orders arrive: a cursor points to the last order of a page.
#[utoipa::path(get, path = "/api/orders", tag = "orders", security(("token" = [])), params(OrderQuery), responses(
    (status = 200, description = "A page of orders, newest first", body = List<Order>),
    (status = 404, description = "The restaurant does not exist, or the caller has no access to it",
        body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_orders(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    Query(query): Query<OrderQuery>,
) -> Result<Json<List<Order>>, Problem> {
    let (filter, page) = query.read(app.clock.now())?;
    let page = if let Some(restaurant) = query.restaurant_id {
        let access = access::relations(&app, &caller, restaurant).await?.unlocked()?;
        let scope = access.scope(Operation::ListRestaurantOrders)?;
        app.db
            .read(scope, move |tx| Box::pin(async move { list::of_restaurant(tx, &scope, &filter, page).await }))
            .await?
    } else {
        let customer = caller.user;
        app.db
            .read(TenancyContext::user(customer), move |tx| {
                Box::pin(async move { list::of_customer(tx, customer, &filter, page).await })
            })
            .await?
    };
    Ok(Json(page))
}

/// Get an order
#[utoipa::path(get, path = "/api/orders/{orderId}", tag = "orders", security(("token" = [])),
    params(("orderId" = OrderId, Path)),
    responses(
        (status = 200, description = "The order; its version is the ETag", body = Order),
        (status = 404, description = "Resource not found, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_order(seen: VisibleOrder) -> Versioned<Order> {
    Versioned { version: seen.order.version, body: seen.order }
}

/// The new status of an order.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OrderStatusUpdate {
    status: OrderStatus,
    /// The reason; required for the transitions for which the status table says so.
    #[schema(inline)]
    reason: Option<MultiLine<500>>,
    /// For a cancellation from PREPARING on: true returns the portions of counted items to stock. Earlier cancellations
    /// always return them. Default: false.
    return_stock: Option<bool>,
}

/// Update the status of an order
///
/// Only the transitions of the status table, by the roles it allows. ADMIN may do what staff may.
#[utoipa::path(patch, path = "/api/orders/{orderId}/status", tag = "orders", security(("token" = [])),
    params(("orderId" = OrderId, Path),
        ("If-Match" = Option<String>, Header, description = "The expected version, in quotes as in ETag")),
    request_body = OrderStatusUpdate,
    responses(
        (status = 200, description = "The order after the change", body = Order),
        (status = 403, description = "The caller's role does not allow this transition",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Resource not found, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The current status does not allow this transition; or the driver has lost the \
                                      delivery (`no_longer_assigned`, with the `restaurant` to call)",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "Version conflict; `current` is the current state",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "A reason is missing, or the request is invalid",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn update_order_status(
    State(app): State<Arc<App>>,
    StatusRequest { caller, order, operation }: StatusRequest,
    if_match: IfMatch,
    Body(body): Body<OrderStatusUpdate>,
) -> Result<Versioned<Order>, Problem> {
    let to = body.status;
    let done = async {
        let update = parse_update(to, body.reason, body.return_stock)?;
        status::request(&app.db, &caller, operation, order, if_match, update).await
    };
    match done.await {
        Ok(body) => Ok(Versioned { version: body.version, body }),
        Err(refused) => Err(explain(&app, &caller, NamedBy::Order(order), to, refused).await),
    }
}

/// The query parameters of the events of an order.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EventQuery {
    /// Only events after this number; all when absent.
    after: Option<i64>,
    /// The maximum number of rows in a page, 1 to 200; default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
}

/// List the events of an order
///
/// The events that were sent to sockets, oldest first. A page with large events may have fewer than `limit`.
/// `nextCursor` is the number to send as `after`.
#[utoipa::path(get, path = "/api/orders/{orderId}/events", tag = "orders", security(("token" = [])),
    params(("orderId" = OrderId, Path), EventQuery),
    responses(
        (status = 200, description = "The events of the order and its delivery", body = List<TimelineEntry>),
        (status = 404, description = "Resource not found, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_order_events(
    State(app): State<Arc<App>>,
    access: OrderAccess,
    Query(query): Query<EventQuery>,
) -> Result<Json<List<TimelineEntry>>, Problem> {
    let page = Page::parse(query.limit, None)?;
    let (scope, order, after) = (access.scope, access.order, query.after.unwrap_or_default());
    let max_bytes = app.config.http.events_max_bytes;
    let read = app.db.read(scope, move |tx| {
        Box::pin(async move { sql::events(tx, &scope, order, after, page.fetch, max_bytes).await })
    });
    let mut rows = read.await?;
    let limit = usize::try_from(page.fetch - 1).unwrap_or_default();
    let bytes: usize = rows.iter().map(|row| row.payload.get().len()).sum();
    let more = rows.len() > limit || i64::try_from(bytes).is_ok_and(|bytes| bytes > max_bytes);
    rows.truncate(limit);
    let next_cursor = rows.last().filter(|_| more).map(|last| last.seq.to_string());
    let data = rows.into_iter().map(|event| entry(event, scope.driver_id())).collect::<Result<_, _>>()?;
    Ok(Json(List { data, next_cursor }))
}

/// An event, as its reader may see it.
fn entry(event: Recorded, driver: Option<DriverId>) -> Result<TimelineEntry, Problem> {
    let internal = |error: serde_json::Error| Problem::internal(&error);
    let body = serde_json::value::RawValue::from_string(event.body()).map_err(internal)?;
    let (name, body) = match driver {
        Some(driver) => {
            let drivers = drivers(&event);
            let seen = event_for_driver(&event.name, &body, drivers, event.closed, driver).map_err(internal)?;
            (seen.name, seen.body)
        }
        None => (event.name, body),
    };
    Ok(TimelineEntry { seq: event.seq, version: event.version, name, actor: event.actor, at: event.at, event: body })
}
