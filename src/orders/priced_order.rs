//! What somebody would get and pay: the one way from a basket to a price, for quotes and for orders.
//!
//! The truth is looked at here each time: open, orderable, delivered there, enough in the basket, a slot, a coupon that
//! holds. What a quote promised (`promised`) is taken for its prices and never for the truth.

use crate::orders::Totals;
use crate::orders::availability::{self, Asked, Moment};
use crate::orders::pricing::{self, Charges, Sums};
use crate::orders::quotes::Content;
use crate::orders::request::{Basket, Request};
use crate::cart::sql::CartRow;
use crate::cart::{self, CartStatus, Obstacle, StoredLine, shortage};
use crate::config;
use crate::coupons;
use crate::coupons::rules::{Purchase, Saving};
use crate::fulfilment::Fulfilment;
use crate::ids::UserId;
use crate::money::{Amount, Rounding};
use crate::place::Place;
use crate::problem::{Code, FieldError, Problem};
use crate::restaurants::service_fee::ServiceFee;
use crate::restaurants::slots::Slot;
use crate::restaurants::tax::TaxRules;
use crate::restaurants::zones::{self, NotDelivered, Zone};
use crate::restaurants::{self, Restaurant};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// What somebody would get and pay.
pub struct Offer {
    /// The lines, with their prices.
    pub lines: Vec<StoredLine>,
    /// At which rates they are taxed.
    pub tax: TaxRules,
    /// What is added and taken off.
    pub charges: Charges,
    /// What it comes to.
    pub sums: Sums,
    /// The zone of the door, and the way there.
    pub terms: zones::Terms,
    /// What a coupon saves.
    pub saving: Option<Saving>,
    /// For when it is.
    pub moment: Moment,
    /// The slot whose capacity it takes.
    pub due: Option<Slot>,
}

impl Offer {
    /// What it comes to, as it goes over the wire.
    pub fn totals(&self, restaurant: &Restaurant) -> Totals {
        Totals::of(&self.sums, restaurant.currency)
    }
}

/// What the request would get and pay now.
///
/// # Errors
/// Each reason why it cannot be had has its code, and names the nearest alternative where there is one.
pub async fn make(
    tx: &mut Tx,
    scope: &RestaurantScope,
    door: &Doorstep,
    customer: UserId,
    basket: &Basket,
    wanted: &Request,
    promised: Option<&Content>,
) -> Result<Offer, Problem> {
    let restaurant = &door.restaurant;
    let asked = Asked { restaurant, fulfilment: wanted.fulfilment, lead_minutes: door.lead_minutes() };
    let moment = availability::taken(tx, scope, asked, wanted.scheduled_for).await?;
    let lines = match basket {
        Basket::Lines(lines) | Basket::Quoted(lines) => cart::sql::priced(tx, scope, lines, moment.at).await?,
        Basket::Cart(cart) => {
            cart::sql::lines(tx, scope, cart.id, moment.at, cart::sql::KnownGroups::default()).await?
        }
    };
    let lines = match promised {
        Some(promised) => promised.held_against(&lines),
        None => lines,
    };
    if !matches!(basket, Basket::Quoted(_)) {
        fitting(&lines)?;
    }
    let lines = orderable(lines)?;
    let items = Amount::sum(lines.iter().map(StoredLine::total).collect::<Result<Vec<_>, _>>()?)?;
    let terms = door.terms(items)?;
    let buyer = Buyer { customer, wanted, promised: promised.and_then(|promised| promised.saving.as_ref()) };
    let saving = buyer.saving(tx, scope, restaurant.tax_rounding, items, &terms).await?;
    let tax = promised.map_or_else(|| restaurant.tax_rules(), |promised| promised.tax.clone());
    let charges = match promised {
        Some(promised) => promised.charges,
        None => charges(restaurant, wanted, items, &terms, saving.as_ref())?,
    };
    let portions = lines.iter().map(StoredLine::portions).collect::<Result<Vec<_>, _>>()?;
    let sums = pricing::sums(&portions, &tax, wanted.fulfilment, charges)?;
    as_expected(restaurant, wanted, &sums, &terms)?;
    let due = availability::due(tx, scope, asked, moment).await?;
    Ok(Offer { lines, tax, charges, sums, terms, saving, moment, due })
}

/// The restaurant, and the door a delivery goes to.
pub struct Doorstep {
    /// The restaurant.
    pub restaurant: Restaurant,
    /// Which of its zones may have the door.
    zones: Option<Vec<Zone>>,
    place: Option<Place>,
    /// How far it delivers without zones, in metres.
    max_distance: f64,
}

