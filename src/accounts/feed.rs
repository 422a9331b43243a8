//! The feed of revocations: how a node learns within a second what another node, or an operator, has revoked.
//!
//! PostgreSQL is asked, over one connection of its own, whenever it says that there is something (NOTIFY, sent by the
//! triggers that write the table) and at least once a second. Redis has no part in it. While the connection is broken
//! nothing remembered is believed (`cache.rs`).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::sql::revocations::{self, Read};
use crate::app::App;

/// The triggers' channel (`migrations/0011_sessions.sql`).
const CHANNEL: &str = "comanda_revocations";
/// How often the table is looked at whether or not something was said.
const LONGEST_SILENCE: Duration = Duration::from_secs(1);
/// A database that answers more slowly is as good as away.
const PATIENCE: Duration = Duration::from_secs(2);
/// Rest after a first failure, doubled with each further one.
const FIRST_REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(5);
/// Old rows are cleared away so often.
const SWEEP: Duration = Duration::from_hours(1);

/// Why the feed stopped.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
    #[error("no answer in time")]
    Slow(#[from] tokio::time::error::Elapsed),
    #[error("the connection was lost")]
    HungUp,
}

/// Reads the feed until it is time to stop.
pub async fn follow(app: Arc<App>, options: PgConnectOptions, stop: CancellationToken) {
    let options = options.options([("role", "comanda_app")]).application_name("comanda revocations");
    let mut feed = Feed { app, options, floor: None, seen: HashSet::new(), swept: Instant::now() };
    stop.run_until_cancelled(feed.keep_reading()).await;
}

struct Feed {
    app: Arc<App>,
    options: PgConnectOptions,
    /// Transactions below this one had ended when the table was last read; `None`: it has not been read yet.
    floor: Option<i64>,
    /// Rows at or above the floor that were read already.
    seen: HashSet<i64>,
    swept: Instant,
}

impl Feed {
    async fn keep_reading(&mut self) {
        let mut rest = FIRST_REST;
        loop {
            let since = Instant::now();
            let Err(broken) = self.listen().await;
            self.app.callers.deaf();
            if since.elapsed() > LONGEST_REST {
                rest = FIRST_REST;
            }
            tracing::warn!(error = %broken, "the revocation listener lost its connection; every request checks the database until it reconnects");
            sleep(rest).await;
            rest = (rest * 2).min(LONGEST_REST);
        }
    }

    /// Listens and reads until the connection breaks.
    async fn listen(&mut self) -> Result<std::convert::Infallible, Broken> {
        let own = PgPoolOptions::new().max_connections(1).connect_lazy_with(self.options.clone());
        let mut line = timeout(PATIENCE, PgListener::connect_with(&own)).await??;
        line.eager_reconnect(false);
        timeout(PATIENCE, line.listen(CHANNEL)).await??;
        let silence = LONGEST_SILENCE.min(self.app.config.sockets.poll_interval);
        loop {
            self.read(&mut line).await?;
            match timeout(silence, line.try_recv()).await {
                Ok(word) => {
                    word?.ok_or(Broken::HungUp)?;
                    // One reading answers all that was said so far.
                    while line.next_buffered().is_some() {}
                }
                Err(_) => self.sweep(&mut line).await?,
            }
        }
    }

    async fn read(&mut self, line: &mut PgListener) -> Result<(), Broken> {
        let Read { horizon, rows } = timeout(PATIENCE, revocations::since(line, self.floor)).await??;
        if self.floor.is_none() {
            self.app.callers.begin();
        }
        let news = rows.iter().filter(|row| !self.seen.contains(&row.id)).map(|row| row.revocation).collect();
        self.app.callers.heard(news);
        self.seen = rows.iter().filter(|row| row.xid >= horizon).map(|row| row.id).collect();
        self.floor = Some(horizon);
        Ok(())
    }

    async fn sweep(&mut self, line: &mut PgListener) -> Result<(), Broken> {
        if self.swept.elapsed() > SWEEP {
            timeout(PATIENCE, revocations::sweep(line)).await??;
            self.swept = Instant::now();
        }
        Ok(())
    }
}
