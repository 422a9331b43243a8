//! `/api/orders`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::advance::advance;
use super::filter::OrderQuery;
use super::party::OrderParty;
use super::place::{self, Basket, Request};
use super::sql::list;
use super::{Fulfilment, Order, OrderStatus, bulk, promise, reorder, sql};
use crate::accounts::caller::SignedIn;
use crate::app::App;
use crate::cart;
use crate::events::{Recorded, TimelineEntry};
use crate::idempotency::{Answer, IdempotencyKey};
use crate::ids::{CartId, OrderId};
use crate::money::Money;
use crate::paging::{List, Page};
use crate::permission::{self, Operation};
use crate::place::Place;
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::staff;
use crate::tenancy::{RestaurantScope, Who};
use crate::wire::{Body, BodyWithBytes, IfMatch, Json, Query, Text, Versioned};

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(place_order, list_orders))
        .routes(routes!(get_order))
        .routes(routes!(update_order_status))
        .routes(routes!(list_order_events))
        .merge(promise::routes())
        .merge(reorder::routes())
        .merge(bulk::routes())
}

/// An order to be. Prices are the server's; a client names its cart.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewOrder {
    cart_id: CartId,
    fulfilment: Fulfilment,
    /// Where to; required for a delivery.
    #[schema(inline)]
    address: Option<Text<1, 300>>,
    /// Where that is; required for a delivery.
    place: Option<Place>,
    /// Which table; required for dine-in.
    #[schema(inline)]
    table: Option<Text<1, 40>>,
    /// A wish for the whole order.
    #[schema(inline)]
    note: Option<Text<1, 500>>,
    /// For the people.
    tip: Option<Money>,
}

impl From<NewOrder> for Request {
    fn from(new: NewOrder) -> Self {
        Self {
            basket: Basket::Cart(new.cart_id),
            fulfilment: new.fulfilment,
            address: new.address.map(Text::into_string),
            place: new.place,
            table: new.table.map(Text::into_string),
            note: new.note.map(Text::into_string),
            tip: new.tip,
            expected_total: None,
        }
    }
}

