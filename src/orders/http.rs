//! Routes of orders, below `/api/orders`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{OrderAccess, StatusAccess, VisibleOrder};
use super::actions::place;
use super::actions::status::{advance, parse_update};
use super::former_driver::{NamedBy, explain};
use super::limits::{Buyer, NetworkKey};
use super::list::OrderQuery;
use super::request::{LineInput, OrderRequest, QuotedOrderRequest};
use super::sql::{self, list};
use super::{Order, OrderStatus};
use crate::accounts::caller::SignedIn;
use crate::app::App;
use crate::bounded;
use crate::cart::sql::RequestedLine;
use crate::client::Client;
use crate::coupons::CouponCode;
use crate::coupons::actions::attempt_limits;
use crate::events::driver_view::{drivers, event_for_driver};
use crate::events::{Recorded, TimelineEntry};
use crate::extract::{Body, BodyWithBytes, IfMatch, Json, Query, Versioned};
use crate::fulfilment::Fulfilment;
use crate::idempotency::{IdempotencyKey, IdempotentResponse};
use crate::ids::{CartId, DriverId, OrderId, QuoteId, RestaurantId, UserId};
use crate::money::Money;
use crate::paging::{List, Page};
use crate::permission::Operation;
use crate::place::Place;
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::access;
use crate::tenancy::{RestaurantScope, TenancyContext};
use crate::text::{MultiLine, SingleLine};
use crate::timestamp::Timestamp;

mod bulk_status;
mod promise;
mod quotes;
mod reorder;
mod slots;

/// The routes of this feature.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(place_order, list_orders))
        .routes(routes!(get_order))
        .routes(routes!(update_order_status))
        .routes(routes!(list_order_events))
        .merge(quotes::routes())
        .merge(slots::routes())
        .merge(promise::routes())
        .merge(reorder::routes())
        .merge(bulk_status::routes())
}

/// An order to place, from a cart, a quote, or lines. Prices are determined by the server.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewOrder {
    /// The cart, which the order closes; or else `quoteId`, or else `restaurantId` with `lines`.
    cart_id: Option<CartId>,
    /// The quote; the order is placed at its prices.
    quote_id: Option<QuoteId>,
    /// The restaurant of `lines`.
    restaurant_id: Option<RestaurantId>,
    /// The lines, at most 100.
    #[schema(max_items = 100)]
    #[serde(default, deserialize_with = "bounded::some_list::<_, _, 100>")]
    lines: Option<Vec<LineInput>>,
    /// The fulfilment; required unless `quoteId` is given.
    fulfilment: Option<Fulfilment>,
    /// The delivery address; required for a delivery.
    #[schema(inline)]
    address: Option<MultiLine<300>>,
    /// The coordinates of the delivery address; required for a delivery. With `quoteId` the default is the quote's.
    place: Option<Place>,
    /// The table; required for dine-in.
    #[schema(inline)]
    table: Option<SingleLine<40>>,
    /// A note for the whole order.
    #[schema(inline)]
    note: Option<MultiLine<500>>,
    /// The tip. With `quoteId` the default is the quote's.
    tip: Option<Money>,
    /// The code of a coupon. With `quoteId` the default is the quote's.
    #[schema(inline)]
    coupon_code: Option<CouponCode>,
    /// Any instant of the requested slot. Absent: as soon as possible, or as quoted.
    scheduled_for: Option<Timestamp>,
}

/// The source of a new order.
enum OrderSource {
    /// A cart, at current prices.
    Cart(CartId, OrderRequest),
    /// Lines at a restaurant, at current prices.
    Lines(RestaurantId, Vec<RequestedLine>, OrderRequest),
    /// A quote, at the quoted prices.
    Quote(QuotedOrderRequest),
}

impl NewOrder {
    /// Checks that exactly one source is given, and reads it.
    fn read(mut self, max_choices: usize) -> Result<OrderSource, Problem> {
        let one_of_three = || {
            let message = "or else quoteId, or restaurantId and lines must be given, one of the three";
            Problem::invalid_field("/cartId", message)
        };
        match (self.cart_id, self.quote_id, self.restaurant_id, self.lines.is_some()) {
            (Some(cart), None, None, false) => Ok(OrderSource::Cart(cart, self.request()?)),
            (None, Some(quote), None, false) => Ok(OrderSource::Quote(self.quoted(quote))),
            (None, None, Some(restaurant), true) => {
                let lines = self.lines.take().unwrap_or_default();
                LineInput::check(&lines, max_choices)?;
                let lines = lines.into_iter().map(LineInput::into_requested).collect();
                Ok(OrderSource::Lines(restaurant, lines, self.request()?))
            }
            _ => Err(one_of_three()),
        }
    }

