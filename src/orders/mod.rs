//! Orders: placed from a cart, from a quote or from lines, walked through the kitchen, closed at the door or at the counter.
//!
//! An order is a snapshot of names, prices and taxes; afterwards only its status, its times and its version change, and only
//! along the table in `status.rs`. Every change is one transaction with its event. Nothing here knows of sockets,
//! messages or drivers: they read the event log.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::cart::{LineModifier, StoredLine};
use crate::coupons::CouponCode;
use crate::fulfilment::Fulfilment;
use crate::ids::{CartId, ItemId, ModifierId, OrderId, QuoteId, RestaurantId, UserId};
use crate::menu::allergens::Effective;
use crate::money::{self, Currency, Money, Overflow};
use crate::place::Place;
use crate::restaurants::slots::Slot;
use crate::restaurants::tax::Rate;

pub mod access;
pub mod actions;
pub mod availability;
pub mod context;
pub mod disclosure;
pub mod event;
pub mod facts;
pub mod http;
pub mod limits;
pub mod list;
pub mod priced_order;
pub mod pricing;
pub mod promise;
pub mod quotes;
pub mod request;
pub mod sql;
pub mod status;

pub use status::OrderStatus;

use pricing::{Sums, TaxShare};

/// A modifier as it was sold.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OrderLineModifier)]
pub struct SoldModifier {
    /// Which.
    pub modifier_id: ModifierId,
    /// Its name then.
    pub name: String,
    /// What one added then.
    #[serde(deserialize_with = "money::kept")]
    pub price: Money,
    /// How many on each portion, or on each of the modifier above.
    pub quantity: u8,
    /// What was chosen on it.
    #[schema(no_recursion)]
    pub modifiers: Vec<Self>,
}

/// One line as it was sold.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderLine {
    /// Its number in the order, from 1.
    pub line: i16,
    /// What was sold.
    pub item_id: ItemId,
    /// Its name then.
    pub name: String,
    /// How many.
    pub quantity: i32,
    /// What was chosen, with names and prices of then.
    pub modifiers: Vec<SoldModifier>,
    /// What one cost then, its modifiers included.
    pub unit_price: Money,
    /// What the line cost.
    pub total: Money,
    /// Its tax by rate, after its part of the discount.
    pub taxes: Vec<TaxAt>,
    /// What was in it as it was put together.
    pub allergens: Effective,
    /// A wish of the customer's.
    pub note: Option<String>,
}

impl From<LineModifier> for SoldModifier {
    fn from(modifier: LineModifier) -> Self {
        Self {
            modifier_id: modifier.modifier_id,
            name: modifier.name,
            price: modifier.price,
            quantity: modifier.quantity,
            modifiers: modifier.modifiers.into_iter().map(Into::into).collect(),
        }
    }
}

impl SoldModifier {
    fn size(&self) -> usize {
        150 + self.name.len() + self.modifiers.iter().map(Self::size).sum::<usize>()
    }
}

impl OrderLine {
    /// About how many bytes the line takes in an answer: what is written of every line and of every modifier, the texts,
    /// and the names of allergens and diets. Pages of orders are bounded by it.
    fn size(&self) -> usize {
        let names = self.allergens.contains.len() + self.allergens.may_contain.len() + self.allergens.diets.len();
        let modifiers: usize = self.modifiers.iter().map(SoldModifier::size).sum();
        250 + self.name.len() + self.note.as_ref().map_or(0, String::len) + 16 * names + modifiers
    }

    /// The size of several, as it is kept with their order.
    pub(crate) fn size_of(lines: &[Self]) -> i32 {
        i32::try_from(lines.iter().map(Self::size).sum::<usize>()).unwrap_or(i32::MAX)
    }

    /// Lines that were priced, with their taxes, as they are sold.
    ///
    /// # Errors
    /// When the sum of a line leaves the range of 64 bits.
    pub fn all(lines: &[StoredLine], sums: &Sums, currency: Currency) -> Result<Vec<Self>, Overflow> {
        let sold = |(line, (stored, taxes)): (i16, (&StoredLine, &Vec<TaxShare>))| {
            Ok(Self {
                line,
                item_id: stored.item_id,
                name: stored.name.clone(),
                quantity: stored.quantity,
                modifiers: stored.modifiers(currency).into_iter().map(Into::into).collect(),
                unit_price: stored.price.of(currency),
                total: stored.total()?.of(currency),
                taxes: TaxAt::all(taxes, currency),
                allergens: stored.allergens.clone(),
                note: stored.note.clone(),
            })
        };
        (1..).zip(lines.iter().zip(&sums.lines)).map(sold).collect()
    }
}

