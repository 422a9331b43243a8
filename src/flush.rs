//! The shared flush: commits are acknowledged only when they are on disk, with one flush of PostgreSQL's log for many
//! commits.
//!
//! Units of work commit with `synchronous_commit = off`: their locks are released at once, not only after the flush.
//! But the response waits until the log is on disk: one connection commits an empty message synchronously, which
//! flushes all of the log written before it (and waits for synchronous replicas, if there are any), and then all units
//! that were waiting continue.
//!
//! That proves that a commit is on disk only if the server did not crash in between. A crash ends every connection. So
//! a unit takes a [`Ticket`] before its transaction begins, which names the connection that is open then, and only a
//! flush over that same connection counts for the ticket. If it broke, the connection that has committed flushes
//! itself; if that broke too, the outcome of the commit is unknown. Without a connection there is no ticket, and the
//! commit waits for the disk itself.
//!
//! The connection has to go to PostgreSQL directly, or through a pooler in session mode: a pooler that uses another
//! server connection for each transaction would hide a crash.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The wait between two attempts to connect to PostgreSQL.
const REST: Duration = Duration::from_millis(50);
/// The most units that one flush serves; the others wait for the next one.
const TOGETHER: usize = 4096;
/// No connection is open.
const NONE: u64 = 0;

/// Names the connection that was open before a transaction began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

/// Whether everything that was committed after the ticket was taken is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durable {
    /// The commit is on disk.
    Yes,
    /// The connection broke, or PostgreSQL did not answer.
    Unknown,
}

struct Waiting {
    ticket: Ticket,
    sender: oneshot::Sender<Durable>,
}

/// A handle of the shared flush. Clones share one task with one connection.
#[derive(Debug, Clone)]
pub struct Flush {
    queue: mpsc::UnboundedSender<Waiting>,
    /// The number of the connection that is open; [`NONE`] while there is none.
    open: watch::Receiver<u64>,
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
    /// Connects at once; a connection that does not answer within `limit` is replaced.
    pub fn new(options: Arc<PgConnectOptions>, limit: Duration) -> Self {
        // Bounded by the number of concurrent requests: each waits for at most one flush.
        let (queue, waiting) = mpsc::unbounded_channel();
        let (task, end) = (TaskTracker::new(), CancellationToken::new());
        let (opened, open) = watch::channel(NONE);
        task.spawn(end.clone().run_until_cancelled_owned(flushing(options, limit, opened, waiting)));
        Self { queue, open, unflushed: Arc::new(AtomicU64::new(0)), task, end }
    }

    /// Ends the task and closes its connection. No unit may be waiting.
    pub async fn close(&self) {
        self.end.cancel();
        self.task.close();
        self.task.wait().await;
    }

    /// A ticket, to be taken before the transaction begins; `None` while no connection is open.
    pub fn ticket(&self) -> Option<Ticket> {
        let open = *self.open.borrow();
        (open != NONE).then_some(Ticket(open))
    }

    /// The same, but waits for a connection.
    pub async fn next_ticket(&self) -> Option<Ticket> {
        let open = self.open.clone().wait_for(|open| *open != NONE).await.map(|open| *open);
        open.ok().map(Ticket)
    }

    /// Waits until everything that was committed between the ticket and this call is on disk.
    pub async fn wait(&self, ticket: Ticket) -> Durable {
        let (sender, receiver) = oneshot::channel();
        if self.queue.send(Waiting { ticket, sender }).is_err() {
            return Durable::Unknown;
        }
        receiver.await.unwrap_or(Durable::Unknown)
    }

    /// Records a commit that is about to become visible; to be held until its flush.
    pub fn committing(&self) -> Unflushed {
        self.unflushed.fetch_add(1, Ordering::AcqRel);
        Unflushed(Arc::clone(&self.unflushed))
    }

    /// Whether something may be visible that this node committed and that is not known to be on disk.
    pub fn is_behind(&self) -> bool {
        self.unflushed.load(Ordering::Acquire) > 0
    }
}

/// Opens one connection after the other, each with a number of its own.
async fn flushing(
    options: Arc<PgConnectOptions>,
    limit: Duration,
    open: watch::Sender<u64>,
    mut queue: mpsc::UnboundedReceiver<Waiting>,
) {
    for number in NONE + 1.. {
        let connection = connect(&options, limit, &mut queue).await;
        open.send_replace(number);
        serve(connection, Ticket(number), limit, &mut queue).await;
        open.send_replace(NONE);
        if queue.is_closed() {
            return;
        }
    }
}

/// Connects, with as many attempts as it takes. Units that wait meanwhile have tickets of a broken connection.
async fn connect(
    options: &PgConnectOptions,
    limit: Duration,
    queue: &mut mpsc::UnboundedReceiver<Waiting>,
) -> PgConnection {
    loop {
        let attempt = timeout(limit, open_to_flush(options));
        match attempt.await {
            Ok(Ok(connection)) => return connection,
            Ok(Err(error)) => {
                tracing::debug!(%error, "cannot connect to flush the write-ahead log; retrying");
            }
            Err(_) => tracing::debug!("the connection that flushes the write-ahead log does not answer; retrying"),
        }
        while let Ok(waiting) = queue.try_recv() {
            let _ = waiting.sender.send(Durable::Unknown);
        }
        sleep(REST).await;
    }
}

/// A connection whose every commit waits for the disk, and for replicas if the server's configuration requires it.
async fn open_to_flush(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    let synchronous = "select set_config('synchronous_commit', 'on', false)
                       where current_setting('synchronous_commit') = 'off'";
    sqlx::raw_sql(synchronous).execute(&mut connection).await?;
    Ok(connection)
}

/// One flush over a connection of [`open_to_flush`]: one prepared statement that commits by itself, so that PostgreSQL
/// parses nothing.
async fn flush(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let message = sqlx::query!(r#"select pg_logical_emit_message(true, 'comanda', '')::text as "written!""#);
    message.fetch_one(connection).await.map(drop)
}

/// One flush over any connection: an empty message, committed synchronously.
///
/// # Errors
/// When the connection is broken.
pub async fn over(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    // The server's setting is used if it also waits for replicas.
    let message = "BEGIN;
        select set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off';
        select pg_logical_emit_message(true, 'comanda', '');
        COMMIT";
    sqlx::raw_sql(message).execute(connection).await.map(drop)
}

/// Flushes until the connection breaks, and notifies the units that waited.
async fn serve(
    mut connection: PgConnection,
    this: Ticket,
    limit: Duration,
    queue: &mut mpsc::UnboundedReceiver<Waiting>,
) {
    let mut waiting = Vec::new();
    while queue.recv_many(&mut waiting, TOGETHER).await > 0 {
        let is_flushed = match timeout(limit, flush(&mut connection)).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the write-ahead log could not be flushed");
                false
            }
            Err(_) => false,
        };
        for one in waiting.drain(..) {
            let counts = is_flushed && one.ticket == this;
            let _ = one.sender.send(if counts { Durable::Yes } else { Durable::Unknown });
        }
        if !is_flushed {
            return;
        }
    }
    let _ = connection.close().await;
}
