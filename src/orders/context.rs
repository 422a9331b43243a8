//! The restaurant's data for one order: its hours, and the terms of a delivery to the order's address. Pure.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::availability::AvailabilityQuery;
use crate::config;
use crate::fulfilment::Fulfilment;
use crate::money::Amount;
use crate::place::Place;
use crate::problem::{Code, Problem};
use crate::restaurants::Restaurant;
use crate::restaurants::hours::Schedule;
use crate::restaurants::order_rules::OrderRules;
use crate::restaurants::zones::{self, DeliveryZone, NotDelivered};

/// The restaurant's data for the decision on an order, a quote or the list of slots.
pub struct OrderContext {
    /// The restaurant that is ordered from.
    pub restaurant: Restaurant,
    /// The restaurant's time zone.
    pub zone: Tz,
    /// Its hours, with the exceptions on which a decision can depend (`availability::last_day`).
    pub schedule: Arc<Schedule>,
    /// How the order reaches the customer.
    pub fulfilment: Fulfilment,
    /// The delivery address; `None` for pickup and dine-in.
    pub place: Option<Place>,
    /// The delivery zones around the address; `None`: the restaurant has no zones, or there is no address.
    pub delivery_zones: Option<Vec<DeliveryZone>>,
    /// How far a restaurant without zones delivers, in metres.
    pub max_distance: f64,
    /// The most characters of the notes of all lines together.
    pub max_notes: usize,
    /// The time of the decision.
    pub now: DateTime<Utc>,
}

impl OrderContext {
    /// The context of an order at an instant, of which `rules` are the restaurant's rules. `place` is `None` for pickup
    /// and dine-in.
    ///
    /// # Errors
    /// When the stored name of the time zone is unknown.
    pub fn of(
        OrderRules { restaurant, schedule, zones }: OrderRules,
        fulfilment: Fulfilment,
        place: Option<Place>,
        bounds: config::Orders,
        now: DateTime<Utc>,
    ) -> Result<Self, Problem> {
        Ok(Self {
            zone: restaurant.zone()?,
            restaurant,
            schedule,
            fulfilment,
            place,
            delivery_zones: zones,
            max_distance: bounds.max_distance,
            max_notes: usize::from(bounds.max_notes),
            now,
        })
    }

    /// The query for which times the order can be placed.
    pub fn availability(&self) -> AvailabilityQuery<'_> {
        AvailabilityQuery {
            restaurant: &self.restaurant,
            zone: self.zone,
            schedule: &self.schedule,
            fulfilment: self.fulfilment,
            lead_minutes: self.lead_minutes(),
            now: self.now,
        }
    }

    /// Travel time to the delivery address, in minutes; 0 without an address, and for one outside the delivery area.
    fn lead_minutes(&self) -> i16 {
        self.place
            .and_then(|place| zones::terms(self.delivery_zones.as_deref(), self.usual(), place, Amount::ZERO).ok())
            .map_or(0, |terms| terms.lead_minutes)
    }

    /// The terms of a delivery to the address, for lines that cost `items`; for pickup and dine-in the restaurant's
    /// usual terms without a delivery fee.
    ///
    /// # Errors
    /// `outside_delivery_zone`.
    pub fn terms(&self, items: Amount) -> Result<zones::Terms, Problem> {
        let usual = self.usual();
        let Some(place) = self.place else {
            let minimum_order = usual.minimum_order;
            return Ok(zones::Terms { zone: None, fee: Amount::ZERO, minimum_order, lead_minutes: 0 });
        };
        let outside = |detail: String| {
            let open_for = self.restaurant.open_for;
            let others = open_for.iter().filter(|one| *one != Fulfilment::Delivery);
            Problem::new(Code::OutsideDeliveryZone, detail)
                .with("place", place)
                .with("openFor", others.collect::<Vec<_>>())
        };
        zones::terms(self.delivery_zones.as_deref(), usual, place, items).map_err(|refusal| match refusal {
            NotDelivered::OutsideEveryZone => outside(
                "The address is outside the restaurant's delivery zones. Choose one of openFor, or another address."
                    .to_owned(),
            ),
            NotDelivered::TooFar(max) => outside(format!(
                "The address is farther than the {:.0} km that the restaurant delivers. Choose one of openFor, or \
                 another address.",
                max / 1_000.0
            ))
            .with("maxDistance", max),
            NotDelivered::Overflow(overflow) => overflow.into(),
        })
    }

    fn usual(&self) -> zones::UsualTerms {
        let Restaurant { place, delivery_fee, minimum_order, tax_rounding, .. } = &self.restaurant;
        zones::UsualTerms {
            place: *place,
            delivery_fee: delivery_fee.amount,
            minimum_order: minimum_order.amount,
            rounding: *tax_rounding,
            max_distance: self.max_distance,
        }
    }
}
