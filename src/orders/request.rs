//! Requests for orders and quotes. Pure.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::bounded;
use crate::cart::line_item::LineItems;
use crate::cart::sql::{CartRow, RequestedLine};
use crate::cart::{MAX_LINES, Quantity};
use crate::coupons::CouponCode;
use crate::fulfilment::Fulfilment;
use crate::ids::{ItemId, QuoteId, UserId};
use crate::menu::configure::{Choice, check_counts};
use crate::money::Money;
use crate::place::Place;
use crate::problem::{FieldError, Problem};
use crate::text::MultiLine;

/// A request for an order: everything but the basket.
#[derive(Debug, Clone)]
pub struct OrderRequest {
    /// How it reaches the customer.
    pub fulfilment: Fulfilment,
    /// The delivery address as text, for a delivery.
    pub address: Option<String>,
    /// The coordinates of the delivery address.
    pub place: Option<Place>,
    /// The table, for dine-in.
    pub table: Option<String>,
    /// A note to the restaurant; `None`: none.
    pub note: Option<String>,
    /// The tip; `None`: none.
    pub tip: Option<Money>,
    /// A coupon code.
    pub coupon: Option<CouponCode>,
    /// Any instant of the requested slot; `None`: as soon as possible.
    pub scheduled_for: Option<DateTime<Utc>>,
    /// The total that the customer was shown. The order is refused if it costs anything else.
    pub expected_total: Option<Money>,
}

/// The items to be ordered.
#[derive(Debug, Clone)]
pub enum Basket {
    /// The lines of one of the customer's carts, which is locked and open.
    Cart(CartRow),
    /// Lines of the request.
    Lines(Vec<RequestedLine>),
    /// Lines of the request, and their items.
    LinesOf(LineItems, Vec<RequestedLine>),
    /// The lines of a quote, whose choices were valid when it was created.
    Quoted(Vec<RequestedLine>),
}

/// A basket to be ordered or priced.
#[derive(Clone, Copy)]
pub struct OrderDraft<'a> {
    /// The customer who orders.
    pub customer: UserId,
    /// The basket to be ordered.
    pub basket: &'a Basket,
    /// Fulfilment, time, tip and coupon.
    pub request: &'a OrderRequest,
}

impl Basket {
    /// The cart, if the basket is one.
    pub const fn cart(&self) -> Option<&CartRow> {
        match self {
            Self::Cart(cart) => Some(cart),
            Self::Lines(_) | Self::LinesOf(..) | Self::Quoted(_) => None,
        }
    }
}

/// A request for an order from a quote. Fields that are `None` are as quoted.
#[derive(Debug, Clone)]
pub struct QuotedOrderRequest {
    /// The quote to order from.
    pub quote: QuoteId,
    /// How it reaches the customer.
    pub fulfilment: Option<Fulfilment>,
    /// The delivery address as text, for a delivery: a quote has its coordinates only.
    pub address: Option<String>,
    /// The coordinates of the delivery address.
    pub place: Option<Place>,
    /// The table, for dine-in.
    pub table: Option<String>,
    /// A note to the restaurant; `None`: none.
    pub note: Option<String>,
    /// The tip; `None`: as quoted.
    pub tip: Option<Money>,
    /// A coupon code.
    pub coupon: Option<CouponCode>,
    /// Any instant of the requested slot; `None`: as quoted.
    pub scheduled_for: Option<DateTime<Utc>>,
}

/// Collects fields that are missing for a fulfilment, or not allowed with it.
struct FieldCheck {
    fulfilment: Fulfilment,
    faults: Vec<FieldError>,
}

impl FieldCheck {
    fn require(&mut self, pointer: &str, present: bool, needed_for: Fulfilment) {
        let kind = match self.fulfilment {
            Fulfilment::Delivery => "a delivery",
            Fulfilment::Pickup => "a pickup",
            Fulfilment::DineIn => "dine-in",
        };
        let needed = self.fulfilment == needed_for;
        if present != needed {
            let fault = if needed { "is required for" } else { "must be absent for" };
            self.faults.push(FieldError::invalid(pointer, format!("{fault} {kind}")));
        }
    }

    fn end(self) -> Result<(), Problem> {
        if self.faults.is_empty() { Ok(()) } else { Err(Problem::invalid(self.faults)) }
    }
}

impl OrderRequest {
    /// Checks that address, place and table are given exactly where the fulfilment needs them.
    ///
    /// # Errors
    /// 422 with every field that is missing or not allowed.
    pub fn check(&self) -> Result<(), Problem> {
        let mut check = FieldCheck { fulfilment: self.fulfilment, faults: Vec::new() };
        check.require("/address", self.address.is_some(), Fulfilment::Delivery);
        check.require("/place", self.place.is_some(), Fulfilment::Delivery);
        check.require("/table", self.table.is_some(), Fulfilment::DineIn);
        check.end()
    }

    /// The same for a quote, which needs the coordinates of a delivery only.
    ///
    /// # Errors
    /// As [`OrderRequest::check`].
    pub fn check_for_price(&self) -> Result<(), Problem> {
        let mut check = FieldCheck { fulfilment: self.fulfilment, faults: Vec::new() };
        check.require("/place", self.place.is_some(), Fulfilment::Delivery);
        check.end()
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
    /// Converts the line for the rules.
    pub fn into_requested(self) -> RequestedLine {
        RequestedLine {
            item_id: self.item_id,
            quantity: self.quantity.get().into(),
            choices: self.modifiers,
            note: self.note.map(String::from),
        }
    }

    /// Checks the number of lines, and of choices on each line and on all of them.
    ///
    /// # Errors
    /// 422 for the first limit that is exceeded.
    pub fn check(lines: &[Self], max_choices: usize) -> Result<(), Problem> {
        if lines.len() > MAX_LINES {
            return Err(Problem::invalid_field("/lines", "must have at most 100 entries"));
        }
        check_counts(lines.iter().map(|line| line.modifiers.as_slice()).enumerate(), max_choices)
    }
}
