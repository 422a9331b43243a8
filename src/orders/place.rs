//! Placing an order: the truth is looked at again, inside the transaction that creates the order (`offer.rs`), and what
//! many want at once is taken under a lock: stock, the day's number, the slot, the coupon, always in this sequence.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::honour::{self, Honoured};
use super::moment::{self, Asked};
use super::offer::{self, Offer};
use super::request::{QuotedRequest, Request};
use super::sql::{self, NewOrder, Placed};
use super::{Order, OrderStatus};
use crate::cart::{self, StoredLine};
use crate::config;
use crate::coupons;
use crate::events::{self, Event};
use crate::ids::{CartId, OrderId, QuoteId, UserId};
use crate::menu;
use crate::problem::{Code, Problem};
use crate::restaurants::{self, Restaurant};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// Places the order and appends its event.
///
/// # Errors
/// Each reason not to take the order has its code; nothing is written then.
pub async fn place(
    tx: &mut Tx,
    scope: &RestaurantScope,
    customer: UserId,
    wanted: Request,
    rules: config::Orders,
) -> Result<Order, Problem> {
    let restaurant = restaurants::sql::get(tx, scope.restaurant()).await?.ok_or_else(Problem::not_found)?;
    let offer = offer::make(tx, scope, &restaurant, customer, &wanted, None).await?;
    let cart = offer.cart.as_ref().map(|cart| cart.id);
    write(tx, scope, &restaurant, Placement { customer, wanted, offer, cart, quote: None }, rules).await
}

/// Places what was quoted, at the prices it was quoted at.
///
/// # Errors
/// As [`place`]; and `quote_expired`, `quote_changed` with the difference, `quote_used` with the order.
pub async fn place_quoted(
    tx: &mut Tx,
    scope: &RestaurantScope,
    customer: UserId,
    wanted: QuotedRequest,
    rules: config::Orders,
) -> Result<Order, Problem> {
    let restaurant = restaurants::sql::get(tx, scope.restaurant()).await?.ok_or_else(Problem::not_found)?;
    let Honoured { quote, wanted, offer, cart } = honour::honour(tx, scope, &restaurant, customer, wanted).await?;
    write(tx, scope, &restaurant, Placement { customer, wanted, offer, cart, quote: Some(quote) }, rules).await
}

/// An order about to be written.
struct Placement {
    customer: UserId,
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
    let accept_by = accept_by(tx, restaurant, &placement, rules).await?;
    let order = new_order(restaurant, &placement, accept_by)?;
    let Placement { customer, offer, quote, .. } = placement;
    let sold_out = match sql::insert(tx, scope, &order, &offer.lines).await? {
        Placed::Numbered { sold_out, .. } => sold_out,
        Placed::OutOfStock => return Err(out_of_stock(&offer.lines)),
    };
    take_slot(tx, scope, restaurant, &order, &offer).await?;
    if let Some(saving) = &offer.saving {
        coupons::sql::redeem(tx, scope, customer, order.id, saving).await?;
    }
    if let Some(quote) = quote {
        sql::quotes::mark_used(tx, scope, quote, order.id).await?;
    }
    let placed = sql::get(tx, scope, order.id).await?.ok_or_else(Problem::not_found)?;
    events::publish(tx, scope, Event::OrderPlaced(&placed)).await?;
    if sold_out {
        menu::sql::announce(tx, scope).await?;
    }
    if restaurant.auto_accept { confirm_at_once(tx, restaurant, placed).await } else { Ok(placed) }
}

/// Until when the restaurant has to answer: as it says itself, or else as the configuration does. Where it accepts by
/// itself there is nothing to wait for. For an order for later the time runs from when the restaurant opens next, and ends
/// with the slot at the latest.
async fn accept_by(
    tx: &mut Tx,
    restaurant: &Restaurant,
    placement: &Placement,
    rules: config::Orders,
) -> Result<Option<DateTime<Utc>>, Problem> {
    if restaurant.auto_accept {
        return Ok(None);
    }
    let own = restaurant.accept_minutes.map(|minutes| Duration::from_mins(minutes.unsigned_abs().into()));
    let within = own.unwrap_or(rules.accept_within);
    let usual = tx.now() + within;
    let Some(slot) = placement.offer.moment.scheduled else { return Ok(Some(usual)) };
    let asked = asked(restaurant, placement.wanted.fulfilment, &placement.offer);
    let opens = moment::opens_next(tx, asked, tx.now()).await?;
    Ok(Some(usual.max(opens.map_or(usual, |opens| opens + within).min(slot.ends_at))))
}

fn asked<'a>(restaurant: &'a Restaurant, fulfilment: super::Fulfilment, offer: &Offer) -> Asked<'a> {
    Asked { restaurant, fulfilment, lead_minutes: offer.terms.lead_minutes }
}

fn new_order(
    restaurant: &Restaurant,
    placement: &Placement,
    accept_by: Option<DateTime<Utc>>,
) -> Result<NewOrder, Problem> {
    let Placement { customer, wanted, offer, cart, quote } = placement;
    Ok(NewOrder {
        id: OrderId::new(),
        customer: *customer,
        cart: *cart,
        quote: *quote,
        fulfilment: wanted.fulfilment,
        currency: restaurant.currency,
        sums: offer.sums.clone(),
        coupon_code: offer.saving.as_ref().map(|saving| saving.code.clone()),
        address: wanted.address.clone(),
        place: wanted.place,
        delivery_zone: offer.terms.zone.clone(),
        lead_minutes: offer.terms.lead_minutes,
        table: wanted.table.clone(),
        note: wanted.note.clone(),
        scheduled: offer.moment.scheduled,
        slot: offer.due.map(|slot| slot.starts_at),
        accept_by,
        zone: restaurant.zone()?,
    })
}

/// Takes the slot, where the restaurant bounds how many orders are due in one.
async fn take_slot(
    tx: &mut Tx,
    scope: &RestaurantScope,
    restaurant: &Restaurant,
    order: &NewOrder,
    offer: &Offer,
) -> Result<(), Problem> {
    let (Some(slot), Some(capacity)) = (offer.due, restaurant.slots.capacity) else { return Ok(()) };
    if sql::slots::take(tx, scope, slot, capacity).await? {
        return Ok(());
    }
    Err(moment::full(tx, scope, asked(restaurant, order.fulfilment, offer), slot).await?)
}

/// What fell short between reading the cart and taking the stock.
fn out_of_stock(lines: &[StoredLine]) -> Problem {
    let counted: BTreeSet<_> = lines.iter().filter(|line| line.stock.is_some()).map(|line| line.item_id).collect();
    let counted: Vec<_> = counted
        .into_iter()
        .map(|item| serde_json::json!({ "itemId": item, "reason": cart::Obstacle::OutOfStock }))
        .collect();
    Problem::new(Code::OutOfStock, "Somebody was faster. Read the cart again and take fewer.").with("items", counted)
}

/// The restaurant accepts by itself: the same step as staff would take, by the system, in the same transaction.
async fn confirm_at_once(tx: &mut Tx, restaurant: &Restaurant, order: Order) -> Result<Order, Problem> {
    let scope = RestaurantScope::system("the restaurant accepts orders by itself", restaurant.id);
    let wish = super::status::Wish {
        to: OrderStatus::Confirmed,
        reason: None,
        preparation: TimeDelta::minutes(restaurant.preparation_minutes.into()),
    };
    let change = order
        .advance(wish, scope.actor(), tx.now())
        .map_err(|refusal| Problem::internal(&format!("{refusal:?} on a new order")))?;
    sql::save_status(tx, &scope, &order, change).await
}