    fn request(self) -> Result<OrderRequest, Problem> {
        let request = OrderRequest {
            fulfilment: self.fulfilment.ok_or_else(|| Problem::invalid_field("/fulfilment", "is required"))?,
            address: self.address.map(String::from),
            place: self.place,
            table: self.table.map(String::from),
            note: self.note.map(String::from),
            tip: self.tip,
            coupon: self.coupon_code,
            scheduled_for: self.scheduled_for.map(Timestamp::utc),
            expected_total: None,
        };
        request.check()?;
        Ok(request)
    }

    fn quoted(self, quote: QuoteId) -> QuotedOrderRequest {
        QuotedOrderRequest {
            quote,
            fulfilment: self.fulfilment,
            address: self.address.map(String::from),
            place: self.place,
            table: self.table.map(String::from),
            note: self.note.map(String::from),
            tip: self.tip,
            coupon: self.coupon_code,
            scheduled_for: self.scheduled_for.map(Timestamp::utc),
        }
    }
}

impl OrderSource {
    /// The coupon code that the request names, which may be a guess.
    fn coupon(&self) -> Option<CouponCode> {
        match self {
            Self::Cart(_, request) | Self::Lines(_, _, request) => request.coupon.clone(),
            Self::Quote(request) => request.coupon.clone(),
        }
    }

    /// The context of the transaction. The restaurant of a cart or a quote is set when it is locked.
    fn tenancy(&self, customer: UserId) -> TenancyContext {
        match self {
            Self::Cart(..) | Self::Quote(_) => TenancyContext::user(customer),
            Self::Lines(restaurant, ..) => at(*restaurant, customer).into(),
        }
    }
}

fn at(restaurant: RestaurantId, customer: UserId) -> RestaurantScope {
    RestaurantScope::customer("a customer may deal with any restaurant", restaurant, customer)
}

/// Place an order
///
/// From a cart or from lines at current prices, or from a quote at its prices; availability is checked again in either
/// case. The response is the order as it was committed. Repeat the request with the same key as often as needed: the
/// order is placed once, and every repetition returns the first response, byte for byte.
#[utoipa::path(post, path = "/api/orders", tag = "orders", security(("token" = [])),
    params(("Idempotency-Key" = String, Header, description = "A new random key for each order; repeat the request \
                                                               with the same key")),
    request_body = NewOrder,
    responses(
        (status = 201, description = "The order", body = Order),
        (status = 404, description = "The restaurant, cart or quote does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The order cannot be placed; see the code, and the nearest alternative or, for a \
                                      quote, the difference",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Invalid request, or the key was used with another body",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "Too many wrong coupon codes",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn place_order(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    client: Client,
    key: IdempotencyKey,
    body: BodyWithBytes<NewOrder>,
) -> Result<IdempotentResponse, Problem> {
    let customer = caller.user;
    let claim = key.require(customer, Operation::PlaceOrder, &body.bytes)?;
    let rules = app.config.orders;
    let origin = body.value.read(rules.max_choices)?;
    let code = origin.coupon();
    let buyer = Buyer { customer, network: NetworkKey::new(&app.encryption, client.network()) };
    let repeated = claim.clone();
    let recall =
        app.db.read(TenancyContext::user(customer), move |tx| Box::pin(async move { repeated.recall(tx).await }));
    let work = app.db.write(origin.tenancy(customer), move |tx| {
        Box::pin(async move {
            if let Some(answer) = claim.claim(tx).await? {
                return Ok(answer);
            }
            let order = match origin {
                OrderSource::Cart(cart, request) => place::from_cart(tx, buyer, cart, request, rules).await?,
                OrderSource::Lines(restaurant, lines, request) => {
                    place::from_lines(tx, &at(restaurant, customer), buyer, lines, request, rules).await?
                }
                OrderSource::Quote(request) => place::from_quote(tx, buyer, request, rules).await?,
            };
            let answer = IdempotentResponse::fresh(StatusCode::CREATED, &order)?;
            claim.store(tx, &answer).await?;
            Ok(answer)
        })
    });
    attempt_limits::with_attempt_limit(&app, customer, client.network(), code.as_ref(), recall, work).await
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
    StatusAccess { caller, order, access }: StatusAccess,
    if_match: IfMatch,
    Body(body): Body<OrderStatusUpdate>,
) -> Result<Versioned<Order>, Problem> {
    let to = body.status;
    let done = async {
        let scope = access?.scope;
        let update = parse_update(to, body.reason, body.return_stock)?;
        let work =
            app.db.write(scope, move |tx| Box::pin(async move { advance(tx, &scope, order, if_match, update).await }));
        Ok(work.await?.shown_to(&scope))
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
