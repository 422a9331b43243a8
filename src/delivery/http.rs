//! Routes of deliveries, below `/api/deliveries`: lists, one delivery, its driver (`actions/assign.rs`) and its status
//! (`actions/status.rs`).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{DeliveryAccess, RepeatableAccess};
use super::actions::repeated::find_repeated_hand_back;
use super::actions::status::advance;
use super::sql::{self, DeliveryFilter};
use super::{Delivery, DeliveryStatus, actions};
use crate::accounts::Caller;
use crate::accounts::caller::SignedIn;
use crate::app::App;
use crate::extract::{Body, IfMatch, Json, Query, Versioned};
use crate::ids::{DeliveryId, DriverId, OrderId, RestaurantId};
use crate::paging::{Cursor, List, Page};
use crate::permission::Operation;
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::access;
use crate::tenancy::TenancyContext;
use crate::text::MultiLine;

mod drivers;

/// The routes of this feature.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list_deliveries))
        .routes(routes!(get_delivery))
        .routes(routes!(assign_delivery))
        .routes(routes!(update_delivery_status))
        .merge(drivers::routes())
}

/// The query parameters of the list.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct DeliveryQuery {
    /// Only the delivery of this order.
    order_id: Option<OrderId>,
    /// The deliveries of a restaurant, for its staff; absent: for drivers those assigned to them, for all others those
    /// of their own orders.
    restaurant_id: Option<RestaurantId>,
    /// The maximum number of rows in a page, 1 to 200; default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `nextCursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

/// The filter for a caller: the deliveries of a restaurant for its staff, the delivery of an order for callers who may
/// see the order, or else for drivers those assigned to them, for all others those of their own orders.
async fn choose(
    app: &App,
    caller: &Caller,
    query: &DeliveryQuery,
) -> Result<(TenancyContext, DeliveryFilter), Problem> {
    let order = query.order_id;
    if let Some(restaurant) = query.restaurant_id {
        let access = access::relations(app, caller, restaurant).await?.unlocked()?;
        let scope = access.scope(Operation::ListRestaurantOrders)?;
        return Ok((
            scope.into(),
            DeliveryFilter { restaurant: Some(restaurant), order, driver: None, customer: None },
        ));
    }
    if let Some(order) = order {
        let access = crate::orders::access::OrderAccess::of(app, caller, order, Operation::GetOrder).await?;
        let restaurant = Some(access.scope.restaurant());
        return Ok((
            access.scope.into(),
            DeliveryFilter { restaurant, order: Some(order), driver: None, customer: None },
        ));
    }
    let tenancy = TenancyContext { driver: caller.driver, ..TenancyContext::user(caller.user) };
    let customer = caller.driver.is_none().then_some(caller.user);
    Ok((tenancy, DeliveryFilter { restaurant: None, order: None, driver: caller.driver, customer }))
}

