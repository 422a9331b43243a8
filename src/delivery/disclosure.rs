//! Which parts of a delivery a driver may see, and who may see a driver's location. Pure.
//!
//! A driver sees the destination of a delivery while they carry it, and never its other drivers. A driver's location is
//! shown only while the driver is on the way with this order (`delivery/sql.rs`).

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{Delivery, Driver, DriverStatus};
use crate::ids::DriverId;
use crate::tenancy::RestaurantScope;

impl Delivery {
    /// A driver's view of the delivery: the destination while they carry it, and no other driver.
    #[must_use]
    pub fn for_driver(mut self, driver: DriverId) -> Self {
        self.driver = self.driver.filter(|carrier| carrier.id == driver);
        if self.driver.is_none() || self.status.is_final() {
            (self.dropoff.address, self.dropoff.place) = (None, None);
            // The text was written by a person and may contain the delivery address.
            self.reason = None;
        }
        self
    }

    /// The delivery as a caller with this scope may see it.
    #[must_use]
    pub fn shown_to(self, scope: &RestaurantScope) -> Self {
        match scope.driver_id() {
            Some(driver) => self.for_driver(driver),
            None => self,
        }
    }
}

/// Removes from a delivery in an event what [`Delivery::for_driver`] hides from a driver who does not carry it any
/// more.
pub fn hide_from_former_driver(delivery: &mut Value) {
    for name in ["/dropoff/address", "/dropoff/place", "/reason", "/driver"] {
        if let Some(field) = delivery.pointer_mut(name) {
            *field = Value::Null;
        }
    }
}

impl Driver {
    /// The profile as administrators may see it: with the location only while the driver is on duty and present.
    /// `seen_since`: a driver who was not active since then is absent.
    #[must_use]
    pub fn for_platform(self, seen_since: DateTime<Utc>) -> Self {
        let is_present = self.seen_at.is_some_and(|seen| seen >= seen_since);
        if is_present && self.status != DriverStatus::Offline {
            return self;
        }
        Self { place: None, located_at: None, ..self }
    }
}

/// A driver on duty reports a location at least once a minute (`DRIVER_PRESENCE`). A location that was reported longer
/// than this before the pickup is from before this delivery.
const MAX_AGE_AT_PICKUP: TimeDelta = TimeDelta::minutes(5);

/// Whether a driver's last location belongs to the trip of a delivery: reported since the pickup, or just before it.
/// Both are times of the server's clock.
pub fn belongs_to_trip(located_at: Option<DateTime<Utc>>, picked_up_at: Option<DateTime<Utc>>) -> bool {
    located_at.zip(picked_up_at).is_some_and(|(located, picked_up)| located >= picked_up - MAX_AGE_AT_PICKUP)
}
