//! The bodies of the public API as a client reads and writes them: only the fields it needs.
//!
//! Written from the API's documentation and not shared with the server, so that a working client proves the format.

use serde::{Deserialize, Serialize};

/// Coordinates of a point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Latitude in degrees.
    pub lat: f64,
    /// Longitude in degrees.
    pub lng: f64,
}

/// An amount in minor units of a currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Minor units: cents of a euro.
    pub amount: i64,
    /// The currency's code from ISO 4217.
    pub currency: String,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The page's rows, in the order of the list.
    pub data: Vec<T>,
    /// The cursor of the next page; `None`: this is the last one.
    pub next_cursor: Option<String>,
}

/// A signed-in user.
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    /// The user's id, `usr_…`.
    pub id: String,
    /// The e-mail address of the account.
    pub email: String,
    /// CUSTOMER, STAFF, DRIVER or ADMIN.
    pub role: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoginResult {
    pub(super) access_token: String,
    /// Seconds until the access token expires.
    pub(super) expires_in: u64,
    pub(super) user: User,
}

/// The body of a registration.
#[derive(Debug, Clone, Serialize)]
pub struct NewUser {
    /// The e-mail address of the account.
    pub email: String,
    /// 8 to 128 characters.
    pub password: String,
    /// The displayed name.
    pub name: String,
}

/// A restaurant to create. Without hours it is always open.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewRestaurant {
    /// The displayed name.
    pub name: String,
    /// Unique on the server.
    pub slug: String,
    /// Street and number.
    pub address: String,
    /// The coordinates of the restaurant.
    pub place: Place,
    /// IANA time zone, such as `Europe/Rome`.
    pub timezone: String,
    /// The currency's code from ISO 4217.
    pub currency: String,
    /// The delivery fee.
    pub delivery_fee: Money,
    /// Whether orders are confirmed without the staff.
    pub auto_accept: bool,
}

/// A restaurant in lists.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restaurant {
    /// The restaurant's id, `rst_…`.
    pub id: String,
    /// Unique on the server.
    pub slug: String,
    /// The displayed name.
    pub name: String,
    /// Whether it takes orders now.
    pub open_now: bool,
}

/// A menu as customers see it.
#[derive(Debug, Clone, Deserialize)]
pub struct Menu {
    /// The categories, in order.
    pub categories: Vec<MenuCategory>,
}

/// A category with its items.
#[derive(Debug, Clone, Deserialize)]
pub struct MenuCategory {
    /// The items, in order.
    pub items: Vec<MenuItem>,
}

/// An item as customers see it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MenuItem {
    /// The item's id, `itm_…`.
    pub id: String,
    /// The displayed name.
    pub name: String,
    /// The price of one portion.
    pub price: Money,
    /// Whether it is switched on.
    pub available: bool,
    /// Whether stock is counted and none is left.
    pub sold_out: bool,
}

impl MenuItem {
    /// Whether it can be ordered.
    pub fn is_available(&self) -> bool {
        self.available && !self.sold_out
    }
}

/// A category of a menu.
#[derive(Debug, Clone, Deserialize)]
pub struct Category {
    /// The category's id, `cat_…`.
    pub id: String,
}

/// An item of a menu.
#[derive(Debug, Clone, Deserialize)]
pub struct Item {
    /// The item's id, `itm_…`.
    pub id: String,
    /// The displayed name.
    pub name: String,
    /// The price of one portion.
    pub price: Money,
}

/// One line of a cart.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CartLine {
    /// The item's id, `itm_…`.
    pub item_id: String,
    /// The number of portions.
    pub quantity: u32,
}

/// A cart on the server.
#[derive(Debug, Clone, Deserialize)]
pub struct Cart {
    /// The cart's id, `crt_…`.
    pub id: String,
}

/// An order for delivery.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase", tag = "fulfilment", rename = "DELIVERY")]
pub struct NewDeliveryOrder {
    /// The cart it is placed from.
    pub cart_id: String,
    /// The delivery address: street and number.
    pub address: String,
    /// The coordinates of the delivery address.
    pub place: Place,
}

/// The fulfilment of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the words of the API")]
pub enum Fulfilment {
    Delivery,
    Pickup,
    DineIn,
}

/// An order with any fulfilment. Fields that do not belong to it are absent.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewOrder {
    /// The cart it is placed from.
    pub cart_id: String,
    /// How the customer receives it.
    pub fulfilment: Fulfilment,
    /// The delivery address: street and number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The coordinates of the delivery address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The table of a dine-in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// A note to the kitchen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The tip; `None`: no tip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tip: Option<Money>,
}

/// The status of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the words of the API")]
pub enum OrderStatus {
    Pending,
    Confirmed,
    Preparing,
    Ready,
    OnTheWay,
    Delivered,
    Cancelled,
}

/// An order as its customer, staff and driver see it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// The order's id, `ord_…`.
    pub id: String,
    /// How the customer receives it.
    pub fulfilment: Fulfilment,
    /// The current status.
    pub status: OrderStatus,
    /// Increases by one with every change.
    pub version: u64,
}

/// The status of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the words of the API")]
pub enum DeliveryStatus {
    Waiting,
    Offered,
    Assigned,
    Arrived,
    PickedUp,
    Delivered,
    Failed,
    Cancelled,
}

/// The delivery of an order.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The delivery's id, `dlv_…`.
    pub id: String,
    /// The id of the order, `ord_…`.
    pub order_id: String,
    /// The driver; `None`: none is assigned.
    pub driver: Option<Carrier>,
    /// Where the order is picked up.
    pub pickup: Stop,
    /// Where the order is delivered.
    pub dropoff: Stop,
    /// The current status.
    pub status: DeliveryStatus,
    /// Increases by one with every change.
    pub version: u64,
}

/// The pickup or the destination of a delivery.
#[derive(Debug, Clone, Deserialize)]
pub struct Stop {
    /// The coordinates; `None`: unknown.
    pub place: Option<Place>,
}

/// The driver of a delivery, as others see them.
#[derive(Debug, Clone, Deserialize)]
pub struct Carrier {
    /// The driver's id, `drv_…`.
    pub id: String,
    /// The latest location; `None`: not known.
    pub place: Option<Place>,
}

/// A driver's own profile.
#[derive(Debug, Clone, Deserialize)]
pub struct Driver {
    /// The driver's id, `drv_…`.
    pub id: String,
    /// The latest location; `None`: not known.
    pub place: Option<Place>,
}
