//! The unit of work: the only place that opens a transaction.
//!
//! A unit runs in a task of its own, so that it is not interrupted when the client disconnects. Its time is limited,
//! and it ends as committed, rolled back, or unknown. Committed means on disk (`flush.rs`). sqlx 0.9.0 can return a
//! connection with an open transaction to the pool when a `begin` is dropped in progress (launchbadge/sqlx#4393):
//! another reason why futures are never dropped here, and why a unit that runs out of time closes its connection
//! instead of returning it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::clock::Clock;
use crate::flush::{self, Durable, Flush, Ticket, Unflushed};
use crate::ids::UserId;
use crate::problem::{Code, Problem};
use crate::tenancy::TenancyContext;
use crate::written::WrittenBytes;
use held::HeldConnection;
use outcome::{connection_is_dead, is_refusal, outcome_unknown};

mod followers;
mod held;
mod one_call;
mod outcome;
mod reader;

pub use followers::Followers;
pub use one_call::{Call, OneCall};
pub use reader::{PlatformReader, Statement};

/// The steps of a unit, boxed, borrowing its transaction: `|tx| Box::pin(async move { … })`.
pub type Steps<'t, T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send + 't>>;

/// The most events that a transaction can append: the position of an event within its transaction has ten bits.
pub const EVENTS_PER_TRANSACTION: i32 = 1024;

/// The time limits of a unit.
#[derive(Debug, Clone, Copy)]
pub struct TimeLimits {
    /// From BEGIN to the last statement.
    pub work: Duration,
    /// For COMMIT and its flush; after it the outcome is unknown.
    pub commit: Duration,
}

/// How a unit ended.
#[derive(Debug)]
pub enum Outcome<T> {
    /// The transaction was committed and is on disk.
    Committed(T),
    /// The transaction was rolled back.
    RolledBack(Problem),
    /// COMMIT was sent, but not confirmed to be on disk. Repeating the request with its idempotency key shows the
    /// result.
    Unknown,
}

/// The database: runs units of work.
#[derive(Clone, Debug)]
pub struct Database {
    pool: PgPool,
    clock: Clock,
    bounds: TimeLimits,
    units: TaskTracker,
    appended: Arc<Notify>,
    flush: Flush,
    followers: Followers,
    written: Arc<WrittenBytes>,
}

/// An open transaction. It ends with its unit, not earlier.
#[derive(Debug)]
pub struct Tx {
    connection: HeldConnection,
    now: DateTime<Utc>,
    events: i32,
    kind: AccessMode,
    /// The ticket of the shared flush that the commit waits for; without it, COMMIT itself waits for the disk.
    ticket: Option<Ticket>,
    followers: Followers,
    /// The user for whose limits written bytes are counted, and their number so far.
    user: Option<UserId>,
    written: u64,
}

/// The mode of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AccessMode {
    Write,
    Read,
}

impl AccessMode {
    /// The statements that begin the transaction. Writers with a ticket wait for the disk with the shared flush, so
    /// that they hold no locks meanwhile.
    const fn begin(self, ticket: Option<Ticket>) -> &'static str {
        match (self, ticket) {
            (Self::Write, Some(_)) => "BEGIN; SET LOCAL synchronous_commit = off",
            (Self::Write, None) => "BEGIN",
            (Self::Read, _) => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        }
    }
}

impl Tx {
    /// The instant of the transaction, the same for everything in it.
    pub const fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// The connection, for the statements of a feature's `sql`.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Takes an advisory lock until the transaction ends; `false`: another transaction has it.
    pub async fn try_lock(&mut self, lock: i64) -> Result<bool, Problem> {
        let row = sqlx::query!(r#"select pg_try_advisory_xact_lock($1) as "taken!""#, lock)
            .fetch_one(self.connection())
            .await?;
        Ok(row.taken)
    }

    /// Whether commits wait for the disk with the shared flush, and not by themselves.
    pub(crate) const fn is_flushed_later(&self) -> bool {
        self.ticket.is_some()
    }

    /// Counts bytes that it writes permanently, for the write limits of its user.
    pub fn note_bytes(&mut self, bytes: usize) {
        self.written = self.written.saturating_add(bytes as u64);
    }

    /// Counts an event that a function of the database has appended.
    pub(crate) const fn note_event(&mut self) {
        self.events += 1;
    }

    /// The effects of the events that it appends.
    pub(crate) const fn followers(&self) -> Followers {
        self.followers
    }

    /// The position of the next event within this transaction.
    pub(crate) fn next_event_index(&mut self) -> Result<i32, Problem> {
        if self.events == EVENTS_PER_TRANSACTION {
            return Err(Problem::internal(&"a transaction appends at most 1024 events"));
        }
        self.events += 1;
        Ok(self.events - 1)
    }
}

impl Database {
    /// A database with a pool whose connections have the application's role, and the effects of events.
    pub fn new(pool: PgPool, clock: Clock, bounds: TimeLimits, followers: Followers) -> Self {
        let flush = Flush::new(pool.connect_options(), bounds.commit);
        let (units, appended, written) = (TaskTracker::new(), Arc::new(Notify::new()), Arc::default());
        Self { pool, clock, bounds, units, appended, flush, followers, written }
    }

