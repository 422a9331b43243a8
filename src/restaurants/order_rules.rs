//! What orders depend on at their restaurant: the restaurant itself, its hours and its delivery zones. Pure.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use super::hours::Schedule;
use super::zones::{BoundingBox, DeliveryZone, Shape};
use super::{Pause, Restaurant};
use crate::cache::CachedValue;
use crate::place::Place;
use crate::problem::Problem;

/// The data of a restaurant for the decision on an order.
pub struct OrderRules {
    /// The restaurant, with its weekly hours.
    pub restaurant: Restaurant,
    /// The hours of the restaurant, with the exceptions from two days ago to the requested date.
    pub schedule: Arc<Schedule>,
    /// The delivery zones whose bounding box contains the delivery address, in the restaurant's sequence. `None`: the
    /// restaurant has no zones, or there is no delivery address.
    pub zones: Option<Vec<DeliveryZone>>,
}

/// What orders at a restaurant depend on, from which the rules at any instant of a UTC day follow. It is current as
/// long as the restaurant has the same version.
pub struct RulesOfDay {
    day: NaiveDate,
    /// Open or not as at the instant of reading.
    restaurant: Restaurant,
    zone: Tz,
    schedule: Arc<Schedule>,
    pause: Option<Pause>,
    zones: Option<Vec<(BoundingBox, DeliveryZone)>>,
}

impl RulesOfDay {
    /// The rules of the UTC day `day`. The schedule has the exceptions on which decisions of that day depend; the pause
    /// may have ended; `zones` is `None` if the restaurant has none.
    ///
    /// # Errors
    /// When the stored name of the time zone is unknown.
    pub fn new(
        day: NaiveDate,
        restaurant: Restaurant,
        schedule: Schedule,
        pause: Option<Pause>,
        zones: Option<Vec<(BoundingBox, DeliveryZone)>>,
    ) -> Result<Self, Problem> {
        Ok(Self { day, zone: restaurant.zone()?, restaurant, schedule: Arc::new(schedule), pause, zones })
    }

    /// The UTC day for which they are valid.
    pub const fn day(&self) -> NaiveDate {
        self.day
    }

    /// The rules at an instant of the day, for a delivery address if there is one.
    pub fn at(&self, now: DateTime<Utc>, place: Option<Place>) -> OrderRules {
        let around = |place: Place| {
            let zones = self.zones.as_ref()?.iter().filter(|(bounds, _)| bounds.contains(place));
            Some(zones.map(|(_, zone)| zone.clone()).collect())
        };
        OrderRules {
            restaurant: self.restaurant.clone().at(self.zone, &self.schedule, self.pause.as_ref(), now),
            schedule: Arc::clone(&self.schedule),
            zones: place.and_then(around),
        }
    }
}

impl CachedValue for RulesOfDay {
    fn version(&self) -> i64 {
        // Both only grow.
        self.restaurant.version.saturating_add(self.restaurant.menu_version)
    }

    fn weight(&self) -> usize {
        const RESTAURANT: usize = 4 << 10;
        const EXCEPTION: usize = 512;
        const ZONE: usize = 256;
        const POINT: usize = 32;
        let points = |zone: &DeliveryZone| match &zone.shape {
            Shape::Polygons(polygons) => polygons.iter().map(super::geometry::Polygon::points).sum(),
            Shape::Circle { .. } => 1,
        };
        let zones = self.zones.iter().flatten().map(|(_, zone)| ZONE + POINT * points(zone)).sum::<usize>();
        let description = self.restaurant.description.as_ref().map_or(0, String::len);
        RESTAURANT + description + EXCEPTION * self.schedule.exceptions.len() + zones
    }
}
