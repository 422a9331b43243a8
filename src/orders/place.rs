//! Placing an order from a cart: the truth is looked at again, inside the transaction that creates the order.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;

use super::pricing::{self, Charges};
use super::sql::{self, NewOrder, Placed};
use super::{Fulfilment, Order, OrderStatus};
use crate::cart::sql::WantedLine;
use crate::cart::{self, CartStatus, StoredLine};
use crate::config;
use crate::events::{self, Event};
use crate::ids::{CartId, OrderId, UserId};
use crate::menu;
use crate::money::{Amount, Money};
use crate::place::Place;
use crate::problem::{Code, FieldError, Problem};
use crate::restaurants::zones::{self, NotDelivered};
use crate::restaurants::{self, Restaurant};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// What a customer asks for when placing.
#[derive(Debug, Clone)]
pub struct Request {
    /// What.
    pub basket: Basket,
    /// How it reaches them.
    pub fulfilment: Fulfilment,
    /// Where to, for a delivery.
    pub address: Option<String>,
    /// Where that is.
    pub place: Option<Place>,
    /// Which table, for dine-in.
    pub table: Option<String>,
    /// A wish.
    pub note: Option<String>,
    /// For the people.
    pub tip: Option<Money>,
    /// What they were shown; if it costs something else by now, nothing is ordered.
    pub expected_total: Option<Money>,
}

/// What an order is placed from.
#[derive(Debug, Clone)]
pub enum Basket {
    /// One of the customer's carts, which it closes.
    Cart(CartId),
    /// Lines, as a phone kept them while it was offline.
    Lines(Vec<WantedLine>),
}

impl Basket {
    const fn cart(&self) -> Option<CartId> {
        match self {
            Self::Cart(cart) => Some(*cart),
            Self::Lines(_) => None,
        }
    }
}

impl Request {
    /// What single fields cannot know: a delivery needs a door, dine-in a table.
    ///
    /// # Errors
    /// Every field that is missing or out of place.
    pub fn check(&self) -> Result<(), Problem> {
        let mut faults = Vec::new();
        let mut demand = |pointer: &str, present: bool, wanted: bool, kind: &str| {
            if present != wanted {
                let fault = if wanted { "is required for" } else { "has no place in" };
                faults.push(FieldError::invalid(pointer, format!("{fault} {kind}")));
            }
        };
        let kind = match self.fulfilment {
            Fulfilment::Delivery => "a delivery",
            Fulfilment::Pickup => "a pickup",
            Fulfilment::DineIn => "dine-in",
        };
        let (to_door, to_table) = (self.fulfilment == Fulfilment::Delivery, self.fulfilment == Fulfilment::DineIn);
        demand("/address", self.address.is_some(), to_door, kind);
        demand("/place", self.place.is_some(), to_door, kind);
        demand("/table", self.table.is_some(), to_table, kind);
        if faults.is_empty() { Ok(()) } else { Err(Problem::invalid(faults)) }
    }
}

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
    require_open(&restaurant, wanted.fulfilment)?;
    let lines = match &wanted.basket {
        Basket::Cart(cart) => lines_of_open_cart(tx, scope, customer, *cart).await?,
        Basket::Lines(lines) => orderable(cart::sql::priced(tx, scope, lines).await?)?,
    };
    let terms = terms_of(tx, scope, &restaurant, &lines, &wanted).await?;
    let accept_by = accept_by(&restaurant, rules, tx.now());
    let order = NewOrder { accept_by, ..compose(&restaurant, customer, &lines, terms, wanted)? };
    let id = order.id;
    let sold_out = match sql::insert(tx, scope, &order, &lines).await? {
        Placed::Numbered { sold_out, .. } => sold_out,
        Placed::OutOfStock => return Err(out_of_stock(&lines)),
    };
    let placed = sql::get(tx, scope, id).await?.ok_or_else(Problem::not_found)?;
    events::publish(tx, scope, Event::OrderPlaced(&placed)).await?;
    if sold_out {
        menu::sql::announce(tx, scope).await?;
    }
    if restaurant.auto_accept { confirm_at_once(tx, &restaurant, placed).await } else { Ok(placed) }
}

/// Until when the restaurant has to answer: as it says itself, or else as the configuration does. Where it accepts by
/// itself there is nothing to wait for.
fn accept_by(restaurant: &Restaurant, rules: config::Orders, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let own = restaurant.accept_minutes.map(|minutes| Duration::from_mins(minutes.unsigned_abs().into()));
    (!restaurant.auto_accept).then(|| now + own.unwrap_or(rules.accept_within))
}

/// Refuses while the restaurant takes no orders of this kind, and says until when where that is known.
fn require_open(restaurant: &Restaurant, fulfilment: Fulfilment) -> Result<(), Problem> {
    if restaurant.open_for.contains(fulfilment) {
        return Ok(());
    }
    if let Some(pause) = &restaurant.pause {
        let detail = format!("It takes no orders until {}: {}", wire_time(pause.until), pause.reason);
        return Err(Problem::new(Code::RestaurantPaused, detail)
            .with("pausedUntil", pause.until)
            .with("reason", &pause.reason));
    }
    let detail = if !restaurant.accepting {
        "It takes no orders for the moment. Try again later."
    } else if restaurant.open_now {
        "It is open, but not for this fulfilment; see openFor."
    } else {
        "It is outside its opening hours; see hours of the restaurant."
    };
    Err(Problem::new(Code::RestaurantClosed, detail)
        .with("hours", &restaurant.hours)
        .with("openFor", restaurant.open_for))
}

