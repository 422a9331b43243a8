//! Builds the demo city in an empty database: its people, its restaurants, and three weeks in which they ate.
//!
//! Everybody signs up first, in one transaction; then each restaurant opens in one; then its past is brought in, some
//! hundred orders at a time, with the whole log of what happened to each; and at the end the drivers come on duty and
//! the administrator signs up. Whoever finds the administrator finds a whole city. A start that was broken off goes on
//! where it stopped: every id follows from the seed, so what is there is recognised by its id, and the past ends when
//! the first customer signed up plus [`AGE`], however long ago the first start was.

pub mod basket;
pub mod chronicle;
mod fleet;
mod restaurants;
mod import;
pub mod life;
pub mod past;
mod people;

pub use fleet::{DETOUR, speed};

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::DemoError;
use super::town::Town;
use crate::accounts::password::{NewPassword, Passwords};
use crate::accounts::sql::{anybody, signed_up_at};
use crate::clock::Clock;
use crate::problem::Problem;
use crate::uow::Database;
use comanda_replay::progress::Progress;
use fleet::Fleet;
use life::Life;

/// How long ago everybody signed up: before the first order that is remembered.
pub const AGE: TimeDelta = TimeDelta::days(23);

/// What was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
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
    town: &Arc<Town>,
) -> Result<Option<Built>, DemoError> {
    if signed_up_at(db, &town.admin.email).await?.is_some() {
        return Ok(None);
    }
    let hash: Arc<str> = passwords.hash(&NewPassword::trusted(super::city::PASSWORD)).await?.into();
    let past = db.at(clock.behind(AGE));
    let founded = match founded(db, town).await? {
        Some(founded) => founded,
        None if anybody(db).await? => return Err(DemoError::SomebodyElse),
        None => {
            people::sign_up(&past, town, &hash).await?;
            founded(db, town).await?.ok_or(DemoError::SomebodyElse)?
        }
    };
    let lives = lives(town, founded + AGE)?;
    let progress = Progress::begin("demo city", lives.iter().map(Vec::len).sum());
    let mut orders = 0;
    for (kitchen, lives) in lives.into_iter().enumerate() {
        restaurants::open(&past, town, kitchen, &hash).await?;
        orders += import::import(&past, town, kitchen, lives, &progress).await?;
    }
    people::begin_work(db, town, &hash).await?;
    Ok(Some(Built { orders }))
}

/// When the first customer signed up.
async fn founded(db: &Database, town: &Town) -> Result<Option<DateTime<Utc>>, Problem> {
    match town.guests.first() {
        Some(ada) => signed_up_at(db, &ada.person.email).await,
        None => Ok(None),
    }
}

/// What the city remembers at that time: the orders of each restaurant that had come to their end, the earliest first.
///
/// # Errors
/// When a rule of the restaurant forbids what was made up.
pub fn lives(town: &Town, until: DateTime<Utc>) -> Result<Vec<Vec<Life>>, Problem> {
    let mut fleet = Fleet::new(&town.riders);
    let mut lives: Vec<Vec<Life>> = town.kitchens.iter().map(|_| Vec::new()).collect();
    for meal in past::meals(town, until) {
        let kitchen = meal.kitchen;
        let life = life::live(town, meal, &mut fleet)?;
        if life.ended() <= until {
            lives[kitchen].push(life);
        }
    }
    Ok(lives)
}