/// List deliveries
#[utoipa::path(get, path = "/api/deliveries", tag = "deliveries", security(("token" = [])), params(DeliveryQuery),
    responses(
        (status = 200, description = "A page of deliveries, newest first", body = List<Delivery>),
        (status = 404, description = "The order or restaurant does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_deliveries(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    Query(query): Query<DeliveryQuery>,
) -> Result<Json<List<Delivery>>, Problem> {
    let page = Page::parse(query.limit, query.cursor)?;
    let (tenancy, filter) = choose(&app, &caller, &query).await?;
    let driver = tenancy.driver;
    let rows = app.db.read(tenancy, move |tx| Box::pin(async move { sql::list(tx, &filter, page).await })).await?;
    let page = page.cut(rows, |delivery| (delivery.created_at, delivery.id.uuid()));
    Ok(Json(page.map(|delivery| match driver {
        Some(driver) => delivery.for_driver(driver),
        None => delivery,
    })))
}

/// Get a delivery
#[utoipa::path(get, path = "/api/deliveries/{deliveryId}", tag = "deliveries", security(("token" = [])),
    params(("deliveryId" = DeliveryId, Path)),
    responses(
        (status = 200, description = "The delivery; its version is the ETag", body = Delivery),
        (status = 404, description = "Resource not found, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_delivery(State(app): State<Arc<App>>, access: DeliveryAccess) -> Result<Versioned<Delivery>, Problem> {
    let (scope, id) = (access.scope, access.delivery);
    let found = app.db.read(scope, move |tx| Box::pin(async move { sql::get(tx, &scope, id).await })).await?;
    let body = found.ok_or_else(Problem::not_found)?.shown_to(&scope);
    Ok(Versioned { version: body.version, body })
}

/// The driver to assign.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = DeliveryAssignment)]
struct Assignment {
    /// The driver; absent: the nearest available driver.
    driver_id: Option<DriverId>,
}

/// Assign a delivery to a driver
///
/// Without `driverId` the nearest available driver is assigned; a delivery that has a driver keeps the driver. A
/// delivery that is not picked up can be assigned to another driver with `driverId`. Assigning the same driver again
/// changes nothing.
#[utoipa::path(post, path = "/api/deliveries/{deliveryId}/assign", tag = "deliveries", security(("token" = [])),
    params(("deliveryId" = DeliveryId, Path)), request_body = Assignment,
    responses(
        (status = 200, description = "The delivery after the change", body = Delivery),
        (status = 404, description = "Resource not found, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "No driver is available, the driver is busy, or the delivery cannot be assigned \
                                      any more", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn assign_delivery(
    State(app): State<Arc<App>>,
    access: DeliveryAccess,
    if_match: IfMatch,
    Body(assignment): Body<Assignment>,
) -> Result<Versioned<Delivery>, Problem> {
    let body = match assignment.driver_id {
        Some(driver) => actions::assign::to(&app, &access, if_match, driver, "chosen by hand".into()).await?,
        None => actions::assign::to_nearest(&app, &access, if_match).await?,
    };
    Ok(Versioned { version: body.version, body })
}

/// The new status of a delivery.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DeliveryStatusUpdate {
    /// `WAITING`, `ARRIVED`, `PICKED_UP`, `DELIVERED` or `FAILED`.
    status: DeliveryStatus,
    /// Why it is handed back (`WAITING`) or has failed (`FAILED`, required); readable for the restaurant and the
    /// customer. Ignored with any other status.
    #[schema(inline)]
    reason: Option<MultiLine<500>>,
}

/// Update the status of a delivery
///
/// `PICKED_UP` sets the order to `ON_THE_WAY`, and `DELIVERED` sets it to `DELIVERED`, in the same transaction. Before
/// pickup, WAITING hands the delivery back: it has no driver any more and can be assigned to another. After pickup,
/// FAILED reports with a reason that it could not be handed over; the restaurant then cancels the order. Once a
/// delivery is handed back or closed, its driver no longer sees the address. Requesting the current status changes
/// nothing, also with an older `If-Match`, so that a request can be repeated if its response was lost.
#[utoipa::path(patch, path = "/api/deliveries/{deliveryId}/status", tag = "deliveries", security(("token" = [])),
    params(("deliveryId" = DeliveryId, Path),
        ("If-Match" = Option<String>, Header, description = "The expected version, in quotes as in ETag")),
    request_body = DeliveryStatusUpdate,
    responses(
        (status = 200, description = "The delivery after the change", body = Delivery),
        (status = 404, description = "Resource not found, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The current status does not allow this transition; or the driver has lost the \
                                      delivery (`no_longer_assigned`, with the `restaurant` to call)",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn update_delivery_status(
    State(app): State<Arc<App>>,
    RepeatableAccess { caller, delivery, access }: RepeatableAccess,
    if_match: IfMatch,
    Body(update): Body<DeliveryStatusUpdate>,
) -> Result<Response, Problem> {
    let reason = update.reason.map(String::from);
    let to = update.status;
    let done = async {
        let access = access?;
        let scope = match to {
            DeliveryStatus::Waiting => access.scope.handing_back("whoever carries the delivery hands it back"),
            _ => access.scope,
        };
        let access = DeliveryAccess { scope, ..access };
        app.db.write(scope, move |tx| Box::pin(advance(tx, access, if_match, to, reason))).await
    };
    match done.await {
        Ok(body) => Ok(Versioned { version: body.version, body }.into_response()),
        Err(refused) => {
            let first = find_repeated_hand_back(&app, &caller, delivery, to, refused).await?;
            Ok(Versioned { version: first.version, body: first.body }.into_response())
        }
    }
}
