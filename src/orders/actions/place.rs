//! Placing an order: the truth is looked at again, inside the transaction that creates the order (`offer.rs`), and what
//! many want at once is taken under a lock: stock, the day's number, the slot, the coupon, always in this sequence.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::orders::actions::accept_quote::{self, Honoured};
use crate::orders::limits::{self, Buyer};
use crate::orders::availability::{self, Asked, Moment};
use crate::orders::priced_order::{self, Doorstep, Offer};
use crate::orders::request::{Basket, QuotedRequest, Request};
use crate::orders::sql;
use crate::orders::sql::place::{Placed, Taken};
use crate::orders::{Order, OrderLine, OrderStatus};
use crate::cart::sql::WantedLine;
use crate::cart::{self, StoredLine};
use crate::config;
use crate::coupons;
use crate::events;
use crate::ids::{CartId, OrderId, QuoteId, RestaurantId, UserId};
use crate::menu;
use crate::problem::{Code, Problem};
use crate::restaurants::Restaurant;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// Places an order from one of the customer's carts, which tells the restaurant, and appends its event.
///
/// # Errors
/// 404 for a cart that is not theirs, `cart_closed` with the order; otherwise as [`from_lines`].
pub async fn from_cart(
    tx: &mut Tx,
    buyer: Buyer,
    cart: CartId,
    wanted: Request,
    rules: config::Orders,
) -> Result<Order, Problem> {
    let cart = priced_order::open(cart::sql::enter(tx, cart, buyer.customer).await?)?;
    let scope = entered(cart.restaurant_id, buyer.customer);
    fresh(tx, &scope, buyer, &Basket::Cart(cart), wanted, rules).await
}

/// Places an order of these lines, and appends its event.
///
/// # Errors
/// Each reason not to take the order has its code; nothing is written then.
pub async fn from_lines(
    tx: &mut Tx,
    scope: &RestaurantScope,
    buyer: Buyer,
    lines: Vec<WantedLine>,
    wanted: Request,
    rules: config::Orders,
) -> Result<Order, Problem> {
    fresh(tx, scope, buyer, &Basket::Lines(lines), wanted, rules).await
}

/// Places what was quoted, at the prices it was quoted at; the quote tells the restaurant.
///
/// # Errors
/// As [`from_lines`]; 404 for a quote that is not theirs, and `quote_expired`, `quote_changed` with the difference,
/// `quote_used` with the order.
pub async fn from_quote(
    tx: &mut Tx,
    buyer: Buyer,
    wanted: QuotedRequest,
    rules: config::Orders,
) -> Result<Order, Problem> {
    let customer = buyer.customer;
    let stored = sql::quotes::enter(tx, wanted.quote, customer).await?.ok_or_else(Problem::not_found)?;
    let scope = entered(stored.restaurant_id, customer);
    let for_later = wanted.scheduled_for.is_some() || stored.content.scheduled.is_some();
    let Honoured { door, wanted, offer, cart } = accept_quote::honour(tx, &scope, &stored, wanted, rules).await?;
    // After the quote's cart is locked: an order from that cart locks it before it is counted, too.
    let network = hold_to_limits(tx, &scope, buyer, for_later, rules).await?;
    let placement = Placement { customer, network, wanted, offer, cart, quote: Some(stored.id) };
    write(tx, &scope, &door.restaurant, placement, rules).await
}

/// The statement that found the cart or the quote has entered its restaurant (`enter_shop`).
fn entered(restaurant: RestaurantId, customer: UserId) -> RestaurantScope {
    RestaurantScope::customer("the restaurant of the customer's own cart or quote", restaurant, customer)
}

/// Refuses one order more than the customer, or their network, may hold here. Asked under locks that are taken after those of
/// cart and quote. Gives the network, if the order is to be counted for it.
async fn hold_to_limits(
    tx: &mut Tx,
    scope: &RestaurantScope,
    buyer: Buyer,
    for_later: bool,
    rules: config::Orders,
) -> Result<Option<[u8; 16]>, Problem> {
    let network = buyer.network.filter(|_| limits::is_limited_by_network(rules));
    if !limits::is_limited(rules, for_later, network.is_some()) {
        return Ok(None);
    }
    let (now, network) = (tx.now(), network.map(|network| network.at(scope.restaurant())));
    let load = sql::limits::of_customer(tx, scope, buyer.customer, network, now - limits::RECENT).await?;
    load.check(rules, for_later, now)?;
    Ok(network.filter(|_| !load.works_here))
}

/// At the prices of this moment.
async fn fresh(
    tx: &mut Tx,
    scope: &RestaurantScope,
    buyer: Buyer,
    basket: &Basket,
    wanted: Request,
    rules: config::Orders,
) -> Result<Order, Problem> {
    let customer = buyer.customer;
    let network = hold_to_limits(tx, scope, buyer, wanted.scheduled_for.is_some(), rules).await?;
    let door = Doorstep::of(tx, scope, &wanted, rules).await?;
    let offer = priced_order::make(tx, scope, &door, customer, basket, &wanted, None).await?;
    let cart = basket.cart().map(|cart| cart.id);
    write(tx, scope, &door.restaurant, Placement { customer, network, wanted, offer, cart, quote: None }, rules).await
}

/// An order about to be written.
struct Placement {
    customer: UserId,
    /// Where it came from, if it is counted for the network.
    network: Option<[u8; 16]>,
    wanted: Request,
    offer: Offer,
    /// The cart it closes.
    cart: Option<CartId>,
    /// The quote it uses.
    quote: Option<QuoteId>,
}

