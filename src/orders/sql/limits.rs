//! Statements on how many orders a customer, and a network, hold.

use chrono::{DateTime, Utc};

use crate::ids::UserId;
use crate::orders::limits::{Held, OrderLoad};
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// What a customer holds at a restaurant, and their network if it is named, under locks that let one order of the customer, and
/// of the network, be placed there at a time.
pub async fn of_customer(
    tx: &mut Tx,
    scope: &RestaurantScope,
    customer: UserId,
    network: Option<[u8; 16]>,
    since: DateTime<Utc>,
) -> Result<OrderLoad, Problem> {
    let row = sqlx::query!(
        r#"select works_here as "works_here!", open_orders as "open!", for_later as "for_later!", recent as "recent!",
                  oldest_recent, network_open, network_for_later, network_recent, network_oldest_recent
           from order_load($1, $2, $3, $4)"#,
        scope.restaurant().uuid(),
        customer.uuid(),
        since,
        network.as_ref().map(<[u8; 16]>::as_slice),
    )
    .fetch_one(tx.connection())
    .await?;
    let (open, for_later, recent, oldest_recent) = (row.open, row.for_later, row.recent, row.oldest_recent);
    let of_network = row.network_open.zip(row.network_for_later).zip(row.network_recent);
    Ok(OrderLoad {
        works_here: row.works_here,
        customer: Held { open, for_later, recent, oldest_recent },
        network: of_network.map(|((open, for_later), recent)| Held {
            open,
            for_later,
            recent,
            oldest_recent: row.network_oldest_recent,
        }),
    })
}

/// Forgets from which network some orders came that were closed before an instant; tells how many.
pub async fn forget_networks(tx: &mut Tx, before: DateTime<Utc>, most: i64) -> Result<u64, Problem> {
    let forgotten = sqlx::query!(
        "delete from order_networks n using (
             select restaurant_id, order_id from order_networks
             where closed_at < $1 order by closed_at limit $2 for update skip locked) old
         where n.restaurant_id = old.restaurant_id and n.order_id = old.order_id",
        before,
        most,
    )
    .execute(tx.connection())
    .await?;
    Ok(forgotten.rows_affected())
}
