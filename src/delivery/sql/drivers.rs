//! Every statement on drivers.

use chrono::{DateTime, TimeDelta, Utc};

use crate::delivery::location::{LastLocation, Report};
use crate::delivery::{Driver, DriverStatus, Vehicle};
use crate::ids::{DeliveryId, DriverId, RestaurantId, UserId};
use crate::paging::Page;
use crate::place::Place;
use crate::problem::{Code, OnConstraint as _, Problem};
use crate::uow::Tx;

/// A driver's row.
struct DriverRow {
    id: DriverId,
    user_id: UserId,
    name: String,
    vehicle: String,
    online: bool,
    busy: bool,
    latitude: Option<f64>,
    longitude: Option<f64>,
    located_at: Option<DateTime<Utc>>,
    seen_at: Option<DateTime<Utc>>,
}

impl From<DriverRow> for Driver {
    fn from(row: DriverRow) -> Self {
        let status = match (row.busy, row.online) {
            (true, _) => DriverStatus::Busy,
            (false, true) => DriverStatus::Available,
            (false, false) => DriverStatus::Offline,
        };
        Self {
            id: row.id,
            user_id: row.user_id,
            name: row.name,
            vehicle: row.vehicle,
            status,
            place: Place::from_columns(row.latitude, row.longitude),
            located_at: row.located_at,
            seen_at: row.seen_at,
        }
    }
}

/// Creates a driver profile for a user.
pub async fn insert(tx: &mut Tx, id: DriverId, user: UserId, vehicle: Vehicle) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "insert into drivers (id, user_id, vehicle, created_at, updated_at) values ($1, $2, $3, $4, $4)",
        id as DriverId,
        user as UserId,
        vehicle.as_str(),
        now,
    )
    .execute(tx.connection())
    .await
    .on_constraint("drivers_user_key", || {
        Problem::new(Code::AlreadyExists, "This user already has a driver profile; find it in the list of drivers.")
    })?;
    Ok(())
}

/// The driver profile of a user. A driver on duty who was not seen within `presence` is shown as OFFLINE.
pub async fn of_user(tx: &mut Tx, user: UserId, presence: TimeDelta) -> Result<Option<Driver>, Problem> {
    let seen_since = tx.now() - presence;
    let row = sqlx::query_as!(
        DriverRow,
        r#"select d.id, d.user_id, u.name, d.vehicle, d.online and d.seen_at >= $2 as "online!", d.latitude,
                  d.longitude, d.located_at, d.seen_at,
                  exists (select from deliveries x where x.driver_id = d.id and x.closed_at is null) as "busy!"
           from drivers d join users u on u.id = d.user_id where d.user_id = $1"#,
        user as UserId,
        seen_since,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(Into::into))
}

/// A page of drivers with the key of each row, newest first; their status as in [`of_user`], and their location only
/// while they are on duty and present.
pub async fn list(tx: &mut Tx, page: Page, presence: TimeDelta) -> Result<Vec<(DateTime<Utc>, Driver)>, Problem> {
    let seen_since = tx.now() - presence;
    let rows = sqlx::query!(
        r#"select d.id, d.user_id, u.name, d.vehicle, d.online and d.seen_at >= $4 as "online!", d.latitude,
                  d.longitude, d.located_at, d.seen_at, d.created_at,
                  exists (select from deliveries x where x.driver_id = d.id and x.closed_at is null) as "busy!"
           from drivers d join users u on u.id = d.user_id
           where $1::timestamptz is null or (d.created_at, d.id) < ($1, $2)
           order by d.created_at desc, d.id desc limit $3"#,
        page.after_time(),
        page.after_id(),
        page.fetch,
        seen_since,
    )
    .fetch_all(tx.connection())
    .await?;
    let driver = |row: DriverRow| Driver::from(row);
    Ok(rows
        .into_iter()
        .map(|row| {
            let profile = DriverRow {
                id: row.id,
                user_id: row.user_id,
                name: row.name,
                vehicle: row.vehicle,
                online: row.online,
                busy: row.busy,
                latitude: row.latitude,
                longitude: row.longitude,
                located_at: row.located_at,
                seen_at: row.seen_at,
            };
            (row.created_at, driver(profile).for_platform(seen_since))
        })
        .collect())
}

