//! The connection of a transaction.

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres};

/// A connection that is closed when it is dropped, unless it was returned to the pool with [`Self::give_back`].
#[derive(Debug)]
pub(super) struct HeldConnection(Option<PoolConnection<Postgres>>);

impl HeldConnection {
    /// Wraps a connection.
    pub(super) const fn new(connection: PoolConnection<Postgres>) -> Self {
        Self(Some(connection))
    }

    /// Returns the connection to the pool.
    pub(super) fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for HeldConnection {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

impl std::ops::Deref for HeldConnection {
    type Target = PgConnection;

    #[expect(clippy::expect_used, reason = "empty only after give_back, which takes the value away")]
    fn deref(&self) -> &PgConnection {
        self.0.as_ref().expect("a held connection")
    }
}

impl std::ops::DerefMut for HeldConnection {
    #[expect(clippy::expect_used, reason = "empty only after give_back, which takes the value away")]
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.0.as_mut().expect("a held connection")
    }
}
