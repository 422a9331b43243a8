//! `/api/restaurants/{restaurantId}/quotes`: the price of a basket, and until when it is valid.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::bounded;
use crate::client::Client;
use crate::coupons::CouponCode;
use crate::coupons::actions::attempt_limits;
use crate::extract::{Json, Path};
use crate::fulfilment::Fulfilment;
use crate::idempotency::{IdempotentBody, IdempotentResponse};
use crate::ids::{CartId, QuoteId, RestaurantId};
use crate::money::Money;
use crate::orders::actions::quotes::{QuoteSource, create_quote as create};
use crate::orders::quotes::Quote;
use crate::orders::request::{LineInput, OrderRequest};
use crate::orders::sql;
use crate::place::Place;
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::access::Customer;
use crate::timestamp::Timestamp;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(create_quote)).routes(routes!(get_quote))
}

/// The basket to price: the customer's cart at the restaurant, or lines.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = QuoteRequest)]
struct QuoteRequest {
    /// The cart; or else `lines`.
    cart_id: Option<CartId>,
    /// The lines, at most 100.
    #[schema(max_items = 100)]
    #[serde(default, deserialize_with = "bounded::some_list::<_, _, 100>")]
    lines: Option<Vec<LineInput>>,
    fulfilment: Fulfilment,
    /// The coordinates of the delivery address; required for a delivery.
    place: Option<Place>,
    /// The tip to be included.
    tip: Option<Money>,
    /// The code of a coupon.
    #[schema(inline)]
    coupon_code: Option<CouponCode>,
    /// Any instant of the requested slot; absent: as soon as possible.
    scheduled_for: Option<Timestamp>,
}

impl QuoteRequest {
    fn read(self, max_choices: usize) -> Result<(QuoteSource, OrderRequest), Problem> {
        let source = match (self.cart_id, self.lines) {
            (Some(cart), None) => QuoteSource::Cart(cart),
            (None, Some(lines)) => {
                LineInput::check(&lines, max_choices)?;
                QuoteSource::Lines(lines.into_iter().map(LineInput::into_requested).collect())
            }
            _ => return Err(Problem::invalid_field("/cartId", "exactly one of these must be given: cartId, or lines")),
        };
        let request = OrderRequest {
            fulfilment: self.fulfilment,
            address: None,
            place: self.place,
            table: None,
            note: None,
            tip: self.tip,
            coupon: self.coupon_code,
            scheduled_for: self.scheduled_for.map(Timestamp::utc),
            expected_total: None,
        };
        request.check_for_price()?;
        Ok((source, request))
    }
}

/// Create a quote
///
/// The full price of lines or a cart, line by line, as an order would cost now. It holds until `expiresAt`: `POST
/// /api/orders` with `quoteId` places exactly this, even if prices change. A quote is refused wherever placing the
/// order would be. It reserves nothing: stock, slots and coupons are taken by orders.
#[utoipa::path(post, path = "/api/restaurants/{restaurantId}/quotes", tag = "orders", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path),
        ("Idempotency-Key" = Option<String>, Header,
            description = "A new random key; repeat the request with the same key")),
    request_body = QuoteRequest,
    responses(
        (status = 201, description = "The quote", body = Quote),
        (status = 404, description = "The restaurant or cart does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The order cannot be placed; see the code, and the nearest alternative where \
                                      there is one", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Invalid request", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "Too many wrong coupon codes",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn create_quote(
    State(app): State<Arc<App>>,
    buyer: Customer,
    client: Client,
    IdempotentBody { value: body, key }: IdempotentBody<QuoteRequest>,
) -> Result<IdempotentResponse, Problem> {
    let (scope, customer, rules) = (buyer.scope, buyer.caller.user, app.config.orders);
    let (source, request) = body.read(app.config.orders.max_choices)?;
    let code = request.coupon.clone();
    let (db, repeated) = (&app.db, key.claimed());
    let stored_response = async move {
        let Some(claim) = repeated else { return Ok(None) };
        db.read(scope, move |tx| Box::pin(async move { claim.stored_response(tx).await })).await
    };
    let work = key.create(&app.db, scope, move |tx| {
        Box::pin(async move { Ok(create(tx, &scope, customer, source, &request, rules).await?.to_response()?) })
    });
    attempt_limits::with_attempt_limit(&app, customer, client.network(), code.as_ref(), stored_response, work).await
}

/// Get a quote
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/quotes/{quoteId}", tag = "orders", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), ("quoteId" = QuoteId, Path)),
    responses(
        (status = 200, description = "The quote; orderId is set once an order was placed from it", body = Quote),
        (status = 404, description = "Resource not found, expired, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_quote(
    State(app): State<Arc<App>>,
    buyer: Customer,
    Path((_, id)): Path<(RestaurantId, QuoteId)>,
) -> Result<Json<Quote>, Problem> {
    let (scope, user) = (buyer.scope, buyer.caller.user);
    let found =
        app.db.read(scope, move |tx| Box::pin(async move { sql::quotes::get(tx, &scope, user, id).await })).await?;
    Ok(Json(found.ok_or_else(Problem::not_found)?.to_response()?))
}
