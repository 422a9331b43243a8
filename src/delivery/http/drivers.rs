//! `/api/admin/drivers` and `/api/drivers/me`: driver profiles, availability and locations. Which reports of a location
//! count is in `location.rs`; absent drivers are found in `actions/presence.rs`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use chrono::TimeDelta;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::caller::Admin;
use crate::accounts::{self, Email, UserRole};
use crate::app::App;
use crate::clock;
use crate::delivery::access::DriverAccess;
use crate::delivery::location::{self, InvalidReport};
use crate::delivery::{Driver, DriverStatus, Vehicle, sql};
use crate::extract::{Body, Json, Query};
use crate::idempotency::{IdempotentBody, IdempotentResponse};
use crate::ids::{DriverId, UserId};
use crate::paging::{List, PageQuery};
use crate::place::Place;
use crate::problem::{Problem, ProblemBody};
use crate::tenancy::TenancyContext;
use crate::timestamp::Timestamp;
use crate::uow::Tx;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(create_driver, list_drivers))
        .routes(routes!(set_driver_availability))
        .routes(routes!(report_location))
}

/// The driver profile to create, for an account given by its verified e-mail address or by its id.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewDriver {
    /// The e-mail address of the account, which must be confirmed.
    email: Option<Email>,
    /// The id of the account, as its owner reads it in `GET /api/me`.
    user_id: Option<UserId>,
    vehicle: Vehicle,
}

async fn profile(tx: &mut Tx, user: UserId, presence: TimeDelta) -> Result<Driver, Problem> {
    sql::drivers::of_user(tx, user, presence).await?.ok_or_else(Problem::not_found)
}

