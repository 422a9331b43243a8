//! Placing an order from a cart or from lines in one call (`uow/one_call.rs`): the usual order, without coupon, slots
//! with a capacity or automatic acceptance. The decision is the same as in a transaction, on facts from memory
//! (`orders/facts_cache.rs`). If they have changed, the order is decided once more on what is read then; if it is
//! refused, it is decided again in a transaction, which makes the refusal.

use std::sync::Arc;

use axum::http::StatusCode;

use super::{Placement, day_of, new_order};
use crate::cart::line_item::LineItems;
use crate::cart::{self, sql::RequestedLine};
use crate::config;
use crate::fulfilment::Fulfilment;
use crate::idempotency::{Claim, IdempotentResponse};
use crate::ids::{CartId, RestaurantId};
use crate::orders::availability::{self, OrderRefusal};
use crate::orders::context::OrderContext;
use crate::orders::event::PlacedJson;
use crate::orders::facts::OrderFacts;
use crate::orders::facts_cache::FactsCache;
use crate::orders::limits::{self, Buyer, MaxOrders, StoredNetwork};
use crate::orders::priced_order::PricedOrder;
use crate::orders::request::{Basket, OrderDraft, OrderRequest};
use crate::orders::sql::place::{DecidedOn, NewRow, StockTaken, WholeRequest};
use crate::orders::{Order, sql};
use crate::problem::Problem;
use crate::restaurants::order_rules::RulesOfDay;
use crate::restaurants::tax::TaxRules;
use crate::restaurants::{self, Restaurant};
use crate::tenancy::RestaurantScope;
use crate::uow::{Database, OneCall, Tx};

/// What is ordered.
#[derive(Debug, Clone)]
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
    facts: Arc<FactsCache>,
}

/// Places an order with its event and its stored response. `None`: nothing was written, and the request has to be
/// performed in a transaction.
///
/// # Errors
/// `busy` and `outcome_unknown`; refusals are left to the transaction.
pub async fn place(
    db: &Database,
    facts: &Arc<FactsCache>,
    buyer: Buyer,
    claim: Claim,
    source: OneCallSource,
    request: OrderRequest,
    rules: config::Orders,
) -> Result<Option<IdempotentResponse>, Problem> {
    if request.coupon.is_some() {
        return Ok(None);
    }
    let attempt = || {
        let decision = OrderDecision { facts: Arc::clone(facts), buyer, rules };
        let (source, request, claim) = (source.clone(), request.clone(), claim.clone());
        db.write_in_one_call(
            buyer.customer,
            move |tx| Box::pin(async move { decision.decide(tx, source, request).await }),
            move |tx, decided: Box<DecidedOrder>| Box::pin(async move { decided.write(tx, &claim).await }),
        )
    };
    let mut outcome = attempt().await?;
    if matches!(outcome, OneCall::Outdated) {
        outcome = attempt().await?;
    }
    Ok(match outcome {
        OneCall::Done(response) => Some(response),
        OneCall::Outdated | OneCall::Declined => None,
    })
}

/// The decision on an order, on facts from memory as far as they are known.
struct OrderDecision {
    facts: Arc<FactsCache>,
    buyer: Buyer,
    rules: config::Orders,
}

impl OrderDecision {
    /// `None`: the order is refused, or it needs a transaction. What was known of the restaurant is forgotten then,
    /// because it may be out of date.
    async fn decide(
        self,
        tx: &mut Tx,
        source: OneCallSource,
        request: OrderRequest,
    ) -> Result<Option<Box<DecidedOrder>>, Problem> {
        let (restaurant, lines, cart) = match source {
            OneCallSource::Lines(restaurant, lines) => (restaurant, lines, None),
            OneCallSource::Cart(id) => match cart::sql::content(tx, id, self.buyer.customer).await? {
                Some(cart) => (cart.restaurant, cart.lines, Some((id, cart.version))),
                None => return Ok(None),
            },
        };
        let scope =
            RestaurantScope::customer("a customer may deal with any restaurant", restaurant, self.buyer.customer);
        let ids: Vec<_> = lines.iter().map(|line| line.item_id).collect();
        let facts = Arc::clone(&self.facts);
        let decided = self.decide_at(tx, &scope, lines, cart, request).await;
        if !matches!(decided, Ok(Some(_))) {
            facts.forget(restaurant, ids.into_iter());
        }
        decided
    }

