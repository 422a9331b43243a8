//! The events of an order.

use super::Order;
use crate::events::{Concerns, Event, EventKind};
use crate::problem::Problem;

impl Order {
    /// The event of a new order.
    ///
    /// # Errors
    /// When the order cannot be written as JSON.
    pub fn placed_event(&self) -> Result<Event<'_>, Problem> {
        self.event(EventKind::OrderPlaced)
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