    /// The same database with another clock, for importing data of the past.
    pub(crate) fn at(&self, clock: Clock) -> Self {
        Self { clock, ..self.clone() }
    }

    /// Notified after a unit that appended events was committed. Notifications may be missed, so readers must also
    /// poll.
    pub fn appended(&self) -> Arc<Notify> {
        Arc::clone(&self.appended)
    }

    /// Counts the bytes that committed transactions have written for users.
    pub fn written(&self) -> Arc<WrittenBytes> {
        Arc::clone(&self.written)
    }

    /// The pool, for the few single statements that need no transaction and read only tables without tenants.
    pub(crate) const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Runs a writing transaction on behalf of `tenancy`.
    ///
    /// # Errors
    /// The refusal of the steps; `busy` when the database does not answer; `outcome_unknown` when it is not known
    /// whether the transaction was committed.
    pub async fn write<T, F>(&self, tenancy: impl Into<TenancyContext>, steps: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T> + Send + 'static,
    {
        self.unit(AccessMode::Write, tenancy.into(), steps).await
    }

    /// Runs a reading transaction on behalf of `tenancy`, in which all statements see the same snapshot.
    ///
    /// # Errors
    /// As [`Database::write`]; a write inside is refused by PostgreSQL.
    pub async fn read<T, F>(&self, tenancy: impl Into<TenancyContext>, steps: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T> + Send + 'static,
    {
        // For a read it does not matter whether the transaction was committed.
        self.unit(AccessMode::Read, tenancy.into(), steps).await.map_err(|problem| match problem.code() {
            Code::OutcomeUnknown => Problem::busy(1),
            _ => problem,
        })
    }

    /// A ticket for readers that pass on what they read, such as the relay, because it may have been committed by
    /// another node and not be on disk yet. To be taken before reading.
    ///
    /// # Errors
    /// `busy` while there is no connection for the shared flush.
    pub async fn ticket(&self) -> Result<Ticket, Problem> {
        let ticket = timeout(self.bounds.commit, self.flush.next_ticket()).await;
        ticket.ok().flatten().ok_or_else(|| Problem::busy(1))
    }

    /// Waits until everything that was read since the ticket was taken is on disk, also commits of other nodes.
    ///
    /// # Errors
    /// `busy` when PostgreSQL does not confirm it in time.
    pub async fn durable(&self, ticket: Ticket) -> Result<(), Problem> {
        if self.is_on_disk(ticket).await { Ok(()) } else { Err(Problem::busy(1)) }
    }

    /// Waits for the shared flush, or else flushes over the connection that has committed: if that connection still
    /// works, the server has not crashed since.
    async fn is_flushed(&self, tx: &mut Tx) -> bool {
        if let Some(ticket) = tx.ticket
            && self.is_on_disk(ticket).await
        {
            return true;
        }
        matches!(timeout(self.bounds.commit, flush::over(tx.connection())).await, Ok(Ok(())))
    }

    async fn is_on_disk(&self, ticket: Ticket) -> bool {
        timeout(self.bounds.commit, self.flush.wait(ticket)).await == Ok(Durable::Yes)
    }

    async fn unit<T, F>(&self, kind: AccessMode, tenancy: TenancyContext, steps: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T> + Send + 'static,
    {
        let database = self.clone();
        self.finish(database.run(kind, tenancy, steps)).await
    }

    /// Runs a unit in a task of its own, so that it ends even if the client disconnects.
    fn finish<T: Send + 'static, U>(&self, unit: U) -> impl Future<Output = Result<T, Problem>> + Send + use<T, U>
    where
        U: Future<Output = Outcome<T>> + Send + 'static,
    {
        // Spawned here, so that the future of the caller does not contain the unit.
        let running = self.units.spawn(unit.in_current_span());
        async move {
            match running.await {
                Ok(Outcome::Committed(answer)) => Ok(answer),
                Ok(Outcome::RolledBack(problem)) => Err(problem),
                Ok(Outcome::Unknown) => Err(outcome_unknown()),
                Err(panic) => Err(Problem::internal(&panic)),
            }
        }
    }

    /// Runs a unit from BEGIN to its end. If the steps panic, the connection is closed, and PostgreSQL rolls back.
    async fn run<T, F>(self, kind: AccessMode, tenancy: TenancyContext, steps: F) -> Outcome<T>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T> + Send + 'static,
    {
        let mut tx = match timeout(self.bounds.work, self.begin(kind, tenancy)).await {
            Ok(Ok(tx)) => tx,
            Ok(Err(error)) => return Outcome::RolledBack(error.into()),
            Err(_) => return Outcome::RolledBack(Problem::busy(1)),
        };
        match timeout(self.bounds.work, steps(&mut tx)).await {
            Ok(Ok(answer)) => self.commit(tx, answer).await,
            Ok(Err(problem)) => {
                roll_back(tx, self.bounds.commit).await;
                Outcome::RolledBack(problem)
            }
            Err(_) => {
                tracing::warn!("a transaction timed out; its connection is closed");
                drop(tx);
                Outcome::RolledBack(Problem::busy(1))
            }
        }
    }

    /// Opens a transaction. A broken connection of the pool fails here, before any other statement, and the next one is
    /// tried, at most as many as the pool has.
    async fn begin(&self, kind: AccessMode, tenancy: TenancyContext) -> Result<Tx, sqlx::Error> {
        // Taken before BEGIN, see `flush.rs`.
        let ticket = self.flush.ticket();
        // In one round trip: BEGIN, the context for row level security, and the check of the grant.
        let begin = format!("{}{}", kind.begin(ticket), tenancy.statements(kind == AccessMode::Write));
        let mut attempts_left = self.pool.size() + 1;
        loop {
            let mut connection = HeldConnection::new(self.pool.acquire().await?);
            let opened = sqlx::raw_sql(AssertSqlSafe(begin.as_str())).execute(&mut *connection).await;
            match opened {
                Ok(_) => {
                    return Ok(self.tx(connection, kind, ticket, tenancy.user));
                }
                // The grant was refused; the connection is intact.
                Err(error) if is_refusal(&error) => {
                    let ended = timeout(self.bounds.commit, sqlx::raw_sql("ROLLBACK").execute(&mut *connection)).await;
                    if let Ok(Ok(_)) = ended {
                        connection.give_back();
                    }
                    return Err(error);
                }
                Err(error) => {
                    drop(connection);
                    attempts_left -= 1;
                    if attempts_left == 0 || !connection_is_dead(&error) {
                        return Err(error);
                    }
                }
            }
        }
    }

    fn tx(&self, connection: HeldConnection, kind: AccessMode, ticket: Option<Ticket>, user: Option<UserId>) -> Tx {
        let (now, followers) = (self.clock.now(), self.followers);
        Tx { connection, now, events: 0, kind, ticket, followers, user, written: 0 }
    }

    async fn commit<T>(&self, mut tx: Tx, answer: T) -> Outcome<T> {
        let unflushed = (tx.kind == AccessMode::Write && tx.ticket.is_some()).then(|| self.flush.committing());
        let ended = timeout(self.bounds.commit, sqlx::raw_sql("COMMIT").execute(&mut *tx.connection)).await;
        match ended {
            Ok(Ok(_)) => self.confirm(tx, unflushed, answer).await,
            // The server answered: a deferred constraint failed, and everything was rolled back.
            Ok(Err(error @ sqlx::Error::Database(_))) if !connection_is_dead(&error) => {
                roll_back(tx, self.bounds.commit).await;
                Outcome::RolledBack(error.into())
            }
            Ok(Err(_)) | Err(_) => {
                tracing::error!("COMMIT was not answered; the outcome of the transaction is unknown");
                Outcome::Unknown
            }
        }
    }

    /// Confirms a commit when it is on disk. A reader also waits if it may have seen a commit that is not yet.
    async fn confirm<T>(&self, mut tx: Tx, unflushed: Option<Unflushed>, answer: T) -> Outcome<T> {
        let has_to_wait = unflushed.is_some() || self.flush.is_behind();
        let is_known = !has_to_wait || self.is_flushed(&mut tx).await;
        drop(unflushed);
        if !is_known {
            tracing::error!("the flush to disk was not confirmed; the outcome of the transaction is unknown");
            return Outcome::Unknown;
        }
        let Tx { connection, events, user, written, .. } = tx;
        connection.give_back();
        if let (Some(user), 1..) = (user, written) {
            self.written.add(user, written);
        }
        if events > 0 {
            self.appended.notify_one();
        }
        Outcome::Committed(answer)
    }

    /// Waits for the units that are still running, then closes the pool.
    pub async fn close(&self) {
        self.units.close();
        self.units.wait().await;
        self.flush.close().await;
        self.pool.close().await;
    }
}

/// Rolls a transaction back, and returns its connection to the pool if that was confirmed within `limit`.
async fn roll_back(mut tx: Tx, limit: Duration) {
    if let Ok(Ok(_)) = timeout(limit, sqlx::raw_sql("ROLLBACK").execute(&mut *tx.connection)).await {
        tx.connection.give_back();
    }
}
