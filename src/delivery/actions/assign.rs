//! Assigning a delivery to a given driver, or to the nearest available one: on duty, active within `DRIVER_PRESENCE`
//! and without a delivery (`free` in `delivery/sql/drivers.rs`). A driver has one delivery at a time: a constraint of
//! `migrations/0061_deliveries.sql`.

use crate::app::App;
use crate::delivery::access::DeliveryAccess;
use crate::delivery::status::DeliveryStatus;
use crate::delivery::{Delivery, sql};
use crate::events;
use crate::extract::IfMatch;
use crate::ids::DriverId;
use crate::problem::{Code, Problem};
use crate::tenancy::PlatformScope;

/// Assigns the delivery to this driver, with the reason. If it is assigned to them already, nothing
/// changes.
///
/// # Errors
/// `driver_busy` when the driver has another delivery, `illegal_transition` when it has been picked up.
pub async fn to(
    app: &App,
    access: &DeliveryAccess,
    if_match: IfMatch,
    driver: DriverId,
    because: String,
) -> Result<Delivery, Problem> {
    let (scope, id, presence) = (access.scope, access.delivery, app.config.delivery.presence);
    app.db
        .write(scope, move |tx| {
            Box::pin(async move {
                let delivery = sql::lock(tx, &scope, id).await?.ok_or_else(Problem::not_found)?;
                if delivery.is_carried_by(driver) {
                    // A repeated request changes nothing, whatever its If-Match.
                    return Ok(delivery);
                }
                if_match.check(delivery.version, &delivery)?;
                if !delivery.status.may_become(DeliveryStatus::Assigned) {
                    let detail = "Only a delivery that has not been picked up can be assigned.";
                    return Err(Problem::new(Code::IllegalTransition, detail)
                        .with("currentStatus", delivery.status)
                        .with("requestedStatus", DeliveryStatus::Assigned)
                        .with("currentVersion", delivery.version));
                }
                let assigned = sql::assign(tx, &scope, &delivery, driver, &because, Some(presence)).await?;
                events::publish(tx, &scope, assigned.assigned_event()?).await?;
                Ok(assigned)
            })
        })
        .await
}

/// Assigns the delivery to the nearest available driver within `DRIVER_SEARCH_RADIUS`. If that driver gets another
/// delivery meanwhile, to the next. A delivery that is assigned and not picked up keeps its driver. Drivers who handed
/// this delivery back are skipped.
///
/// # Errors
/// `no_driver_available` when no driver is left.
pub async fn to_nearest(app: &App, access: &DeliveryAccess, if_match: IfMatch) -> Result<Delivery, Problem> {
    let (scope, id) = (access.scope, access.delivery);
    let delivery = app.db.read(scope, move |tx| Box::pin(async move { sql::get(tx, &scope, id).await })).await?;
    let delivery = delivery.ok_or_else(Problem::not_found)?;
    if let Some(driver) = delivery.driver.as_ref().filter(|_| delivery.status.is_before_pickup()) {
        // Decided again under the delivery's lock.
        return to(app, access, if_match, driver.id, delivery.assigned_because.clone().unwrap_or_default()).await;
    }
    let kitchen = delivery.pickup.place.ok_or_else(Problem::not_found)?;
    let presence = app.config.delivery.presence;
    // The free drivers follow from the deliveries of all restaurants; the result contains only ids and places.
    let platform = PlatformScope::proven_by("which drivers are free", None);
    let found = app.db.read(platform, move |tx| {
        Box::pin(async move {
            Ok((sql::drivers::free(tx, presence).await?, sql::handed_back_by(tx, scope.restaurant(), id).await?))
        })
    });
    let (mut free, handed_back_by) = found.await?;
    // A driver who handed it back (a puncture, an accident) probably still cannot take it. Staff can assign it by id.
    free.retain(|driver| !handed_back_by.contains(&driver.id));
    free.retain(|driver| driver.place.metres_to(kitchen) <= app.config.delivery.search_radius);
    free.sort_by(|one, other| one.place.metres_to(kitchen).total_cmp(&other.place.metres_to(kitchen)));
    for candidate in &free {
        // Without the distance: a restaurant that moves its place would find out where drivers are.
        let because = format!("nearest of {} free drivers", free.len());
        match to(app, access, if_match, candidate.id, because).await {
            Err(problem) if problem.code() == Code::DriverBusy => {}
            answer => return answer,
        }
    }
    Err(Problem::new(Code::NoDriverAvailable, "Try again when a driver goes on duty or finishes a delivery.")
        .retry_after(15))
}

impl Delivery {
    /// Whether it is assigned to this driver and not closed yet.
    fn is_carried_by(&self, driver: DriverId) -> bool {
        !self.status.is_final() && self.driver.as_ref().is_some_and(|carrier| carrier.id == driver)
    }
}
