//! Rooms: their kinds and names, and the rooms that an event belongs to.

use std::fmt;
use std::str::FromStr;

use crate::events::Recorded;
use crate::events::kind::{EventKind, RoomKind};
use crate::ids::{DeliveryId, DriverId, InvalidId, OrderId, RestaurantId, UserId};

/// A room: the events on one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Room {
    /// All events of a restaurant.
    Restaurant(RestaurantId),
    /// The events of an order and its delivery.
    Order(OrderId),
    /// The events of a delivery.
    Delivery(DeliveryId),
    /// The events of the deliveries that a driver carries.
    Driver(DriverId),
    /// The events of a customer's orders and their deliveries.
    User(UserId),
}

/// Why a text is not the name of a room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoom {
    /// There is no such kind of rooms.
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

/// The view of a room's events that a socket gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audience {
    /// The view of customers, staff and administrators: bodies as they are.
    Full,
    /// A driver's view, while they carry the delivery.
    Driver(DriverId),
}

/// A room for one audience, which is a room in Socket.IO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RoomChannel {
    /// The room whose events it carries.
    pub room: Room,
    /// Whether it is the channel for drivers.
    pub is_for_drivers: bool,
}

impl RoomChannel {
    /// The channel of a room for an audience.
    pub const fn of(room: Room, audience: Audience) -> Self {
        Self { room, is_for_drivers: matches!(audience, Audience::Driver(_)) }
    }
}

impl fmt::Display for RoomChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No id ends like this, so no client can name a driver's channel.
        if self.is_for_drivers { write!(f, "{}/driver", self.room) } else { self.room.fmt(f) }
    }
}

/// The room of a kind that an event belongs to; `None`: none.
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

/// The rooms that get an event as it is. Empty for a kind of event that this version of the program does not know.
pub fn rooms_of(event: &Recorded) -> Vec<Room> {
    rooms(event, |kind| kind.row().rooms)
}

/// The rooms in which drivers get their view of an event.
pub fn driver_rooms_of(event: &Recorded) -> Vec<Room> {
    rooms(event, |kind| kind.row().driver_rooms)
}
