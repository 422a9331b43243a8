//! Which parts of an order a driver may see. Pure.
//!
//! A driver needs the customer's address only while they carry the order. So every body that is sent to a driver is
//! reduced to a driver's view: responses, live events, and events that are read later (`events/driver_view.rs`). All
//! others get complete bodies.

use super::Order;
use crate::tenancy::RestaurantScope;

impl Order {
    /// A driver's view of the order: once it is closed, without address and notes.
    #[must_use]
    pub fn for_driver(self) -> Self {
        if self.status.is_final() { self.without_customer_details() } else { self }
    }

    /// The order without address and notes, for a stored response to a driver, which may be repeated at any later time.
    #[must_use]
    pub fn without_customer_details(mut self) -> Self {
        for line in &mut self.items {
            line.note = None;
        }
        Self { address: None, place: None, delivery_zone: None, table: None, note: None, ..self }
    }

    /// The order as a caller with this scope may see it.
    #[must_use]
    pub fn shown_to(self, scope: &RestaurantScope) -> Self {
        if scope.driver_id().is_some() { self.for_driver() } else { self }
    }
}
