//! Rooms: which slices of the event log there are, how they are called, and which of them an event belongs to.

use std::fmt;
use std::str::FromStr;

use crate::event::kind::{EventKind, RoomKind};
use crate::events::Recorded;
use crate::ids::{DeliveryId, DriverId, InvalidId, OrderId, RestaurantId, UserId};

/// A slice of the event log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Room {
    /// Everything of a restaurant.
    Restaurant(RestaurantId),
    /// An order and its delivery.
    Order(OrderId),
    /// Events of one delivery.
    Delivery(DeliveryId),
    /// The deliveries that are in a driver's hands.
    Driver(DriverId),
    /// A customer's orders and their deliveries.
    User(UserId),
}

/// Why a text names no room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoom {
    /// There are no rooms of this kind.
    #[error("must be restaurant:…, order:…, delivery:…, driver:… or user:…, with an id after the colon")]
    Kind,
    /// The id cannot exist.
    #[error(transparent)]
    Id(#[from] InvalidId),
}

impl FromStr for Room {
    type Err = InvalidRoom;

    fn from_str(text: &str) -> Result<Self, InvalidRoom> {
        let (kind, id) = text.split_once(':').ok_or(InvalidRoom::Kind)?;
        Ok(match kind {
            "restaurant" => Self::Restaurant(id.parse()?),
            "order" => Self::Order(id.parse()?),
            "delivery" => Self::Delivery(id.parse()?),
            "driver" => Self::Driver(id.parse()?),
            "user" => Self::User(id.parse()?),
            _ => return Err(InvalidRoom::Kind),
        })
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restaurant(id) => write!(f, "restaurant:{id}"),
            Self::Order(id) => write!(f, "order:{id}"),
            Self::Delivery(id) => write!(f, "delivery:{id}"),
            Self::Driver(id) => write!(f, "driver:{id}"),
            Self::User(id) => write!(f, "user:{id}"),
        }
    }
}

/// In which capacity somebody is in a room, and so which view of its events they get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Customers, staff and administrators: bodies as they are.
    Full,
    /// The driver of the delivery, who gets a driver's view, while they carry it.
    Driver(DriverId),
}

/// One room as one audience hears it: what Socket.IO calls a room here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Channel {
    /// Which slice of the log.
    pub room: Room,
    /// Whether the payload is reduced to what a driver may see.
    pub is_for_drivers: bool,
}

impl Channel {
    /// The channel of a room for an audience.
    pub const fn of(room: Room, audience: Audience) -> Self {
        Self { room, is_for_drivers: matches!(audience, Audience::Driver(_)) }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No id ends like this, so no client can name a driver's channel.
        if self.is_for_drivers { write!(f, "{}/driver", self.room) } else { self.room.fmt(f) }
    }
}

/// The room of a kind that an event names; `None` where the event concerns nobody of that kind.
fn room_of(kind: RoomKind, event: &Recorded) -> Option<Room> {
    match kind {
        RoomKind::Restaurant => Some(Room::Restaurant(event.restaurant_id)),
        RoomKind::Order => event.order_id.map(Room::Order),
        RoomKind::Delivery => Some(Room::Delivery(DeliveryId::from_uuid(event.aggregate_id))),
        RoomKind::User => event.customer_id.map(Room::User),
        RoomKind::Driver => event.driver_id.map(Room::Driver),
        RoomKind::FormerDriver => event.former_driver_id.map(Room::Driver),
    }
}

fn rooms(event: &Recorded, of: impl Fn(EventKind) -> &'static [RoomKind]) -> Vec<Room> {
    let kinds = EventKind::by_name(&event.name).map(of).unwrap_or_default();
    kinds.iter().filter_map(|kind| room_of(*kind, event)).collect()
}

/// The rooms that get an event as it is. None for an event whose kind this version of the program does not know.
pub fn rooms_of(event: &Recorded) -> Vec<Room> {
    rooms(event, |kind| kind.row().rooms)
}

/// The rooms in which drivers get their view of an event.
pub fn driver_rooms_of(event: &Recorded) -> Vec<Room> {
    rooms(event, |kind| kind.row().driver_rooms)
}
