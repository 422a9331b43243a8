//! Builds the demo city in an empty database: its people, its restaurants, and three weeks in which they ate.
//!
//! Everybody signs up first, in one transaction; then each restaurant opens in one; then its past is brought in, some
//! hundred orders at a time, with the whole log of what happened to each; and at the end the drivers come on duty and
//! the administrator signs up. Whoever finds the administrator finds a whole city. A start that was broken off goes on
//! where it stopped: every id follows from the seed, so what is there is recognised by its id, and the past ends when
//! the first customer signed up plus [`AGE`], however long ago the first start was.

pub mod basket;
pub mod order_history;
mod driver_pool;
mod restaurants;
mod import;
pub mod timeline;
pub mod past_orders;
mod people;

pub use driver_pool::{DETOUR, speed};

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::DemoError;
use super::dataset::DemoData;
use crate::accounts::hash_queue::Claimant;
use crate::accounts::password::{NewPassword, Passwords};
use crate::accounts::sql::{anybody, signed_up_at};
use crate::clock::Clock;
use crate::problem::Problem;
use crate::uow::Database;
use comanda_replay::progress::Progress;
use driver_pool::DriverPool;
use timeline::OrderTimeline;

/// How long ago everybody signed up: before the first order that is remembered.
pub const AGE: TimeDelta = TimeDelta::days(23);

/// How much was added to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeededOrders {
    /// Orders brought in.
    pub orders: usize,
}

/// Builds the city, or what is missing of it; `None`: it was there.
///
/// # Errors
/// When the database is somebody else's, or refuses.
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
    let founded = match founded(db, data).await? {
        Some(founded) => founded,
        None if anybody(db).await? => return Err(DemoError::SomebodyElse),
        None => {
            people::sign_up(&past, data, &hash).await?;
            founded(db, data).await?.ok_or(DemoError::SomebodyElse)?
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

/// When the first customer signed up.
async fn founded(db: &Database, data: &DemoData) -> Result<Option<DateTime<Utc>>, Problem> {
    match data.customers.first() {
        Some(ada) => signed_up_at(db, &ada.person.email).await,
        None => Ok(None),
    }
}

/// What the city remembers at that time: the orders of each restaurant that had come to their end, the earliest first.
///
/// # Errors
/// When a rule of the restaurant forbids what was made up.
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
