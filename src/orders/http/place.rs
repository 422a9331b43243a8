//! `POST /api/orders`: places an order from a cart, from lines or from a quote. It is tried with one statement first
//! (`actions/place/one_call.rs`), and then in a transaction (`actions/place.rs`).

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::accounts::caller::SignedIn;
use crate::app::App;
use crate::bounded;
use crate::cart::sql::RequestedLine;
use crate::client::Client;
use crate::coupons::CouponCode;
use crate::coupons::actions::attempt_limits;
use crate::extract::BodyWithBytes;
use crate::fulfilment::Fulfilment;
use crate::idempotency::{IdempotencyKey, IdempotentResponse};
use crate::ids::{CartId, QuoteId, RestaurantId, UserId};
use crate::money::Money;
use crate::orders::Order;
use crate::orders::actions::place::{self, one_call};
use crate::orders::limits::{Buyer, NetworkKey};
use crate::orders::request::{LineInput, OrderRequest, QuotedOrderRequest};
use crate::permission::Operation;
use crate::place::Place;
use crate::problem::{Problem, ProblemBody};
use crate::tenancy::{RestaurantScope, TenancyContext};
use crate::text::{MultiLine, SingleLine};
use crate::timestamp::Timestamp;

/// An order to place, from a cart, a quote, or lines. Prices are determined by the server.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewOrder {
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
#[derive(Clone)]
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
            let message = "exactly one of these must be given: cartId, quoteId, or restaurantId with lines";
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

    /// The source of an order that one call may place.
    fn in_one_call(self) -> Option<(one_call::OneCallSource, OrderRequest)> {
        match self {
            Self::Cart(cart, request) => Some((one_call::OneCallSource::Cart(cart), request)),
            Self::Lines(restaurant, lines, request) => {
                Some((one_call::OneCallSource::Lines(restaurant, lines), request))
            }
            Self::Quote(_) => None,
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
pub(super) async fn place_order(
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
    let stored_response = app
        .db
        .read(TenancyContext::user(customer), move |tx| Box::pin(async move { repeated.stored_response(tx).await }));
    let in_one_call = origin.clone().in_one_call();
    let (db, facts, first) = (app.db.clone(), Arc::clone(&app.order_facts), claim.clone());
    let in_transaction = app.db.write(origin.tenancy(customer), move |tx| {
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
    let work = async move {
        if let Some((source, request)) = in_one_call
            && let Some(answer) = one_call::place(&db, &facts, buyer, first, source, request, rules).await?
        {
            return Ok(answer);
        }
        in_transaction.await
    };
    attempt_limits::with_attempt_limit(&app, customer, client.network(), code.as_ref(), stored_response, work).await
}
