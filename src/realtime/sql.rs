//! Statements on the event log, for the relay and for replay.
//!
//! The horizon is read first and the events afterwards, each by its own statement: events below the horizon were
//! committed before the second statement began, so that it sees all of them.

use std::collections::HashSet;

use sqlx::postgres::PgListener;

use super::room::Room;
use crate::events::Recorded;
use crate::ids::{DeliveryId, DriverId, OrderId, RestaurantId, UserId};
use crate::problem::Problem;
use crate::uow::Tx;

/// The most events of one page; the same as in the statements.
pub const PAGE: usize = 200;

/// The state of the log.
pub struct LogState {
    /// Every event numbered below this is final.
    pub horizon: i64,
    /// The highest number in the log, final or not; `None`: the log is empty.
    pub newest: Option<i64>,
}

/// Reads the state of the log.
pub async fn log(tx: &mut Tx) -> Result<LogState, Problem> {
    let log = sqlx::query_as!(
        LogState,
        r#"select event_horizon() as "horizon!", (select seq from events order by seq desc limit 1) as newest"#
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(log)
}

/// Events in order; `$which` is the condition.
macro_rules! events {
    ($tx:expr, $condition:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            Recorded,
            r#"select seq, restaurant_id, order_id, aggregate_id, aggregate, customer_id, driver_id,
                      former_driver_id, closed, name, version, actor, at,
                      payload as "payload: _"
               from events where "# + $condition + " order by seq limit 200",
            $($argument),+
        )
        .fetch_all($tx.connection())
        .await
        .map_err(Problem::from)
    };
}

/// All events after one number and below another.
pub async fn between(tx: &mut Tx, after: i64, below: i64) -> Result<Vec<Recorded>, Problem> {
    events!(tx, "seq > $1 and seq < $2", after, below)
}

/// The events of a room after one number, up to another. `restaurant` is the restaurant of the room, if it belongs to
/// one.
pub async fn of_room(
    tx: &mut Tx,
    restaurant: Option<RestaurantId>,
    room: Room,
    after: i64,
    up_to: i64,
) -> Result<Vec<Recorded>, Problem> {
    match room {
        Room::Restaurant(restaurant) => of_restaurant(tx, restaurant, after, up_to).await,
        Room::Order(order) => of_order(tx, restaurant.ok_or_else(Problem::not_found)?, order, after, up_to).await,
        Room::Delivery(delivery) => {
            of_delivery(tx, restaurant.ok_or_else(Problem::not_found)?, delivery, after, up_to).await
        }
        Room::Driver(driver) => of_driver(tx, driver, after, up_to).await,
        Room::User(user) => of_customer(tx, user, after, up_to).await,
    }
}

async fn of_restaurant(
    tx: &mut Tx,
    restaurant: RestaurantId,
    after: i64,
    up_to: i64,
) -> Result<Vec<Recorded>, Problem> {
    events!(tx, "restaurant_id = $1 and seq > $2 and seq <= $3", restaurant as RestaurantId, after, up_to)
}

async fn of_order(
    tx: &mut Tx,
    restaurant: RestaurantId,
    order: OrderId,
    after: i64,
    up_to: i64,
) -> Result<Vec<Recorded>, Problem> {
    events!(
        tx,
        "restaurant_id = $1 and order_id = $2 and seq > $3 and seq <= $4",
        restaurant as RestaurantId,
        order as OrderId,
        after,
        up_to,
    )
}

async fn of_delivery(
    tx: &mut Tx,
    restaurant: RestaurantId,
    delivery: DeliveryId,
    after: i64,
    up_to: i64,
) -> Result<Vec<Recorded>, Problem> {
    events!(
        tx,
        "restaurant_id = $1 and aggregate = 'delivery' and aggregate_id = $2 and seq > $3 and seq <= $4",
        restaurant as RestaurantId,
        delivery.uuid(),
        after,
        up_to,
    )
}

/// The events of a driver's deliveries while the driver carried them, and those that ended that.
async fn of_driver(tx: &mut Tx, driver: DriverId, after: i64, up_to: i64) -> Result<Vec<Recorded>, Problem> {
    events!(
        tx,
        "seq in (
             select e.seq from events e
             where e.aggregate = 'delivery' and e.aggregate_id in (select d.id from deliveries d where d.driver_id = $1)
               and e.driver_id = $1 and e.seq > $2 and e.seq <= $3
             union all
             select e.seq from events e where e.former_driver_id = $1 and e.seq > $2 and e.seq <= $3)",
        driver as DriverId,
        after,
        up_to,
    )
}

/// Deliveries that these events are about and that the driver does not carry any more.
pub async fn ended(tx: &mut Tx, driver: DriverId, events: &[Recorded]) -> Result<HashSet<DeliveryId>, Problem> {
    let about: Vec<_> =
        events.iter().filter(|event| event.aggregate == "delivery").map(|one| one.aggregate_id).collect();
    let carried = sqlx::query_scalar!(
        "select id from deliveries where id = any($2) and driver_id = $1 and closed_at is null",
        driver as DriverId,
        &about,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(about.into_iter().map(DeliveryId::from_uuid).filter(|id| !carried.contains(id)).collect())
}

async fn of_customer(tx: &mut Tx, user: UserId, after: i64, up_to: i64) -> Result<Vec<Recorded>, Problem> {
    events!(tx, "customer_id = $1 and seq > $2 and seq <= $3", user as UserId, after, up_to)
}

/// Notifies the listeners of a channel, on a connection that listens itself.
pub async fn notify(connection: &mut PgListener, channel: &str, payload: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("select pg_notify($1, $2)", channel, payload).execute(connection).await?;
    Ok(())
}
