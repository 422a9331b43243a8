//! The events of a delivery.

use super::{Carrier, Delivery};
use crate::events::{Concerns, Event, EventKind};
use crate::problem::Problem;

impl Delivery {
    /// The event of an assignment to a driver.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn assigned_event(&self) -> Result<Event<'_>, Problem> {
        self.event(EventKind::DeliveryAssigned)
    }

    /// The event of a change of its status, its opening included.
    ///
    /// # Errors
    /// As [`Delivery::assigned_event`].
    pub fn status_changed_event(&self) -> Result<Event<'_>, Problem> {
        self.event(EventKind::DeliveryStatusChanged)
    }

    fn event(&self, kind: EventKind) -> Result<Event<'_>, Problem> {
        let concerns = Concerns {
            order: Some(self.order_id),
            delivery: Some(self.id),
            customer: Some(self.customer_id),
            driver: self.driver.as_ref().map(|carrier| carrier.id),
            former_driver: self.former_driver,
            is_closed: self.status.is_final(),
        };
        Event::new(kind, (self.id.uuid(), self.version), concerns, self, &self.for_log())
    }

    /// The delivery for the event log: without the driver's location, which changes all the time and is read with GET.
    fn for_log(&self) -> Self {
        let mut stored = self.clone();
        stored.driver = stored.driver.map(|carrier| Carrier { place: None, ..carrier });
        stored
    }
}
