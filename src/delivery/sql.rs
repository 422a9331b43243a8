//! Every statement on deliveries; those on drivers are in `sql/drivers.rs`.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::disclosure::belongs_to_trip;
use super::status::DeliveryChange;
use super::{Carrier, Delivery, DeliveryStatus, Stop};
use crate::ids::{DeliveryId, DriverId, OrderId, RestaurantId, UserId};
use crate::orders::Order;
use crate::paging::Page;
use crate::place::Place;
use crate::problem::{Code, OnConstraint as _, Problem};
use crate::tenancy::{Acting, RestaurantScope};
use crate::uow::Tx;

pub mod drivers;
pub mod history;
pub mod past_assignments;
pub mod relations;

pub use relations::{DeliveryRelations, relations_to_all};

/// A delivery's row, with pickup and destination.
struct Row {
    id: DeliveryId,
    order_id: OrderId,
    restaurant_id: RestaurantId,
    customer_id: UserId,
    status: DeliveryStatus,
    version: i64,
    assigned_because: Option<String>,
    reason: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
    pickup_name: String,
    pickup_address: String,
    pickup_latitude: f64,
    pickup_longitude: f64,
    dropoff_address: Option<String>,
    dropoff_latitude: Option<f64>,
    dropoff_longitude: Option<f64>,
    driver_id: Option<DriverId>,
    driver_name: Option<String>,
    driver_vehicle: Option<String>,
    driver_latitude: Option<f64>,
    driver_longitude: Option<f64>,
    driver_located_at: Option<DateTime<Utc>>,
    picked_up_at: Option<DateTime<Utc>>,
}

impl From<Row> for Delivery {
    fn from(row: Row) -> Self {
        // The location belongs to the driver: it is shown with the delivery only while the driver is on the way with
        // it.
        let is_on_the_way = row.status == DeliveryStatus::PickedUp;
        let place = Place::from_columns(row.driver_latitude, row.driver_longitude)
            .filter(|_| is_on_the_way && belongs_to_trip(row.driver_located_at, row.picked_up_at));
        let driver = row.driver_id.zip(row.driver_name).zip(row.driver_vehicle);
        let driver = driver.map(|((id, name), vehicle)| Carrier { id, name, vehicle, place });
        Self {
            id: row.id,
            order_id: row.order_id,
            restaurant_id: row.restaurant_id,
            customer_id: row.customer_id,
            driver,
            former_driver: None,
            status: row.status,
            version: row.version,
            assigned_because: row.assigned_because,
            reason: row.reason,
            pickup: Stop {
                name: Some(row.pickup_name),
                address: Some(row.pickup_address),
                place: Place::new(row.pickup_latitude, row.pickup_longitude).ok(),
            },
            dropoff: Stop {
                name: None,
                address: row.dropoff_address,
                place: Place::from_columns(row.dropoff_latitude, row.dropoff_longitude),
            },
            created_at: row.created_at,
            updated_at: row.updated_at,
            closed_at: row.closed_at,
        }
    }
}

/// Deliveries with pickup, destination and driver. `$d` defines `d` if it is not the table of deliveries: rows that the
/// same statement locks or writes.
macro_rules! deliveries {
    ([$($d:tt)*] from $from:tt, $rest:tt, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            Row,
            $($d)* r#"select d.id, d.order_id, d.restaurant_id, d.customer_id, d.status, d.version, d.assigned_because,
                      d.reason, d.created_at, d.updated_at, d.closed_at,
                      r.name as pickup_name, r.address as pickup_address, r.latitude as pickup_latitude,
                      r.longitude as pickup_longitude, o.address as "dropoff_address?",
                      o.latitude as "dropoff_latitude?", o.longitude as "dropoff_longitude?", d.driver_id, u.name as
                      "driver_name?",
                      v.vehicle as "driver_vehicle?", v.latitude as "driver_latitude?", v.longitude as
                      "driver_longitude?",
                      v.located_at as "driver_located_at?", d.picked_up_at
               from "# + $from + r#"
               join restaurants r on r.id = d.restaurant_id
               -- Policies hide the order of a closed delivery from its driver.
               left join orders o on o.restaurant_id = d.restaurant_id and o.id = d.order_id
               left join drivers v on v.id = d.driver_id
               left join users u on u.id = v.user_id "# + $rest,
            $($argument),+
        )
    };
}

/// A delivery as the event of its hand-back showed it.
pub struct HandedBackDelivery {
    /// The version that it had then.
    pub version: i64,
    /// The delivery in the event, with everything that the restaurant may see.
    pub body: Value,
}

