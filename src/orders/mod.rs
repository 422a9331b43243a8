//! Orders: placed from a cart, from a quote or from lines; then their status changes by a table of transitions.
//!
//! An order is a snapshot of names, prices and taxes; afterwards only its status, its times and its version change, and
//! only along the table in `status.rs`. Every change is one transaction with its event. This feature does not depend on
//! sockets or deliveries: sockets read the event log, and deliveries follow events in the same transaction
//! (`publish.rs`).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::cart::{LineModifier, PricedLine};
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
pub mod facts_cache;
pub mod former_driver;
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

/// A modifier of a line, as it was sold.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OrderLineModifier)]
pub struct SoldModifier {
    /// The id of the modifier.
    pub modifier_id: ModifierId,
    /// The name of the modifier when it was ordered.
    pub name: String,
    /// What one added to the price.
    #[serde(deserialize_with = "money::stored")]
    pub price: Money,
    /// The quantity for each one of the item, or of the parent modifier.
    pub quantity: u8,
    /// Modifiers chosen in nested groups.
    #[schema(no_recursion)]
    pub modifiers: Vec<Self>,
}

/// One line of an order, as it was sold.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderLine {
    /// The number of the line in the order, from 1.
    pub line: i16,
    /// The id of the menu item.
    pub item_id: ItemId,
    /// The name of the item when it was ordered.
    pub name: String,
    /// The number of portions.
    pub quantity: i32,
    /// The chosen modifiers, with the names and prices of the time of the order.
    pub modifiers: Vec<SoldModifier>,
    /// The price of one, modifiers included.
    pub unit_price: Money,
    /// The price of the line.
    pub total: Money,
    /// The tax of the line by rate, after its share of the discount.
    pub taxes: Vec<TaxAt>,
    /// Allergens of the item with the chosen modifiers, as declared when it was ordered.
    pub allergens: Effective,
    /// The customer's note for this line.
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
    /// The approximate size of the line in a response, in bytes: fixed parts of the line and of each modifier, texts,
    /// allergens and diets. It limits pages of orders.
    fn size(&self) -> usize {
        let names = self.allergens.contains.len() + self.allergens.may_contain.len() + self.allergens.diets.len();
        let modifiers: usize = self.modifiers.iter().map(SoldModifier::size).sum();
        250 + self.name.len() + self.note.as_ref().map_or(0, String::len) + 16 * names + modifiers
    }

    /// The size of several lines, which is stored with their order.
    pub(crate) fn size_of(lines: &[Self]) -> i32 {
        i32::try_from(lines.iter().map(Self::size).sum::<usize>()).unwrap_or(i32::MAX)
    }

    /// The lines of an order from priced lines and their taxes.
    ///
    /// # Errors
    /// When the sum of a line leaves the range of 64 bits.
    pub fn all(lines: &[PricedLine], sums: &Sums, currency: Currency) -> Result<Vec<Self>, Overflow> {
        let sold = |(line, (stored, taxes)): (i16, (&PricedLine, &Vec<TaxShare>))| {
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

/// The tax at one rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TaxAmount)]
pub struct TaxAt {
    /// The tax rate, in hundredths of a percent.
    #[schema(inline)]
    pub basis_points: Rate,
    /// The amount that is taxed, without the tax.
    #[serde(deserialize_with = "money::stored")]
    pub net: Money,
    /// The tax at this rate.
    #[serde(deserialize_with = "money::stored")]
    pub tax: Money,
}

/// The amounts of an order: `total = items + tax + deliveryFee + serviceFee + tip − discount`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// The sum of the lines, before any discount.
    pub items: Money,
    /// Tax that is added; 0 if prices include tax.
    pub tax: Money,
    /// Tax that is included in prices and fees; 0 if tax is added.
    pub included_tax: Money,
    /// The tax of lines and fees by rate, whether included or added.
    pub taxes: Vec<TaxAt>,
    /// The delivery fee.
    pub delivery_fee: Money,
    /// The service fee.
    pub service_fee: Money,
    /// The customer's tip.
    pub tip: Money,
    /// The discount on the lines.
    pub discount: Money,
    /// The amount to pay.
    pub total: Money,
}

impl Totals {
    /// The amounts of these sums in a currency.
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
    /// Tax by rate in a currency.
    pub fn all(shares: &[TaxShare], currency: Currency) -> Vec<Self> {
        let one = |share: &TaxShare| Self {
            basis_points: share.rate,
            net: share.net.of(currency),
            tax: share.tax.of(currency),
        };
        shares.iter().map(one).collect()
    }
}

/// An order and its status.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// The id of the order.
    pub id: OrderId,
    /// The order number for people; it starts at 1 on each local day.
    #[schema(example = 42)]
    pub number: i32,
    /// The id of the restaurant.
    pub restaurant_id: RestaurantId,
    /// The id of the customer.
    pub customer_id: UserId,
    /// The cart it was placed from; null: from a quote or from lines.
    pub cart_id: Option<CartId>,
    /// The quote it was placed from; null: from a cart or from lines.
    pub quote_id: Option<QuoteId>,
    /// The kind of fulfilment.
    pub fulfilment: Fulfilment,
    /// The status of the order.
    pub status: OrderStatus,
    /// Increases by one with each change.
    pub version: i64,
    /// An ISO 4217 code.
    #[schema(value_type = String, example = "EUR")]
    pub currency: Currency,
    /// The lines of the order.
    pub items: Vec<OrderLine>,
    /// The amounts of the order.
    pub totals: Totals,
    /// The code of the coupon that was used.
    #[schema(value_type = Option<String>, example = "WELCOME10")]
    pub coupon_code: Option<CouponCode>,
    /// The delivery address, for a delivery.
    pub address: Option<String>,
    /// The coordinates of the delivery address; null for pickup and dine-in.
    pub place: Option<Place>,
    /// The delivery zone of the address.
    pub delivery_zone: Option<String>,
    /// Travel time in minutes, from ready to the address, by the delivery zone; 0 without a zone.
    pub lead_minutes: i16,
    /// The table, for dine-in.
    pub table: Option<String>,
    /// The customer's note.
    pub note: Option<String>,
    /// The slot in which the customer wants to have it; null: as soon as possible.
    pub scheduled_for: Option<Slot>,
    /// The beginning of the slot whose capacity it takes, if the restaurant limits slots; not in responses.
    #[serde(skip)]
    pub slot: Option<DateTime<Utc>>,
    /// Until when the restaurant must accept the order, or the system cancels it. Null if the restaurant accepts
    /// automatically.
    pub accept_by: Option<DateTime<Utc>>,
    /// Until when the customer may cancel; null: not any more. While `PENDING` it is `acceptBy`. The confirmation sets
    /// it to the time at which preparation has to start, but at least two minutes later; each delay before preparation
    /// has started sets it to two minutes later.
    pub cancellable_until: Option<DateTime<Utc>>,
    /// When the customer is to have the order: ready, or delivered to the address where it is a delivery. Never before
    /// opening plus preparation plus travel, nor after the last hand-over.
    pub promised_at: Option<DateTime<Utc>>,
    /// The earliest time to be ready; null: as soon as possible. Not in responses.
    #[serde(skip)]
    pub ready_from: Option<DateTime<Utc>>,
    /// The latest time that a confirmation promises; null: no limit. Not in responses.
    #[serde(skip)]
    pub ready_until: Option<DateTime<Utc>>,
    /// Why the order was cancelled.
    pub cancel_reason: Option<String>,
    /// When the order was placed.
    pub placed_at: DateTime<Utc>,
    /// When the order was last changed.
    pub updated_at: DateTime<Utc>,
    /// When the order was delivered or cancelled.
    pub closed_at: Option<DateTime<Utc>>,
}