async fn write(
    tx: &mut Tx,
    scope: &RestaurantScope,
    restaurant: &Restaurant,
    placement: Placement,
    rules: config::Orders,
) -> Result<Order, Problem> {
    let mut order = new_order(tx.now(), restaurant, &placement, rules)?;
    let Placement { customer, network, offer, .. } = placement;
    // On the day for which the order is, where the restaurant is.
    let due = order.scheduled_for.map_or(order.placed_at, |slot| slot.starts_at);
    let day = due.with_timezone(&restaurant.zone()?).date_naive();
    let placed = sql::place::insert(tx, scope, &order, day, &Taken::by(&offer.lines), &offer.tax, network).await?;
    let Placed::Numbered { number, menu_changed } = placed else { return Err(out_of_stock(tx, scope, &offer).await?) };
    order.number = number;
    take_slot(tx, scope, restaurant, &order, &offer).await?;
    if let Some(saving) = &offer.saving {
        coupons::sql::redeem(tx, scope, customer, order.id, saving).await?;
    }
    events::publish(tx, scope, order.placed_event()?).await?;
    if menu_changed {
        menu::sql::announce(tx, scope).await?;
    }
    if restaurant.auto_accept { confirm_at_once(tx, restaurant, order).await } else { Ok(order) }
}

/// Until when the restaurant has to answer: as it says itself, or else as the configuration does. Where it accepts by
/// itself there is nothing to wait for. For an order for later the time runs from when the restaurant opens next, and ends
/// with the slot at the latest.
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
    let Moment { scheduled: Some(slot), opens, .. } = placement.offer.moment else { return Some(usual) };
    Some(usual.max(opens.map_or(usual, |opens| opens + within).min(slot.ends_at)))
}

fn asked<'a>(restaurant: &'a Restaurant, fulfilment: crate::fulfilment::Fulfilment, offer: &Offer) -> Asked<'a> {
    Asked { restaurant, fulfilment, lead_minutes: offer.terms.lead_minutes }
}

/// The order as it will be written and told; its number is drawn when it is written.
fn new_order(
    now: DateTime<Utc>,
    restaurant: &Restaurant,
    placement: &Placement,
    rules: config::Orders,
) -> Result<Order, Problem> {
    let accept_by = accept_by(restaurant, placement, now, rules);
    let Placement { customer, wanted, offer, cart, quote, .. } = placement;
    Ok(Order {
        id: OrderId::new(),
        number: 0,
        restaurant_id: restaurant.id,
        customer_id: *customer,
        cart_id: *cart,
        quote_id: *quote,
        fulfilment: wanted.fulfilment,
        status: OrderStatus::Pending,
        version: 1,
        currency: restaurant.currency,
        items: OrderLine::all(&offer.lines, &offer.sums, restaurant.currency)?,
        totals: offer.totals(restaurant),
        coupon_code: offer.saving.as_ref().map(|saving| saving.code.clone()),
        address: wanted.address.clone(),
        place: wanted.place,
        delivery_zone: offer.terms.zone.clone(),
        lead_minutes: offer.terms.lead_minutes,
        table: wanted.table.clone(),
        note: wanted.note.clone(),
        scheduled_for: offer.moment.scheduled,
        slot: offer.due.map(|slot| slot.starts_at),
        accept_by,
        cancellable_until: accept_by,
        promised_at: None,
        ready_from: offer.moment.scheduled.map(|_| offer.moment.promise.ready_from),
        ready_until: Some(offer.moment.promise.ready_until),
        cancel_reason: None,
        placed_at: now,
        updated_at: now,
        closed_at: None,
    })
}

/// Takes the slot, where the restaurant bounds how many orders are due in one.
async fn take_slot(
    tx: &mut Tx,
    scope: &RestaurantScope,
    restaurant: &Restaurant,
    order: &Order,
    offer: &Offer,
) -> Result<(), Problem> {
    let (Some(slot), Some(capacity)) = (offer.due, restaurant.slots.capacity) else { return Ok(()) };
    if sql::slots::take(tx, scope, slot, capacity).await? {
        return Ok(());
    }
    Err(availability::full(tx, scope, asked(restaurant, order.fulfilment, offer), slot).await?)
}

/// What fell short between reading the lines and taking the stock, as the menu says it now.
async fn out_of_stock(tx: &mut Tx, scope: &RestaurantScope, offer: &Offer) -> Result<Problem, Problem> {
    let wanted: Vec<_> = offer.lines.iter().map(StoredLine::wanted).collect();
    let now = cart::sql::priced(tx, scope, &wanted, offer.moment.at).await?;
    // What was short may have been returned meanwhile.
    let passed = || Problem::new(Code::OutOfStock, "The stock changed at the same moment. Try again.");
    Ok(priced_order::unavailable(&now).unwrap_or_else(passed))
}

/// The restaurant accepts by itself: the same step as staff would take, by the system, in the same transaction.
async fn confirm_at_once(tx: &mut Tx, restaurant: &Restaurant, order: Order) -> Result<Order, Problem> {
    let scope = RestaurantScope::system("the restaurant accepts orders by itself", restaurant.id);
    let wish = crate::orders::status::Wish {
        to: OrderStatus::Confirmed,
        reason: None,
        return_stock: false,
        preparation: TimeDelta::minutes(restaurant.preparation_minutes.into()),
    };
    let change = order
        .advance(wish, scope.actor(), tx.now())
        .map_err(|refusal| Problem::internal(&format!("{refusal:?} on a new order")))?;
    sql::save_status(tx, &scope, &order, change).await
}
