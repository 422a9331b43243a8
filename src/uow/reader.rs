//! Reading with one statement, without a transaction around it: one round trip. [`Database::read_once`] reads on behalf
//! of a caller, in the context that the statement sets itself (`tenancy/acting.rs`); a [`PlatformReader`] has a
//! connection of its own, and reads again and again for the platform.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use sqlx::{PgConnection, PgPool};
use tokio::time::timeout;

use super::held::HeldConnection;
use super::outcome::connection_is_dead;
use super::{AccessMode, Database, Outcome};
use crate::problem::Problem;
use crate::tenancy::PlatformScope;

/// A statement that borrows the connection, boxed.
pub type Statement<'c, T> = Pin<Box<dyn Future<Output = Result<T, sqlx::Error>> + Send + 'c>>;

/// A connection that always acts for the platform. It is opened when it is needed, and again when it was lost.
#[derive(Debug)]
pub struct PlatformReader {
    pool: PgPool,
    limit: Duration,
}

impl Database {
    /// A reader with its own connection, for the rows of all tenants.
    pub fn reader(&self, _entitled: PlatformScope) -> PlatformReader {
        let options = self.pool.connect_options().as_ref().clone().options([
            ("app.platform", "on"),
            // It can change nothing.
            ("default_transaction_read_only", "on"),
        ]);
        // The pool has one connection. If it is lost, one reading fails, and the next one opens another connection.
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(self.bounds.work).test_before_acquire(false);
        PlatformReader { pool: pool.connect_lazy_with(options), limit: self.bounds.work }
    }
}

impl Database {
    /// Runs one statement that reads, over a connection of the pool. If the connection is broken, it runs again over
    /// another one. It sees public rows only, unless it sets a context with `act_as`.
    ///
    /// # Errors
    /// Those of PostgreSQL; `busy` when it does not answer in time.
    pub async fn read_once<T, F>(&self, statement: F) -> Result<T, Problem>
    where
        F: for<'c> Fn(&'c mut PgConnection) -> Statement<'c, T>,
    {
        match timeout(self.bounds.work, self.read_over_pool(statement)).await {
            Ok(Ok(Outcome::Committed(answer))) => Ok(answer),
            Ok(Ok(Outcome::RolledBack(problem))) => Err(problem),
            Ok(Err(error)) => Err(error.into()),
            // Unknown: what was read may not be on disk.
            Ok(Ok(Outcome::Unknown)) | Err(_) => Err(Problem::busy(1)),
        }
    }

    async fn read_over_pool<T, F>(&self, statement: F) -> Result<Outcome<T>, sqlx::Error>
    where
        F: for<'c> Fn(&'c mut PgConnection) -> Statement<'c, T>,
    {
        // Taken before reading, see `flush.rs`.
        let ticket = self.flush.ticket();
        let mut attempts_left = self.pool.size() + 1;
        loop {
            let mut connection = HeldConnection::new(self.pool.acquire().await?);
            match statement(&mut connection).await {
                Ok(answer) => {
                    let tx = self.tx(connection, AccessMode::Read, ticket, None);
                    return Ok(self.confirm(tx, None, answer).await);
                }
                Err(error) if connection_is_dead(&error) => {
                    drop(connection);
                    attempts_left -= 1;
                    if attempts_left == 0 {
                        return Err(error);
                    }
                }
                Err(error) => {
                    if matches!(error, sqlx::Error::Database(_)) {
                        connection.give_back();
                    }
                    return Err(error);
                }
            }
        }
    }
}

impl PlatformReader {
    /// Runs one statement, which sees one snapshot.
    ///
    /// # Errors
    /// Those of PostgreSQL; `busy` when it does not answer in time.
    pub async fn read<T, F>(&self, statement: F) -> Result<T, Problem>
    where
        F: for<'c> FnOnce(&'c mut PgConnection) -> Statement<'c, T>,
    {
        let read = async {
            let mut connection = HeldConnection::new(self.pool.acquire().await?);
            let answer = statement(&mut connection).await?;
            connection.give_back();
            Ok::<_, sqlx::Error>(answer)
        };
        match timeout(self.limit, read).await {
            Ok(answer) => answer.map_err(Problem::from),
            Err(_) => Err(Problem::busy(1)),
        }
    }
}
