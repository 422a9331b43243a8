//! The statements that read what a caller is to an order, for the check of permissions.

use chrono::TimeDelta;
use serde::Deserialize;
use sqlx::PgConnection;
use sqlx::types::Json;

use super::Row;
use crate::actor::MemberRole;
use crate::ids::{DriverId, OrderId, RestaurantId, UserId};
use crate::orders::Order;
use crate::tenancy::Acting;

/// The relations of a caller to an order.
pub struct OrderRelations {
    /// The id of the order.
    pub order: OrderId,
    /// The restaurant of the order.
    pub restaurant: RestaurantId,
    /// Whether the caller placed it.
    pub is_customer: bool,
    /// The role of the caller at the restaurant; `None`: no member.
    pub member_role: Option<MemberRole>,
    /// Whether the caller is the driver of its open delivery.
    pub is_carrier: bool,
    /// Events numbered below this had happened when the relations were read.
    pub as_of: i64,
}

/// The relations of a user to several orders, in any sequence, without orders that do not exist or that they may not
/// see. `acting`: on whose behalf the statement runs; `None`: as its transaction.
pub async fn relations_to_all(
    connection: &mut PgConnection,
    acting: Option<Acting>,
    orders: &[OrderId],
    user: UserId,
    driver: Option<DriverId>,
) -> Result<Vec<OrderRelations>, sqlx::Error> {
    sqlx::query_as!(
        OrderRelations,
        r#"select s.* from act_as($4, false) as context(is_set) cross join lateral (
               select o.id as "order", o.restaurant_id as restaurant, o.customer_id = $2 as "is_customer!",
                      m.role as "member_role?: MemberRole", d.id is not null as "is_carrier!",
                      (select event_horizon()) as "as_of!"
               from orders o
               left join memberships m on m.restaurant_id = o.restaurant_id and m.user_id = $2
                   and second_factor_suffices(m.restaurant_id, m.user_id)
               left join deliveries d on d.restaurant_id = o.restaurant_id and d.order_id = o.id and d.driver_id = $3
                   and d.closed_at is null
               where context.is_set and o.id = any($1) offset 0) s"#,
        &orders.iter().map(|id| id.uuid()).collect::<Vec<_>>(),
        user as UserId,
        driver as Option<DriverId>,
        acting as Option<Acting>,
    )
    .fetch_all(connection)
    .await
}

/// An order, with the relations of the caller for whom it was read.
pub struct SeenOrder {
    /// The order with its lines.
    pub order: Order,
    /// The relations of the caller; their `as_of` is 0.
    pub relations: OrderRelations,
    /// The preparation time of its restaurant, from confirmation to ready.
    pub preparation: TimeDelta,
}

/// Reads an order and a user's relations to it with one statement that runs for `acting`; `None` for an order that does
/// not exist or that they may not see.
pub async fn seen(
    connection: &mut PgConnection,
    acting: Acting,
    id: OrderId,
    user: UserId,
    driver: Option<DriverId>,
) -> Result<Option<SeenOrder>, sqlx::Error> {
    let row = orders!(
        from ["act_as($1, false) as context(is_set)
               cross join lateral (select * from orders where context.is_set and id = $2 offset 0) o"]
        caller ["(select json_build_object('role', m.role, 'carries', d.id is not null,
                                           'preparation_minutes', r.preparation_minutes)
                  from restaurants r
                  left join memberships m on m.restaurant_id = r.id and m.user_id = $3
                      and second_factor_suffices(m.restaurant_id, m.user_id)
                  left join deliveries d on d.restaurant_id = r.id and d.order_id = o.id and d.driver_id = $4
                      and d.closed_at is null
                  where r.id = o.restaurant_id)"],
        acting as Acting,
        id as OrderId,
        user as UserId,
        driver as Option<DriverId>,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.and_then(|mut row| {
        let Json(CallerRow { role, carries, preparation_minutes }) = row.caller.take()?;
        let order = row.into_order();
        let relations = OrderRelations {
            order: order.id,
            restaurant: order.restaurant_id,
            is_customer: order.customer_id == user,
            member_role: role,
            is_carrier: carries,
            as_of: 0,
        };
        Some(SeenOrder { order, relations, preparation: TimeDelta::minutes(preparation_minutes.into()) })
    }))
}

/// The relations of a caller, read with an order.
#[derive(Deserialize)]
pub(super) struct CallerRow {
    role: Option<MemberRole>,
    carries: bool,
    preparation_minutes: i16,
}