/// What was taxed at one rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TaxAmount)]
pub struct TaxAt {
    /// The rate, in hundredths of a percent.
    #[schema(inline)]
    pub basis_points: Rate,
    /// What was taxed, without the tax.
    #[serde(deserialize_with = "money::kept")]
    pub net: Money,
    /// The tax.
    #[serde(deserialize_with = "money::kept")]
    pub tax: Money,
}

/// What the order costs: `total = items + tax + deliveryFee + serviceFee + tip − discount`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// The sum of the lines.
    pub items: Money,
    /// Tax that is added; zero where prices hold it.
    pub tax: Money,
    /// Tax that prices and fees hold; zero where it is added.
    pub included_tax: Money,
    /// Either of them by rate, of lines and fees.
    pub taxes: Vec<TaxAt>,
    /// For bringing it.
    pub delivery_fee: Money,
    /// For the service.
    pub service_fee: Money,
    /// For the people.
    pub tip: Money,
    /// Taken off.
    pub discount: Money,
    /// What is paid.
    pub total: Money,
}

impl Totals {
    /// Sums in a currency.
    pub fn of(sums: &Sums, currency: Currency) -> Self {
        Self {
            items: sums.items.of(currency),
            tax: sums.tax.of(currency),
            included_tax: sums.included_tax.of(currency),
            taxes: TaxAt::all(&sums.taxes, currency),
            delivery_fee: sums.delivery_fee.of(currency),
            service_fee: sums.service_fee.of(currency),
            tip: sums.tip.of(currency),
            discount: sums.discount.of(currency),
            total: sums.total.of(currency),
        }
    }
}

impl TaxAt {
    /// Shares in a currency.
    pub fn all(shares: &[TaxShare], currency: Currency) -> Vec<Self> {
        let one = |share: &TaxShare| Self {
            basis_points: share.rate,
            net: share.net.of(currency),
            tax: share.tax.of(currency),
        };
        shares.iter().map(one).collect()
    }
}

/// An order, as everybody sees it who may.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// The number people call out; it begins at 1 each local day.
    #[schema(example = 42)]
    pub number: i32,
    /// Where it was placed.
    pub restaurant_id: RestaurantId,
    /// Who placed it.
    pub customer_id: UserId,
    /// The cart it was placed from.
    pub cart_id: Option<CartId>,
    /// The quote it was placed from.
    pub quote_id: Option<QuoteId>,
    /// How it reaches the guest.
    pub fulfilment: Fulfilment,
    /// How far it has come.
    pub status: OrderStatus,
    /// Grows by one with each change.
    pub version: i64,
    /// ISO 4217.
    #[schema(value_type = String, example = "EUR")]
    pub currency: Currency,
    /// What was bought.
    pub items: Vec<OrderLine>,
    /// What it costs.
    pub totals: Totals,
    /// The coupon that was used.
    #[schema(value_type = Option<String>, example = "WELCOME10")]
    pub coupon_code: Option<CouponCode>,
    /// Where to, for a delivery.
    pub address: Option<String>,
    /// Where that is.
    pub place: Option<Place>,
    /// The restaurant's delivery zone that the place lay in.
    pub delivery_zone: Option<String>,
    /// From ready to the door, in minutes, as the zone says; 0 without one.
    pub lead_minutes: i16,
    /// Which table, for dine-in.
    pub table: Option<String>,
    /// A wish of the customer's.
    pub note: Option<String>,
    /// For when it was ordered: at the counter, at the table or at the door within this slot. Null: as soon as can be.
    pub scheduled_for: Option<Slot>,
    /// The slot of the kitchen's that it takes, where the restaurant bounds how many; not shown.
    #[serde(skip)]
    pub slot: Option<DateTime<Utc>>,
    /// Until when the restaurant has to answer; then the system cancels. Null where it accepts by itself.
    pub accept_by: Option<DateTime<Utc>>,
    /// Until when the customer may cancel by themselves; null: not any more. While PENDING that is `acceptBy`; the
    /// restaurant's confirmation, and each later promise it makes before it begins to cook, leaves two minutes.
    pub cancellable_until: Option<DateTime<Utc>>,
    /// When it is to be ready. Never before the restaurant has opened and prepared it, nor after it hands over its last.
    pub promised_at: Option<DateTime<Utc>>,
    /// Not ready before; null: as soon as it can be. Not shown.
    #[serde(skip)]
    pub ready_from: Option<DateTime<Utc>>,
    /// Not promised for later than that by a confirmation; null: no bound. Not shown.
    #[serde(skip)]
    pub ready_until: Option<DateTime<Utc>>,
    /// Why it was cancelled.
    pub cancel_reason: Option<String>,
    /// When it was placed.
    pub placed_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it came to its end.
    pub closed_at: Option<DateTime<Utc>>,
}
