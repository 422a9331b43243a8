//! Statements on deliveries that a driver had, and on their current state.

use chrono::{DateTime, Utc};

use crate::ids::{DeliveryId, DriverId, OrderId, RestaurantId};
use crate::orders::OrderStatus;
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// The restaurant and the order of a delivery.
pub struct DeliveredOrder {
    /// The id of the restaurant.
    pub restaurant: RestaurantId,
    /// The id of the order.
    pub order: OrderId,
}

/// An order that this driver has or had to deliver, found by its id or by that of its delivery; `None`: they never had
/// it. Row level security shows a driver the events by which they got and lost a delivery.
pub async fn find(
    tx: &mut Tx,
    order: Option<OrderId>,
    delivery: Option<DeliveryId>,
    driver: DriverId,
) -> Result<Option<DeliveredOrder>, Problem> {
    let found = sqlx::query_as!(
        DeliveredOrder,
        r#"select restaurant_id as restaurant, order_id as "order!" from events
           where aggregate = 'delivery' and (order_id = $1 or aggregate_id = $2)
               and (former_driver_id = $3 or driver_id = $3)
           order by seq desc limit 1"#,
        order as Option<OrderId>,
        delivery as Option<DeliveryId>,
        driver as DriverId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(found)
}

/// The current state of a delivery, for a driver who had it.
pub struct FormerDelivery {
    /// The id of the delivery.
    pub id: DeliveryId,
    /// The status of the delivery.
    pub status: String,
    /// Whether the driver still has it; then it is closed.
    pub is_theirs: bool,
    /// Whether another driver has it.
    pub is_anothers: bool,
    /// Whether the driver has another open delivery.
    pub is_busy: bool,
    /// When the driver lost it last; `None`: never.
    pub lost_at: Option<DateTime<Utc>>,
    /// The status of the order.
    pub order_status: OrderStatus,
    /// The version of the order.
    pub order_version: i64,
    /// The name of the restaurant.
    pub restaurant_name: String,
    /// The phone number of the restaurant, in E.164; `None`: it has none.
    pub restaurant_phone: Option<String>,
}

/// Reads the current state of the delivery of an order, for a driver who had it.
pub async fn get(
    tx: &mut Tx,
    scope: &RestaurantScope,
    order: OrderId,
    driver: DriverId,
) -> Result<Option<FormerDelivery>, Problem> {
    let found = sqlx::query_as!(
        FormerDelivery,
        r#"select d.id, d.status::text as "status!", coalesce(d.driver_id = $3, false) as "is_theirs!",
                  coalesce(d.driver_id <> $3, false) as "is_anothers!",
                  exists (select from deliveries x
                          where x.driver_id = $3 and x.closed_at is null and x.id <> d.id) as "is_busy!",
                  (select e.at from events e
                   where e.aggregate = 'delivery' and e.aggregate_id = d.id and e.former_driver_id = $3
                   order by e.seq desc limit 1) as lost_at,
                  o.status as order_status, o.version as order_version, r.name as restaurant_name,
                  r.contact ->> 'phone' as restaurant_phone
           from deliveries d
           join orders o on o.restaurant_id = d.restaurant_id and o.id = d.order_id
           join restaurants r on r.id = d.restaurant_id
           where d.restaurant_id = $1 and d.order_id = $2"#,
        scope.restaurant() as RestaurantId,
        order as OrderId,
        driver as DriverId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(found)
}
