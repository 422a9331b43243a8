//! Events as a driver may see them. Pure.
//!
//! A driver sees the customer's address only while they carry the order, and never sees other drivers of the delivery.
//! Responses with orders and deliveries follow the same rules (`orders/disclosure.rs`, `delivery/disclosure.rs`).

use serde_json::Value;
use serde_json::value::RawValue;

use super::{Aggregate, EventKind, Recorded};
use crate::ids::{DeliveryId, DriverId};

/// The driver of a delivery before and after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventDrivers {
    /// The delivery that the event is about.
    pub delivery: DeliveryId,
    /// The driver after the event; `None`: none.
    pub driver: Option<DriverId>,
    /// The driver before the event, if it is another one, or none, after it.
    pub former: Option<DriverId>,
    /// Whether the delivery is closed, which ends the driver's view of it.
    pub is_closed: bool,
}

/// The drivers of the delivery that an event is about; `None`: it is about something else.
pub fn drivers(event: &Recorded) -> Option<EventDrivers> {
    (event.aggregate == Aggregate::Delivery.as_str()).then(|| EventDrivers {
        delivery: DeliveryId::from_uuid(event.aggregate_id),
        driver: event.driver_id,
        former: event.former_driver_id,
        is_closed: event.closed,
    })
}

/// A driver's view of an event.
pub struct DriverEvent {
    /// The name of the event for the driver; another one than the stored name if the driver lost the delivery.
    pub name: String,
    /// The payload, without fields that the driver must not see.
    pub body: Box<RawValue>,
}

/// A driver's view of an event, with its number. A driver who lost the delivery learns only that. `is_closed`: whether
/// the order or delivery that it is about was closed.
///
/// # Errors
/// When the stored payload is not the body of an event.
pub fn event_for_driver(
    name: &str,
    body: &RawValue,
    drivers: Option<EventDrivers>,
    is_closed: bool,
    driver: DriverId,
) -> Result<DriverEvent, serde_json::Error> {
    let mut value: Value = serde_json::from_str(body.get())?;
    let was_taken_away = drivers.is_some_and(|drivers| drivers.former == Some(driver));
    if was_taken_away {
        if let Some(fields) = value.as_object_mut() {
            fields.remove("delivery");
        }
        let body = serde_json::value::to_raw_value(&value)?;
        return Ok(DriverEvent { name: EventKind::DeliveryUnassigned.name().to_owned(), body });
    }
    if let Some(delivery) = value.get_mut("delivery") {
        let carries = drivers.is_some_and(|drivers| drivers.driver == Some(driver));
        if !carries {
            blank(delivery, &["driver"]);
        }
        if !carries || is_closed {
            blank(&mut delivery["dropoff"], &["address", "place"]);
            blank(delivery, &["reason"]);
        }
    }
    if let Some(order) = value.get_mut("order")
        && is_closed
    {
        blank(order, &["address", "place", "deliveryZone", "table", "note"]);
        for line in order["items"].as_array_mut().into_iter().flatten() {
            blank(line, &["note"]);
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
