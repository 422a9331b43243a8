//! Every statement on drivers.

use chrono::{DateTime, Utc};

use crate::delivery::{Driver, DriverStatus, Vehicle};
use crate::ids::{DriverId, UserId};
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
        }
    }
}

/// A new profile for a user.
pub async fn insert(tx: &mut Tx, id: DriverId, user: UserId, vehicle: Vehicle) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "insert into drivers (id, user_id, vehicle, created_at, updated_at) values ($1, $2, $3, $4, $4)",
        id as DriverId,
        user as UserId,
        vehicle.word(),
        now,
    )
    .execute(tx.connection())
    .await
    .on_constraint("drivers_user_key", || {
        Problem::new(Code::AlreadyExists, "This user has a driver profile already; read it in the list of drivers.")
    })?;
    Ok(())
}

/// The driver profile of a user.
pub async fn of_user(tx: &mut Tx, user: UserId) -> Result<Option<Driver>, Problem> {
    let row = sqlx::query_as!(
        DriverRow,
        r#"select d.id, d.user_id, u.name, d.vehicle, d.online, d.latitude, d.longitude, d.located_at,
                  exists (select from deliveries x where x.driver_id = d.id and x.closed_at is null) as "busy!"
           from drivers d join users u on u.id = d.user_id where d.user_id = $1"#,
        user as UserId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(Into::into))
}

/// A page of drivers with the key of each row, the newest first.
pub async fn list(tx: &mut Tx, page: Page) -> Result<Vec<(DateTime<Utc>, Driver)>, Problem> {
    let rows = sqlx::query!(
        r#"select d.id, d.user_id, u.name, d.vehicle, d.online, d.latitude, d.longitude, d.located_at, d.created_at,
                  exists (select from deliveries x where x.driver_id = d.id and x.closed_at is null) as "busy!"
           from drivers d join users u on u.id = d.user_id
           where $1::timestamptz is null or (d.created_at, d.id) < ($1, $2)
           order by d.created_at desc, d.id desc limit $3"#,
        page.after_time(),
        page.after_id(),
        page.fetch,
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
            };
            (row.created_at, driver(profile))
        })
        .collect())
}

/// Says whether a driver wants work, and where they are, if that is told. `false`: the place is not known.
pub async fn set_online(tx: &mut Tx, driver: DriverId, online: bool, place: Option<Place>) -> Result<bool, Problem> {
    let now = tx.now();
    let changed = sqlx::query!(
        "update drivers set online = $2, updated_at = $5,
             latitude = coalesce($3, latitude), longitude = coalesce($4, longitude),
             located_at = case when $3::float8 is null then located_at else $5 end
         where id = $1 and (not $2 or $3::float8 is not null or latitude is not null)",
        driver as DriverId,
        online,
        place.map(Place::lat),
        place.map(Place::lng),
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Where a driver is now.
pub async fn set_place(tx: &mut Tx, driver: DriverId, place: Place) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "update drivers set latitude = $2, longitude = $3, located_at = $4, updated_at = $4 where id = $1",
        driver as DriverId,
        place.lat(),
        place.lng(),
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// A driver who wants work and has none.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// Who.
    pub id: DriverId,
    /// Where.
    pub place: Place,
}

/// Drivers who want work and have none, as far as this moment can tell. Whether one of them really is free is known
/// when they are assigned: the database lets a driver carry one delivery at a time.
pub async fn free(tx: &mut Tx) -> Result<Vec<Candidate>, Problem> {
    let rows = sqlx::query!(
        r#"select id, latitude as "latitude!", longitude as "longitude!" from drivers
           where online and id not in (
               select driver_id from deliveries where closed_at is null and driver_id is not null)"#,
    )
    .fetch_all(tx.connection())
    .await?;
    let candidate = |id, lat, lng| Place::new(lat, lng).ok().map(|place| Candidate { id, place });
    Ok(rows.into_iter().filter_map(|row| candidate(row.id, row.latitude, row.longitude)).collect())
}
