//! What a driver may see of an order. Pure.
//!
//! A driver needs the customer's address while they carry the order to it, and not afterwards. So a driver's own view is
//! made of every body that goes to a driver: answers, events as they happen, and events that are read again later
//! (`events/driver_view.rs`). Everybody else sees the bodies as they are.

use super::Order;
use crate::tenancy::RestaurantScope;

impl Order {
    /// The order as its driver may see it: once it is closed, without where it went and what the customer wished.
    #[must_use]
    pub fn for_driver(self) -> Self {
        if self.status.is_final() { self.without_customer_details() } else { self }
    }

    /// The order without where it goes and what the customer wished: what may be kept to be answered again to a driver at
    /// any later time.
    #[must_use]
    pub fn without_customer_details(mut self) -> Self {
        for line in &mut self.items {
            line.note = None;
        }
        Self { address: None, place: None, delivery_zone: None, table: None, note: None, ..self }
    }

    /// The order as somebody in this capacity may see it.
    #[must_use]
    pub fn shown_to(self, scope: &RestaurantScope) -> Self {
        if scope.driver_id().is_some() { self.for_driver() } else { self }
    }
}
