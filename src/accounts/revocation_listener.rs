//! Reads revocations, so that a node knows within a second what another node, or an operator, has revoked.
//!
//! Triggers of `migrations/0011_sessions.sql` write the table of revocations when a session ends or a role changes.
//! Over a connection of its own this task reads it whenever PostgreSQL notifies it (NOTIFY, sent by the same triggers)
//! and at least once a second. Redis is not involved. While the connection is broken no cached session is used
//! (`caller_cache.rs`). Open sockets are closed in `realtime/revocations.rs`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::accounts::sql::revocations::{self, RevocationsRead};
use crate::app::App;

/// The channel on which the triggers notify (`migrations/0011_sessions.sql`).
const CHANNEL: &str = "comanda_revocations";
/// The longest time between two readings without a notification.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The longest time that a statement may take before the connection counts as broken.
const READ_TIMEOUT: Duration = Duration::from_secs(2);
/// The wait before the first attempt to reconnect, doubled with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The time between two removals of old rows.
const DELETE_EVERY: Duration = Duration::from_hours(1);

/// Why the listener was disconnected.
#[derive(Debug, thiserror::Error)]
enum ListenerError {
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
    #[error("no answer in time")]
    Slow(#[from] tokio::time::error::Elapsed),
    #[error("the connection was lost")]
    HungUp,
}

/// Listens until `stop` is cancelled, and reconnects as often as needed.
pub async fn follow(app: Arc<App>, options: PgConnectOptions, stop: CancellationToken) {
    let options = options.options([("role", "comanda_app")]).application_name("comanda revocations");
    let mut listener =
        RevocationListener { app, options, floor: None, seen: HashSet::new(), deleted_at: Instant::now() };
    stop.run_until_cancelled(listener.listen_and_reconnect()).await;
}

struct RevocationListener {
    app: Arc<App>,
    options: PgConnectOptions,
    /// Transactions below this one had ended when the table was last read; `None`: it has not been read yet.
    floor: Option<i64>,
    /// Rows at or above the floor that were read already.
    seen: HashSet<i64>,
    deleted_at: Instant,
}

impl RevocationListener {
    async fn listen_and_reconnect(&mut self) {
        let mut wait = FIRST_WAIT;
        loop {
            let since = Instant::now();
            let Err(broken) = self.listen().await;
            self.app.callers.disconnected();
            if since.elapsed() > LONGEST_WAIT {
                wait = FIRST_WAIT;
            }
            tracing::warn!(error = %broken, "the revocation listener lost its connection; every request checks the \
                                             database until it reconnects");
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Listens and reads until the connection breaks.
    async fn listen(&mut self) -> Result<std::convert::Infallible, ListenerError> {
        let own = PgPoolOptions::new().max_connections(1).connect_lazy_with(self.options.clone());
        let mut connection = timeout(READ_TIMEOUT, PgListener::connect_with(&own)).await??;
        connection.eager_reconnect(false);
        timeout(READ_TIMEOUT, connection.listen(CHANNEL)).await??;
        let pause = LONGEST_PAUSE.min(self.app.config.sockets.poll_interval);
        loop {
            self.read(&mut connection).await?;
            match timeout(pause, connection.try_recv()).await {
                Ok(notification) => {
                    notification?.ok_or(ListenerError::HungUp)?;
                    // One reading covers all notifications so far.
                    while connection.next_buffered().is_some() {}
                }
                Err(_) => self.delete_old(&mut connection).await?,
            }
        }
    }

    async fn read(&mut self, connection: &mut PgListener) -> Result<(), ListenerError> {
        let RevocationsRead { horizon, rows } =
            timeout(READ_TIMEOUT, revocations::since(connection, self.floor)).await??;
        if self.floor.is_none() {
            self.app.callers.begin();
        }
        let revocations = rows.iter().filter(|row| !self.seen.contains(&row.id)).map(|row| row.revocation).collect();
        self.app.callers.apply(revocations);
        self.seen = rows.iter().filter(|row| row.xid >= horizon).map(|row| row.id).collect();
        self.floor = Some(horizon);
        Ok(())
    }

    async fn delete_old(&mut self, connection: &mut PgListener) -> Result<(), ListenerError> {
        if self.deleted_at.elapsed() > DELETE_EVERY {
            timeout(READ_TIMEOUT, revocations::delete_old(connection)).await??;
            self.deleted_at = Instant::now();
        }
        Ok(())
    }
}
