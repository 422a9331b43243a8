//! Pages of orders, the newest first. A page costs the same however deep it lies and however many orders there are:
//! each statement walks one index from where the page before ended.

use super::Row;
use crate::ids::{RestaurantId, UserId};
use crate::orders::filter::Filter;
use crate::orders::{Fulfilment, Order, OrderStatus};
use crate::paging::Page;
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// A page of somebody's orders; `$name` is a condition on whose name the text is looked for in.
macro_rules! page {
    ($whose:tt, $name:tt, $who:expr, $filter:expr, $page:expr) => {{
        let (before, before_id) = $filter.before($page).unzip();
        orders!(
            [$whose
                + " and (placed_at, id) < (coalesce($2, 'infinity'::timestamptz),
                                               coalesce($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
                 and placed_at >= coalesce($4, '-infinity'::timestamptz)
                 and ($5::order_status[] is null or status = any($5))
                 and ($6::fulfilment is null or fulfilment = $6)
                 and ($7::text is null or number = $8::int or note ilike $7 or "
                + $name
                + ")
                 order by placed_at desc, id desc limit $9"],
            $who,
            before,
            before_id,
            $filter.from,
            $filter.statuses.as_deref() as Option<&[OrderStatus]>,
            $filter.fulfilment as Option<Fulfilment>,
            $filter.pattern(),
            $filter.number(),
            $page.fetch,
        )
    }};
}

/// A page of a customer's orders.
pub async fn of_customer(tx: &mut Tx, customer: UserId, filter: &Filter, page: Page) -> Result<Vec<Order>, Problem> {
    let rows = page!(
        "where customer_id = $1",
        "exists (select from restaurants r where r.id = o.restaurant_id and r.name ilike $7)",
        customer as UserId,
        filter,
        page
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(Row::into_order).collect())
}

/// A page of a restaurant's orders.
pub async fn of_restaurant(
    tx: &mut Tx,
    scope: &RestaurantScope,
    filter: &Filter,
    page: Page,
) -> Result<Vec<Order>, Problem> {
    // Those that are not finished have an index of their own: few of many.
    let rows = if filter.only_open() {
        page!(
            "where restaurant_id = $1 and closed_at is null",
            "exists (select from users u where u.id = o.customer_id and u.name ilike $7)",
            scope.restaurant() as RestaurantId,
            filter,
            page
        )
        .fetch_all(tx.connection())
        .await?
    } else {
        page!(
            "where restaurant_id = $1",
            "exists (select from users u where u.id = o.customer_id and u.name ilike $7)",
            scope.restaurant() as RestaurantId,
            filter,
            page
        )
        .fetch_all(tx.connection())
        .await?
    };
    Ok(rows.into_iter().map(Row::into_order).collect())
}
