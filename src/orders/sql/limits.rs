//! Statements that count the orders of a customer and of a network.

use chrono::{DateTime, Utc};

use crate::ids::UserId;
use crate::orders::limits::{OrderCounts, OrderLoad, StoredNetwork};
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// The orders of a customer at a restaurant and at all of them, and of their network there if it is given. Takes locks,
/// so that one order of the customer, and one of the network and its site at the restaurant, is placed at a time.
pub async fn of_customer(
    tx: &mut Tx,
    scope: &RestaurantScope,
    customer: UserId,
    network: Option<StoredNetwork>,
    since: DateTime<Utc>,
) -> Result<OrderLoad, Problem> {
    let row = sqlx::query!(
        r#"select works_here as "works_here!", open_orders as "open!", for_later as "for_later!", recent as "recent!",
                  oldest_recent, unanswered as "unanswered!", recent_anywhere as "recent_anywhere!", oldest_anywhere,
                  network_open, network_for_later, network_recent, network_oldest_recent, network_unanswered,
                  site_open, site_for_later, site_recent, site_oldest_recent, site_unanswered
           from order_load($1, $2, $3, $4, $5)"#,
        scope.restaurant().uuid(),
        customer.uuid(),
        since,
        network.as_ref().map(|network| network.subnet.as_slice()),
        network.as_ref().and_then(|network| network.site.as_ref()).map(<[u8; 16]>::as_slice),
    )
    .fetch_one(tx.connection())
    .await?;
    let (open, scheduled, recent, oldest_recent) = (row.open, row.for_later, row.recent, row.oldest_recent);
    let of_network = row.network_open.zip(row.network_for_later).zip(row.network_recent.zip(row.network_unanswered));
    let of_site = row.site_open.zip(row.site_for_later).zip(row.site_recent.zip(row.site_unanswered));
    let counts = |((open, scheduled), (recent, unanswered_portions)), oldest_recent| OrderCounts {
        open,
        scheduled,
        recent,
        oldest_recent,
        unanswered_portions,
    };
    Ok(OrderLoad {
        works_here: row.works_here,
        customer: OrderCounts { open, scheduled, recent, oldest_recent, unanswered_portions: row.unanswered },
        recent_anywhere: row.recent_anywhere,
        oldest_anywhere: row.oldest_anywhere,
        network: of_network.map(|of_network| counts(of_network, row.network_oldest_recent)),
        site: of_site.map(|of_site| counts(of_site, row.site_oldest_recent)),
    })
}

/// Deletes the networks of up to `max` orders that were closed before an instant, and returns their number.
pub async fn delete_expired_networks(tx: &mut Tx, before: DateTime<Utc>, max: i64) -> Result<u64, Problem> {
    let forgotten = sqlx::query!(
        "delete from order_networks n using (
             select restaurant_id, order_id from order_networks
             where closed_at < $1 order by closed_at limit $2 for update skip locked) old
         where n.restaurant_id = old.restaurant_id and n.order_id = old.order_id",
        before,
        max,
    )
    .execute(tx.connection())
    .await?;
    Ok(forgotten.rows_affected())
}