impl Doorstep {
    /// Where the request leads to.
    ///
    /// # Errors
    /// 404 when there is no such restaurant.
    pub async fn of(
        tx: &mut Tx,
        scope: &RestaurantScope,
        wanted: &Request,
        rules: config::Orders,
    ) -> Result<Self, Problem> {
        Self::at(tx, scope, wanted.place.filter(|_| wanted.fulfilment == Fulfilment::Delivery), rules).await
    }

    /// The door of a delivery to a place, or else the restaurant's own.
    ///
    /// # Errors
    /// 404 when there is no such restaurant.
    pub async fn at(
        tx: &mut Tx,
        scope: &RestaurantScope,
        place: Option<Place>,
        rules: config::Orders,
    ) -> Result<Self, Problem> {
        let found = restaurants::sql::with_zones(tx, scope.restaurant(), place).await?;
        let (restaurant, zones) = found.ok_or_else(Problem::not_found)?;
        Ok(Self { restaurant, zones, place, max_distance: rules.max_distance })
    }

    fn usual(&self) -> zones::Usual {
        let Restaurant { place, delivery_fee, minimum_order, tax_rounding, .. } = &self.restaurant;
        zones::Usual {
            place: *place,
            delivery_fee: delivery_fee.amount,
            minimum_order: minimum_order.amount,
            rounding: *tax_rounding,
            max_distance: self.max_distance,
        }
    }

    /// The way there; nothing where nobody goes.
    fn lead_minutes(&self) -> i16 {
        let terms =
            self.place.and_then(|door| zones::terms(self.zones.as_deref(), self.usual(), door, Amount::ZERO).ok());
        terms.map_or(0, |terms| terms.lead_minutes)
    }

    /// What holds for the door, for a delivery; for a pickup and at a table the restaurant's usual terms without a fee.
    ///
    /// # Errors
    /// `outside_delivery_zone`.
    pub fn terms(&self, items: Amount) -> Result<zones::Terms, Problem> {
        let usual = self.usual();
        let Some(door) = self.place else {
            let minimum_order = usual.minimum_order;
            return Ok(zones::Terms { zone: None, fee: Amount::ZERO, minimum_order, lead_minutes: 0 });
        };
        let outside = |detail: String| {
            let open_for = self.restaurant.open_for;
            let others = open_for.iter().filter(|one| *one != Fulfilment::Delivery);
            Problem::new(Code::OutsideDeliveryZone, detail)
                .with("place", door)
                .with("openFor", others.collect::<Vec<_>>())
        };
        zones::terms(self.zones.as_deref(), usual, door, items).map_err(|refusal| match refusal {
            NotDelivered::OutsideEveryZone => outside(
                "The address lies in none of the restaurant's delivery zones. Choose one of openFor, or another address."
                    .to_owned(),
            ),
            NotDelivered::TooFar(most) => outside(format!(
                "The address is farther than the {:.0} km that the restaurant delivers. Choose one of openFor, or another address.",
                most / 1_000.0
            ))
            .with("maxDistance", most),
            NotDelivered::Overflow(overflow) => overflow.into(),
        })
    }
}

/// A cart that is locked, if no order was placed from it yet.
///
/// # Errors
/// 404 when there is none, `cart_closed` with the order.
pub fn open(cart: Option<CartRow>) -> Result<CartRow, Problem> {
    let cart = cart.ok_or_else(Problem::not_found)?;
    if cart.status == CartStatus::Ordered {
        let detail = "Add items to a new cart, or get the order that this cart became.";
        return Err(Problem::new(Code::CartClosed, detail).with("orderId", cart.order_id));
    }
    Ok(cart)
}

/// Refuses choices that do not fit the menu, of lines and of a cart alike: the same answer as a write of the cart.
fn fitting(lines: &[StoredLine]) -> Result<(), Problem> {
    let faults = outdated(lines);
    if faults.is_empty() {
        return Ok(());
    }
    let blocked: Vec<_> = lines.iter().filter_map(blocked).collect();
    Err(Problem::invalid(faults).with("items", blocked))
}

/// How the choices of lines do not fit the menu, by line and group.
fn outdated(lines: &[StoredLine]) -> Vec<FieldError> {
    let lines = lines.iter().enumerate().filter(|(_, line)| line.obstacle == Some(Obstacle::ChoicesChanged));
    lines.flat_map(|(index, line)| line.misfits.iter().map(move |one| one.fault(&format!("/lines/{index}")))).collect()
}

/// The lines, if there are any and all of them can be ordered.
fn orderable(lines: Vec<StoredLine>) -> Result<Vec<StoredLine>, Problem> {
    if lines.is_empty() {
        return Err(Problem::new(Code::CartEmpty, "Add items to the cart first."));
    }
    unavailable(&lines).map_or(Ok(lines), Err)
}

