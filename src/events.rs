//! The event log: everything that happened, appended in the transaction of the change.
//!
//! Sockets, notifications and polling read it; nothing is told to anybody that is not in it. A number is given in
//! order of transactions, and a reader stops at the horizon below which all transactions have ended
//! (`migrations/0007_events.sql`), so an event of a transaction that commits late is never skipped.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::actor::Actor;
use crate::delivery::{self, Delivery};
use crate::ids::{DeliveryId, DriverId, OrderId, RestaurantId, UserId};
use crate::orders::Order;
use crate::problem::Problem;
use crate::restaurants::Restaurant;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// What happened. Each carries what a GET would have answered right after it.
pub enum Event<'a> {
    /// An order was placed.
    OrderPlaced(&'a Order),
    /// An order took a step.
    OrderStatusChanged(&'a Order),
    /// An order was promised for later.
    OrderPromiseChanged(&'a Order),
    /// A driver was given a delivery.
    DeliveryAssigned(&'a Delivery),
    /// A delivery took another step, its opening included.
    DeliveryStatusChanged(&'a Delivery),
    /// The menu is another one now; clients read it again.
    MenuChanged {
        /// Its new version.
        version: i64,
    },
    /// Something about the restaurant itself changed.
    RestaurantChanged(&'a Restaurant),
}

/// Names of durable events on the wire.
pub const NAMES: &[(&str, &str)] = &[
    ("order:new", "An order was placed."),
    ("order:status-changed", "An order took a step."),
    ("order:promise-changed", "An order was promised for later."),
    ("delivery:assigned", "A driver was given a delivery."),
    ("delivery:status-changed", "A delivery took another step."),
    ("menu:changed", "The menu changed; read it again."),
    ("restaurant:changed", "Something about the restaurant changed."),
];

/// Names that events have for one audience alone.
pub const AUDIENCE_NAMES: &[(&str, &str)] = &[(
    Event::DELIVERY_UNASSIGNED,
    "To a driver only: a delivery was taken from them, or they handed it back; without the delivery itself.",
)];

/// The part of an event's body that depends on what it is about.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Subject<'a> {
    Order(&'a Order),
    Delivery(Box<Delivery>),
    Restaurant(&'a Restaurant),
    MenuVersion(i64),
}

impl<'a> Event<'a> {
    /// What a driver hears of the event that took a delivery from them, under whatever name it was stored.
    pub const DELIVERY_UNASSIGNED: &'static str = "delivery:unassigned";

    /// On the wire.
    const fn name(&self) -> &'static str {
        match self {
            Self::OrderPlaced(_) => "order:new",
            Self::OrderStatusChanged(_) => "order:status-changed",
            Self::OrderPromiseChanged(_) => "order:promise-changed",
            Self::DeliveryAssigned(_) => "delivery:assigned",
            Self::DeliveryStatusChanged(_) => "delivery:status-changed",
            Self::MenuChanged { .. } => "menu:changed",
            Self::RestaurantChanged(_) => "restaurant:changed",
        }
    }

    /// What it is about: kind, id and version.
    fn aggregate(&self, restaurant: RestaurantId) -> (&'static str, Uuid, i64) {
        match self {
            Self::OrderPlaced(order) | Self::OrderStatusChanged(order) | Self::OrderPromiseChanged(order) => {
                ("order", order.id.uuid(), order.version)
            }
            Self::DeliveryAssigned(delivery) | Self::DeliveryStatusChanged(delivery) => {
                ("delivery", delivery.id.uuid(), delivery.version)
            }
            Self::MenuChanged { version } => ("menu", restaurant.uuid(), *version),
            Self::RestaurantChanged(body) => ("restaurant", restaurant.uuid(), body.version),
        }
    }

    /// Whose order it is about, where it is about one.
    const fn customer(&self) -> Option<UserId> {
        match self {
            Self::OrderPlaced(order) | Self::OrderStatusChanged(order) | Self::OrderPromiseChanged(order) => {
                Some(order.customer_id)
            }
            Self::DeliveryAssigned(delivery) | Self::DeliveryStatusChanged(delivery) => Some(delivery.customer_id),
            Self::MenuChanged { .. } | Self::RestaurantChanged(_) => None,
        }
    }

    /// The order it concerns, and the delivery: what rooms are named after.
    const fn concerns(&self) -> (Option<OrderId>, Option<DeliveryId>) {
        match self {
            Self::OrderPlaced(order) | Self::OrderStatusChanged(order) | Self::OrderPromiseChanged(order) => {
                (Some(order.id), None)
            }
            Self::DeliveryAssigned(delivery) | Self::DeliveryStatusChanged(delivery) => {
                (Some(delivery.order_id), Some(delivery.id))
            }
            Self::MenuChanged { .. } | Self::RestaurantChanged(_) => (None, None),
        }
    }

    /// Whom it took a delivery from.
    const fn former_driver(&self) -> Option<DriverId> {
        match self {
            Self::DeliveryAssigned(delivery) | Self::DeliveryStatusChanged(delivery) => delivery.former_driver,
            Self::OrderPlaced(_)
            | Self::OrderStatusChanged(_)
            | Self::OrderPromiseChanged(_)
            | Self::MenuChanged { .. }
            | Self::RestaurantChanged(_) => None,
        }
    }

    fn subject(&self) -> Subject<'a> {
        match *self {
            Self::OrderPlaced(order) | Self::OrderStatusChanged(order) | Self::OrderPromiseChanged(order) => {
                Subject::Order(order)
            }
            Self::DeliveryAssigned(delivery) | Self::DeliveryStatusChanged(delivery) => {
                Subject::Delivery(Box::new(delivery.for_log()))
            }
            Self::MenuChanged { version } => Subject::MenuVersion(version),
            Self::RestaurantChanged(restaurant) => Subject::Restaurant(restaurant),
        }
    }
}

/// Appends an event and tells, inside the same transaction, those who must follow at once.
///
/// # Errors
/// When PostgreSQL refuses, such as an aggregate's version that happened already.
pub async fn publish(tx: &mut Tx, scope: &RestaurantScope, event: Event<'_>) -> Result<(), Problem> {
    append(tx, scope, &event).await?;
    // Who hears of it before COMMIT. A new event has to be answered here.
    match event {
        Event::OrderStatusChanged(order) => Box::pin(delivery::follow(tx, scope, order)).await,
        Event::OrderPlaced(_)
        | Event::OrderPromiseChanged(_)
        | Event::DeliveryAssigned(_)
        | Event::DeliveryStatusChanged(_)
        | Event::MenuChanged { .. }
        | Event::RestaurantChanged(_) => Ok(()),
    }
}

/// What is stored, and what a client gets once the number is known.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stored<'a> {
    version: i64,
    restaurant_id: RestaurantId,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<OrderId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_id: Option<DeliveryId>,
    at: DateTime<Utc>,
    actor: Actor,
    #[serde(flatten)]
    subject: Subject<'a>,
}

impl<'a> Stored<'a> {
    fn of(event: &Event<'a>, restaurant_id: RestaurantId, at: DateTime<Utc>, actor: Actor) -> Self {
        let (_, _, version) = event.aggregate(restaurant_id);
        let (order_id, delivery_id) = event.concerns();
        Self { version, restaurant_id, order_id, delivery_id, at, actor, subject: event.subject() }
    }
}

async fn append(tx: &mut Tx, scope: &RestaurantScope, event: &Event<'_>) -> Result<(), Problem> {
    let (aggregate, aggregate_id, version) = event.aggregate(scope.restaurant());
    let (order_id, _) = event.concerns();
    let at = tx.now();
    let payload = serde_json::value::to_raw_value(&Stored::of(event, scope.restaurant(), at, scope.actor()))
        .map_err(|error| Problem::internal(&error))?;
    let place = tx.next_event_place()?;
    sqlx::query!(
        "insert into events (seq, restaurant_id, aggregate, aggregate_id, order_id, version, name, actor, actor_id,
                             customer_id, former_driver_id, payload, at)
         values (event_seq($2), $1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        scope.restaurant() as RestaurantId,
        place,
        aggregate,
        aggregate_id,
        order_id as Option<OrderId>,
        version,
        event.name(),
        scope.actor() as Actor,
        scope.actor_id() as Option<UserId>,
        event.customer() as Option<UserId>,
        event.former_driver() as Option<DriverId>,
        sqlx::types::Json(payload) as _,
        at,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Something that happened before the log was there to note it.
pub struct PastEvent<'a> {
    /// When.
    pub at: DateTime<Utc>,
    /// In which capacity it was done.
    pub actor: Actor,
    /// Who, where it was a person.
    pub actor_id: Option<UserId>,
    /// What.
    pub event: Event<'a>,
}

/// Appends what happened earlier, oldest first, in one statement. Nobody follows it: it is over.
///
/// # Errors
/// When PostgreSQL refuses, or there are more of them than a transaction has places.
pub async fn import(tx: &mut Tx, scope: &RestaurantScope, past: &[PastEvent<'_>]) -> Result<(), Problem> {
    let restaurant = scope.restaurant();
    let body = |one: &PastEvent<'_>| {
        serde_json::to_string(&Stored::of(&one.event, restaurant, one.at, one.actor))
            .map_err(|error| Problem::internal(&error))
    };
    let places = past.iter().map(|_| tx.next_event_place()).collect::<Result<Vec<_>, _>>()?;
    let payloads = past.iter().map(body).collect::<Result<Vec<_>, _>>()?;
    let about: Vec<_> = past.iter().map(|one| one.event.aggregate(restaurant)).collect();
    let aggregates: Vec<_> = about.iter().map(|(kind, ..)| (*kind).to_owned()).collect();
    let ids: Vec<_> = about.iter().map(|(_, id, _)| *id).collect();
    let versions: Vec<_> = about.iter().map(|(.., version)| *version).collect();
    let orders: Vec<_> = past.iter().map(|one| one.event.concerns().0.map(OrderId::uuid)).collect();
    let names: Vec<_> = past.iter().map(|one| one.event.name().to_owned()).collect();
    let actors: Vec<_> = past.iter().map(|one| one.actor).collect();
    let actor_ids: Vec<_> = past.iter().map(|one| one.actor_id.map(UserId::uuid)).collect();
    let customers: Vec<_> = past.iter().map(|one| one.event.customer().map(UserId::uuid)).collect();
    let times: Vec<_> = past.iter().map(|one| one.at).collect();
    sqlx::query!(
        "insert into events (seq, restaurant_id, aggregate, aggregate_id, order_id, version, name, actor, actor_id,
                             customer_id, payload, at)
         select event_seq(place), $1, aggregate, aggregate_id, order_id, version, name, actor, actor_id,
                customer_id, payload::json, at
         from unnest($2::int[], $3::text[], $4::uuid[], $5::uuid[], $6::bigint[], $7::text[], $8::order_actor[],
                     $9::uuid[], $10::uuid[], $11::text[], $12::timestamptz[])
             as past(place, aggregate, aggregate_id, order_id, version, name, actor, actor_id, customer_id, payload, at)",
        restaurant as RestaurantId,
        &places,
        &aggregates,
        &ids,
        &orders as &[Option<Uuid>],
        &versions,
        &names,
        &actors as &[Actor],
        &actor_ids as &[Option<Uuid>],
        &customers as &[Option<Uuid>],
        &payloads,
        &times,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// An event as it was stored.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its number.
    pub seq: i64,
    /// Whose.
    pub restaurant_id: RestaurantId,
    /// The order it concerns.
    pub order_id: Option<OrderId>,
    /// The aggregate it is about: with `aggregate`, the delivery.
    pub aggregate_id: Uuid,
    /// `order`, `delivery`, `menu` or `restaurant`.
    pub aggregate: String,
    /// The customer it concerns.
    pub customer_id: Option<UserId>,
    /// The driver whom it took a delivery from.
    pub former_driver_id: Option<DriverId>,
    /// On the wire.
    pub name: String,
    /// The aggregate's version after it.
    pub version: i64,
    /// In which capacity it was done.
    pub actor: Actor,
    /// When.
    pub at: DateTime<Utc>,
    /// The body without its number.
    pub payload: sqlx::types::Json<Box<RawValue>>,
}

impl Recorded {
    /// What a client gets: the stored body with its number in front.
    pub fn body(&self) -> String {
        let stored = self.payload.0.get();
        format!("{{\"seq\":{},{}", self.seq, stored.strip_prefix('{').unwrap_or(stored))
    }
}

/// One line of an order's timeline.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEntry {
    /// The event's number; send it as `after` to resume.
    pub seq: i64,
    /// The order's or delivery's version after it.
    pub version: i64,
    /// Such as `order:status-changed`.
    #[schema(example = "order:status-changed")]
    pub name: String,
    /// In which capacity it was done.
    pub actor: Actor,
    /// When.
    pub at: DateTime<Utc>,
    /// Equal to what a socket was sent.
    #[schema(value_type = Object)]
    pub event: Box<RawValue>,
}
