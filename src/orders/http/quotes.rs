//! `/api/restaurants/{restaurantId}/quotes`: what a basket costs, and how long that holds.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::orders::availability::{self, Asked};
use crate::orders::priced_order::{self, Doorstep, Offer};
use crate::orders::quotes::{Content, Quote, Stored};
use crate::orders::request::{Basket, LineWish, Request};
use crate::orders::sql;
use crate::app::App;
use crate::bounded;
use crate::cart::{self, sql::WantedLine};
use crate::client::Client;
use crate::config;
use crate::coupons::{CouponCode, guesses};
use crate::fulfilment::Fulfilment;
use crate::idempotency::{Answer, Once};
use crate::ids::{CartId, QuoteId, RestaurantId, UserId};
use crate::money::Money;
use crate::place::Place;
use crate::problem::{Code, Problem, ProblemBody};
use crate::restaurants::staff::Customer;
use crate::restaurants::{self, Restaurant};
use crate::tenancy::RestaurantScope;
use crate::timestamp::Timestamp;
use crate::uow::Tx;
use crate::wire::{Json, Path};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(create_quote)).routes(routes!(get_quote))
}

/// What is to be priced: the customer's cart here, or lines.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = QuoteRequest)]
struct QuoteWish {
    /// The cart; or else `lines`.
    cart_id: Option<CartId>,
    /// At most 100.
    #[schema(max_items = 100)]
    #[serde(default, deserialize_with = "bounded::some_list::<_, _, 100>")]
    lines: Option<Vec<LineWish>>,
    fulfilment: Fulfilment,
    /// Where to; required for a delivery.
    place: Option<Place>,
    /// For the people.
    tip: Option<Money>,
    /// A code that takes something off.
    #[schema(inline)]
    coupon_code: Option<CouponCode>,
    /// For when: any instant of the slot it is wanted in. Absent: as soon as can be.
    scheduled_for: Option<Timestamp>,
}

/// What is to be priced.
enum Priced {
    Cart(CartId),
    Lines(Vec<WantedLine>),
}

