//! Placing an order from a cart or from lines in one call (`uow/one_call.rs`): the usual order, without coupon, slots
//! with a capacity or automatic acceptance. The decision is the same as in a transaction. If anything that it was made
//! on has changed, or if the order is refused, the request is decided again in a transaction, which writes the refusal.

use axum::http::StatusCode;

use super::{Placement, day_of, new_order};
use crate::cart::{self, sql::RequestedLine};
use crate::config;
use crate::idempotency::{Claim, IdempotentResponse};
use crate::ids::{CartId, RestaurantId};
use crate::orders::availability::OrderRefusal;
use crate::orders::context::OrderContext;
use crate::orders::event::PlacedJson;
use crate::orders::facts::OrderFacts;
use crate::orders::limits::{self, Buyer, MaxOrders, StoredNetwork};
use crate::orders::priced_order::PricedOrder;
use crate::orders::request::{Basket, OrderDraft, OrderRequest};
use crate::orders::sql::place::{DecidedOn, NewRow, StockTaken, WholeRequest};
use crate::orders::{Order, sql};
use crate::problem::Problem;
use crate::restaurants::tax::TaxRules;
use crate::tenancy::RestaurantScope;
use crate::uow::{Database, Tx};

/// What is ordered.
#[derive(Debug)]
pub enum OneCallSource {
    /// One of the customer's carts.
    Cart(CartId),
    /// Lines at a restaurant.
    Lines(RestaurantId, Vec<RequestedLine>),
}

/// An order that can be placed, as its call needs it.
struct DecidedOrder {
    scope: RestaurantScope,
    order: Order,
    json: PlacedJson,
    day: chrono::NaiveDate,
    taken: StockTaken,
    tax: TaxRules,
    network: Option<StoredNetwork>,
    limits: Option<MaxOrders>,
    decided_on: DecidedOn,
}

/// Places an order with its event and its stored response. `None`: nothing was written, and the request has to be
/// performed in a transaction.
///
/// # Errors
/// `busy` and `outcome_unknown`; refusals are left to the transaction.
pub async fn place(
    db: &Database,
    buyer: Buyer,
    claim: Claim,
    source: OneCallSource,
    request: OrderRequest,
    rules: config::Orders,
) -> Result<Option<IdempotentResponse>, Problem> {
    if request.coupon.is_some() {
        return Ok(None);
    }
    db.write_in_one_call(
        buyer.customer,
        move |tx| Box::pin(decide(tx, buyer, source, request, rules)),
        move |tx, decided| Box::pin(async move { decided.write(tx, &claim).await }),
    )
    .await
}

async fn decide(
    tx: &mut Tx,
    buyer: Buyer,
    source: OneCallSource,
    request: OrderRequest,
    rules: config::Orders,
) -> Result<Option<DecidedOrder>, Problem> {
    let customer = buyer.customer;
    let (restaurant, lines, cart) = match source {
        OneCallSource::Lines(restaurant, lines) => (restaurant, lines, None),
        OneCallSource::Cart(id) => match cart::sql::content(tx, id, customer).await? {
            Some(cart) => (cart.restaurant, cart.lines, Some((id, cart.version))),
            None => return Ok(None),
        },
    };
    let scope = RestaurantScope::customer("a customer may deal with any restaurant", restaurant, customer);
    let context = match OrderContext::load(tx, &scope, request.fulfilment, request.place, rules).await {
        Ok(context) if context.restaurant.auto_accept || context.restaurant.slots.capacity.is_some() => {
            return Ok(None);
        }
        Ok(context) => context,
        Err(problem) => return only_from_the_server(problem),
    };
    let basket = Basket::Lines(lines);
    let draft = OrderDraft { customer, basket: &basket, request: &request };
    let facts = OrderFacts::load(tx, &scope, &context, draft).await;
    let priced = match facts.and_then(|facts| PricedOrder::of(facts, draft, None)) {
        Ok(priced) => priced,
        Err(OrderRefusal::Problem(problem)) => return only_from_the_server(problem),
        Err(OrderRefusal::Unavailable(_)) => return Ok(None),
    };
    let decided_on = DecidedOn {
        restaurant: context.restaurant.version,
        menu: context.restaurant.menu_version,
        cart: cart.map(|(_, version)| version),
    };
    let network = limits::is_limited_by_network(rules).then(|| buyer.network.at(restaurant));
    let cart = cart.map(|(id, _)| id);
    let placement = Placement { customer, network, request, priced, cart, quote: None };
    let order = new_order(tx.now(), &context.restaurant, &placement, rules)?;
    let Placement { priced, .. } = placement;
    Ok(Some(DecidedOrder {
        json: order.placed_json(&scope)?,
        day: day_of(&order, &context),
        taken: StockTaken::by(&priced.lines),
        tax: priced.tax,
        limits: MaxOrders::of(rules, order.scheduled_for.is_some()),
        scope,
        order,
        network,
        decided_on,
    }))
}

/// A refusal is decided again in a transaction; an error of the server is not.
fn only_from_the_server<T>(problem: Problem) -> Result<Option<T>, Problem> {
    if problem.code().status().is_server_error() { Err(problem) } else { Ok(None) }
}

impl DecidedOrder {
    async fn write(self, tx: &mut Tx, claim: &Claim) -> Result<IdempotentResponse, sqlx::Error> {
        let Self { scope, order, json, day, taken, tax, network, limits, decided_on } = self;
        let row = NewRow { order: &order, day, taken: &taken, tax: &tax, network };
        let request = WholeRequest { claim, decided_on, limits, json: &json };
        let number = sql::place::insert_in_one_call(tx, &scope, &row, &request).await?;
        Ok(IdempotentResponse::written(StatusCode::CREATED, json.order(number)))
    }
}
