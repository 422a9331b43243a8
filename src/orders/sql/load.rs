//! The statement that says how many orders a customer holds.

use chrono::{DateTime, Utc};

use crate::ids::UserId;
use crate::orders::load::OrderLoad;
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// What a customer holds at a restaurant, under a lock that lets one of the customer's orders there be placed at a time.
pub async fn of_customer(
    tx: &mut Tx,
    scope: &RestaurantScope,
    customer: UserId,
    since: DateTime<Utc>,
) -> Result<OrderLoad, Problem> {
    let row = sqlx::query!(
        r#"select works_here as "works_here!", open_orders as "open!", for_later as "for_later!", recent as "recent!",
                  oldest_recent from order_load($1, $2, $3)"#,
        scope.restaurant().uuid(),
        customer.uuid(),
        since,
    )
    .fetch_one(tx.connection())
    .await?;
    let (open, for_later, oldest_recent) = (row.open, row.for_later, row.oldest_recent);
    Ok(OrderLoad { works_here: row.works_here, open, for_later, recent: row.recent, oldest_recent })
}
