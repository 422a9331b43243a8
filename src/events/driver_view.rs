//! Events as a driver may see them. Pure.
//!
//! A driver needs the customer's address while they carry the order to it, and not afterwards; whoever carried it before
//! or after them is not shown to them. What answers to requests show of orders and deliveries follows the same rules
//! (`orders/disclosure.rs`, `delivery/disclosure.rs`).

use serde_json::Value;
use serde_json::value::RawValue;

use super::{Aggregate, EventKind, Recorded};
use crate::ids::{DeliveryId, DriverId};

/// The driver of a delivery before and after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carriage {
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
pub fn carriage(event: &Recorded) -> Option<Carriage> {
    (event.aggregate == Aggregate::Delivery.word()).then(|| Carriage {
        delivery: DeliveryId::from_uuid(event.aggregate_id),
        driver: event.driver_id,
        former: event.former_driver_id,
        is_closed: event.closed,
    })
}

/// An event as one driver gets it.
pub struct DriverEvent {
    /// Its name for the driver: not the stored one for whom it took a delivery from.
    pub name: String,
    /// The payload, without what the driver must not see.
    pub body: Box<RawValue>,
}

/// An event with its number as this driver may see it. Whom it took a delivery from learns that, and nothing else of it.
/// `is_closed`: the order or delivery that it is about had come to its end.
///
/// # Errors
/// When what was stored is no event's body.
pub fn event_for_driver(
    name: &str,
    body: &RawValue,
    carriage: Option<Carriage>,
    is_closed: bool,
    driver: DriverId,
) -> Result<DriverEvent, serde_json::Error> {
    let mut value: Value = serde_json::from_str(body.get())?;
    let was_taken_away = carriage.is_some_and(|carriage| carriage.former == Some(driver));
    if was_taken_away {
        if let Some(fields) = value.as_object_mut() {
            fields.remove("delivery");
        }
        let body = serde_json::value::to_raw_value(&value)?;
        return Ok(DriverEvent { name: EventKind::DeliveryUnassigned.name().to_owned(), body });
    }
    if let Some(delivery) = value.get_mut("delivery") {
        let carries = carriage.is_some_and(|carriage| carriage.driver == Some(driver));
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
