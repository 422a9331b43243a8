//! Orders that nobody answers: past `acceptBy` the system cancels them, so that a guest does not wait for a kitchen that
//! is not looking.
//!
//! Every node looks, nobody holds a lease: each order is one transaction that locks the order if nobody else has, looks
//! again whether it is still unanswered, and takes the same step that a person would. Of the staff's answer and the
//! system's step exactly one happens. A node that dies leaves nothing behind but orders for the next one.

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::orders::sql::answers::{self, Overdue};
use crate::orders::status::StatusUpdate;
use crate::orders::{OrderStatus, sql};
use crate::problem::Problem;
use crate::tenancy::{PlatformScope, RestaurantScope};

/// What the customer reads.
pub const REASON: &str = "The restaurant did not answer in time.";
/// Orders looked at together.
const PAGE: i64 = 100;

/// Looks again and again, until it is time to stop.
pub async fn keep_watch(app: Arc<App>, stop: CancellationToken) {
    let mut moments = interval(app.config.orders.sweep_interval);
    moments.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watch = async {
        loop {
            moments.tick().await;
            if let Err(problem) = sweep(&app).await {
                tracing::warn!(%problem, "the check for orders past acceptBy failed; it runs again at the next interval");
            }
        }
    };
    stop.run_until_cancelled(watch).await;
}

/// Cancels what is overdue now; tells how many orders that were.
///
/// # Errors
/// When the database does not answer. An order that cannot be cancelled is logged, and holds up no other.
pub async fn sweep(app: &App) -> Result<usize, Problem> {
    let platform = PlatformScope::proven_by("orders that nobody answered", None);
    let (mut cancelled, mut last) = (0, None);
    loop {
        let after = last;
        let page = app.db.read(platform, move |tx| Box::pin(async move { answers::overdue(tx, after, PAGE).await }));
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

/// `false`: somebody was faster.
async fn cancel(app: &App, overdue: Overdue) -> Result<bool, Problem> {
    let scope = RestaurantScope::system("the restaurant did not answer in time", overdue.restaurant_id);
    app.db
        .write(scope, move |tx| {
            Box::pin(async move {
                let Some(order) = answers::lock_overdue(tx, &scope, overdue.id).await? else { return Ok(false) };
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
