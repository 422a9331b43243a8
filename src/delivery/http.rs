//! Routes of deliveries, below `/api/deliveries`.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::DeliveryAccess;
use super::sql::{self, Filter};
use super::{Delivery, DeliveryStatus, assign, drivers};
use crate::accounts::Caller;
use crate::accounts::caller::SignedIn;
use crate::app::App;
use crate::events;
use crate::extract::{Body, IfMatch, Json, Query, Versioned};
use crate::ids::{DeliveryId, DriverId, OrderId, RestaurantId};
use crate::orders::status::StatusUpdate;
use crate::orders::{self, OrderStatus};
use crate::paging::{Cursor, List, Page};
use crate::permission::Operation;
use crate::problem::{Code, Problem, ProblemBody};
use crate::restaurants::staff;
use crate::tenancy::TenancyContext;
use crate::text::MultiLine;
use crate::uow::Tx;

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list_deliveries))
        .routes(routes!(get_delivery))
        .routes(routes!(assign_delivery))
        .routes(routes!(update_delivery_status))
        .merge(drivers::routes())
}

/// Which deliveries are listed.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct DeliveryQuery {
    /// Of this order.
    order_id: Option<OrderId>,
    /// A restaurant's deliveries, for its staff; absent: those one carries or waits for.
    restaurant_id: Option<RestaurantId>,
    /// Rows a page, 1 to 200; 50 unless told.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `nextCursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

/// Whose deliveries are shown: of a restaurant for its staff, of the order for whoever may see the order, or else those
/// that the caller carries, or waits for.
async fn choose(app: &App, caller: &Caller, query: &DeliveryQuery) -> Result<(TenancyContext, Filter), Problem> {
    let order = query.order_id;
    if let Some(restaurant) = query.restaurant_id {
        let access = staff::relations(app, caller, restaurant).await?.unlocked()?;
        let scope = access.scope(Operation::ListRestaurantOrders)?;
        return Ok((scope.into(), Filter { restaurant: Some(restaurant), order, driver: None, customer: None }));
    }
    if let Some(order) = order {
        let access = crate::orders::access::OrderAccess::of(app, caller, order, Operation::GetOrder).await?;
        let restaurant = Some(access.scope.restaurant());
        return Ok((access.scope.into(), Filter { restaurant, order: Some(order), driver: None, customer: None }));
    }
    let who = TenancyContext { driver: caller.driver, ..TenancyContext::user(caller.user) };
    let customer = caller.driver.is_none().then_some(caller.user);
    Ok((who, Filter { restaurant: None, order: None, driver: caller.driver, customer }))
}

