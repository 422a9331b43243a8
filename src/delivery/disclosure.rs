//! What a driver may see of a delivery, and who may see where a driver is. Pure.
//!
//! A driver sees where a delivery goes while they carry it; who carried it before or after them is not shown to them.
//! The driver's place is shown to nobody unless the driver is on the way with this very order (`delivery/sql.rs`).

use chrono::{DateTime, TimeDelta, Utc};

use super::{Delivery, Driver, DriverStatus};
use crate::ids::DriverId;
use crate::tenancy::RestaurantScope;

impl Delivery {
    /// The delivery as this driver may see it: where it goes while they carry it, and no other driver.
    #[must_use]
    pub fn for_driver(mut self, driver: DriverId) -> Self {
        self.driver = self.driver.filter(|carrier| carrier.id == driver);
        if self.driver.is_none() || self.status.is_final() {
            (self.dropoff.address, self.dropoff.place) = (None, None);
            // Written by a person, and so it may name the delivery address.
            self.reason = None;
        }
        self
    }

    /// The delivery as somebody in this capacity may see it.
    #[must_use]
    pub fn shown_to(self, scope: &RestaurantScope) -> Self {
        match scope.driver_id() {
            Some(driver) => self.for_driver(driver),
            None => self,
        }
    }
}

impl Driver {
    /// The profile as the platform's administrators may see it: where the driver is only while they are on duty and
    /// there.
    /// `seen_since`: a driver without a sign of life since then is absent.
    #[must_use]
    pub fn for_platform(self, seen_since: DateTime<Utc>) -> Self {
        let is_present = self.seen_at.is_some_and(|seen| seen >= seen_since);
        if is_present && self.status != DriverStatus::Offline {
            return self;
        }
        Self { place: None, located_at: None, ..self }
    }
}

/// Somebody who is on duty reports where they are at least once a minute (`DRIVER_PRESENCE`). What was reported longer
/// before the pickup than this is where the driver was before this delivery.
const MAX_AGE_AT_PICKUP: TimeDelta = TimeDelta::minutes(5);

/// Whether a driver's last place belongs to a delivery that they are on the way with: reported since the pickup, or at
/// the restaurant just before it. `located_at` is the phone's own time of the report.
pub fn belongs_to_trip(located_at: Option<DateTime<Utc>>, picked_up_at: Option<DateTime<Utc>>) -> bool {
    located_at.zip(picked_up_at).is_some_and(|(located, picked_up)| located >= picked_up - MAX_AGE_AT_PICKUP)
}