    async fn decide_at(
        self,
        tx: &mut Tx,
        scope: &RestaurantScope,
        lines: Vec<RequestedLine>,
        cart: Option<(CartId, i64)>,
        request: OrderRequest,
    ) -> Result<Option<Box<DecidedOrder>>, Problem> {
        let (restaurant, rules, now) = (scope.restaurant(), self.rules, tx.now());
        let Some(known) = self.rules_of_day(tx, restaurant).await? else { return Ok(None) };
        let place = request.place.filter(|_| request.fulfilment == Fulfilment::Delivery);
        let context = OrderContext::of(known.at(now, place), request.fulfilment, place, rules, now)?;
        if context.restaurant.auto_accept || context.restaurant.slots.capacity.is_some() {
            return Ok(None);
        }
        let Some(items) = self.items(tx, scope, &context.restaurant, &lines).await? else { return Ok(None) };
        let basket = Basket::LinesOf(items, lines);
        let draft = OrderDraft { customer: self.buyer.customer, basket: &basket, request: &request };
        let loaded = OrderFacts::load(tx, scope, &context, draft).await;
        let priced = match loaded.and_then(|loaded| PricedOrder::of(loaded, draft, None)) {
            Ok(priced) => priced,
            Err(OrderRefusal::Problem(problem)) => return only_from_the_server(problem),
            Err(OrderRefusal::Unavailable(_)) => return Ok(None),
        };
        let decided_on = DecidedOn {
            restaurant: context.restaurant.version,
            menu: context.restaurant.menu_version,
            cart: cart.map(|(_, version)| version),
        };
        let network = limits::is_limited_by_network(rules).then(|| self.buyer.network.at(restaurant));
        let cart = cart.map(|(id, _)| id);
        let placement = Placement { customer: self.buyer.customer, network, request, priced, cart, quote: None };
        let order = new_order(now, &context.restaurant, &placement, rules)?;
        let Placement { priced, .. } = placement;
        Ok(Some(Box::new(DecidedOrder {
            json: order.placed_json(scope)?,
            day: day_of(&order, &context),
            taken: StockTaken::by(&priced.lines),
            tax: priced.tax,
            limits: MaxOrders::of(rules, order.scheduled_for.is_some()),
            scope: *scope,
            order,
            network,
            decided_on,
            facts: self.facts,
        })))
    }

    async fn rules_of_day(&self, tx: &mut Tx, restaurant: RestaurantId) -> Result<Option<Arc<RulesOfDay>>, Problem> {
        let now = tx.now();
        if let Some(known) = self.facts.rules(restaurant, now.date_naive()) {
            return Ok(Some(known));
        }
        let read = restaurants::sql::rules_of_day(tx, restaurant, availability::last_day(now)).await?;
        Ok(read.map(|rules| self.facts.keep_rules(restaurant, rules)))
    }

    /// The items of the lines, as they are at the restaurant's version of the menu. `None`: the menu has changed.
    async fn items(
        &self,
        tx: &mut Tx,
        scope: &RestaurantScope,
        restaurant: &Restaurant,
        lines: &[RequestedLine],
    ) -> Result<Option<LineItems>, Problem> {
        let ids = lines.iter().map(|line| line.item_id);
        let mut items = self.facts.items(restaurant.id, restaurant.menu_version, ids.clone());
        let missing: Vec<_> = ids.filter(|id| !items.contains_key(id)).collect();
        if missing.is_empty() {
            return Ok(Some(items));
        }
        let read = cart::sql::line_items(tx, scope, missing.into_iter()).await?;
        if read.values().any(|item| item.menu_version != restaurant.menu_version) {
            return Ok(None);
        }
        self.facts.keep_items(restaurant.id, &read);
        items.extend(read);
        Ok(Some(items))
    }
}

/// A refusal is decided again in a transaction; an error of the server is not.
fn only_from_the_server<T>(problem: Problem) -> Result<Option<T>, Problem> {
    if problem.code().status().is_server_error() { Err(problem) } else { Ok(None) }
}

impl DecidedOrder {
    async fn write(self, tx: &mut Tx, claim: &Claim) -> Result<OneCall<IdempotentResponse>, sqlx::Error> {
        let Self { scope, order, json, day, taken, tax, network, limits, decided_on, facts } = self;
        let row = NewRow { order: &order, day, taken: &taken, tax: &tax, network };
        let request = WholeRequest { claim, decided_on, limits, json: &json };
        let called = sql::place::insert_in_one_call(tx, &scope, &row, &request).await;
        if !matches!(called, Ok(OneCall::Done(_) | OneCall::Declined)) {
            facts.forget(scope.restaurant(), order.items.iter().map(|line| line.item_id));
        }
        Ok(called?.map(|number| IdempotentResponse::written(StatusCode::CREATED, json.order(number))))
    }
}
