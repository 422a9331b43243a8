//! Statements on orders that the restaurant has not accepted or rejected in time.

use chrono::{DateTime, Utc};

use super::Row;
use crate::ids::{OrderId, RestaurantId};
use crate::orders::Order;
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// An order that the restaurant has not answered in time.
#[derive(Debug, Clone, Copy)]
pub struct Overdue {
    /// The restaurant that has not answered.
    pub restaurant_id: RestaurantId,
    /// The order that is not answered.
    pub id: OrderId,
    /// Until when it was to be answered.
    pub accept_by: DateTime<Utc>,
}

/// Up to `limit` orders of all restaurants that were to be answered by now, the longest overdue first, from `after` on.
pub async fn list(tx: &mut Tx, after: Option<Overdue>, limit: i64) -> Result<Vec<Overdue>, Problem> {
    let now = tx.now();
    let orders = sqlx::query_as!(
        Overdue,
        r#"select restaurant_id, id, accept_by as "accept_by!" from orders
           where closed_at is null and accept_by <= $1 and status = 'PENDING'
             and (accept_by, id) > (coalesce($2, '-infinity'::timestamptz),
                                    coalesce($3, '00000000-0000-0000-0000-000000000000'::uuid))
           order by accept_by, id limit $4"#,
        now,
        after.map(|last| last.accept_by),
        after.map(|last| last.id.uuid()),
        limit,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(orders)
}

/// Locks an order that is still not answered. `None`: it has been, or another transaction has locked it.
pub async fn lock(tx: &mut Tx, scope: &RestaurantScope, id: OrderId) -> Result<Option<Order>, Problem> {
    let now = tx.now();
    let row = orders!(
        ["where restaurant_id = $1 and id = $2 and status = 'PENDING' and accept_by <= $3 for no key update skip \
          locked"],
        scope.restaurant() as RestaurantId,
        id as OrderId,
        now,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(Row::into_order))
}
