//! Creates the demo data in an empty database: users, restaurants, and three weeks of orders.
//!
//! Users are created first, in one transaction; then each restaurant in one; then its past orders with their events,
//! about a hundred at a time; and at the end the drivers go on duty and the administrator is created, whose account
//! therefore shows that the data is complete. A start that was interrupted continues where it stopped: every id follows
//! from the seed, so existing objects are recognised by their ids, and the past ends [`AGE`] after the first customer
//! registered, however long ago the first start was.

pub mod basket;
mod driver_pool;
mod import;
pub mod order_history;
pub mod past_orders;
mod people;
mod restaurants;
pub mod timeline;

pub use driver_pool::{DETOUR, speed};

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::DemoError;
use super::dataset::DemoData;
use crate::accounts::hash_queue::Claimant;
use crate::accounts::password::{NewPassword, Passwords};
use crate::accounts::sql::{has_users, signed_up_at};
use crate::clock::Clock;
use crate::problem::Problem;
use crate::uow::Database;
use comanda_replay::progress::Progress;
use driver_pool::DriverPool;
use timeline::OrderTimeline;

/// How long ago the users registered: before the first past order.
pub const AGE: TimeDelta = TimeDelta::days(23);

/// The amount of data that was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeededOrders {
    /// The number of imported orders.
    pub orders: usize,
}

/// Creates the demo data that is missing; `None`: it was complete.
///
/// # Errors
/// When the database has other users, or does not answer.
pub async fn build(
    db: &Database,
    passwords: &Passwords,
    clock: &Clock,
    data: &Arc<DemoData>,
) -> Result<Option<SeededOrders>, DemoError> {
    if signed_up_at(db, &data.admin.email).await?.is_some() {
        return Ok(None);
    }
    let hash: Arc<str> = passwords.hash(Claimant::Operator, &NewPassword::trusted(super::city::PASSWORD)).await?.into();
    let past = db.at(clock.behind(AGE));
    let founded = match first_sign_up(db, data).await? {
        Some(founded) => founded,
        None if has_users(db).await? => return Err(DemoError::OtherUsers),
        None => {
            people::sign_up(&past, data, &hash).await?;
            first_sign_up(db, data).await?.ok_or(DemoError::OtherUsers)?
        }
    };
    let timelines = timelines(data, founded + AGE)?;
    let progress = Progress::begin("demo city", timelines.iter().map(Vec::len).sum());
    let mut orders = 0;
    for (kitchen, timelines) in timelines.into_iter().enumerate() {
        restaurants::open(&past, data, kitchen, &hash).await?;
        orders += import::import(&past, data, kitchen, timelines, &progress).await?;
    }
    people::begin_work(db, data, &hash).await?;
    Ok(Some(SeededOrders { orders }))
}

/// When the first customer registered.
async fn first_sign_up(db: &Database, data: &DemoData) -> Result<Option<DateTime<Utc>>, Problem> {
    match data.customers.first() {
        Some(ada) => signed_up_at(db, &ada.person.email).await,
        None => Ok(None),
    }
}

/// The past orders of each restaurant that had ended at that time, earliest first.
///
/// # Errors
/// When a rule of the service refuses a generated order.
pub fn timelines(data: &DemoData, until: DateTime<Utc>) -> Result<Vec<Vec<OrderTimeline>>, Problem> {
    let mut drivers = DriverPool::new(&data.drivers);
    let mut timelines: Vec<Vec<OrderTimeline>> = data.restaurants.iter().map(|_| Vec::new()).collect();
    for seed in past_orders::past_orders(data, until) {
        let kitchen = seed.kitchen;
        let timeline = timeline::live(data, seed, &mut drivers)?;
        if timeline.ended() <= until {
            timelines[kitchen].push(timeline);
        }
    }
    Ok(timelines)
}
