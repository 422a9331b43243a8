//! A quote: what a basket costs, line by line, and until when the house stands by it. Pure.
//!
//! What is kept of it are the promises: lines with their prices, the rates of tax, fees, tip and discount. What it comes to
//! is added up from them each time, by the one way there is (`pricing.rs`). Whether it can be had is never kept.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::orders::pricing::{self, Charges, Sums};
use crate::orders::request::{Basket, QuotedRequest, Request};
use crate::orders::{OrderLine, Totals};
use crate::cart::{Obstacle, StoredLine};
use crate::coupons::CouponCode;
use crate::coupons::rules::{Discount, Saving};
use crate::fulfilment::Fulfilment;
use crate::ids::{CartId, ItemId, OrderId, QuoteId, RestaurantId, UserId};
use crate::money::{self, Currency, Money, Overflow};
use crate::place::Place;
use crate::problem::Problem;
use crate::restaurants::Restaurant;
use crate::restaurants::slots::Slot;
use crate::restaurants::tax::TaxRules;

/// What was asked for, and what was promised.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Content {
    /// How it reaches the guest.
    pub fulfilment: Fulfilment,
    /// Where to.
    pub place: Option<Place>,
    /// For the people.
    #[serde(default, deserialize_with = "money::kept_if_any")]
    pub tip: Option<Money>,
    /// The code that was given.
    pub coupon: Option<CouponCode>,
    /// For when; `None`: as soon as can be.
    pub scheduled: Option<Slot>,
    /// The first slot in which it could have been had.
    pub earliest: Option<Slot>,
    /// The lines, with their prices.
    pub lines: Vec<StoredLine>,
    /// At which rates they are taxed.
    pub tax: TaxRules,
    /// What is added and taken off.
    pub charges: Charges,
    /// What the coupon saves.
    pub saving: Option<Saving>,
    /// The zone of the door.
    pub zone: Option<String>,
    /// From ready to the door, in minutes.
    pub lead_minutes: i16,
}

/// A quote as the table holds it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its id.
    pub id: QuoteId,
    /// Where.
    pub restaurant_id: RestaurantId,
    /// Whose.
    pub user_id: UserId,
    /// The cart it was made from, and at which version.
    pub cart: Option<(CartId, i64)>,
    /// What was promised.
    pub content: Content,
    /// In which currency.
    pub currency: Currency,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Until when it holds, without that instant.
    pub expires_at: DateTime<Utc>,
    /// What became of it.
    pub order_id: Option<OrderId>,
}

/// What a basket costs right now, and until when that is honoured.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quote {
    /// Its id: place an order with it.
    pub id: QuoteId,
    /// Where.
    pub restaurant_id: RestaurantId,
    /// The cart it was made from.
    pub cart_id: Option<CartId>,
    /// How it reaches the guest.
    pub fulfilment: Fulfilment,
    /// Where to, for a delivery.
    pub place: Option<Place>,
    /// The restaurant's delivery zone that the place lies in.
    pub delivery_zone: Option<String>,
    /// From ready to the door, in minutes, as the zone says.
    pub lead_minutes: i16,
    /// For when: the slot. Null: as soon as can be.
    pub scheduled_for: Option<Slot>,
    /// The first slot in which it could be had when the quote was made.
    pub earliest_slot: Option<Slot>,
    /// ISO 4217.
    #[schema(value_type = String, example = "EUR")]
    pub currency: Currency,
    /// What would be bought, line by line.
    pub items: Vec<OrderLine>,
    /// What is taken off, and by what. Off the lines it is in `totals.discount`; off the delivery fee it is not in
    /// `totals.deliveryFee` any more.
    pub discounts: Vec<Discount>,
    /// What it comes to. Tax is rounded as `taxRounding` and `taxRoundingLevel` of the restaurant say.
    pub totals: Totals,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Until when an order from it costs what it says.
    pub expires_at: DateTime<Utc>,
    /// The order that was placed from it; null: none yet.
    pub order_id: Option<OrderId>,
}

