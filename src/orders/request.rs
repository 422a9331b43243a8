//! What a customer asks for when they order, or ask what it costs.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::bounded;
use crate::cart::sql::{CartRow, RequestedLine};
use crate::cart::{MOST_LINES, Quantity};
use crate::coupons::CouponCode;
use crate::fulfilment::Fulfilment;
use crate::ids::{ItemId, QuoteId, UserId};
use crate::menu::configure::{Choice, check_counts};
use crate::money::Money;
use crate::place::Place;
use crate::problem::{FieldError, Problem};
use crate::text::MultiLine;

/// How a customer asks for what is in a basket.
#[derive(Debug, Clone)]
pub struct OrderRequest {
    /// How it reaches them.
    pub fulfilment: Fulfilment,
    /// Where to, for a delivery.
    pub address: Option<String>,
    /// Where that is.
    pub place: Option<Place>,
    /// Which table, for dine-in.
    pub table: Option<String>,
    /// A note to the restaurant; `None`: none.
    pub note: Option<String>,
    /// For the people.
    pub tip: Option<Money>,
    /// A code that takes something off.
    pub coupon: Option<CouponCode>,
    /// For when; `None`: as soon as can be.
    pub scheduled_for: Option<DateTime<Utc>>,
    /// What they were shown; if it costs something else by now, nothing is ordered.
    pub expected_total: Option<Money>,
}

/// What a customer asks for.
#[derive(Debug, Clone)]
pub enum Basket {
    /// What is in one of their carts, which is locked and open.
    Cart(CartRow),
    /// Lines, as a phone kept them while it was offline.
    Lines(Vec<RequestedLine>),
    /// The lines of a quote, whose choices fitted the menu when it was made.
    Quoted(Vec<RequestedLine>),
}

/// A basket that a customer wants to order, or to know the price of.
#[derive(Clone, Copy)]
pub struct OrderDraft<'a> {
    /// The customer who orders.
    pub customer: UserId,
    /// What is ordered.
    pub basket: &'a Basket,
    /// Fulfilment, time, tip and coupon.
    pub request: &'a OrderRequest,
}

impl Basket {
    /// The cart it is.
    pub const fn cart(&self) -> Option<&CartRow> {
        match self {
            Self::Cart(cart) => Some(cart),
            Self::Lines(_) | Self::Quoted(_) => None,
        }
    }
}

/// An order from a quote: what it leaves out is as it was quoted.
#[derive(Debug, Clone)]
pub struct QuotedOrderRequest {
    /// The quote to order from.
    pub quote: QuoteId,
    /// How it reaches them.
    pub fulfilment: Option<Fulfilment>,
    /// Where to, for a delivery: a quote knows the place only.
    pub address: Option<String>,
    /// Where that is.
    pub place: Option<Place>,
    /// Which table, for dine-in.
    pub table: Option<String>,
    /// A note to the restaurant; `None`: none.
    pub note: Option<String>,
    /// For the people.
    pub tip: Option<Money>,
    /// A code that takes something off.
    pub coupon: Option<CouponCode>,
    /// The start of the slot it is wanted in; `None`: as quoted.
    pub scheduled_for: Option<DateTime<Utc>>,
}

/// Says of each field whether it is missing or out of place.
struct Demands {
    fulfilment: Fulfilment,
    faults: Vec<FieldError>,
}

impl Demands {
    fn hold(&mut self, pointer: &str, present: bool, wanted_for: Fulfilment) {
        let kind = match self.fulfilment {
            Fulfilment::Delivery => "a delivery",
            Fulfilment::Pickup => "a pickup",
            Fulfilment::DineIn => "dine-in",
        };
        let wanted = self.fulfilment == wanted_for;
        if present != wanted {
            let fault = if wanted { "is required for" } else { "has no place in" };
            self.faults.push(FieldError::invalid(pointer, format!("{fault} {kind}")));
        }
    }

    fn end(self) -> Result<(), Problem> {
        if self.faults.is_empty() { Ok(()) } else { Err(Problem::invalid(self.faults)) }
    }
}

impl OrderRequest {
    /// What single fields cannot know: a delivery needs a door, dine-in a table.
    ///
    /// # Errors
    /// Every field that is missing or out of place.
    pub fn check(&self) -> Result<(), Problem> {
        let mut demands = Demands { fulfilment: self.fulfilment, faults: Vec::new() };
        demands.hold("/address", self.address.is_some(), Fulfilment::Delivery);
        demands.hold("/place", self.place.is_some(), Fulfilment::Delivery);
        demands.hold("/table", self.table.is_some(), Fulfilment::DineIn);
        demands.end()
    }

    /// The same for somebody who asks for the price only: the place of the door is enough.
    ///
    /// # Errors
    /// As [`OrderRequest::check`].
    pub fn check_for_price(&self) -> Result<(), Problem> {
        let mut demands = Demands { fulfilment: self.fulfilment, faults: Vec::new() };
        demands.hold("/place", self.place.is_some(), Fulfilment::Delivery);
        demands.end()
    }
}

/// One line of an order or quote that is not made from a cart.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = LineInput)]
pub struct LineInput {
    /// The id of the menu item.
    pub item_id: ItemId,
    /// The number of portions.
    pub quantity: Quantity,
    /// The modifiers chosen for each one; at most 100 choices, nested ones included.
    #[serde(default, deserialize_with = "bounded::list::<_, _, 100>")]
    pub modifiers: Vec<Choice>,
    /// The customer's note for this line.
    #[schema(inline)]
    pub note: Option<MultiLine<500>>,
}

impl LineInput {
    /// The line as the rules take it.
    pub fn into_requested(self) -> RequestedLine {
        RequestedLine {
            item_id: self.item_id,
            quantity: self.quantity.get().into(),
            choices: self.modifiers,
            note: self.note.map(String::from),
        }
    }

    /// What no single line can know: how many there are, and how many choices on each and on all of them.
    ///
    /// # Errors
    /// The first that is too much.
    pub fn check(lines: &[Self], most_choices: usize) -> Result<(), Problem> {
        if lines.len() > MOST_LINES {
            return Err(Problem::invalid_field("/lines", "must have at most 100 entries"));
        }
        check_counts(lines.iter().map(|line| line.modifiers.as_slice()).enumerate(), most_choices)
    }
}
