//! The ring buffer of the events that the relay has emitted last, for sockets that join.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use serde_json::value::RawValue;
use socketioxide::extract::SocketRef;

use super::acknowledgement::SendFailure;
use super::engine_sessions::EngineSession;
use super::room::{Audience, Room, driver_rooms_of, rooms_of};
use crate::events::Recorded;
use crate::events::driver_view::{self, DriverEvent, EventDrivers};
use crate::ids::{DeliveryId, DriverId};

/// An event, ready to be emitted.
#[derive(Debug)]
pub struct BufferedEvent {
    /// The number of the event.
    pub seq: i64,
    /// The rooms that get the event as it is.
    pub rooms: Vec<Room>,
    /// The rooms in which drivers get their view of it.
    pub driver_rooms: Vec<Room>,
    /// The driver of the delivery before and after the event; `None`: it is not about a delivery.
    pub drivers: Option<EventDrivers>,
    /// Whether the order or the delivery that it is about is closed.
    pub is_closed: bool,
    /// The name of the event.
    pub name: String,
    /// The body of the event, as JSON text.
    pub body: Box<RawValue>,
}

impl BufferedEvent {
    /// Prepares an event for all sockets.
    ///
    /// # Errors
    /// When what was stored is not an event's body.
    pub fn new(event: Recorded) -> Result<Self, serde_json::Error> {
        let body = RawValue::from_string(event.body())?;
        let drivers = driver_view::drivers(&event);
        let (rooms, driver_rooms) = (rooms_of(&event), driver_rooms_of(&event));
        Ok(Self { seq: event.seq, rooms, driver_rooms, drivers, is_closed: event.closed, name: event.name, body })
    }

    /// Whether this audience gets the event in this room.
    pub fn concerns(&self, room: Room, audience: Audience) -> bool {
        let rooms = if audience == Audience::Full { &self.rooms } else { &self.driver_rooms };
        rooms.contains(&room)
    }

    /// A driver's view of the event. `is_over`: the driver does not carry the delivery any more, also if the event says
    /// so.
    ///
    /// # Errors
    /// When what was stored is not an event's body.
    pub fn for_driver(&self, driver: DriverId, is_over: bool) -> Result<DriverEvent, serde_json::Error> {
        driver_view::event_for_driver(&self.name, &self.body, self.drivers, self.is_closed || is_over, driver)
    }

    /// The size of the event in bytes, for the limit of waiting bytes.
    pub fn size(&self) -> usize {
        self.name.len() + self.body.get().len()
    }

    /// Counts the event as waiting for a socket; false: the limit of waiting bytes is reached.
    #[must_use]
    pub fn is_admitted(&self, socket: &SocketRef) -> bool {
        backlog_of(socket).is_none_or(|session| session.backlog.admit(self.size()))
    }

    /// Emits the event to one socket, in its audience's view, if not too much waits for it. `is_over` as in
    /// [`BufferedEvent::for_driver`].
    ///
    /// # Errors
    /// When what was stored is not an event's body.
    pub fn emit(
        &self,
        socket: &SocketRef,
        audience: Audience,
        is_over: bool,
    ) -> Result<Result<(), SendFailure>, serde_json::Error> {
        if !self.is_admitted(socket) {
            return Ok(Err(SendFailure::BufferFull));
        }
        let sent = match audience {
            Audience::Full => socket.emit(&self.name, &self.body).map_err(SendFailure::from),
            Audience::Driver(driver) => {
                let DriverEvent { name, body } = self.for_driver(driver, is_over)?;
                socket.emit(name, &body).map_err(SendFailure::from)
            }
        };
        if sent.is_err()
            && let Some(session) = backlog_of(socket)
        {
            session.backlog.release(self.size());
        }
        Ok(sent)
    }

    /// Whether the event is about one of these deliveries.
    pub fn is_about(&self, deliveries: &HashSet<DeliveryId>) -> bool {
        self.drivers.is_some_and(|drivers| deliveries.contains(&drivers.delivery))
    }

    /// Whether the event ends a driver's delivery: another driver carries it, or none, or it is closed.
    pub fn ends_delivery_of(&self, driver: DriverId) -> bool {
        self.drivers.is_some_and(|drivers| drivers.is_closed || drivers.driver != Some(driver))
    }
}

fn backlog_of(socket: &SocketRef) -> Option<&Arc<EngineSession>> {
    socket.req_parts().extensions.get::<Arc<EngineSession>>()
}

/// The most recent events, up to the cursor.
#[derive(Debug)]
pub struct EventRing {
    events: VecDeque<BufferedEvent>,
    capacity: usize,
    floor: i64,
    cursor: i64,
}

impl EventRing {
    /// An empty buffer. Every event after `cursor` will be pushed to it.
    pub const fn new(capacity: usize, cursor: i64) -> Self {
        Self { events: VecDeque::new(), capacity, floor: cursor, cursor }
    }

    /// Every event up to this number has been emitted, and no more can appear up to it.
    pub const fn cursor(&self) -> i64 {
        self.cursor
    }

    /// Adds an event that has been emitted; numbers only grow.
    pub fn push(&mut self, event: BufferedEvent) {
        if self.events.len() == self.capacity
            && let Some(oldest) = self.events.pop_front()
        {
            self.floor = oldest.seq;
        }
        self.cursor = event.seq;
        self.events.push_back(event);
    }

    /// Moves the cursor: there are no more events up to this number.
    pub fn advance(&mut self, cursor: i64) {
        self.cursor = self.cursor.max(cursor);
    }

    /// The events of a room for an audience after a number, up to the cursor; `None` when some of them are no
    /// longer in the buffer.
    pub fn since(&self, after: i64, room: Room, audience: Audience) -> Option<impl Iterator<Item = &BufferedEvent>> {
        let start = self.events.partition_point(|event| event.seq <= after);
        (after >= self.floor).then(|| self.events.range(start..).filter(move |event| event.concerns(room, audience)))
    }

    /// Deliveries that a driver carried at some time after a number and does not carry any more at the cursor.
    pub fn ended_since(&self, after: i64, driver: DriverId) -> HashSet<DeliveryId> {
        let start = self.events.partition_point(|event| event.seq <= after);
        let mut ended = HashSet::new();
        for event in self.events.range(start..) {
            let Some(drivers) = event.drivers else { continue };
            if event.ends_delivery_of(driver) {
                ended.insert(drivers.delivery);
            } else {
                ended.remove(&drivers.delivery);
            }
        }
        ended
    }
}