/// Create a driver profile
///
/// For a user who has an account.
#[utoipa::path(post, path = "/api/admin/drivers", tag = "drivers", security(("token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "A new random key; repeat the request with the \
                                                                       same key")),
    request_body = NewDriver,
    responses(
        (status = 201, description = "The profile", body = Driver),
        (status = 403, description = "Requires the role ADMIN",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The user already has a driver profile",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "No active account has this id or this address, or the address is not confirmed",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn create_driver(
    State(app): State<Arc<App>>,
    admin: Admin,
    IdempotentBody { value: new, key }: IdempotentBody<NewDriver>,
) -> Result<IdempotentResponse, Problem> {
    let presence = app.config.delivery.presence;
    key.create(&app.db, admin.scope.changing_grants(), move |tx| {
        Box::pin(async move {
            let user = accounts::actions::grantee::find(tx, new.email.as_ref(), new.user_id).await?;
            sql::drivers::insert(tx, DriverId::new(), user.id, new.vehicle).await?;
            accounts::sql::grant_role(tx, user.id, UserRole::Driver).await?;
            profile(tx, user.id, presence).await
        })
    })
    .await
}

/// List drivers
#[utoipa::path(get, path = "/api/admin/drivers", tag = "drivers", security(("token" = [])), params(PageQuery),
    responses(
        (status = 200, description = "A page of drivers, newest first", body = List<Driver>),
        (status = 403, description = "Requires the role ADMIN",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_drivers(
    State(app): State<Arc<App>>,
    admin: Admin,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<Driver>>, Problem> {
    let (page, presence) = (query.page()?, app.config.delivery.presence);
    let rows = app.db.read(admin.scope, move |tx| Box::pin(sql::drivers::list(tx, page, presence))).await?;
    Ok(Json(page.cut(rows, |(created_at, driver)| (*created_at, driver.id.uuid())).map(|(_, driver)| driver)))
}

/// Whether the driver is on duty, and the current location.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DriverAvailability {
    /// `AVAILABLE` or `OFFLINE`; `BUSY` is set by the server.
    status: DriverStatus,
    /// The location. Required to go on duty, optional on duty; deleted when the driver goes off duty.
    place: Option<Place>,
    /// When `place` was measured, by the phone's clock, which may be up to five minutes ahead: location reports from
    /// before it change nothing. Absent: the next report counts, whenever it was measured.
    at: Option<Timestamp>,
}

/// Go on duty or off duty
///
/// A driver who goes off duty during a delivery finishes it. The location is deleted after that, or at once without a
/// delivery. A driver on duty reports a location at least once a minute: after `DRIVER_PRESENCE` without a
/// report or other activity (see `seenAt`) the driver gets no deliveries, and after `DRIVER_OFF_DUTY_AFTER` the driver
/// is set off duty and deliveries not picked up are WAITING again.
#[utoipa::path(put, path = "/api/drivers/me/availability", tag = "drivers", security(("token" = [])),
    request_body = DriverAvailability,
    responses(
        (status = 200, description = "The profile after the change", body = Driver),
        (status = 403, description = "The caller has no driver profile",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "No location is known yet, or BUSY was requested",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn set_driver_availability(
    State(app): State<Arc<App>>,
    duty: DriverAccess,
    Body(availability): Body<DriverAvailability>,
) -> Result<Json<Driver>, Problem> {
    let online = match availability.status {
        DriverStatus::Available => true,
        DriverStatus::Offline => false,
        DriverStatus::Busy => {
            return Err(Problem::invalid_field("/status", "must be AVAILABLE or OFFLINE; BUSY is set by a delivery"));
        }
    };
    let (driver, user, presence) = (duty.driver, duty.caller.user, app.config.delivery.presence);
    let at = availability.at.map(Timestamp::utc);
    let tenancy = TenancyContext { driver: Some(driver), ..TenancyContext::user(user) };
    let changed = app
        .db
        .write(tenancy, move |tx| {
            Box::pin(async move {
                if let Some(at) = at {
                    clock::clamp(at, tx.now()).map_err(|skew| Problem::invalid_field("/at", skew.to_string()))?;
                }
                if !sql::drivers::set_online(tx, driver, online, availability.place, at).await? {
                    return Err(Problem::invalid_field("/place", "is required, because your location is not known"));
                }
                profile(tx, user, presence).await
            })
        })
        .await?;
    Ok(Json(changed))
}

/// The location of the driver at a time.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LocationReport)]
struct Location {
    place: Place,
    /// When it was measured, by the phone's clock, which may be behind and up to five minutes ahead; absent: now.
    at: Option<Timestamp>,
}

/// Report the driver's location
///
/// Reports can arrive late and in any order: one older than the latest, by the phone's clock, changes nothing. A clock
/// that is behind does not matter; after it was set back, reports count again within five minutes. Off duty and without
/// an open delivery no location is stored. A location that is too far from the last one for the time between them
/// (`DRIVER_MAX_SPEED`) is refused.
#[utoipa::path(post, path = "/api/drivers/me/location", tag = "drivers", security(("token" = [])),
    request_body = Location,
    responses(
        (status = 204, description = "Recorded; or not kept, because it is older than the last known location or the \
                                      driver is off duty"),
        (status = 403, description = "The caller has no driver profile",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The location is invalid or too far from the last one, or the time is in the \
                                      future", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn report_location(
    State(app): State<Arc<App>>,
    duty: DriverAccess,
    Body(Location { place, at }): Body<Location>,
) -> Result<StatusCode, Problem> {
    let (driver, max_speed) = (duty.driver, app.config.delivery.max_speed);
    let tenancy = TenancyContext { driver: Some(driver), ..TenancyContext::user(duty.caller.user) };
    let checked = app
        .db
        .write(tenancy, move |tx| {
            Box::pin(async move {
                // A refused report counts as activity, too.
                let last = sql::drivers::seen(tx, driver).await?;
                let checked = location::check_report(last, place, at.map(Timestamp::utc), tx.now(), max_speed);
                if let Ok(report) = checked {
                    sql::drivers::save_report(tx, driver, report).await?;
                }
                Ok(checked)
            })
        })
        .await?;
    checked.map(|_| StatusCode::NO_CONTENT).map_err(|invalid| {
        let pointer = match invalid {
            InvalidReport::Clock(_) => "/at",
            InvalidReport::Jump { .. } => "/place",
        };
        Problem::invalid_field(pointer, invalid.to_string())
    })
}
