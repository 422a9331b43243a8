//! The last events the relay has emitted, for whoever joins while more are coming.

use std::collections::{HashSet, VecDeque};

use serde_json::value::RawValue;
use socketioxide::extract::SocketRef;

use super::answer::Unsent;
use super::room::{Audience, Room, driver_rooms_of, rooms_of};
use crate::events::Recorded;
use crate::events::driver_view::{self, Carriage, DriverEvent};
use crate::ids::{DeliveryId, DriverId};

/// An event, ready to be emitted.
#[derive(Debug)]
pub struct Told {
    /// The event's number.
    pub seq: i64,
    /// Where it is told as it is.
    pub rooms: Vec<Room>,
    /// Where it is told to drivers, in their view of it.
    pub driver_rooms: Vec<Room>,
    /// Who carries the delivery after it, if it is about one.
    pub carriage: Option<Carriage>,
    /// The order or the delivery that it is about has come to its end.
    pub is_closed: bool,
    /// The event's name, such as `order:new`.
    pub name: String,
    /// Its body, as JSON text.
    pub body: Box<RawValue>,
}

impl Told {
    /// Prepares an event once, however many sockets get it.
    ///
    /// # Errors
    /// When what was stored is not an event's body.
    pub fn new(event: Recorded) -> Result<Self, serde_json::Error> {
        let body = RawValue::from_string(event.body())?;
        let carriage = driver_view::carriage(&event);
        let (rooms, driver_rooms) = (rooms_of(&event), driver_rooms_of(&event));
        Ok(Self { seq: event.seq, rooms, driver_rooms, carriage, is_closed: event.closed, name: event.name, body })
    }

    /// It is told in this room, to this audience.
    pub fn concerns(&self, room: Room, audience: Audience) -> bool {
        let rooms = if audience == Audience::Full { &self.rooms } else { &self.driver_rooms };
        rooms.contains(&room)
    }

    /// A driver's view of it. `is_over`: the driver does not carry the delivery any more by now, whatever it says.
    ///
    /// # Errors
    /// When what was stored is not an event's body.
    pub fn for_driver(&self, driver: DriverId, is_over: bool) -> Result<DriverEvent, serde_json::Error> {
        driver_view::event_for_driver(&self.name, &self.body, self.carriage, self.is_closed || is_over, driver)
    }

    /// Sends it to one socket, in its audience's view. `is_over` as in [`Told::for_driver`].
    ///
    /// # Errors
    /// When what was stored is not an event's body.
    pub fn emit(
        &self,
        socket: &SocketRef,
        audience: Audience,
        is_over: bool,
    ) -> Result<Result<(), Unsent>, serde_json::Error> {
        Ok(match audience {
            Audience::Full => socket.emit(&self.name, &self.body).map_err(Unsent::from),
            Audience::Driver(driver) => {
                let DriverEvent { name, body } = self.for_driver(driver, is_over)?;
                socket.emit(name, &body).map_err(Unsent::from)
            }
        })
    }

    /// Whether it is about one of these deliveries.
    pub fn is_about(&self, deliveries: &HashSet<DeliveryId>) -> bool {
        self.carriage.is_some_and(|carriage| deliveries.contains(&carriage.delivery))
    }

    /// Somebody who carried the delivery before it does not any more, or it came to its end with it.
    pub fn ends_carriage_of(&self, driver: DriverId) -> bool {
        self.carriage.is_some_and(|carriage| carriage.is_closed || carriage.driver != Some(driver))
    }
}

/// The recent past, up to the cursor.
#[derive(Debug)]
pub struct Ring {
    events: VecDeque<Told>,
    capacity: usize,
    floor: i64,
    cursor: i64,
}

impl Ring {
    /// Nothing yet; everything after `cursor` will come through here.
    pub const fn new(capacity: usize, cursor: i64) -> Self {
        Self { events: VecDeque::new(), capacity, floor: cursor, cursor }
    }

    /// Every event up to this number has been emitted, and none can appear at or below it any more.
    pub const fn cursor(&self) -> i64 {
        self.cursor
    }

    /// An event has been emitted; numbers only grow.
    pub fn push(&mut self, event: Told) {
        if self.events.len() == self.capacity
            && let Some(oldest) = self.events.pop_front()
        {
            self.floor = oldest.seq;
        }
        self.cursor = event.seq;
        self.events.push_back(event);
    }

    /// There is nothing more up to this number.
    pub fn advance(&mut self, cursor: i64) {
        self.cursor = self.cursor.max(cursor);
    }

    /// A room's events after a number, up to the cursor, as this audience is told them; `None` when some of them are no
    /// longer here.
    pub fn since(&self, after: i64, room: Room, audience: Audience) -> Option<impl Iterator<Item = &Told>> {
        let start = self.events.partition_point(|event| event.seq <= after);
        (after >= self.floor).then(|| self.events.range(start..).filter(move |event| event.concerns(room, audience)))
    }

    /// Deliveries that a driver carried at some time after a number and does not carry any more at the cursor.
    pub fn ended_since(&self, after: i64, driver: DriverId) -> HashSet<DeliveryId> {
        let start = self.events.partition_point(|event| event.seq <= after);
        let mut ended = HashSet::new();
        for event in self.events.range(start..) {
            let Some(carriage) = event.carriage else { continue };
            if event.ends_carriage_of(driver) {
                ended.insert(carriage.delivery);
            } else {
                ended.remove(&carriage.delivery);
            }
        }
        ended
    }
}
