//! Creates quotes from carts and from lines. They are valid for `QUOTE_LIFETIME`.

use crate::cart;
use crate::cart::sql::RequestedLine;
use crate::config;
use crate::ids::{CartId, QuoteId, UserId};
use crate::orders::actions::price::price;
use crate::orders::context::OrderContext;
use crate::orders::priced_order::PricedOrder;
use crate::orders::quotes::{QuoteContent, StoredQuote};
use crate::orders::request::{Basket, OrderDraft, OrderRequest};
use crate::orders::sql;
use crate::problem::Problem;
use crate::restaurants::slots::Slot;
use crate::row_limit::{self, RowLimit};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// What a quote is requested for.
pub enum QuoteSource {
    /// One of the customer's carts at the restaurant.
    Cart(CartId),
    /// Lines that are in no cart.
    Lines(Vec<RequestedLine>),
}

impl QuoteSource {
    /// The cart is locked, so that one version of it is quoted.
    async fn into_basket(self, tx: &mut Tx, scope: &RestaurantScope, customer: UserId) -> Result<Basket, Problem> {
        match self {
            Self::Cart(cart) => {
                let cart = cart::sql::lock(tx, scope, cart, customer).await?.ok_or_else(Problem::not_found)?;
                cart.open().map(Basket::Cart)
            }
            Self::Lines(lines) => Ok(Basket::Lines(lines)),
        }
    }
}

/// Prices the basket at current prices and saves the quote.
///
/// # Errors
/// Those of placing the order now; `too_many` with `QUOTE_MAX_OPEN` open quotes.
pub async fn create_quote(
    tx: &mut Tx,
    scope: &RestaurantScope,
    customer: UserId,
    source: QuoteSource,
    request: &OrderRequest,
    rules: config::Orders,
) -> Result<StoredQuote, Problem> {
    let context = OrderContext::load(tx, scope, request.fulfilment, request.place, rules).await?;
    row_limit::check(tx, RowLimit::OpenQuotes, customer.uuid(), rules.max_open_quotes).await?;
    let basket = source.into_basket(tx, scope, customer).await?;
    let priced = price(tx, scope, &context, OrderDraft { customer, basket: &basket, request }).await?;
    let earliest = earliest_slot(tx, scope, &context, &priced).await?;
    let total = priced.sums.total;
    let quote = StoredQuote {
        id: QuoteId::new(),
        restaurant_id: scope.restaurant(),
        user_id: customer,
        cart: basket.cart().map(|cart| (cart.id, cart.version)),
        content: QuoteContent {
            fulfilment: request.fulfilment,
            place: request.place,
            tip: request.tip,
            coupon: request.coupon.clone(),
            scheduled: priced.time.scheduled,
            earliest,
            lines: priced.lines,
            tax: priced.tax,
            charges: priced.charges,
            saving: priced.saving,
            zone: priced.terms.zone,
            lead_minutes: priced.terms.lead_minutes,
        },
        currency: context.restaurant.currency,
        created_at: tx.now(),
        expires_at: tx.now() + rules.quote_lifetime,
        order_id: None,
    };
    sql::quotes::insert(tx, scope, &quote, total).await?;
    Ok(quote)
}

/// The first slot for which it could be ordered: of an order as soon as possible, the one in which it would arrive.
async fn earliest_slot(
    tx: &mut Tx,
    scope: &RestaurantScope,
    context: &OrderContext,
    priced: &PricedOrder,
) -> Result<Option<Slot>, Problem> {
    let availability = context.availability();
    if priced.time.scheduled.is_none() {
        return Ok(Some(availability.slot_of_arrival()));
    }
    let due = context.due_orders(tx, scope).await?;
    Ok(availability.earliest_slot(context.now, &due))
}
