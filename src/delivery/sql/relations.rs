//! The statement that reads what a caller is to deliveries, for the check of permissions.

use sqlx::PgConnection;

use crate::actor::MemberRole;
use crate::ids::{DeliveryId, DriverId, OrderId, RestaurantId, UserId};
use crate::orders::sql::OrderRelations;
use crate::tenancy::Acting;

/// The relations of a caller to a delivery.
pub struct DeliveryRelations {
    /// The id of the delivery.
    pub delivery: DeliveryId,
    /// The restaurant of the delivery.
    pub restaurant: RestaurantId,
    /// The order of the delivery.
    pub order: OrderId,
    /// Whether the caller placed the order.
    pub is_customer: bool,
    /// The caller's role at the restaurant; `None`: not a member.
    pub member_role: Option<MemberRole>,
    /// Whether the caller is its driver, also after it was closed.
    pub is_carrier: bool,
    /// Whether it is closed.
    pub is_closed: bool,
    /// Events numbered below this had happened when this was read.
    pub as_of: i64,
}

impl DeliveryRelations {
    /// The relations to the order, for its permissions.
    pub fn to_order(&self) -> OrderRelations {
        let Self { order, restaurant, is_customer, member_role, is_carrier, as_of, .. } = *self;
        OrderRelations { order, restaurant, is_customer, member_role, is_carrier, as_of }
    }
}

/// The relations of a user to several deliveries, in any sequence, without those that do not exist or that the user may
/// not see. `acting`: on whose behalf the statement runs; `None`: as its transaction.
pub async fn relations_to_all(
    connection: &mut PgConnection,
    acting: Option<Acting>,
    deliveries: &[DeliveryId],
    user: UserId,
    driver: Option<DriverId>,
) -> Result<Vec<DeliveryRelations>, sqlx::Error> {
    sqlx::query_as!(
        DeliveryRelations,
        r#"select s.* from act_as($4, false) as context(is_set) cross join lateral (
               select d.id as delivery, d.restaurant_id as restaurant, d.order_id as "order",
                      d.customer_id = $2 as "is_customer!",
                      m.role as "member_role?: MemberRole", coalesce(d.driver_id = $3, false) as "is_carrier!",
                      d.closed_at is not null as "is_closed!", (select event_horizon()) as "as_of!"
               from deliveries d
               left join memberships m on m.restaurant_id = d.restaurant_id and m.user_id = $2
                   and second_factor_suffices(m.restaurant_id, m.user_id)
               where context.is_set and d.id = any($1) offset 0) s"#,
        &deliveries.iter().map(|id| id.uuid()).collect::<Vec<_>>(),
        user as UserId,
        driver as Option<DriverId>,
        acting as Option<Acting>,
    )
    .fetch_all(connection)
    .await
}
