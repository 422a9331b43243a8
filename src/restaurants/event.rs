//! The event of a restaurant.

use super::Restaurant;
use crate::events::{Concerns, Event, EventKind};
use crate::problem::Problem;

impl Restaurant {
    /// The event of a change of the restaurant.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn changed_event(&self) -> Result<Event<'_>, Problem> {
        Event::new(EventKind::RestaurantChanged, (self.id.uuid(), self.version), Concerns::default(), self, self)
    }
}
