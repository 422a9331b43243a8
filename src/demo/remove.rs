//! The demo accounts, whose password is public: they prevent a start in production, and are removed with the rest of
//! the demo data.

use std::collections::BTreeSet;

use secrecy::SecretString;
use sqlx::Connection as _;

use super::city::{City, DOMAIN, PASSWORD};
use super::dataset::DemoData;
use super::{DemoError, sql};
use crate::accounts::password;
use crate::config::Config;
use crate::database::{DatabaseError, DatabaseServer};

/// The removed data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// The number of restaurants, with their menus, orders and deliveries.
    pub restaurants: u64,
    /// The number of accounts deleted.
    pub users: u64,
    /// The number of accounts that ordered from, or delivered for, other restaurants: disabled, with an unknown
    /// password.
    pub disabled: u64,
}

/// Refuses a database with enabled accounts of the demo that have the public password.
///
/// # Errors
/// When there are such accounts, with what to do; when the database does not answer.
pub async fn require_none(reached: &DatabaseServer) -> Result<(), DemoError> {
    let mut owner = reached.connect().await?;
    let found = sql::enabled_accounts(&mut owner, DOMAIN).await.map_err(DatabaseError::from)?;
    owner.close().await.map_err(DatabaseError::from)?;
    // Each start of the demo hashes the password once, so there are few hashes to check.
    let hashes: BTreeSet<&str> = found.iter().map(|account| account.password_hash.as_str()).collect();
    let public = SecretString::from(PASSWORD);
    let known: BTreeSet<&str> = hashes.into_iter().filter(|hash| password::is_of(&public, hash)).collect();
    let count = found.iter().filter(|account| known.contains(account.password_hash.as_str())).count();
    if count == 0 { Ok(()) } else { Err(DemoError::Leftover(count)) }
}

/// Removes the demo data from a database: restaurants with all their data, and accounts.
///
/// # Errors
/// When the database does not answer, or refuses.
pub async fn remove(config: &Config) -> Result<Removed, DemoError> {
    let data = DemoData::of(&City::read()?)?;
    let restaurants: Vec<_> = data.restaurants.iter().map(|kitchen| kitchen.id.uuid()).collect();
    let reached = DatabaseServer::find(config).await?;
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
