//! Cancels orders that the restaurant has not answered by `acceptBy` (set by `accept_by` in `place.rs`), so that
//! customers learn in time that they have to order elsewhere.
//!
//! Every node does it, without a lease: each order is one transaction, which skips the order if another one has locked
//! it, checks again that it is not answered, and cancels it as an update by a user would. So either the staff's answer
//! takes effect or the cancellation. Orders that a failed node has not cancelled are cancelled by another node.

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::orders::sql::overdue::{self, Overdue};
use crate::orders::status::StatusUpdate;
use crate::orders::{OrderStatus, sql};
use crate::problem::Problem;
use crate::tenancy::{PlatformScope, RestaurantScope};

/// The reason of the cancellation, which the customer reads.
pub const REASON: &str = "The restaurant did not answer in time.";
/// The number of orders that are read at once.
const PAGE: i64 = 100;

/// Cancels overdue orders at every `ORDER_CHECK_INTERVAL`, until the server stops.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut ticks = interval(app.config.orders.check_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watch = async {
        loop {
            ticks.tick().await;
            if let Err(problem) = cancel_overdue_orders(&app).await {
                tracing::warn!(%problem, "the check for orders past acceptBy failed; it runs again at the next \
                                          interval");
            }
        }
    };
    stop.run_until_cancelled(watch).await;
}

/// Cancels the orders that are overdue now, and returns their number.
///
/// # Errors
/// When the database does not answer. An order that cannot be cancelled is logged, and does not delay others.
pub async fn cancel_overdue_orders(app: &App) -> Result<usize, Problem> {
    let platform = PlatformScope::proven_by("orders that nobody answered", None);
    let (mut cancelled, mut last) = (0, None);
    loop {
        let after = last;
        let page = app.db.read(platform, move |tx| Box::pin(async move { overdue::list(tx, after, PAGE).await }));
        let page = page.await?;
        for order in &page {
            match cancel(app, *order).await {
                Ok(done) => cancelled += usize::from(done),
                Err(problem) => tracing::error!(order = %order.id, %problem, "an overdue order was not cancelled"),
            }
        }
        last = page.last().copied();
        if last.is_none() {
            return Ok(cancelled);
        }
    }
}

/// Cancels one order. `false`: it has been answered meanwhile.
async fn cancel(app: &App, Overdue { restaurant_id, id, .. }: Overdue) -> Result<bool, Problem> {
    let scope = RestaurantScope::system("the restaurant did not answer in time", restaurant_id);
    app.db
        .write(scope, move |tx| {
            Box::pin(async move {
                let Some(order) = overdue::lock(tx, &scope, id).await? else { return Ok(false) };
                let reason = Some(REASON.to_owned());
                let update = StatusUpdate { reason, ..StatusUpdate::to(OrderStatus::Cancelled) };
                let change = order
                    .advance(update, TimeDelta::zero(), scope.actor(), tx.now())
                    .map_err(|refusal| Problem::internal(&format!("{refusal:?} on an overdue order")))?;
                sql::save_status(tx, &scope, &order, change).await?;
                Ok(true)
            })
        })
        .await
}
