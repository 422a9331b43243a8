//! The demo city's accounts, which everybody knows the password of: found before a real server starts, and removed.

use std::collections::BTreeSet;

use secrecy::SecretString;
use sqlx::Connection as _;

use super::city::{City, DOMAIN, PASSWORD};
use super::dataset::DemoData;
use super::{DemoError, sql};
use crate::accounts::password;
use crate::config::Config;
use crate::database::{DatabaseError, Reached};

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Restaurants, with everything that was theirs: menus, orders, deliveries.
    pub restaurants: u64,
    /// Number of accounts deleted.
    pub users: u64,
    /// Accounts that ordered from, or delivered for, other restaurants, whose books name them: disabled, with a password
    /// that nobody knows.
    pub disabled: u64,
}

/// Refuses a database that holds enabled accounts of the demo with the password that everybody knows.
///
/// # Errors
/// When it does, with what to do; when the database does not answer.
pub async fn require_none(reached: &Reached) -> Result<(), DemoError> {
    let mut owner = reached.connect().await?;
    let found = sql::enabled_accounts(&mut owner, DOMAIN).await.map_err(DatabaseError::from)?;
    owner.close().await.map_err(DatabaseError::from)?;
    // A start of the demo hashes its password once, so there are few hashes to look at.
    let hashes: BTreeSet<&str> = found.iter().map(|account| account.password_hash.as_str()).collect();
    let public = SecretString::from(PASSWORD);
    let known: BTreeSet<&str> = hashes.into_iter().filter(|hash| password::is_of(&public, hash)).collect();
    let count = found.iter().filter(|account| known.contains(account.password_hash.as_str())).count();
    if count == 0 { Ok(()) } else { Err(DemoError::Leftover(count)) }
}

/// Removes the demo city from a database: its restaurants with everything that is theirs, and its people.
///
/// # Errors
/// When the database does not answer, or refuses.
pub async fn remove(config: &Config) -> Result<Removed, DemoError> {
    let data = DemoData::of(&City::read()?)?;
    let restaurants: Vec<_> = data.restaurants.iter().map(|kitchen| kitchen.id.uuid()).collect();
    let reached = Reached::find(config).await?;
    let done = async {
        reached.migrate().await?;
        let mut owner = reached.connect().await?;
        let removed = sql::remove(&mut owner, &restaurants, DOMAIN).await.map_err(DatabaseError::from)?;
        owner.close().await.map_err(DatabaseError::from)?;
        Ok(removed)
    };
    let outcome = done.await;
    reached.leave().await;
    outcome
}
