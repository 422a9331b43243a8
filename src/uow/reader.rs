//! A connection for one reader that reads again and again for the platform: each statement is one round trip, without a
//! transaction around it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use sqlx::{PgConnection, PgPool};
use tokio::time::timeout;

use super::Database;
use super::held::HeldConnection;
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
