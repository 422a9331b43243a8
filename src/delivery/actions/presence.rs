//! Absent drivers: they are set off duty after `DRIVER_OFF_DUTY_AFTER` without activity, and their deliveries that are
//! not picked up become WAITING again, so that these can be assigned to another driver. Disabled drivers lose theirs at
//! once.
//!
//! Every node does it, without a lease: each delivery is one transaction, which locks it and checks again.

use std::sync::Arc;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::delivery::sql::{self, drivers::Abandoned};
use crate::delivery::status::DeliveryStatus;
use crate::events;
use crate::problem::Problem;
use crate::tenancy::{PlatformScope, RestaurantScope};

/// The number of deliveries that are read at once.
const PAGE: i64 = 100;

/// The reason of a delivery that was taken back from an absent driver.
const ABSENT: &str = "The driver cannot be reached.";

/// Checks at an interval, and after each revocation, until the server stops.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut ticks = interval(app.config.delivery.check_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut revocations = app.callers.revocations();
    let watch = async {
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                // A disabled driver loses deliveries at once. Who is disabled is read from the table, so a message that
                // was lost in the channel does no harm.
                _ = revocations.recv() => {}
            }
            if let Err(problem) = set_absent_drivers_off_duty(&app).await {
                tracing::warn!(%problem, "the check for absent drivers failed; it runs again at the next interval");
            }
        }
    };
    stop.run_until_cancelled(watch).await;
}

/// Sets absent drivers off duty and takes back what they, or disabled drivers, have not picked up. Returns the number
/// of deliveries taken back.
///
/// # Errors
/// When the database does not answer. A delivery that cannot be taken back is logged, and does not delay others.
pub async fn set_absent_drivers_off_duty(app: &App) -> Result<usize, Problem> {
    let last_seen_before = app.clock.now() - app.config.delivery.off_duty_after;
    let platform = PlatformScope::proven_by("absent drivers", None);
    let found = app.db.read(platform, move |tx| Box::pin(sql::drivers::abandoned(tx, last_seen_before, PAGE))).await?;
    let mut taken_back = 0;
    for delivery in found {
        match take_back(app, delivery).await {
            Ok(done) => taken_back += usize::from(done),
            Err(problem) => tracing::error!(delivery = %delivery.delivery, %problem, "a delivery was not taken back"),
        }
    }
    let absent = app.db.read(platform, move |tx| Box::pin(sql::drivers::has_absent(tx, last_seen_before))).await?;
    if absent {
        let set_off =
            app.db.write(platform, move |tx| Box::pin(sql::drivers::set_absent_off_duty(tx, last_seen_before)));
        let drivers = set_off.await?;
        tracing::info!(drivers, "absent drivers set off duty");
    }
    Ok(taken_back)
}

/// Takes back one delivery. `false`: it has changed meanwhile.
async fn take_back(app: &App, abandoned: Abandoned) -> Result<bool, Problem> {
    let last_seen_before = app.clock.now() - app.config.delivery.off_duty_after;
    let scope = RestaurantScope::system("the driver of the delivery is absent", abandoned.restaurant);
    app.db
        .write(scope, move |tx| {
            Box::pin(async move {
                let Some(delivery) = sql::lock(tx, &scope, abandoned.delivery).await? else { return Ok(false) };
                let Some(driver) = delivery.driver.as_ref().filter(|_| delivery.status.is_before_pickup()) else {
                    return Ok(false);
                };
                if !sql::drivers::is_absent_or_disabled(tx, driver.id, last_seen_before).await? {
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
