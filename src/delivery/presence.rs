//! Drivers who are not there: off duty after a while without a sign of life, and what they have not picked up goes back,
//! so that it can be given to somebody who comes. The same for drivers whose account is disabled, at once.
//!
//! Every node looks, nobody holds a lease: each delivery is one transaction that locks it and looks again.

use std::sync::Arc;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::sql::{self, drivers::Abandoned};
use super::status::DeliveryStatus;
use crate::app::App;
use crate::events;
use crate::problem::Problem;
use crate::tenancy::{PlatformScope, RestaurantScope};

/// Deliveries looked at together.
const PAGE: i64 = 100;

/// The reason of a delivery that was taken back from somebody who will not come.
const ABSENT: &str = "The driver cannot be reached.";

/// Looks again and again, and whenever something was revoked, until it is time to stop.
pub async fn keep_watch(app: Arc<App>, stop: CancellationToken) {
    let mut moments = interval(app.config.delivery.sweep_interval);
    moments.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut revocations = app.callers.news();
    let watch = async {
        loop {
            tokio::select! {
                _ = moments.tick() => {}
                // Whether news came or was missed: the table says who is disabled now.
                _ = revocations.recv() => {}
            }
            if let Err(problem) = sweep(&app).await {
                tracing::warn!(%problem, "the check for absent drivers failed; it runs again at the next interval");
            }
        }
    };
    stop.run_until_cancelled(watch).await;
}

/// Sets absent drivers off duty and takes back what they, or disabled drivers, have not picked up; tells how many
/// deliveries that were.
///
/// # Errors
/// When the database does not answer. A delivery that cannot be taken back is logged, and holds up no other.
pub async fn sweep(app: &App) -> Result<usize, Problem> {
    let seen_before = app.clock.now() - app.config.delivery.off_duty_after;
    let platform = PlatformScope::proven_by("drivers who are not there", None);
    let found = app.db.read(platform, move |tx| Box::pin(sql::drivers::abandoned(tx, seen_before, PAGE))).await?;
    let mut taken_back = 0;
    for delivery in found {
        match take_back(app, delivery).await {
            Ok(done) => taken_back += usize::from(done),
            Err(problem) => tracing::error!(delivery = %delivery.delivery, %problem, "a delivery was not taken back"),
        }
    }
    let absent = app.db.read(platform, move |tx| Box::pin(sql::drivers::has_absent(tx, seen_before))).await?;
    if absent {
        let set_off = app.db.write(platform, move |tx| Box::pin(sql::drivers::set_absent_off_duty(tx, seen_before)));
        let drivers = set_off.await?;
        tracing::info!(drivers, "absent drivers set off duty");
    }
    Ok(taken_back)
}

/// `false`: somebody was faster.
async fn take_back(app: &App, abandoned: Abandoned) -> Result<bool, Problem> {
    let seen_before = app.clock.now() - app.config.delivery.off_duty_after;
    let scope = RestaurantScope::system("the driver of the delivery is not there", abandoned.restaurant);
    app.db
        .write(scope, move |tx| {
            Box::pin(async move {
                let Some(delivery) = sql::lock(tx, &scope, abandoned.delivery).await? else { return Ok(false) };
                let Some(driver) = delivery.driver.as_ref().filter(|_| delivery.status.is_before_pickup()) else {
                    return Ok(false);
                };
                if !sql::drivers::is_gone(tx, driver.id, seen_before).await? {
                    return Ok(false);
                }
                let change = delivery
                    .follow(DeliveryStatus::Waiting, tx.now())
                    .map_err(|_| Problem::internal(&"a delivery before pickup cannot be taken back"))?;
                let saved = sql::save_status(tx, &scope, &delivery, &change, Some(ABSENT)).await?;
                events::publish(tx, &scope, saved.status_changed_event()?).await?;
                Ok(true)
            })
        })
        .await
}
