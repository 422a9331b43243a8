//! The kinds of events: one table with name, description, payload and rooms of each. The OpenAPI document and the rooms
//! of the relay are generated from it. How to add one: CONTRIBUTING.md, "Add an event".

/// The kind of object that an event is about. Each event has a version of the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// An order and its status.
    Order,
    /// The delivery of an order.
    Delivery,
    /// A restaurant's menu.
    Menu,
    /// A restaurant's profile, hours and pauses.
    Restaurant,
}

impl Aggregate {
    /// The value of the column `aggregate`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Delivery => "delivery",
            Self::Menu => "menu",
            Self::Restaurant => "restaurant",
        }
    }
}

/// The kind of a room that an event is sent to; the id is one of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomKind {
    /// `restaurant:{id}`, of the restaurant.
    Restaurant,
    /// `order:{id}`, of the order that the event concerns.
    Order,
    /// `delivery:{id}`, of the delivery that the event is about.
    Delivery,
    /// `user:{id}`, of the customer.
    User,
    /// `driver:{id}`, of the driver of the delivery after the event.
    Driver,
    /// `driver:{id}`, of the driver who lost the delivery by the event.
    FormerDriver,
}

impl RoomKind {
    /// The pattern of the rooms' names, with a placeholder for the id.
    pub const fn pattern(self) -> &'static str {
        match self {
            Self::Restaurant => "restaurant:{id}",
            Self::Order => "order:{id}",
            Self::Delivery => "delivery:{id}",
            Self::User => "user:{id}",
            Self::Driver | Self::FormerDriver => "driver:{id}",
        }
    }
}

/// The type of the part of a body that depends on what the event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadType {
    /// A schema of the OpenAPI document: the response of a GET right after the event.
    Schema(&'static str),
    /// A JSON integer.
    Integer,
    /// A JSON string.
    Text,
}

/// The kinds of events: name, description, payload and rooms of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// An order was placed.
    OrderPlaced,
    /// An order's status changed.
    OrderStatusChanged,
    /// The promised time of an order was postponed.
    OrderPromiseChanged,
    /// A delivery was assigned to a driver.
    DeliveryAssigned,
    /// A delivery's status changed, its opening included.
    DeliveryStatusChanged,
    /// A driver lost a delivery: the former driver's view of the event that caused it. Never stored.
    DeliveryUnassigned,
    /// The menu changed; clients read it again.
    MenuChanged,
    /// Something about the restaurant itself changed.
    RestaurantChanged,
}

/// A row of the table of events.
#[derive(Debug, Clone, Copy)]
pub struct EventRow {
    /// The name of the event on sockets and in the log.
    pub name: &'static str,
    /// The description in the API reference.
    pub description: &'static str,
    /// What it is about.
    pub about: Aggregate,
    /// The field of the body that holds the object or its change, and its type.
    pub payload: (&'static str, PayloadType),
    /// The rooms that get it as it is.
    pub rooms: &'static [RoomKind],
    /// The rooms in which drivers get their view of it (`driver_view.rs`).
    pub driver_rooms: &'static [RoomKind],
}

const fn of_order(name: &'static str, description: &'static str) -> EventRow {
    let (about, payload, rooms) = (Aggregate::Order, ORDER, OF_ORDER);
    EventRow { name, description, about, payload, rooms, driver_rooms: &[RoomKind::Order] }
}

const fn of_delivery(name: &'static str, description: &'static str) -> EventRow {
    let (about, payload, rooms) = (Aggregate::Delivery, DELIVERY, OF_DELIVERY);
    EventRow { name, description, about, payload, rooms, driver_rooms: DRIVERS_OF_DELIVERY }
}

const ORDER: (&str, PayloadType) = ("order", PayloadType::Schema("Order"));
const DELIVERY: (&str, PayloadType) = ("delivery", PayloadType::Schema("Delivery"));
const OF_ORDER: &[RoomKind] = &[RoomKind::Restaurant, RoomKind::Order, RoomKind::User];
const OF_DELIVERY: &[RoomKind] = &[RoomKind::Restaurant, RoomKind::Order, RoomKind::User, RoomKind::Delivery];
const DRIVERS_OF_DELIVERY: &[RoomKind] =
    &[RoomKind::Order, RoomKind::Delivery, RoomKind::Driver, RoomKind::FormerDriver];

impl EventKind {
    /// Every kind, in the order of the reference.
    pub const ALL: [Self; 8] = [
        Self::OrderPlaced,
        Self::OrderStatusChanged,
        Self::OrderPromiseChanged,
        Self::DeliveryAssigned,
        Self::DeliveryStatusChanged,
        Self::MenuChanged,
        Self::RestaurantChanged,
        Self::DeliveryUnassigned,
    ];

    /// The kind's row of the table.
    pub const fn row(self) -> EventRow {
        match self {
            Self::OrderPlaced => of_order("order:new", "An order was placed."),
            Self::OrderStatusChanged => of_order("order:status-changed", "An order's status changed."),
            Self::OrderPromiseChanged => {
                of_order("order:promise-changed", "The promised time of an order was postponed.")
            }
            Self::DeliveryAssigned => of_delivery("delivery:assigned", "A delivery was assigned to a driver."),
            Self::DeliveryStatusChanged => of_delivery("delivery:status-changed", "A delivery's status changed."),
            Self::DeliveryUnassigned => EventRow {
                name: "delivery:unassigned",
                description: "To a driver only: a delivery was taken from them, or they handed it back; without the \
                              delivery itself.",
                about: Aggregate::Delivery,
                payload: ("deliveryId", PayloadType::Text),
                rooms: &[],
                driver_rooms: &[RoomKind::FormerDriver, RoomKind::Order, RoomKind::Delivery],
            },
            Self::MenuChanged => EventRow {
                name: "menu:changed",
                description: "The menu changed; read it again.",
                about: Aggregate::Menu,
                payload: ("menuVersion", PayloadType::Integer),
                rooms: &[RoomKind::Restaurant],
                driver_rooms: &[],
            },
            Self::RestaurantChanged => EventRow {
                name: "restaurant:changed",
                description: "The restaurant's profile, hours or pauses changed.",
                about: Aggregate::Restaurant,
                payload: ("restaurant", PayloadType::Schema("Restaurant")),
                rooms: &[RoomKind::Restaurant],
                driver_rooms: &[],
            },
        }
    }

    /// The name of the event on sockets and in the log.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The kind of a stored event.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.is_stored() && kind.name() == name)
    }

    /// Whether it is stored in the log; if not, it is a driver's view of another event.
    pub const fn is_stored(self) -> bool {
        !matches!(self, Self::DeliveryUnassigned)
    }
}
