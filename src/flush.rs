//! Durable before it is acknowledged: one flush of PostgreSQL's log for everything that was committed meanwhile.
//!
//! Units of work commit with `synchronous_commit = off`: their locks are gone at once, not only after the disk has
//! answered. Nobody is told of it before the log is on disk, though: one connection commits an empty message with
//! `synchronous_commit = on`, which flushes all of the log written before it (and waits for synchronous replicas, where
//! there are any), and everybody who waited by then goes on. Whoever waits has committed or read before it asked, so
//! its own commit, and those of others that it saw, lie before the message.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Between two attempts to reach PostgreSQL while somebody waits.
const REST: Duration = Duration::from_millis(50);
/// Most who go on after one flush; the others wait for the next.
const TOGETHER: usize = 4096;

type Waiting = oneshot::Sender<()>;

/// The way to the shared flush. Clones share one task with one connection.
#[derive(Debug, Clone)]
pub struct Flush {
    door: mpsc::UnboundedSender<Waiting>,
    unflushed: Arc<AtomicU64>,
    task: TaskTracker,
    end: CancellationToken,
}

/// A commit of this node whose flush has not been seen yet.
#[derive(Debug)]
pub struct Unflushed(Arc<AtomicU64>);

impl Drop for Unflushed {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Flush {
    /// A flush that connects when it is first needed, and gives up a connection that has not answered within `limit`.
    pub fn new(options: Arc<PgConnectOptions>, limit: Duration) -> Self {
        // Bounded by the requests that are let in: each waits for at most one flush.
        let (door, waiting) = mpsc::unbounded_channel();
        let (task, end) = (TaskTracker::new(), CancellationToken::new());
        task.spawn(end.clone().run_until_cancelled_owned(flushing(options, limit, waiting)));
        Self { door, unflushed: Arc::new(AtomicU64::new(0)), task, end }
    }

    /// Ends the task and closes its connection. Nobody may be waiting any more.
    pub async fn close(&self) {
        self.end.cancel();
        self.task.close();
        self.task.wait().await;
    }

    /// Waits until everything that was committed before this call is on disk. It waits as long as PostgreSQL is away:
    /// whoever asks bounds the time.
    pub async fn wait(&self) {
        let (tell, told) = oneshot::channel();
        if self.door.send(tell).is_ok() && told.await.is_ok() {
            return;
        }
        // The task has ended: what is not known to be on disk is never said to be.
        std::future::pending::<()>().await;
    }

    /// Notes a commit that is about to be visible; to be held until its flush has been seen.
    pub fn committing(&self) -> Unflushed {
        self.unflushed.fetch_add(1, Ordering::AcqRel);
        Unflushed(Arc::clone(&self.unflushed))
    }

    /// Whether something may be visible that this node committed and that is not known to be on disk.
    pub fn is_behind(&self) -> bool {
        self.unflushed.load(Ordering::Acquire) > 0
    }
}

async fn flushing(options: Arc<PgConnectOptions>, limit: Duration, mut door: mpsc::UnboundedReceiver<Waiting>) {
    let mut connection = None;
    let mut waiting = Vec::new();
    while door.recv_many(&mut waiting, TOGETHER).await > 0 {
        while !is_flushed(&mut connection, &options, limit).await {
            connection = None;
            waiting.retain(|one: &Waiting| !one.is_closed());
            if waiting.is_empty() {
                break;
            }
            sleep(REST).await;
        }
        for one in waiting.drain(..) {
            let _ = one.send(());
        }
    }
}

/// One flush, in bounded time.
async fn is_flushed(connection: &mut Option<PgConnection>, options: &PgConnectOptions, limit: Duration) -> bool {
    match timeout(limit, flush(connection, options)).await {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => tracing::debug!(%error, "the log could not be flushed; trying again"),
        Err(_) => tracing::debug!("the flush of the log was not answered; trying again"),
    }
    false
}

/// One flush; a connection is made if there is none.
async fn flush(connection: &mut Option<PgConnection>, options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let open = match connection.take() {
        Some(open) => open,
        None => options.clone().options([("synchronous_commit", "on")]).connect().await?,
    };
    let open = connection.insert(open);
    sqlx::raw_sql("select pg_logical_emit_message(true, 'comanda', '')").execute(open).await?;
    Ok(())
}