/// Why lines cannot be ordered, if they cannot: each is named, with what is short and how many are left, and with the
/// groups that their choices do not fit any more.
pub fn unavailable(lines: &[StoredLine]) -> Option<Problem> {
    let blocked: Vec<_> = lines.iter().filter_map(blocked).collect();
    if blocked.is_empty() {
        return None;
    }
    let short = shortage::shortages(lines);
    let only_stock = lines.iter().filter_map(|line| line.obstacle).all(|why| why == Obstacle::OutOfStock);
    let (code, detail) = if only_stock {
        (Code::OutOfStock, shortage::advice(&short))
    } else {
        (Code::ItemUnavailable, "Take the named items out of the cart, or change what was chosen on them.".to_owned())
    };
    let mut errors = shortage::errors(&short);
    errors.extend(outdated(lines));
    Some(Problem::new(code, detail).with_errors(errors).with("items", blocked).with("shortages", short))
}

/// What stands in the way of a line, and until when where that is known.
fn blocked(line: &StoredLine) -> Option<serde_json::Value> {
    let mut blocked = serde_json::json!({ "itemId": line.item_id, "reason": line.obstacle? });
    if let Some(from) = line.available_from {
        blocked["availableFrom"] = serde_json::json!(from);
    }
    Some(blocked)
}

/// Who wants what, and which saving a quote promised.
struct Buyer<'a> {
    customer: UserId,
    wanted: &'a Request,
    promised: Option<&'a Saving>,
}

impl Buyer<'_> {
    /// What the coupon saves, if there is one, it holds, and it saves anything. What was promised holds, though the
    /// delivery has become free since.
    async fn saving(
        &self,
        tx: &mut Tx,
        scope: &RestaurantScope,
        rounding: Rounding,
        items: Amount,
        terms: &zones::Terms,
    ) -> Result<Option<Saving>, Problem> {
        let Some(code) = &self.wanted.coupon else { return Ok(None) };
        let offered = coupons::sql::by_code(tx, scope, self.customer, code).await?;
        let offered = offered.ok_or_else(|| coupons::rules::unknown(code))?;
        let delivery_fee = (self.wanted.fulfilment == Fulfilment::Delivery).then_some(terms.fee);
        let purchase = Purchase { items, delivery_fee, at: tx.now(), rounding };
        if let Some(refusal) = offered.refusal(purchase) {
            return Err(offered.problem(refusal));
        }
        let saving = match self.promised {
            Some(promised) => promised.clone(),
            None => offered.saving(purchase)?,
        };
        saving.refusal().map_or(Ok(Some(saving)), |refusal| Err(offered.problem(refusal)))
    }
}

/// What is added to the lines and taken off them today.
fn charges(
    restaurant: &Restaurant,
    wanted: &Request,
    items: Amount,
    terms: &zones::Terms,
    saving: Option<&Saving>,
) -> Result<Charges, Problem> {
    if wanted.tip.is_some_and(|tip| tip.currency != restaurant.currency) {
        let message = format!("must be {}, the restaurant's currency", restaurant.currency);
        return Err(Problem::invalid_field("/tip/currency", message));
    }
    let off = |part: fn(&Saving) -> Amount| saving.map_or(Amount::ZERO, part);
    Ok(Charges {
        delivery_fee: terms.fee.minus(off(Saving::off_delivery))?,
        service_fee: ServiceFee::from(restaurant.service_fee).on(items, restaurant.tax_rounding)?,
        tip: wanted.tip.map_or(Amount::ZERO, |tip| tip.amount),
        discount: off(Saving::off_lines),
    })
}

/// Refuses what costs something else than the customer was shown, and what is too little.
fn as_expected(restaurant: &Restaurant, wanted: &Request, sums: &Sums, terms: &zones::Terms) -> Result<(), Problem> {
    let of = |amount: Amount| amount.of(restaurant.currency);
    let total = of(sums.total);
    if let Some(expected) = wanted.expected_total.filter(|expected| *expected != total) {
        let detail = "Show the customer the new total, and place the order again with it.";
        return Err(Problem::new(Code::PriceChanged, detail).with("total", total).with("expectedTotal", expected));
    }
    if sums.items < terms.minimum_order {
        let detail = "Add items to the cart: `missing` is the amount that is missing.";
        return Err(Problem::new(Code::BelowMinimum, detail)
            .with("minimumOrder", of(terms.minimum_order))
            .with("itemsTotal", of(sums.items))
            .with("missing", of(terms.minimum_order.minus(sums.items)?)));
    }
    Ok(())
}