/// Place an order
///
/// The cart is priced and checked again; the answer is the order as it was committed. Repeat the request with the same
/// key as often as needed: it is placed once, and every repetition gets the first answer, byte for byte.
#[utoipa::path(post, path = "/api/orders", tag = "orders", security(("token" = [])),
    params(("Idempotency-Key" = String, Header, description = "A fresh random key for each order, the same when repeating it")),
    request_body = NewOrder,
    responses(
        (status = 201, description = "The order", body = Order),
        (status = 404, description = "No such cart of yours", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The cart is closed or empty, something cannot be ordered, or the restaurant takes no orders now", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Something is not valid, or the key came with another body", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn place_order(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    key: IdempotencyKey,
    body: BodyWithBytes<NewOrder>,
) -> Result<Answer, Problem> {
    let customer = caller.user;
    let claim = key.require(customer, Operation::PlaceOrder, &body.bytes)?;
    let cart = body.value.cart_id;
    let request = Request::from(body.value);
    request.check()?;
    let found = app
        .db
        .read(Who::user(customer), move |tx| {
            Box::pin(async move { cart::sql::restaurant_of(tx, cart, customer).await })
        })
        .await?;
    let restaurant = found.ok_or_else(Problem::not_found)?;
    let rules = app.config.orders;
    let scope = RestaurantScope::customer("the restaurant of the customer's own cart", restaurant, customer);
    app.db
        .write(scope, move |tx| {
            Box::pin(async move {
                if let Some(answer) = claim.claim(tx).await? {
                    return Ok(answer);
                }
                let order = place::place(tx, &scope, customer, request, rules).await?;
                let answer = Answer::fresh(StatusCode::CREATED, &order)?;
                claim.keep(tx, &answer).await?;
                Ok(answer)
            })
        })
        .await
}

/// List orders
///
/// The pages stay what they are while orders arrive: a cursor names the last order seen, not how many were.
#[utoipa::path(get, path = "/api/orders", tag = "orders", security(("token" = [])), params(OrderQuery), responses(
    (status = 200, description = "A page of orders, the newest first", body = List<Order>),
    (status = 404, description = "The restaurant is not yours", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_orders(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    Query(query): Query<OrderQuery>,
) -> Result<Json<List<Order>>, Problem> {
    let (filter, page) = query.read(app.clock.now())?;
    let rows = if let Some(restaurant) = query.restaurant_id {
        let access = staff::relations(&app, &caller, restaurant).await?.unlocked()?;
        permission::decide(Operation::ListRestaurantOrders, &access.held)?;
        let scope = access.scope.ok_or_else(Problem::not_found)?;
        app.db
            .read(scope, move |tx| Box::pin(async move { list::of_restaurant(tx, &scope, &filter, page).await }))
            .await?
    } else {
        let customer = caller.user;
        app.db
            .read(Who::user(customer), move |tx| {
                Box::pin(async move { list::of_customer(tx, customer, &filter, page).await })
            })
            .await?
    };
    Ok(Json(page.cut(rows, |order| (order.placed_at, order.id.uuid()))))
}

/// Read one order
#[utoipa::path(get, path = "/api/orders/{orderId}", tag = "orders", security(("token" = [])),
    params(("orderId" = OrderId, Path)),
    responses(
        (status = 200, description = "The order; its version is the ETag", body = Order),
        (status = 404, description = "Not there, or not yours to see", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_order(State(app): State<Arc<App>>, party: OrderParty) -> Result<Versioned<Order>, Problem> {
    let (scope, order) = (party.scope, party.order);
    let found = app.db.read(scope, move |tx| Box::pin(async move { sql::get(tx, &scope, order).await })).await?;
    let body = found.ok_or_else(Problem::not_found)?;
    Ok(Versioned { version: body.version, body })
}

/// Where the order should go.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StatusWish {
    status: OrderStatus,
    /// Why; required where the status table says so.
    #[schema(inline)]
    reason: Option<Text<1, 500>>,
}

/// Move an order along
///
/// Along the status table only, by whom the table names. ADMIN may do what staff may.
#[utoipa::path(patch, path = "/api/orders/{orderId}/status", tag = "orders", security(("token" = [])),
    params(("orderId" = OrderId, Path), ("If-Match" = Option<String>, Header, description = "The version it must still have, in quotes")),
    request_body = StatusWish,
    responses(
        (status = 200, description = "The order now", body = Order),
        (status = 403, description = "The step is somebody else's to take", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Not there, or not yours", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The table has no such step from the current status", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "It was changed meanwhile; `current` shows it", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn update_order_status(
    State(app): State<Arc<App>>,
    party: OrderParty,
    if_match: IfMatch,
    Body(wish): Body<StatusWish>,
) -> Result<Versioned<Order>, Problem> {
    let (scope, order) = (party.scope, party.order);
    let reason = wish.reason.map(Text::into_string);
    let body = app
        .db
        .write(scope, move |tx| {
            Box::pin(async move { advance(tx, &scope, order, if_match, wish.status, reason).await })
        })
        .await?;
    Ok(Versioned { version: body.version, body })
}

/// Which events.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EventQuery {
    /// Events after this number; all of them when absent.
    after: Option<i64>,
    /// Rows a page, 1 to 200; 50 unless told.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
}

/// Read an order's timeline
///
/// What the sockets were sent, oldest first. `nextCursor` is the number to send as `after`.
#[utoipa::path(get, path = "/api/orders/{orderId}/events", tag = "orders", security(("token" = [])),
    params(("orderId" = OrderId, Path), EventQuery),
    responses(
        (status = 200, description = "The events of the order and its delivery", body = List<TimelineEntry>),
        (status = 404, description = "Not there, or not yours to see", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_order_events(
    State(app): State<Arc<App>>,
    party: OrderParty,
    Query(query): Query<EventQuery>,
) -> Result<Json<List<TimelineEntry>>, Problem> {
    let page = Page::parse(query.limit, None)?;
    let (scope, order, after) = (party.scope, party.order, query.after.unwrap_or_default());
    let mut rows = app
        .db
        .read(scope, move |tx| Box::pin(async move { sql::events(tx, &scope, order, after, page.fetch).await }))
        .await?;
    let wanted = usize::try_from(page.fetch - 1).unwrap_or_default();
    let more = rows.len() > wanted;
    rows.truncate(wanted);
    let next_cursor = rows.last().filter(|_| more).map(|last| last.seq.to_string());
    let data = rows.into_iter().map(entry).collect::<Result<_, _>>()?;
    Ok(Json(List { data, next_cursor }))
}

fn entry(event: Recorded) -> Result<TimelineEntry, Problem> {
    let body = serde_json::value::RawValue::from_string(event.body()).map_err(|error| Problem::internal(&error))?;
    Ok(TimelineEntry {
        seq: event.seq,
        version: event.version,
        name: event.name,
        actor: event.actor,
        at: event.at,
        event: body,
    })
}