/// Sets whether a driver is on duty, and the location if given, with the phone's time of it. `false`: no location is
/// known. A trigger (`clear_location`) deletes the location of a driver who is off duty without a delivery.
pub async fn set_online(
    tx: &mut Tx,
    driver: DriverId,
    online: bool,
    place: Option<Place>,
    reported_at: Option<DateTime<Utc>>,
) -> Result<bool, Problem> {
    let now = tx.now();
    let changed = sqlx::query!(
        "update drivers set online = $2, updated_at = $5, seen_at = $5,
             latitude = coalesce($3, latitude), longitude = coalesce($4, longitude),
             located_at = case when $3::float8 is null then located_at else $5 end,
             reported_at = case when $3::float8 is null then reported_at else $6 end,
             late_since = case when $3::float8 is null then late_since end
         where id = $1 and (not $2 or $3::float8 is not null or latitude is not null)",
        driver as DriverId,
        online,
        place.map(Place::lat),
        place.map(Place::lng),
        now,
        reported_at,
    )
    .execute(tx.connection())
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Records activity of a driver and returns the last location; locks the driver.
pub async fn seen(tx: &mut Tx, driver: DriverId) -> Result<Option<LastLocation>, Problem> {
    let now = tx.now();
    let last = sqlx::query!(
        "update drivers set seen_at = $2 where id = $1
         returning latitude, longitude, located_at, reported_at, late_since",
        driver as DriverId,
        now,
    )
    .fetch_optional(tx.connection())
    .await?;
    let location = last.and_then(|row| {
        Some(LastLocation {
            place: Place::from_columns(row.latitude, row.longitude)?,
            located_at: row.located_at?,
            reported_at: row.reported_at,
            late_since: row.late_since,
        })
    });
    Ok(location)
}

/// Stores the outcome of a report of a driver whom [`seen`] has locked.
pub async fn save_report(tx: &mut Tx, driver: DriverId, report: Report) -> Result<(), Problem> {
    let now = tx.now();
    match report {
        Report::Newest(location) => {
            sqlx::query!(
                "update drivers set latitude = $2, longitude = $3, located_at = $4, reported_at = $5, late_since = null,
                     updated_at = $6
                 where id = $1",
                driver as DriverId,
                location.place.lat(),
                location.place.lng(),
                location.located_at,
                location.reported_at,
                now,
            )
            .execute(tx.connection())
            .await?;
        }
        Report::Late => {
            sqlx::query!(
                "update drivers set late_since = $2 where id = $1 and late_since is null",
                driver as DriverId,
                now,
            )
            .execute(tx.connection())
            .await?;
        }
    }
    Ok(())
}

/// Whether a driver has an open delivery.
pub async fn is_busy(tx: &mut Tx, driver: DriverId) -> Result<bool, Problem> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from deliveries where driver_id = $1 and closed_at is null) as "found!""#,
        driver as DriverId,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(found)
}

/// Whether a driver is on duty who was not active since `last_seen_before`.
pub async fn has_absent(tx: &mut Tx, last_seen_before: DateTime<Utc>) -> Result<bool, Problem> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from drivers where online and seen_at < $1) as "found!""#,
        last_seen_before,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(found)
}

/// Sets drivers off duty who were not active since `last_seen_before`.
pub async fn set_absent_off_duty(tx: &mut Tx, last_seen_before: DateTime<Utc>) -> Result<u64, Problem> {
    let now = tx.now();
    let absent = sqlx::query!(
        "update drivers set online = false, updated_at = $2 where online and seen_at < $1",
        last_seen_before,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(absent.rows_affected())
}

/// A delivery whose driver is absent or disabled.
#[derive(Debug, Clone, Copy)]
pub struct Abandoned {
    /// The restaurant of the delivery.
    pub restaurant: RestaurantId,
    /// The delivery to take back.
    pub delivery: DeliveryId,
}

/// Deliveries before pickup whose driver is disabled or was not active since `last_seen_before`.
pub async fn abandoned(tx: &mut Tx, last_seen_before: DateTime<Utc>, limit: i64) -> Result<Vec<Abandoned>, Problem> {
    let found = sqlx::query_as!(
        Abandoned,
        r#"select d.restaurant_id as restaurant, d.id as delivery
           from deliveries d join drivers v on v.id = d.driver_id join users u on u.id = v.user_id
           where d.closed_at is null and d.driver_id is not null and d.status in ('ASSIGNED', 'ARRIVED')
             and (u.disabled_at is not null or u.role < 'DRIVER' or v.seen_at < $1)
           order by d.created_at limit $2"#,
        last_seen_before,
        limit,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(found)
}

/// Whether a driver is disabled, has lost the role, or was not active since; checked again under the delivery's lock.
pub async fn is_absent_or_disabled(
    tx: &mut Tx,
    driver: DriverId,
    last_seen_before: DateTime<Utc>,
) -> Result<bool, Problem> {
    let gone = sqlx::query_scalar!(
        r#"select u.disabled_at is not null or u.role < 'DRIVER' or coalesce(v.seen_at < $2, false) as "gone!"
           from drivers v join users u on u.id = v.user_id where v.id = $1"#,
        driver as DriverId,
        last_seen_before,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(gone.unwrap_or(true))
}

/// An available driver.
#[derive(Debug, Clone, Copy)]
pub struct DriverCandidate {
    /// The id of the driver profile.
    pub id: DriverId,
    /// The driver's last known location.
    pub place: Place,
}

/// Available drivers at this moment. One may get another delivery meanwhile, so the assignment is checked by a
/// constraint that allows each driver one delivery at a time.
pub async fn free(tx: &mut Tx, presence: TimeDelta) -> Result<Vec<DriverCandidate>, Problem> {
    let now = tx.now();
    let rows = sqlx::query!(
        r#"select id, latitude as "latitude!", longitude as "longitude!" from drivers
           where online and seen_at >= $1 and driver_can_work(drivers, $1, $2) and id not in (
               select driver_id from deliveries where closed_at is null and driver_id is not null)"#,
        now - presence,
        now,
    )
    .fetch_all(tx.connection())
    .await?;
    let candidate = |id, lat, lng| Place::new(lat, lng).ok().map(|place| DriverCandidate { id, place });
    Ok(rows.into_iter().filter_map(|row| candidate(row.id, row.latitude, row.longitude)).collect())
}
