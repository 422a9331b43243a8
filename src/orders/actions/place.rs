//! Placing an order from a cart, from a quote or from lines, in a transaction. Most orders are placed by
//! `place/one_call.rs` instead, with one statement; an order comes here when that refuses it, and with a quote, a
//! coupon, a slot with a capacity or a restaurant that accepts automatically.
//!
//! Everything is checked again in the transaction that creates the order, and limited resources are taken under locks,
//! always in this sequence: stock and the day's number, then the slot, then the coupon. The deadline for acceptance and
//! automatic acceptance are set here, too (`accept_by`, `confirm_at_once`); `overdue.rs` cancels orders that nobody
//! accepted.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

pub mod one_call;

use super::accept_quote::{QuotedOrder, accept_quote};
use super::price::price;
use crate::cart::sql::RequestedLine;
use crate::cart::{self, PricedLine};
use crate::config;
use crate::coupons;
use crate::events;
use crate::ids::{CartId, OrderId, QuoteId, RestaurantId, UserId};
use crate::menu;
use crate::orders::availability::{FulfilmentTime, Unavailable};
use crate::orders::context::OrderContext;
use crate::orders::limits::{self, Buyer, OrderLoad, StoredNetwork};
use crate::orders::priced_order::{PricedOrder, unavailable};
use crate::orders::request::{Basket, OrderDraft, OrderRequest, QuotedOrderRequest};
use crate::orders::sql::place::{NewRow, Placed, StockTaken};
use crate::orders::status::StatusUpdate;
use crate::orders::{Order, OrderLine, OrderStatus, sql};
use crate::problem::{Code, Problem};
use crate::restaurants::Restaurant;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// Places an order from one of the customer's carts, at the cart's restaurant, and appends its event.
///
/// # Errors
/// 404 for a cart of somebody else, `cart_closed` with the order; otherwise as [`from_lines`].
pub async fn from_cart(
    tx: &mut Tx,
    buyer: Buyer,
    cart: CartId,
    request: OrderRequest,
    rules: config::Orders,
) -> Result<Order, Problem> {
    let cart = cart::sql::lock_own(tx, cart, buyer.customer).await?.ok_or_else(Problem::not_found)?.open()?;
    let scope = scope_of(cart.restaurant_id, buyer.customer);
    at_current_prices(tx, &scope, buyer, &Basket::Cart(cart), request, rules).await
}

/// Places an order of these lines, and appends its event.
///
/// # Errors
/// Each reason why the order cannot be placed has its own code; nothing is written then.
pub async fn from_lines(
    tx: &mut Tx,
    scope: &RestaurantScope,
    buyer: Buyer,
    lines: Vec<RequestedLine>,
    request: OrderRequest,
    rules: config::Orders,
) -> Result<Order, Problem> {
    at_current_prices(tx, scope, buyer, &Basket::Lines(lines), request, rules).await
}

/// Places what was quoted, at the quoted prices and the quote's restaurant, and appends its event.
///
/// # Errors
/// As [`from_lines`]; 404 for a quote of somebody else, and `quote_expired`, `quote_changed` with the difference,
/// `quote_used` with the order.
pub async fn from_quote(
    tx: &mut Tx,
    buyer: Buyer,
    request: QuotedOrderRequest,
    rules: config::Orders,
) -> Result<Order, Problem> {
    let customer = buyer.customer;
    let quote = sql::quotes::lock_own(tx, request.quote, customer).await?.ok_or_else(Problem::not_found)?;
    let scope = scope_of(quote.restaurant_id, customer);
    let is_scheduled = request.scheduled_for.is_some() || quote.content.scheduled.is_some();
    let QuotedOrder { context, request, priced, cart } = accept_quote(tx, &scope, &quote, request, rules).await?;
    // The quote's cart is locked before, as for an order from that cart: another sequence of locks could deadlock.
    let limits = check_limits(tx, &scope, buyer, is_scheduled, rules).await?;
    let network = limits.check_portions(&priced, rules)?;
    let placement = Placement { customer, network, request, priced, cart, quote: Some(quote.id) };
    write(tx, &scope, &context, placement, rules).await
}

/// The scope of the restaurant that was set by the statement that locked the cart or the quote (`set_shop`).
fn scope_of(restaurant: RestaurantId, customer: UserId) -> RestaurantScope {
    RestaurantScope::customer("the restaurant of the customer's own cart or quote", restaurant, customer)
}

