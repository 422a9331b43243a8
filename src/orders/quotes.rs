//! Quotes: the price of a basket, line by line, and until when it is valid. Pure.
//!
//! A quote stores the lines with their prices, tax rates, fees, tip and discount. Its sums are calculated from them
//! each time (`pricing.rs`). Stock and availability are not stored. Whether a quote is expired, used or does not match
//! the request is decided in `actions/accept_quote.rs`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::availability::OrderRefusal;
use super::context::OrderContext;
use super::facts::OrderFacts;
use super::priced_order::{PricedOrder, QuotedPrices};
use super::pricing::{self, Charges, Sums};
use super::request::{Basket, OrderDraft, OrderRequest, QuotedOrderRequest};
use super::{OrderLine, Totals};
use crate::cart::{Obstacle, PricedLine};
use crate::coupons::CouponCode;
use crate::coupons::Discount;
use crate::coupons::rules::Saving;
use crate::fulfilment::Fulfilment;
use crate::ids::{CartId, ItemId, OrderId, QuoteId, RestaurantId, UserId};
use crate::money::{self, Currency, Money, Overflow};
use crate::place::Place;
use crate::restaurants::slots::Slot;
use crate::restaurants::tax::TaxRules;

/// The request, and the quoted prices. Stored as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QuoteContent {
    /// How the order reaches the customer.
    pub fulfilment: Fulfilment,
    /// The delivery address, as coordinates; `None` for pickup and dine-in.
    pub place: Option<Place>,
    /// The tip, if one was requested.
    #[serde(default, deserialize_with = "money::stored_if_any")]
    pub tip: Option<Money>,
    /// The coupon code, if one was given.
    pub coupon: Option<CouponCode>,
    /// The requested slot; `None`: as soon as possible.
    pub scheduled: Option<Slot>,
    /// The first slot for which it could have been ordered when the quote was created.
    pub earliest: Option<Slot>,
    /// The lines, with their prices.
    pub lines: Vec<PricedLine>,
    /// The tax rates of lines and fees.
    pub tax: TaxRules,
    /// Fees, tip and discount.
    pub charges: Charges,
    /// What the coupon saves.
    pub saving: Option<Saving>,
    /// The name of the delivery zone; `None` for pickup and dine-in, and at a restaurant without zones.
    pub zone: Option<String>,
    /// Travel time to the delivery address, in minutes, once the order is ready; 0 for pickup and dine-in.
    pub lead_minutes: i16,
}

/// A quote as the table holds it.
#[derive(Debug, Clone)]
pub struct StoredQuote {
    /// The quote's id.
    pub id: QuoteId,
    /// The restaurant that it is for.
    pub restaurant_id: RestaurantId,
    /// The customer who requested it.
    pub user_id: UserId,
    /// The cart it was created from, with the cart's version; `None`: it was created from lines.
    pub cart: Option<(CartId, i64)>,
    /// The request, and the quoted prices.
    pub content: QuoteContent,
    /// The restaurant's currency, that of all amounts.
    pub currency: Currency,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Until when it is valid (exclusive).
    pub expires_at: DateTime<Utc>,
    /// The order that was placed from it; `None`: none yet.
    pub order_id: Option<OrderId>,
}

/// What an order would cost now, and until when it can be placed at that price.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quote {
    /// The id of the quote; send it to place the order.
    pub id: QuoteId,
    /// The id of the restaurant.
    pub restaurant_id: RestaurantId,
    /// The cart it was created from; null: from lines.
    pub cart_id: Option<CartId>,
    /// The kind of fulfilment.
    pub fulfilment: Fulfilment,
    /// The coordinates of the delivery address; null for pickup and dine-in.
    pub place: Option<Place>,
    /// The delivery zone of the address.
    pub delivery_zone: Option<String>,
    /// Travel time in minutes, from ready to the address, by the delivery zone.
    pub lead_minutes: i16,
    /// The requested slot; null: as soon as possible.
    pub scheduled_for: Option<Slot>,
    /// The first slot for which it could have been ordered when the quote was created.
    pub earliest_slot: Option<Slot>,
    /// An ISO 4217 code.
    #[schema(value_type = String, example = "EUR")]
    pub currency: Currency,
    /// The lines of the quote.
    pub items: Vec<OrderLine>,
    /// All discounts. Those of the lines are part of `totals.discount`; those of the delivery fee are already
    /// subtracted from `totals.deliveryFee`.
    pub discounts: Vec<Discount>,
    /// The amounts of the order. Tax is rounded by `taxRounding` and `taxRoundingLevel` of the restaurant.
    pub totals: Totals,
    /// When the quote was created.
    pub created_at: DateTime<Utc>,
    /// Until when an order can be placed at these amounts.
    pub expires_at: DateTime<Utc>,
    /// The order that was placed from it; null: none yet.
    pub order_id: Option<OrderId>,
}

impl QuoteContent {
    /// The quoted lines, with the current stock and availability.
    fn with_current_availability(&self, current: &[PricedLine]) -> Vec<PricedLine> {
        let line = |(quoted, current): (&PricedLine, &PricedLine)| PricedLine {
            required_portions: current.required_portions.clone(),
            stock: current.stock,
            obstacle: current.obstacle,
            invalid_choices: current.invalid_choices.clone(),
            shortages: current.shortages.clone(),
            available_from: current.available_from,
            ..quoted.clone()
        };
        self.lines.iter().zip(current).map(line).collect()
    }