impl QuoteWish {
    fn read(self, most_choices: usize) -> Result<(Priced, Request), Problem> {
        let priced = match (self.cart_id, self.lines) {
            (Some(cart), None) => Priced::Cart(cart),
            (None, Some(lines)) => {
                LineWish::check(&lines, most_choices)?;
                Priced::Lines(lines.into_iter().map(LineWish::into_wanted).collect())
            }
            _ => return Err(Problem::invalid_field("/cartId", "or lines must be given, but not both")),
        };
        let request = Request {
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
        Ok((priced, request))
    }
}

impl Priced {
    /// The cart is locked: what is quoted is one version of it.
    async fn into_basket(self, tx: &mut Tx, scope: &RestaurantScope, customer: UserId) -> Result<Basket, Problem> {
        match self {
            Self::Cart(cart) => priced_order::open(cart::sql::lock(tx, scope, cart, customer).await?).map(Basket::Cart),
            Self::Lines(lines) => Ok(Basket::Lines(lines)),
        }
    }
}

/// Create a quote
///
/// The full price of lines or a cart, line by line, as an order would cost now. It holds until `expiresAt`: `POST
/// /api/orders` with `quoteId` places exactly this, even if prices change. A quote is refused wherever placing the
/// order would be. It reserves nothing: stock, slots and coupons are taken by orders.
#[utoipa::path(post, path = "/api/restaurants/{restaurantId}/quotes", tag = "orders", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), ("Idempotency-Key" = Option<String>, Header, description = "A new random key; repeat the request with the same key")),
    request_body = QuoteWish,
    responses(
        (status = 201, description = "The quote", body = Quote),
        (status = 404, description = "The restaurant or cart does not exist, or the caller has no access to it", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The order cannot be placed; see the code, and the nearest alternative where there is one", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Invalid request", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "Too many wrong coupon codes", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn create_quote(
    State(app): State<Arc<App>>,
    buyer: Customer,
    client: Client,
    Once { value: wish, key }: Once<QuoteWish>,
) -> Result<Answer, Problem> {
    let (scope, customer, rules) = (buyer.scope, buyer.caller.user, app.config.orders);
    let (priced, request) = wish.read(app.config.orders.max_choices)?;
    let code = request.coupon.clone();
    let (db, repeated) = (&app.db, key.claimed());
    let recall = async move {
        let Some(claim) = repeated else { return Ok(None) };
        db.read(scope, move |tx| Box::pin(async move { claim.recall(tx).await })).await
    };
    let work = key.makes(&app.db, scope, move |tx| {
        Box::pin(async move { Ok(make(tx, &scope, customer, priced, &request, rules).await?.shown()?) })
    });
    guesses::guarded(&app, customer, Some(client.network()), code.as_ref(), recall, work).await
}

/// Get a quote
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/quotes/{quoteId}", tag = "orders", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), ("quoteId" = QuoteId, Path)),
    responses(
        (status = 200, description = "The quote; orderId is set once an order was placed from it", body = Quote),
        (status = 404, description = "Resource not found, expired, or the caller has no access to it", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_quote(
    State(app): State<Arc<App>>,
    buyer: Customer,
    Path((_, id)): Path<(RestaurantId, QuoteId)>,
) -> Result<Json<Quote>, Problem> {
    let (scope, user) = (buyer.scope, buyer.caller.user);
    let found =
        app.db.read(scope, move |tx| Box::pin(async move { sql::quotes::get(tx, &scope, user, id).await })).await?;
    Ok(Json(found.ok_or_else(Problem::not_found)?.shown()?))
}

/// Most quotes of one customer at one restaurant that hold at the same time.
const MOST_OPEN: i64 = 100;

/// Prices the basket and keeps the quote.
async fn make(
    tx: &mut Tx,
    scope: &RestaurantScope,
    customer: UserId,
    priced: Priced,
    wanted: &Request,
    rules: config::Orders,
) -> Result<Stored, Problem> {
    let door = Doorstep::of(tx, scope, wanted, rules).await?;
    let restaurant = &door.restaurant;
    if sql::quotes::open(tx, scope, customer).await? >= MOST_OPEN {
        let detail = format!(
            "Place an order from one, or wait until one has expired: at most {MOST_OPEN} can be open at a restaurant."
        );
        return Err(Problem::new(Code::TooMany, detail));
    }
    let basket = priced.into_basket(tx, scope, customer).await?;
    let offer = priced_order::make(tx, scope, &door, customer, &basket, wanted, None).await?;
    let earliest = earliest(tx, scope, restaurant, wanted.fulfilment, &offer).await?;
    let total = offer.sums.total;
    let quote = Stored {
        id: QuoteId::new(),
        restaurant_id: scope.restaurant(),
        user_id: customer,
        cart: basket.cart().map(|cart| (cart.id, cart.version)),
        content: Content {
            fulfilment: wanted.fulfilment,
            place: wanted.place,
            tip: wanted.tip,
            coupon: wanted.coupon.clone(),
            scheduled: offer.moment.scheduled,
            earliest,
            lines: offer.lines,
            tax: offer.tax,
            charges: offer.charges,
            saving: offer.saving,
            zone: offer.terms.zone,
            lead_minutes: offer.terms.lead_minutes,
        },
        currency: restaurant.currency,
        created_at: tx.now(),
        expires_at: tx.now() + rules.quote_lifetime,
        order_id: None,
    };
    sql::quotes::insert(tx, scope, &quote, total).await?;
    Ok(quote)
}

/// The first slot in which the offer could be had: for one that is wanted as soon as can be, the one it would be there in.
async fn earliest(
    tx: &mut Tx,
    scope: &RestaurantScope,
    restaurant: &Restaurant,
    fulfilment: Fulfilment,
    offer: &Offer,
) -> Result<Option<restaurants::slots::Slot>, Problem> {
    let asked = Asked { restaurant, fulfilment, lead_minutes: offer.terms.lead_minutes };
    if offer.moment.scheduled.is_none() {
        return Ok(Some(restaurant.slots.slot_of(restaurant.zone()?, asked.there(tx.now()))));
    }
    availability::earliest(tx, scope, asked, tx.now()).await
}
