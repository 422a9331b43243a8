//! The last events the relay has emitted, for whoever joins while more are coming.

use std::collections::VecDeque;

use serde_json::value::RawValue;

use super::room::{Room, rooms_of};
use crate::events::Recorded;

/// An event, ready to be emitted.
#[derive(Debug)]
pub struct Told {
    /// Its number.
    pub seq: i64,
    /// Where it is told.
    pub rooms: Vec<Room>,
    /// Its name.
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
        Ok(Self { seq: event.seq, rooms: rooms_of(&event)?, name: event.name, body })
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

    /// A room's events after a number, up to the cursor; `None` when some of them are no longer here.
    pub fn since(&self, after: i64, room: Room) -> Option<impl Iterator<Item = &Told>> {
        let start = self.events.partition_point(|event| event.seq <= after);
        (after >= self.floor).then(|| self.events.range(start..).filter(move |event| event.rooms.contains(&room)))
    }
}
