//! What a driver may see of an order and its delivery. Pure.
//!
//! A driver needs the customer's door while they carry the order to it, and not afterwards; whoever carried it before or
//! after them is none of their business. So a driver's own view is made of every body that goes to a driver: answers,
//! events as they happen, and events that are read again later. Everybody else sees the bodies as they are; the driver's
//! place in them is shown to nobody unless the driver is on the way with this very order (`delivery/sql.rs`).

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::delivery::{Delivery, DeliveryStatus, Driver, DriverStatus};
use crate::events::{Event, Recorded};
use crate::ids::{DeliveryId, DriverId};
use crate::orders::{Order, OrderStatus};
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

impl Delivery {
    /// The delivery as this driver may see it: where it goes while they carry it, and no other driver.
    #[must_use]
    pub fn for_driver(mut self, driver: DriverId) -> Self {
        self.driver = self.driver.filter(|carrier| carrier.id == driver);
        if self.driver.is_none() || self.status.is_final() {
            (self.dropoff.address, self.dropoff.place) = (None, None);
            // Written by a person, and so it may name the door.
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
    /// The profile as the platform's administrators may see it: where the driver is only while they are on duty and there.
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

/// Whether a driver's last place belongs to a delivery that they are on the way with: reported since the pickup, or at the
/// restaurant just before it. `located_at` is the phone's own time of the report.
pub fn belongs_to_trip(located_at: Option<DateTime<Utc>>, picked_up_at: Option<DateTime<Utc>>) -> bool {
    located_at.zip(picked_up_at).is_some_and(|(located, picked_up)| located >= picked_up - MAX_AGE_AT_PICKUP)
}

/// Who carries a delivery after an event of it, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carriage {
    /// The delivery that the event is about.
    pub delivery: DeliveryId,
    /// Who carries it now; `None`: nobody.
    pub driver: Option<DriverId>,
    /// Who carried it until now, where somebody else or nobody does from now on.
    pub former: Option<DriverId>,
    /// It has come to its end, and with it what its driver may see.
    pub is_closed: bool,
}

/// The part of a delivery event's body that says which delivery it is about and who carries it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AboutDelivery {
    delivery_id: DeliveryId,
    delivery: CarriedDelivery,
}

#[derive(Deserialize)]
struct CarriedDelivery {
    status: DeliveryStatus,
    driver: Option<EventDriver>,
}

#[derive(Deserialize)]
struct EventDriver {
    id: DriverId,
}

/// Who carries the delivery that an event is about; `None` for an event that is about something else.
///
/// # Errors
/// When the body of a delivery's event does not say which delivery it is about.
pub fn carriage(event: &Recorded) -> Result<Option<Carriage>, serde_json::Error> {
    if event.aggregate != "delivery" {
        return Ok(None);
    }
    let about: AboutDelivery = serde_json::from_str(event.payload.0.get())?;
    Ok(Some(Carriage {
        delivery: about.delivery_id,
        driver: about.delivery.driver.map(|driver| driver.id),
        former: event.former_driver_id,
        is_closed: about.delivery.status.is_final(),
    }))
}

/// An event as one driver hears of it.
pub struct DriverEvent {
    /// On the wire.
    pub name: String,
    /// Its body.
    pub body: Box<RawValue>,
}

/// An event with its number as this driver may see it. Whom it took a delivery from hears that, and nothing else of it.
///
/// # Errors
/// When what was stored is no event's body.
pub fn event_for_driver(
    name: &str,
    body: &RawValue,
    carriage: Option<Carriage>,
    driver: DriverId,
) -> Result<DriverEvent, serde_json::Error> {
    let mut value: Value = serde_json::from_str(body.get())?;
    let was_taken_away = carriage.is_some_and(|carriage| carriage.former == Some(driver));
    if was_taken_away {
        if let Some(fields) = value.as_object_mut() {
            fields.remove("delivery");
        }
        let body = serde_json::value::to_raw_value(&value)?;
        return Ok(DriverEvent { name: Event::DELIVERY_UNASSIGNED.to_owned(), body });
    }
    if let Some(delivery) = value.get_mut("delivery") {
        let carries = carriage.is_some_and(|carriage| carriage.driver == Some(driver));
        if !carries {
            blank(delivery, &["driver"]);
        }
        if !carries || carriage.is_none_or(|carriage| carriage.is_closed) {
            blank(&mut delivery["dropoff"], &["address", "place"]);
            blank(delivery, &["reason"]);
        }
    }
    if let Some(order) = value.get_mut("order") {
        let status = OrderStatus::deserialize(&order["status"])?;
        if status.is_final() {
            blank(order, &["address", "place", "deliveryZone", "table", "note"]);
            for line in order["items"].as_array_mut().into_iter().flatten() {
                blank(line, &["note"]);
            }
        }
    }
    Ok(DriverEvent { name: name.to_owned(), body: serde_json::value::to_raw_value(&value)? })
}

/// Sets fields to null.
fn blank(object: &mut Value, names: &[&str]) {
    for name in names {
        if let Some(field) = object.get_mut(name) {
            *field = Value::Null;
        }
    }
}
