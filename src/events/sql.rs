//! The statements that write the log.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::ser::SerializeMap as _;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Concerns, Event, PastEvent};
use crate::actor::Actor;
use crate::ids::{DriverId, OrderId, RestaurantId, UserId};
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;
use crate::written::MAX_BYTES_OF_OTHERS;

/// The body of an event, without its number, which is added when the event is read.
struct EventBody<'a> {
    event: &'a Event<'a>,
    restaurant: RestaurantId,
    at: DateTime<Utc>,
    actor: Actor,
}

impl Serialize for EventBody<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { event, restaurant, at, actor } = self;
        let mut body = serializer.serialize_map(None)?;
        body.serialize_entry("version", &event.version)?;
        body.serialize_entry("restaurantId", restaurant)?;
        if let Some(order) = event.concerns.order {
            body.serialize_entry("orderId", &order)?;
        }
        if let Some(delivery) = event.concerns.delivery {
            body.serialize_entry("deliveryId", &delivery)?;
        }
        body.serialize_entry("at", at)?;
        body.serialize_entry("actor", actor)?;
        body.serialize_entry(event.kind.row().payload.0, &event.payload)?;
        body.end()
    }
}

impl EventBody<'_> {
    fn written(&self) -> Result<Box<RawValue>, Problem> {
        serde_json::value::to_raw_value(self).map_err(|error| Problem::internal(&error))
    }
}

/// The body of an event up to its payload, which is the last entry: the body is this, the payload and `}`. For
/// functions of the database that write the payload.
///
/// # Errors
/// When the payload cannot be written as JSON.
pub fn head(scope: &RestaurantScope, event: &Event<'_>, at: DateTime<Utc>) -> Result<String, Problem> {
    let (restaurant, actor) = (scope.restaurant(), scope.actor());
    let body = EventBody { event, restaurant, at, actor }.written()?;
    let head = body.get().strip_suffix('}').and_then(|body| body.strip_suffix(event.payload.get()));
    head.map(str::to_owned).ok_or_else(|| Problem::internal(&"the payload is not the end of an event"))
}

/// An event as its row, for functions of the database that append it.
#[derive(Debug)]
pub struct PreparedEvent {
    /// `order` or `delivery`: the kind of object that it is about.
    pub aggregate: &'static str,
    /// The id of that object.
    pub id: Uuid,
    /// The version of that object after the event.
    pub version: i64,
    /// The name of the event.
    pub name: &'static str,
    /// The other objects that it concerns.
    pub concerns: Concerns,
    /// The stored body, without the number.
    pub payload: Box<RawValue>,
}

impl PreparedEvent {
    /// The row of an event that happens at `at`.
    ///
    /// # Errors
    /// When the body cannot be written as JSON.
    pub fn of(scope: &RestaurantScope, event: &Event<'_>, at: DateTime<Utc>) -> Result<Self, Problem> {
        let (restaurant, actor) = (scope.restaurant(), scope.actor());
        let payload = EventBody { event, restaurant, at, actor }.written()?;
        let row = event.kind.row();
        let (id, version, concerns) = (event.id, event.version, event.concerns);
        Ok(Self { aggregate: row.about.as_str(), id, version, name: row.name, concerns, payload })
    }

    /// The number of bytes that count for the write limits of the user who acts.
    pub fn counted_bytes(&self, scope: &RestaurantScope) -> usize {
        let is_own = self.concerns.customer.is_none_or(|customer| scope.actor_id() == Some(customer));
        self.payload.get().len().min(if is_own { usize::MAX } else { MAX_BYTES_OF_OTHERS })
    }
}

/// Appends an event that happens in this transaction.
pub async fn append(tx: &mut Tx, scope: &RestaurantScope, event: &Event<'_>) -> Result<(), Problem> {
    let (restaurant, at, actor) = (scope.restaurant(), tx.now(), scope.actor());
    let event = PreparedEvent::of(scope, event, at)?;
    let index = tx.next_event_index()?;
    tx.note_bytes(event.counted_bytes(scope));
    let PreparedEvent { aggregate, id, version, name, concerns, payload } = event;
    sqlx::query!(
        "insert into events (seq, restaurant_id, aggregate, aggregate_id, order_id, version, name, actor, actor_id,
                             customer_id, driver_id, former_driver_id, closed, payload, at)
         values (event_seq($2), $1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        restaurant as RestaurantId,
        index,
        aggregate,
        id,
        concerns.order as Option<OrderId>,
        version,
        name,
        actor as Actor,
        scope.actor_id() as Option<UserId>,
        concerns.customer as Option<UserId>,
        concerns.driver as Option<DriverId>,
        concerns.former_driver as Option<DriverId>,
        concerns.is_closed,
        sqlx::types::Json(payload) as _,
        at,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Appends events of the past, oldest first, in one statement. Their effects are not run.
///
/// # Errors
/// Those of PostgreSQL, and for more events than a transaction can append.
pub async fn import(tx: &mut Tx, scope: &RestaurantScope, past: &[PastEvent<'_>]) -> Result<(), Problem> {
    let restaurant = scope.restaurant();
    let body =
        |one: &PastEvent<'_>| EventBody { event: &one.event, restaurant, at: one.at, actor: one.actor }.written();
    let indices = past.iter().map(|_| tx.next_event_index()).collect::<Result<Vec<_>, _>>()?;
    let payloads = past.iter().map(|one| body(one).map(|body| body.get().to_owned())).collect::<Result<Vec<_>, _>>()?;
    sqlx::query!(
        "insert into events (seq, restaurant_id, aggregate, aggregate_id, order_id, version, name, actor, actor_id,
                             customer_id, driver_id, closed, payload, at)
         select event_seq(place), $1, aggregate, aggregate_id, order_id, version, name, actor, actor_id,
                customer_id, driver_id, closed, payload::json, at
         from unnest($2::int[], $3::text[], $4::uuid[], $5::uuid[], $6::bigint[], $7::text[], $8::order_actor[],
                     $9::uuid[], $10::uuid[], $11::uuid[], $12::bool[], $13::text[], $14::timestamptz[])
             as past(place, aggregate, aggregate_id, order_id, version, name, actor, actor_id, customer_id, driver_id,
                     closed, payload, at)",
        restaurant as RestaurantId,
        &indices,
        &column(past, |one| one.event.kind.row().about.as_str().to_owned()),
        &column(past, |one| one.event.id),
        &column(past, |one| one.event.concerns.order.map(OrderId::uuid)) as &[Option<Uuid>],
        &column(past, |one| one.event.version),
        &column(past, |one| one.event.kind.name().to_owned()),
        &column(past, |one| one.actor) as &[Actor],
        &column(past, |one| one.actor_id.map(UserId::uuid)) as &[Option<Uuid>],
        &column(past, |one| one.event.concerns.customer.map(UserId::uuid)) as &[Option<Uuid>],
        &column(past, |one| one.event.concerns.driver.map(DriverId::uuid)) as &[Option<Uuid>],
        &column(past, |one| one.event.concerns.is_closed),
        &payloads,
        &column(past, |one| one.at),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

fn column<T>(past: &[PastEvent<'_>], value: impl Fn(&PastEvent<'_>) -> T) -> Vec<T> {
    past.iter().map(value).collect()
}