impl Content {
    /// The promised lines, with what the menu says of them now: how many are left, and whether they can be had.
    pub fn held_against(&self, now: &[StoredLine]) -> Vec<StoredLine> {
        let truth = |(promised, now): (&StoredLine, &StoredLine)| StoredLine {
            takes: now.takes.clone(),
            stock: now.stock,
            obstacle: now.obstacle,
            misfits: now.misfits.clone(),
            shortages: now.shortages.clone(),
            available_from: now.available_from,
            ..promised.clone()
        };
        self.lines.iter().zip(now).map(truth).collect()
    }

    /// What it comes to.
    ///
    /// # Errors
    /// When a sum leaves the range of 64 bits.
    pub fn sums(&self) -> Result<Sums, Overflow> {
        let portions = self.lines.iter().map(StoredLine::portions).collect::<Result<Vec<_>, _>>()?;
        pricing::sums(&portions, &self.tax, self.fulfilment, self.charges)
    }

    /// The lines that were quoted, as the customer wanted them.
    pub fn basket(&self) -> Basket {
        Basket::Quoted(self.lines.iter().map(StoredLine::wanted).collect())
    }

    /// The order that somebody wants from it: what they leave out is as quoted.
    pub fn request(&self, wanted: QuotedRequest) -> Request {
        Request {
            fulfilment: wanted.fulfilment.unwrap_or(self.fulfilment),
            address: wanted.address,
            place: wanted.place.or(self.place),
            table: wanted.table,
            note: wanted.note,
            tip: wanted.tip.or(self.tip),
            coupon: wanted.coupon.or_else(|| self.coupon.clone()),
            scheduled_for: wanted.scheduled_for.or(self.scheduled.map(|slot| slot.starts_at)),
            expected_total: None,
        }
    }

    /// In which fields an order differs from what was quoted at this restaurant.
    ///
    /// # Errors
    /// When the restaurant's zone is none.
    pub fn differs_in(&self, wanted: &QuotedRequest, at: &Restaurant) -> Result<Vec<&'static str>, Problem> {
        let zone = at.zone()?;
        let another_slot = |instant: DateTime<Utc>| {
            let is_within = |slot: Slot| slot.starts_at <= instant && instant < slot.ends_at;
            !self.scheduled.is_some_and(is_within) && Some(at.slots.slot_of(zone, instant)) != self.scheduled
        };
        let tip = self.charges.tip.of(at.currency);
        let fields = [
            ("/fulfilment", wanted.fulfilment.is_some_and(|fulfilment| fulfilment != self.fulfilment)),
            ("/place", wanted.place.is_some() && wanted.place != self.place),
            ("/tip", wanted.tip.is_some_and(|wanted| wanted != tip)),
            ("/couponCode", wanted.coupon.is_some() && wanted.coupon != self.coupon),
            ("/scheduledFor", wanted.scheduled_for.is_some_and(another_slot)),
        ];
        Ok(fields.into_iter().filter_map(|(field, differs)| differs.then_some(field)).collect())
    }
}

/// A line that is not what it was when it was quoted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LineChange {
    /// Its number, from 1.
    pub line: usize,
    /// What.
    pub item_id: ItemId,
    /// Its name then.
    pub name: String,
    /// What the line cost then.
    pub quoted: Money,
    /// What it costs now; null: it cannot be had.
    pub now: Option<Money>,
    /// Why not.
    pub reason: Option<Obstacle>,
}

impl LineChange {
    /// The quote does not fit the menu any more: the item is gone, or its choices are others.
    pub fn is_final(&self) -> bool {
        matches!(self.reason, Some(Obstacle::Deleted | Obstacle::ChoicesChanged))
    }
}

/// What changed, line by line.
///
/// # Errors
/// When a sum leaves the range of 64 bits.
pub fn changes(quoted: &[StoredLine], now: &[StoredLine], currency: Currency) -> Result<Vec<LineChange>, Overflow> {
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

impl Stored {
    /// As its owner sees it.
    ///
    /// # Errors
    /// When a sum leaves the range of 64 bits.
    pub fn shown(&self) -> Result<Quote, Overflow> {
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
