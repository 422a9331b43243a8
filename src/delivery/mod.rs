//! Delivery: drivers, and the transport of orders from the restaurant to the delivery address.
//!
//! A delivery opens when its order is confirmed and follows it: an order on its way has been picked up, a delivered
//! order closes it, a cancelled one cancels it, all in the transaction that changes the order. The delivery itself has
//! the driver, and whether the driver has arrived at the restaurant. Whether a driver is busy is not stored: it follows
//! from the deliveries, and a constraint allows each driver one at a time.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{DeliveryId, DriverId, OrderId, RestaurantId, UserId};
use crate::place::Place;

pub mod access;
pub mod actions;
pub mod disclosure;
pub mod event;
pub mod http;
pub mod location;
pub mod past_assignments;
pub mod sql;
pub mod status;

pub use status::DeliveryStatus;

/// The vehicle of a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Vehicle {
    /// The driver rides a bicycle.
    Bicycle,
    /// The driver rides a scooter.
    Scooter,
    /// The driver drives a car.
    Car,
    /// The driver goes on foot.
    Foot,
}

impl Vehicle {
    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bicycle => "BICYCLE",
            Self::Scooter => "SCOOTER",
            Self::Car => "CAR",
            Self::Foot => "FOOT",
        }
    }
}

/// The availability of a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DriverStatus {
    /// The driver takes no deliveries, or is absent.
    Offline,
    /// The driver takes deliveries, and has none.
    Available,
    /// The driver has a delivery.
    Busy,
}

/// The driver profile of a user.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Driver {
    /// The id of the driver.
    pub id: DriverId,
    /// The id of the user.
    pub user_id: UserId,
    /// The name of the driver.
    pub name: String,
    /// The kind of vehicle.
    #[schema(value_type = Vehicle)]
    pub vehicle: String,
    /// The availability of the driver.
    pub status: DriverStatus,
    /// The last reported location; null while the driver is off duty without an open delivery. In the list of drivers
    /// null unless the driver is on duty and present.
    pub place: Option<Place>,
    /// When the location was measured, by the server's clock, estimated from the times in the phone's reports; null if
    /// `place` is null.
    pub located_at: Option<DateTime<Utc>>,
    /// When the driver was last active: reported a location, went on or off duty, or changed the status of a delivery
    /// or of its order. A driver who was not active for `DRIVER_PRESENCE` is `OFFLINE` and is not assigned.
    pub seen_at: Option<DateTime<Utc>>,
}

/// The driver, as the customer sees them.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = DeliveryDriver)]
pub struct Carrier {
    /// The id of the driver.
    pub id: DriverId,
    /// The name of the driver.
    pub name: String,
    /// The kind of vehicle.
    #[schema(value_type = Vehicle)]
    pub vehicle: String,
    /// The last location on this trip, while the delivery is `PICKED_UP`; null before and after, if none was reported
    /// since shortly before the pickup, and in events.
    pub place: Option<Place>,
}

/// The pickup or the destination of a delivery.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = DeliveryStop)]
pub struct Stop {
    /// The name of the restaurant; only of the pickup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Street and house number.
    pub address: Option<String>,
    /// The coordinates of the address.
    pub place: Option<Place>,
}

/// The delivery of an order.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The id of the delivery.
    pub id: DeliveryId,
    /// The id of the order.
    pub order_id: OrderId,
    /// The id of the restaurant.
    pub restaurant_id: RestaurantId,
    /// The customer; used for rooms and policies, not in responses.
    #[serde(skip)]
    pub customer_id: UserId,
    /// The driver; null: none is assigned.
    pub driver: Option<Carrier>,
    /// The driver who lost the delivery by the last change, if any; used for its event only.
    #[serde(skip)]
    pub former_driver: Option<DriverId>,
    /// The status of the delivery.
    pub status: DeliveryStatus,
    /// Increases by one with each change.
    pub version: i64,
    /// Why this driver was chosen.
    pub assigned_because: Option<String>,
    /// Why it was handed back (`WAITING`) or failed (`FAILED`); null in every other status, or if no reason was given.
    pub reason: Option<String>,
    /// Where the order is collected.
    pub pickup: Stop,
    /// The destination. Drivers see it while the delivery is assigned to them, until it is closed.
    pub dropoff: Stop,
    /// When the delivery was created.
    pub created_at: DateTime<Utc>,
    /// When the delivery was last changed.
    pub updated_at: DateTime<Utc>,
    /// When the delivery was delivered, failed or cancelled.
    pub closed_at: Option<DateTime<Utc>>,
}