/// List deliveries
#[utoipa::path(get, path = "/api/deliveries", tag = "deliveries", security(("token" = [])), params(DeliveryQuery),
    responses(
        (status = 200, description = "A page of deliveries, the newest first", body = List<Delivery>),
        (status = 404, description = "The order or restaurant does not exist, or the caller has no access to it", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_deliveries(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    Query(query): Query<DeliveryQuery>,
) -> Result<Json<List<Delivery>>, Problem> {
    let page = Page::parse(query.limit, query.cursor)?;
    let (who, filter) = choose(&app, &caller, &query).await?;
    let driver = who.driver;
    let rows = app.db.read(who, move |tx| Box::pin(async move { sql::list(tx, &filter, page).await })).await?;
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
        (status = 404, description = "Resource not found, or the caller has no access to it", body = ProblemBody, content_type = "application/problem+json"),
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
    /// Absent: the nearest driver who wants work and has none.
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
        (status = 404, description = "Resource not found, or the caller has no access to it", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "No driver is available, the driver is busy, or the delivery cannot be assigned any more", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn assign_delivery(
    State(app): State<Arc<App>>,
    access: DeliveryAccess,
    if_match: IfMatch,
    Body(wanted): Body<Assignment>,
) -> Result<Versioned<Delivery>, Problem> {
    let body = match wanted.driver_id {
        Some(driver) => assign::to(&app, &access, if_match, driver, "chosen by hand".into()).await?,
        None => assign::to_nearest(&app, &access, if_match).await?,
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
/// `PICKED_UP` sets the order to `ON_THE_WAY` and DELIVERED sets it to DELIVERED, in the same transaction. Before
/// pickup, WAITING hands the delivery back: it has no driver any more and can be assigned to another. After pickup,
/// FAILED reports with a reason that it could not be handed over; the restaurant then cancels the order. Once a
/// delivery is handed back or closed, its driver no longer sees the address. The status that it has already changes
/// nothing, also with an older `If-Match`: a request whose answer was lost can be repeated.
#[utoipa::path(patch, path = "/api/deliveries/{deliveryId}/status", tag = "deliveries", security(("token" = [])),
    params(("deliveryId" = DeliveryId, Path), ("If-Match" = Option<String>, Header, description = "The expected version, in quotes as in ETag")),
    request_body = DeliveryStatusUpdate,
    responses(
        (status = 200, description = "The delivery after the change", body = Delivery),
        (status = 404, description = "Resource not found, or the caller has no access to it", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The current status does not allow this transition", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn update_delivery_status(
    State(app): State<Arc<App>>,
    access: DeliveryAccess,
    if_match: IfMatch,
    Body(update): Body<DeliveryStatusUpdate>,
) -> Result<Versioned<Delivery>, Problem> {
    let reason = update.reason.map(String::from);
    let scope = match update.status {
        DeliveryStatus::Waiting => access.scope.handing_back("whoever carries the delivery hands it back"),
        _ => access.scope,
    };
    let access = DeliveryAccess { scope, ..access };
    let body = app.db.write(scope, move |tx| Box::pin(advance(tx, access, if_match, update.status, reason))).await?;
    Ok(Versioned { version: body.version, body })
}

/// One step of a delivery: its own, or its order's, which it then follows.
async fn advance(
    tx: &mut Tx,
    access: DeliveryAccess,
    if_match: IfMatch,
    to: DeliveryStatus,
    reason: Option<String>,
) -> Result<Delivery, Problem> {
    let scope = access.scope;
    // The order first, the delivery second, the driver third: the same sequence of locks as when an order's step is followed.
    let orders_step = match to {
        DeliveryStatus::PickedUp => Some(OrderStatus::OnTheWay),
        DeliveryStatus::Delivered => Some(OrderStatus::Delivered),
        DeliveryStatus::Waiting | DeliveryStatus::Arrived | DeliveryStatus::Failed => None,
        DeliveryStatus::Offered | DeliveryStatus::Assigned | DeliveryStatus::Cancelled => {
            return Err(Problem::invalid_field("/status", "must be WAITING, ARRIVED, PICKED_UP, DELIVERED or FAILED"));
        }
    };
    if orders_step.is_some() {
        // A driver sees no order whose delivery is closed; what is wrong with the step the delivery says.
        orders::sql::lock(tx, &scope, access.order).await?;
    }
    let delivery = sql::lock(tx, &scope, access.delivery).await?.ok_or_else(Problem::not_found)?;
    // As the check saw it, or given to somebody else since?
    let carrier = delivery.driver.as_ref().map(|carrier| carrier.id);
    if scope.driver_id().is_some_and(|driver| carrier != Some(driver)) {
        return Err(Problem::not_found());
    }
    if let Some(driver) = scope.driver_id() {
        sql::drivers::seen(tx, driver).await?;
    }
    let shown = delivery.clone().shown_to(&scope);
    if delivery.status == to {
        // Said before, and done: whatever version the repetition names, since its answer was lost.
        return Ok(shown);
    }
    if_match.check(delivery.version, &shown)?;
    let change = delivery.follow(to, tx.now()).map_err(|_| illegal(&delivery, to))?;
    if let Some(step) = orders_step {
        let update = StatusUpdate::to(step);
        orders::actions::status::advance(tx, &scope, access.order, IfMatch(None), update).await?;
        let moved = sql::get(tx, &scope, access.delivery).await?.ok_or_else(Problem::not_found)?;
        return Ok(moved.shown_to(&scope));
    }
    if to == DeliveryStatus::Failed && reason.is_none() {
        return Err(Problem::invalid_field("/reason", "is required for FAILED"));
    }
    let saved = sql::save_status(tx, &scope, &delivery, &change, reason.as_deref()).await?;
    events::publish(tx, &scope, saved.status_changed_event()?).await?;
    Ok(saved.shown_to(&scope))
}

fn illegal(delivery: &Delivery, to: DeliveryStatus) -> Problem {
    Problem::new(Code::IllegalTransition, "Get the delivery, and choose a status that its current status allows.")
        .with("currentStatus", delivery.status)
        .with("requestedStatus", to)
        .with("currentVersion", delivery.version)
}
