//! Rooms: which slices of the event log there are, how they are called, and which of them an event belongs to.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use crate::events::Recorded;
use crate::ids::{DeliveryId, DriverId, InvalidId, OrderId, RestaurantId, UserId};

/// A slice of the event log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Room {
    /// Everything of a restaurant.
    Restaurant(RestaurantId),
    /// An order and its delivery.
    Order(OrderId),
    /// A delivery.
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

/// The part of a delivery's event that says which one it is and who carries it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AboutDelivery {
    delivery_id: DeliveryId,
    delivery: Carried,
}

#[derive(Deserialize)]
struct Carried {
    driver: Option<Carrier>,
}

#[derive(Deserialize)]
struct Carrier {
    id: DriverId,
}

/// The rooms an event is told in.
///
/// # Errors
/// When the body of a delivery's event does not say which delivery it is about.
pub fn rooms_of(event: &Recorded) -> Result<Vec<Room>, serde_json::Error> {
    let mut rooms = vec![Room::Restaurant(event.restaurant_id)];
    rooms.extend(event.order_id.map(Room::Order));
    rooms.extend(event.customer_id.map(Room::User));
    if event.aggregate == "delivery" {
        let about: AboutDelivery = serde_json::from_str(event.payload.0.get())?;
        rooms.push(Room::Delivery(about.delivery_id));
        rooms.extend(about.delivery.driver.map(|driver| Room::Driver(driver.id)));
    }
    Ok(rooms)
}
