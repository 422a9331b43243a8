//! Statements on the event log, for the relay and for replay.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use sqlx::PgConnection;
use sqlx::postgres::PgListener;
use sqlx::types::Json;
use uuid::Uuid;

use super::room::Room;
use crate::actor::Actor;
use crate::events::Recorded;
use crate::ids::{DeliveryId, DriverId, OrderId, RestaurantId, UserId};
use crate::problem::Problem;
use crate::uow::Tx;

/// The most events of one page; the same as in the statements.
pub const PAGE: usize = 200;

/// New events, and the state of the log in the snapshot in which they were read.
pub struct LogPage {
    /// The events below the horizon, in order; [`PAGE`] at most.
    pub events: Vec<Recorded>,
    /// Every event numbered below this is final.
    pub horizon: i64,
    /// The highest number in the log, final or not; `None`: the log is empty.
    pub newest: Option<i64>,
    /// Whether everything in the snapshot is known to be on disk.
    pub is_on_disk: bool,
}

/// A row of [`after`]: the state of the log, with an event if there is one.
struct LogRow {
    horizon: i64,
    newest: Option<i64>,
    is_on_disk: bool,
    seq: Option<i64>,
    restaurant_id: Option<RestaurantId>,
    order_id: Option<OrderId>,
    aggregate_id: Option<Uuid>,
    aggregate: Option<String>,
    customer_id: Option<UserId>,
    driver_id: Option<DriverId>,
    former_driver_id: Option<DriverId>,
    closed: Option<bool>,
    name: Option<String>,
    version: Option<i64>,
    actor: Option<Actor>,
    at: Option<DateTime<Utc>>,
    payload: Option<Json<Box<RawValue>>>,
}

impl LogRow {
    /// The event of the row; `None`: there is none after the number.
    fn into_event(self) -> Option<Recorded> {
        Some(Recorded {
            seq: self.seq?,
            restaurant_id: self.restaurant_id?,
            order_id: self.order_id,
            aggregate_id: self.aggregate_id?,
            aggregate: self.aggregate?,
            customer_id: self.customer_id,
            driver_id: self.driver_id,
            former_driver_id: self.former_driver_id,
            closed: self.closed?,
            name: self.name?,
            version: self.version?,
            actor: self.actor?,
            at: self.at?,
            payload: self.payload?,
        })
    }
}

/// All events after a number and below the horizon, with the state of the log, in one statement and so in one snapshot.
/// The horizon is the snapshot's own: every transaction below it has ended, and what it committed is in the snapshot.
///
/// What is in the snapshot was in the write-ahead log before the snapshot was taken. It is on disk if PostgreSQL has
/// flushed as much as has been written by now; where a standby server has to confirm commits too, this is not known.
pub async fn after(connection: &mut PgConnection, after: i64) -> Result<LogPage, sqlx::Error> {
    let rows = sqlx::query_as!(
        LogRow,
        r#"select l.horizon as "horizon!", l.newest, l.is_on_disk as "is_on_disk!", e.seq as "seq?",
                  e.restaurant_id as "restaurant_id?: RestaurantId", e.order_id as "order_id?: OrderId",
                  e.aggregate_id as "aggregate_id?", e.aggregate as "aggregate?",
                  e.customer_id as "customer_id?: UserId", e.driver_id as "driver_id?: DriverId",
                  e.former_driver_id as "former_driver_id?: DriverId", e.closed as "closed?", e.name as "name?",
                  e.version as "version?", e.actor as "actor?: Actor", e.at as "at?", e.payload as "payload?: _"
           from (select event_horizon() as horizon, (select seq from events order by seq desc limit 1) as newest,
                        current_setting('synchronous_standby_names') = ''
                            and pg_current_wal_insert_lsn() <= pg_current_wal_flush_lsn() as is_on_disk) l
           left join lateral (select * from events where seq > $1 and seq < l.horizon order by seq limit 200) e on true
           order by e.seq"#,
        after
    )
    .fetch_all(connection)
    .await?;
    let state = rows.first().map(|row| (row.horizon, row.newest, row.is_on_disk)).ok_or(sqlx::Error::RowNotFound)?;
    let (horizon, newest, is_on_disk) = state;
    Ok(LogPage { events: rows.into_iter().filter_map(LogRow::into_event).collect(), horizon, newest, is_on_disk })
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