    /// The order at the quoted prices, if it can still be placed. `facts` are those of the same draft now.
    ///
    /// # Errors
    /// The first reason why it cannot be ordered.
    pub fn accept(&self, facts: OrderFacts<'_>, draft: OrderDraft<'_>) -> Result<PricedOrder, OrderRefusal> {
        let facts = OrderFacts { lines: self.with_current_availability(&facts.lines), ..facts };
        let prices = QuotedPrices { tax: &self.tax, charges: self.charges, saving: self.saving.as_ref() };
        PricedOrder::of(facts, draft, Some(prices))
    }

    /// The sums of the quote.
    ///
    /// # Errors
    /// When a sum leaves the range of 64 bits.
    pub fn sums(&self) -> Result<Sums, Overflow> {
        let parts = self.lines.iter().map(PricedLine::taxed_parts).collect::<Result<Vec<_>, _>>()?;
        pricing::sums(&parts, &self.tax, self.fulfilment, self.charges)
    }

    /// The quoted lines, as the customer requested them.
    pub fn basket(&self) -> Basket {
        Basket::Quoted(self.lines.iter().map(PricedLine::requested).collect())
    }

    /// The request for an order from the quote: fields that it leaves out are as quoted.
    pub fn request(&self, requested: QuotedOrderRequest) -> OrderRequest {
        OrderRequest {
            fulfilment: requested.fulfilment.unwrap_or(self.fulfilment),
            address: requested.address,
            place: requested.place.or(self.place),
            table: requested.table,
            note: requested.note,
            tip: requested.tip.or(self.tip),
            coupon: requested.coupon.or_else(|| self.coupon.clone()),
            scheduled_for: requested.scheduled_for.or(self.scheduled.map(|slot| slot.starts_at)),
            expected_total: None,
        }
    }

    /// The fields of a request that differ from what was quoted, as JSON pointers.
    pub fn changed_fields(&self, requested: &QuotedOrderRequest, context: &OrderContext) -> Vec<&'static str> {
        let (restaurant, zone) = (&context.restaurant, context.zone);
        let another_slot = |instant: DateTime<Utc>| {
            let is_within = |slot: Slot| slot.starts_at <= instant && instant < slot.ends_at;
            !self.scheduled.is_some_and(is_within) && Some(restaurant.slots.slot_of(zone, instant)) != self.scheduled
        };
        let tip = self.charges.tip.of(restaurant.currency);
        let fields = [
            ("/fulfilment", requested.fulfilment.is_some_and(|fulfilment| fulfilment != self.fulfilment)),
            ("/place", requested.place.is_some() && requested.place != self.place),
            ("/tip", requested.tip.is_some_and(|requested| requested != tip)),
            ("/couponCode", requested.coupon.is_some() && requested.coupon != self.coupon),
            ("/scheduledFor", requested.scheduled_for.is_some_and(another_slot)),
        ];
        fields.into_iter().filter_map(|(field, differs)| differs.then_some(field)).collect()
    }
}

/// A line that has changed since it was quoted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LineChange {
    /// The number of the line, from 1.
    pub line: usize,
    /// The item of the line.
    pub item_id: ItemId,
    /// The name of the item when it was quoted.
    pub name: String,
    /// The quoted price of the line.
    pub quoted: Money,
    /// The current price of the line; null: it cannot be ordered.
    pub now: Option<Money>,
    /// Why the line cannot be ordered any more; absent: it can.
    pub reason: Option<Obstacle>,
}

impl LineChange {
    /// Whether the quote can no longer be ordered because of the line: the item was deleted, or its choices are no
    /// longer valid.
    pub fn is_final(&self) -> bool {
        matches!(self.reason, Some(Obstacle::Deleted | Obstacle::ChoicesChanged))
    }
}

/// The changed lines.
///
/// # Errors
/// When a sum leaves the range of 64 bits.
pub fn changes(quoted: &[PricedLine], now: &[PricedLine], currency: Currency) -> Result<Vec<LineChange>, Overflow> {
    let mut changes = Vec::new();
    for (index, (quoted, now)) in quoted.iter().zip(now).enumerate() {
        let (before, after) = (quoted.total()?, now.total()?);
        if before == after && now.obstacle.is_none() {
            continue;
        }
        changes.push(LineChange {
            line: index + 1,
            item_id: quoted.item_id,
            name: quoted.name.clone(),
            quoted: before.of(currency),
            now: now.obstacle.is_none().then(|| after.of(currency)),
            reason: now.obstacle,
        });
    }
    Ok(changes)
}

impl StoredQuote {
    /// The quote as in responses.
    ///
    /// # Errors
    /// When a sum leaves the range of 64 bits.
    pub fn to_response(&self) -> Result<Quote, Overflow> {
        let (content, currency) = (&self.content, self.currency);
        let sums = content.sums()?;
        let discount = |saving: &Saving| Discount {
            coupon_code: saving.code.clone(),
            kind: saving.kind,
            amount: saving.amount.of(currency),
        };
        Ok(Quote {
            id: self.id,
            restaurant_id: self.restaurant_id,
            cart_id: self.cart.map(|(cart, _)| cart),
            fulfilment: content.fulfilment,
            place: content.place,
            delivery_zone: content.zone.clone(),
            lead_minutes: content.lead_minutes,
            scheduled_for: content.scheduled,
            earliest_slot: content.earliest,
            currency,
            items: OrderLine::all(&content.lines, &sums, currency)?,
            discounts: content.saving.iter().map(discount).collect(),
            totals: Totals::of(&sums, currency),
            created_at: self.created_at,
            expires_at: self.expires_at,
            order_id: self.order_id,
        })
    }
}
