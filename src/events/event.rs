//! An event before it is appended to the log. Each feature creates its own: `orders/event.rs`, `delivery/event.rs`, …

use std::any::Any;

use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::kind::EventKind;
use crate::ids::{DeliveryId, DriverId, OrderId, UserId};
use crate::problem::Problem;

/// An event, with the object as a GET would have returned it right after the event.
pub struct Event<'a> {
    /// The kind of event, which fixes its name and rooms.
    pub kind: EventKind,
    /// The id of the order, delivery or restaurant that it is about; a menu has its restaurant's.
    pub id: Uuid,
    /// The version of that object after the event.
    pub version: i64,
    /// The other objects that it concerns.
    pub concerns: Concerns,
    /// The payload as clients get it.
    pub payload: Box<RawValue>,
    /// The same object, for the effects of the event (`publish.rs`).
    subject: &'a (dyn Any + Send + Sync),
}

/// The objects that an event concerns, which decide its rooms and who may read it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Concerns {
    /// The order: also for the events of its delivery.
    pub order: Option<OrderId>,
    /// The delivery it is about; `None`: it is not about a delivery.
    pub delivery: Option<DeliveryId>,
    /// The customer of the order; `None`: it concerns no order.
    pub customer: Option<UserId>,
    /// The driver of the delivery after the event; `None`: none.
    pub driver: Option<DriverId>,
    /// The driver who had the delivery before the event and has not after it; `None`: none.
    pub former_driver: Option<DriverId>,
    /// Whether the event closes the order or the delivery.
    pub is_closed: bool,
}

impl<'a> Event<'a> {
    /// An event about `subject`, which clients get as `payload`.
    ///
    /// # Errors
    /// When the payload cannot be written as JSON.
    pub fn new<S: Any + Send + Sync>(
        kind: EventKind,
        (id, version): (Uuid, i64),
        concerns: Concerns,
        subject: &'a S,
        payload: &impl Serialize,
    ) -> Result<Self, Problem> {
        let payload = serde_json::value::to_raw_value(payload).map_err(|error| Problem::internal(&error))?;
        Ok(Self { kind, id, version, concerns, payload, subject })
    }

    /// The object that it is about, for its effects.
    ///
    /// # Errors
    /// When it is about something of another type.
    pub fn subject<S: Any>(&self) -> Result<&'a S, Problem> {
        self.subject.downcast_ref().ok_or_else(|| Problem::internal(&"an event is about something else"))
    }
}
