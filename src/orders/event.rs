//! The events of an order.

use super::Order;
use crate::events::{self, Concerns, Event, EventKind};
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;

/// A new order and its event as JSON, with a gap where PostgreSQL writes the order's number.
#[derive(Debug)]
pub struct PlacedJson {
    /// The event up to the order.
    pub event_head: String,
    /// The order up to its number.
    pub order_head: String,
    /// The order after its number.
    pub order_tail: String,
}

impl PlacedJson {
    /// The order with its number: the same bytes that PostgreSQL writes.
    pub fn order(&self, number: i32) -> Vec<u8> {
        format!("{}{number}{}", self.order_head, self.order_tail).into_bytes()
    }

    /// The number of bytes that are written: the order in its event and in the stored response.
    pub const fn size(&self) -> (usize, usize) {
        let order = self.order_head.len() + self.order_tail.len();
        (self.event_head.len() + order, order)
    }
}

impl Order {
    /// The event of a new order.
    ///
    /// # Errors
    /// When the order cannot be written as JSON.
    pub fn placed_event(&self) -> Result<Event<'_>, Problem> {
        self.event(EventKind::OrderPlaced)
    }

    /// The same as JSON, for an order whose number is not known yet and is 0.
    ///
    /// # Errors
    /// When the order cannot be written as JSON.
    pub fn placed_json(&self, scope: &RestaurantScope) -> Result<PlacedJson, Problem> {
        let event = self.placed_event()?;
        let event_head = events::sql::head(scope, &event, self.placed_at)?;
        // The number follows the id, which contains no quotes.
        let parts = event.payload.get().split_once("\"number\":0,");
        let (head, tail) = parts.ok_or_else(|| Problem::internal(&"a new order has no number 0"))?;
        Ok(PlacedJson { event_head, order_head: format!("{head}\"number\":"), order_tail: format!(",{tail}") })
    }

    /// The event of a change of status.
    ///
    /// # Errors
    /// When the order cannot be written as JSON.
    pub fn status_changed_event(&self) -> Result<Event<'_>, Problem> {
        self.event(EventKind::OrderStatusChanged)
    }

    /// The event of a postponed promise.
    ///
    /// # Errors
    /// When the order cannot be written as JSON.
    pub fn promise_changed_event(&self) -> Result<Event<'_>, Problem> {
        self.event(EventKind::OrderPromiseChanged)
    }

    fn event(&self, kind: EventKind) -> Result<Event<'_>, Problem> {
        let concerns = Concerns {
            order: Some(self.id),
            customer: Some(self.customer_id),
            is_closed: self.status.is_final(),
            ..Concerns::default()
        };
        Event::new(kind, (self.id.uuid(), self.version), concerns, self, self)
    }
}