/// Refuses an order beyond the limits of the customer or of their network (`orders/limits.rs`). Takes locks, after
/// those of cart and quote. Returns what is left to check when the lines are known.
async fn check_limits(
    tx: &mut Tx,
    scope: &RestaurantScope,
    buyer: Buyer,
    is_scheduled: bool,
    rules: config::Orders,
) -> Result<CheckedLimits, Problem> {
    let is_counted = limits::is_limited_by_network(rules);
    if !limits::is_limited(rules, is_scheduled, is_counted) {
        return Ok(CheckedLimits { load: None, network: None });
    }
    let (now, network) = (tx.now(), is_counted.then(|| buyer.network.at(scope.restaurant())));
    let load = sql::limits::of_customer(tx, scope, buyer.customer, network, now - limits::RECENT).await?;
    load.check(rules, is_scheduled, now)?;
    Ok(CheckedLimits { network: network.filter(|_| !load.works_here), load: Some(load) })
}

/// The limits of the customer and of their network, of which those on orders hold.
struct CheckedLimits {
    /// `None`: not limited.
    load: Option<OrderLoad>,
    /// The network, if the order is to be counted for it.
    network: Option<StoredNetwork>,
}

impl CheckedLimits {
    /// Checks the limits on portions, and returns the network for which the order is to be counted.
    fn check_portions(self, priced: &PricedOrder, rules: config::Orders) -> Result<Option<StoredNetwork>, Problem> {
        if let Some(load) = self.load {
            load.check_portions(rules, priced.lines.iter().map(|line| i64::from(line.quantity)).sum())?;
        }
        Ok(self.network)
    }
}

/// Places an order at current prices.
async fn at_current_prices(
    tx: &mut Tx,
    scope: &RestaurantScope,
    buyer: Buyer,
    basket: &Basket,
    request: OrderRequest,
    rules: config::Orders,
) -> Result<Order, Problem> {
    let customer = buyer.customer;
    let limits = check_limits(tx, scope, buyer, request.scheduled_for.is_some(), rules).await?;
    let context = OrderContext::load(tx, scope, request.fulfilment, request.place, rules).await?;
    let priced = price(tx, scope, &context, OrderDraft { customer, basket, request: &request }).await?;
    let network = limits.check_portions(&priced, rules)?;
    let cart = basket.cart().map(|cart| cart.id);
    write(tx, scope, &context, Placement { customer, network, request, priced, cart, quote: None }, rules).await
}

/// An order about to be written.
struct Placement {
    customer: UserId,
    /// The network it came from, if it is counted for the network.
    network: Option<StoredNetwork>,
    request: OrderRequest,
    priced: PricedOrder,
    /// The cart that it closes.
    cart: Option<CartId>,
    /// The quote that it uses.
    quote: Option<QuoteId>,
}

async fn write(
    tx: &mut Tx,
    scope: &RestaurantScope,
    context: &OrderContext,
    placement: Placement,
    rules: config::Orders,
) -> Result<Order, Problem> {
    let restaurant = &context.restaurant;
    let mut order = new_order(tx.now(), restaurant, &placement, rules)?;
    let Placement { customer, network, priced, .. } = placement;
    let (day, taken) = (day_of(&order, context), StockTaken::by(&priced.lines));
    let row = NewRow { order: &order, day, taken: &taken, tax: &priced.tax, network };
    let Placed::Numbered { number, menu_changed } = sql::place::insert(tx, scope, &row).await? else {
        return Err(out_of_stock(tx, scope, context.zone, &priced).await?);
    };
    order.number = number;
    take_slot(tx, scope, context, &priced).await?;
    if let Some(saving) = &priced.saving {
        coupons::sql::redeem(tx, scope, customer, order.id, saving).await?;
    }
    events::publish(tx, scope, order.placed_event()?).await?;
    if menu_changed {
        menu::sql::announce(tx, scope).await?;
    }
    if restaurant.auto_accept { confirm_at_once(tx, restaurant, order).await } else { Ok(order) }
}

/// The local day to which the number of an order belongs: that for which it is due.
fn day_of(order: &Order, context: &OrderContext) -> NaiveDate {
    let due = order.scheduled_for.map_or(order.placed_at, |slot| slot.starts_at);
    due.with_timezone(&context.zone).date_naive()
}