/// As instants go over the wire.
fn wire_time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// What holds for the door, for a delivery; for a pickup and at a table the restaurant's usual terms without a fee.
async fn terms_of(
    tx: &mut Tx,
    scope: &RestaurantScope,
    restaurant: &Restaurant,
    lines: &[StoredLine],
    wanted: &Request,
) -> Result<zones::Terms, Problem> {
    let minimum_order = restaurant.minimum_order.amount;
    let Some(door) = wanted.place.filter(|_| wanted.fulfilment == Fulfilment::Delivery) else {
        return Ok(zones::Terms { zone: None, fee: Amount::ZERO, minimum_order, lead_minutes: 0 });
    };
    let usual = zones::Usual { place: restaurant.place, delivery_fee: restaurant.delivery_fee.amount, minimum_order };
    let totals = lines.iter().map(StoredLine::total).collect::<Result<Vec<_>, _>>()?;
    let near = restaurants::sql::zones::around(tx, scope, door).await?;
    zones::terms(near.as_deref(), usual, door, Amount::sum(totals)?).map_err(|refusal| match refusal {
        NotDelivered::OutsideEveryZone => {
            let detail =
                "The address lies in none of the restaurant's delivery zones. Choose pickup, or another address.";
            Problem::new(Code::OutsideDeliveryZone, detail).with("place", door)
        }
        NotDelivered::Overflow(overflow) => overflow.into(),
    })
}

/// The lines, if the cart is the customer's, open, and all of it can be ordered.
async fn lines_of_open_cart(
    tx: &mut Tx,
    scope: &RestaurantScope,
    customer: UserId,
    id: CartId,
) -> Result<Vec<StoredLine>, Problem> {
    let cart = cart::sql::lock(tx, scope, id, customer).await?.ok_or_else(Problem::not_found)?;
    if cart.status == CartStatus::Ordered {
        let detail = "Put something into a new cart, or read the order that this one became.";
        return Err(Problem::new(Code::CartClosed, detail).with("orderId", cart.order_id));
    }
    orderable(cart::sql::lines(tx, scope, id).await?)
}

/// The lines, if there are any and all of them can be ordered.
fn orderable(lines: Vec<StoredLine>) -> Result<Vec<StoredLine>, Problem> {
    if lines.is_empty() {
        return Err(Problem::new(Code::CartEmpty, "Put something into the cart first."));
    }
    let blocked: Vec<_> = lines
        .iter()
        .filter_map(|line| Some(serde_json::json!({ "itemId": line.item_id, "reason": line.obstacle? })))
        .collect();
    if blocked.is_empty() {
        return Ok(lines);
    }
    let only_stock = lines.iter().filter_map(|line| line.obstacle).all(|why| why == cart::Obstacle::OutOfStock);
    let code = if only_stock { Code::OutOfStock } else { Code::ItemUnavailable };
    Err(Problem::new(code, "Take the named items out of the cart, or fewer of them.").with("items", blocked))
}

fn compose(
    restaurant: &Restaurant,
    customer: UserId,
    lines: &[StoredLine],
    delivery: zones::Terms,
    wanted: Request,
) -> Result<NewOrder, Problem> {
    if wanted.tip.is_some_and(|tip| tip.currency != restaurant.currency) {
        let message = format!("must be {}, the restaurant's currency", restaurant.currency);
        return Err(Problem::invalid_field("/tip/currency", message));
    }
    let portions = lines.iter().map(StoredLine::portions).collect::<Result<Vec<_>, _>>()?;
    let tip = wanted.tip.map_or(Amount::ZERO, |tip| tip.amount);
    let charges = Charges { delivery_fee: delivery.fee, tip, ..Charges::default() };
    let sums = pricing::sums(&portions, &restaurant.tax_rules(), wanted.fulfilment, charges)?;
    let total = sums.total.of(restaurant.currency);
    if let Some(expected) = wanted.expected_total.filter(|expected| *expected != total) {
        let detail = "Show the customer the new total, and ask again.";
        return Err(Problem::new(Code::PriceChanged, detail).with("total", total).with("expectedTotal", expected));
    }
    if sums.items < delivery.minimum_order {
        let detail = "Add something to the cart.";
        return Err(Problem::new(Code::BelowMinimum, detail)
            .with("minimumOrder", delivery.minimum_order.of(restaurant.currency))
            .with("itemsTotal", sums.items.of(restaurant.currency)));
    }
    let zone: Tz = restaurant.timezone.parse().map_err(|error| Problem::internal(&error))?;
    Ok(NewOrder {
        id: OrderId::new(),
        customer,
        cart: wanted.basket.cart(),
        fulfilment: wanted.fulfilment,
        currency: restaurant.currency,
        sums,
        address: wanted.address,
        place: wanted.place,
        delivery_zone: delivery.zone,
        lead_minutes: delivery.lead_minutes,
        table: wanted.table,
        note: wanted.note,
        accept_by: None,
        zone,
    })
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