/// The delivery after this driver handed it back last; `None`: they never did.
pub async fn handed_back(
    tx: &mut Tx,
    delivery: DeliveryId,
    driver: DriverId,
) -> Result<Option<HandedBackDelivery>, Problem> {
    let found = sqlx::query_as!(
        HandedBackDelivery,
        r#"select version, payload -> 'delivery' as "body!" from events
           where aggregate = 'delivery' and aggregate_id = $1 and former_driver_id = $2 and driver_id is null
               and not closed
           order by seq desc limit 1"#,
        delivery.uuid(),
        driver.uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(found)
}

/// Drivers who handed this delivery back.
pub async fn handed_back_by(
    tx: &mut Tx,
    restaurant: RestaurantId,
    delivery: DeliveryId,
) -> Result<Vec<DriverId>, Problem> {
    let drivers = sqlx::query_scalar!(
        r#"select distinct former_driver_id as "driver!: DriverId" from events
           where restaurant_id = $1 and aggregate = 'delivery' and aggregate_id = $2 and former_driver_id is not null
               and driver_id is null and not closed"#,
        restaurant as RestaurantId,
        delivery.uuid(),
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(drivers)
}

/// A filter of deliveries: of one restaurant, order, driver or customer.
pub struct DeliveryFilter {
    /// Only deliveries of this restaurant.
    pub restaurant: Option<RestaurantId>,
    /// Only the delivery of this order.
    pub order: Option<OrderId>,
    /// Only deliveries of this driver.
    pub driver: Option<DriverId>,
    /// Only deliveries to this customer.
    pub customer: Option<UserId>,
}

/// A page of deliveries, newest first. Row level security also limits them to those that the caller may see.
pub async fn list(tx: &mut Tx, filter: &DeliveryFilter, page: Page) -> Result<Vec<Delivery>, Problem> {
    let rows = deliveries!(
        [] from "deliveries d",
        "where ($1::uuid is null or d.restaurant_id = $1) and ($2::uuid is null or d.order_id = $2)
           and ($3::uuid is null or d.driver_id = $3) and ($4::uuid is null or d.customer_id = $4)
           and ($5::timestamptz is null or (d.created_at, d.id) < ($5, $6))
         order by d.created_at desc, d.id desc limit $7",
        filter.restaurant as Option<RestaurantId>,
        filter.order as Option<OrderId>,
        filter.driver as Option<DriverId>,
        filter.customer as Option<UserId>,
        page.after_time(),
        page.after_id(),
        page.fetch,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Reads one delivery; `None`: the restaurant has none with this id.
pub async fn get(tx: &mut Tx, scope: &RestaurantScope, id: DeliveryId) -> Result<Option<Delivery>, Problem> {
    let row = deliveries!(
        [] from "deliveries d",
        "where d.restaurant_id = $1 and d.id = $2",
        scope.restaurant() as RestaurantId,
        id as DeliveryId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(Into::into))
}

/// One delivery, locked until the transaction ends.
pub async fn lock(tx: &mut Tx, scope: &RestaurantScope, id: DeliveryId) -> Result<Option<Delivery>, Problem> {
    let row = deliveries!(
        ["with d as materialized (
              select * from deliveries where restaurant_id = $1 and id = $2 for no key update) " +] from "d",
        "",
        scope.restaurant() as RestaurantId,
        id as DeliveryId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(Into::into))
}

/// The delivery of an order, locked until the transaction ends.
pub async fn lock_of_order(tx: &mut Tx, scope: &RestaurantScope, order: OrderId) -> Result<Option<Delivery>, Problem> {
    let row = deliveries!(
        ["with d as materialized (
              select * from deliveries where restaurant_id = $1 and order_id = $2 for no key update) " +] from "d",
        "",
        scope.restaurant() as RestaurantId,
        order as OrderId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(Into::into))
}

/// The delivery of an order, read with one statement that runs for the scope, outside of a transaction.
pub async fn of_order(tx: &mut Tx, scope: &RestaurantScope, order: OrderId) -> Result<Option<Delivery>, Problem> {
    let row = deliveries!(
        ["select s.* from act_as($3, false) as context(is_set) cross join lateral (" +] from "deliveries d",
        "where context.is_set and d.restaurant_id = $1 and d.order_id = $2 offset 0) s",
        scope.restaurant() as RestaurantId,
        order as OrderId,
        Acting::from(*scope) as Acting,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(Into::into))
}

/// Where the restaurant hands over its deliveries.
pub async fn pickup(tx: &mut Tx, scope: &RestaurantScope) -> Result<Stop, Problem> {
    let row = sqlx::query!(
        "select name, address, latitude, longitude from restaurants where id = $1",
        scope.restaurant() as RestaurantId,
    )
    .fetch_optional(tx.connection())
    .await?
    .ok_or_else(Problem::not_found)?;
    let place = Place::new(row.latitude, row.longitude).ok();
    Ok(Stop { name: Some(row.name), address: Some(row.address), place })
}

/// Opens the delivery of an order.
pub async fn open(tx: &mut Tx, scope: &RestaurantScope, order: &Order) -> Result<Delivery, Problem> {
    let (id, now) = (DeliveryId::new(), tx.now());
    let opened = deliveries!(
        ["with d as (
              insert into deliveries (restaurant_id, id, order_id, customer_id, status, created_at, updated_at)
              values ($1, $2, $3, $4, 'WAITING', $5, $5) returning *) " +] from "d",
        "",
        scope.restaurant() as RestaurantId,
        id as DeliveryId,
        order.id as OrderId,
        order.customer_id as UserId,
        now,
    )
    .fetch_optional(tx.connection())
    .await?;
    opened.map(Into::into).ok_or_else(Problem::not_found)
}

/// Assigns a locked delivery to a driver, with the reason. `presence`: how long ago the driver's last activity may be;
/// `None`: the driver need not be there, because they have taken the food already.
///
/// # Errors
/// `driver_busy` when the driver has another one, by a constraint.
pub async fn assign(
    tx: &mut Tx,
    scope: &RestaurantScope,
    delivery: &Delivery,
    driver: DriverId,
    because: &str,
    presence: Option<TimeDelta>,
) -> Result<Delivery, Problem> {
    let now = tx.now();
    let assigned = deliveries!(
        ["with d as (
              update deliveries set driver_id = $3, status = 'ASSIGNED', assigned_because = $4, assigned_at = $5,
                  reason = null, version = version + 1, updated_at = $5
              where restaurant_id = $1 and id = $2
                  and ($6::timestamptz is null
                      or exists (select from drivers where id = $3 and driver_can_work(drivers, $6, $5)))
              returning *) " +] from "d",
        "",
        scope.restaurant() as RestaurantId,
        delivery.id as DeliveryId,
        driver as DriverId,
        because,
        now,
        presence.map(|presence| now - presence),
    )
    .fetch_optional(tx.connection())
    .await
    .on_constraint("deliveries_driver_busy_key", driver_busy)?;
    let off_duty =
        || Problem::invalid_field("/driverId", "must be the id of a driver who is on duty and has reported recently");
    let assigned = assigned.map(Delivery::from).ok_or_else(off_duty)?;
    Ok(assigned.coming_after(delivery))
}

/// 409: the driver has another delivery.
pub fn driver_busy() -> Problem {
    Problem::new(
        Code::DriverBusy,
        "The driver has another delivery. Choose another driver, or wait until it is delivered.",
    )
}

/// Saves a change of status that the state machine allowed. `reason` is stored for WAITING and FAILED.
pub async fn save_status(
    tx: &mut Tx,
    scope: &RestaurantScope,
    delivery: &Delivery,
    change: &DeliveryChange,
    reason: Option<&str>,
) -> Result<Delivery, Problem> {
    let now = tx.now();
    let saved = deliveries!(
        ["with d as (
              update deliveries set status = $3, picked_up_at = coalesce($4, picked_up_at), closed_at = $5,
                  driver_id = case when $7 then driver_id end,
                  assigned_because = case when $7 then assigned_because end,
                  assigned_at = case when $7 then assigned_at end,
                  reason = case when $3::delivery_status in ('WAITING', 'FAILED') then $8 end,
                  version = version + 1, updated_at = $6
              where restaurant_id = $1 and id = $2 returning *) " +] from "d",
        "",
        scope.restaurant() as RestaurantId,
        delivery.id as DeliveryId,
        change.to() as DeliveryStatus,
        change.picked_up_at(),
        change.closed_at(),
        now,
        change.to() != DeliveryStatus::Waiting,
        reason,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(saved.map(Delivery::from).ok_or_else(Problem::not_found)?.coming_after(delivery))
}

impl Delivery {
    /// Sets the former driver from the delivery before the change.
    fn coming_after(self, before: &Self) -> Self {
        let carries = |delivery: &Self| delivery.driver.as_ref().map(|carrier| carrier.id);
        let former_driver = carries(before).filter(|former| carries(&self) != Some(*former));
        Self { former_driver, ..self }
    }
}