/// Until when the restaurant has to answer, by its own setting or else by the configuration. `None` where it accepts
/// automatically. For a scheduled order the time runs from when the restaurant opens next, and ends with the slot at
/// the latest.
fn accept_by(
    restaurant: &Restaurant,
    placement: &Placement,
    now: DateTime<Utc>,
    rules: config::Orders,
) -> Option<DateTime<Utc>> {
    if restaurant.auto_accept {
        return None;
    }
    let own = restaurant.accept_minutes.map(|minutes| Duration::from_mins(minutes.unsigned_abs().into()));
    let within = own.unwrap_or(rules.accept_within);
    let usual = now + within;
    let FulfilmentTime { scheduled: Some(slot), opens_at, .. } = placement.priced.time else { return Some(usual) };
    Some(usual.max(opens_at.map_or(usual, |opens_at| opens_at + within).min(slot.ends_at)))
}

/// The order as it will be written and published; its number is drawn when it is written.
fn new_order(
    now: DateTime<Utc>,
    restaurant: &Restaurant,
    placement: &Placement,
    rules: config::Orders,
) -> Result<Order, Problem> {
    let accept_by = accept_by(restaurant, placement, now, rules);
    let Placement { customer, request, priced, cart, quote, .. } = placement;
    Ok(Order {
        id: OrderId::new(),
        number: 0,
        restaurant_id: restaurant.id,
        customer_id: *customer,
        cart_id: *cart,
        quote_id: *quote,
        fulfilment: request.fulfilment,
        status: OrderStatus::Pending,
        version: 1,
        currency: restaurant.currency,
        items: OrderLine::all(&priced.lines, &priced.sums, restaurant.currency)?,
        totals: priced.totals(restaurant),
        coupon_code: priced.saving.as_ref().map(|saving| saving.code.clone()),
        address: request.address.clone(),
        place: request.place,
        delivery_zone: priced.terms.zone.clone(),
        lead_minutes: priced.terms.lead_minutes,
        table: request.table.clone(),
        note: request.note.clone(),
        scheduled_for: priced.time.scheduled,
        slot: priced.due_slot.map(|slot| slot.starts_at),
        accept_by,
        cancellable_until: accept_by,
        promised_at: None,
        ready_from: priced.time.scheduled.map(|_| priced.time.promise.ready_from),
        ready_until: Some(priced.time.promise.ready_until),
        cancel_reason: None,
        placed_at: now,
        updated_at: now,
        closed_at: None,
    })
}

/// Counts the order for its slot, where the restaurant limits slots.
async fn take_slot(
    tx: &mut Tx,
    scope: &RestaurantScope,
    context: &OrderContext,
    priced: &PricedOrder,
) -> Result<(), Problem> {
    let (Some(slot), Some(capacity)) = (priced.due_slot, context.restaurant.slots.capacity) else { return Ok(()) };
    if sql::slots::take(tx, scope, slot, capacity).await? {
        return Ok(());
    }
    Err(context.problem(tx, scope, Unavailable::SlotFull(slot)).await)
}

/// The problem of stock that was sold between reading the lines and taking the stock.
async fn out_of_stock(
    tx: &mut Tx,
    scope: &RestaurantScope,
    zone: Tz,
    priced: &PricedOrder,
) -> Result<Problem, Problem> {
    let requested: Vec<_> = priced.lines.iter().map(PricedLine::requested).collect();
    let current = cart::sql::priced_now(tx, scope, &requested, zone, priced.time.at).await?;
    // Stock may have been returned meanwhile.
    let passed = || Problem::new(Code::OutOfStock, "The stock changed at the same moment. Try again.");
    Ok(unavailable(&current).unwrap_or_else(passed))
}

/// Confirms a new order in the same transaction, where the restaurant accepts automatically.
async fn confirm_at_once(tx: &mut Tx, restaurant: &Restaurant, order: Order) -> Result<Order, Problem> {
    let scope = RestaurantScope::system("the restaurant accepts orders by itself", restaurant.id);
    let preparation = TimeDelta::minutes(restaurant.preparation_minutes.into());
    let change = order
        .advance(StatusUpdate::to(OrderStatus::Confirmed), preparation, scope.actor(), tx.now())
        .map_err(|refusal| Problem::internal(&format!("{refusal:?} on a new order")))?;
    sql::save_status(tx, &scope, &order, change).await
}
