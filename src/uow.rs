//! The unit of work: the only place that opens a transaction.
//!
//! A unit runs in a task of its own, so that a client who hangs up does not stop it half way; its time is bounded;
//! and it ends in one of three ways: committed, rolled back, or unknown. Committed means on disk (`flush.rs`). sqlx 0.9.0 can hand on a connection with an
//! open transaction when a `begin` is dropped in flight (launchbadge/sqlx#4393): one more reason why nothing here is
//! ever dropped by somebody else, and why a unit that runs out of time closes its connection instead of returning it.

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
use crate::event::Event;
use crate::flush::{self, Durable, Flush, Ticket};
use crate::ids::UserId;
use crate::problem::{Code, Problem};
use crate::tenancy::{RestaurantScope, TenancyContext};
use crate::written::WrittenBytes;
use held::HeldConnection;

mod held;
mod reader;

pub use reader::PlatformReader;

/// The steps of a unit, boxed, borrowing its transaction: `|tx| Box::pin(async move { … })`.
pub type Steps<'t, T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send + 't>>;

/// Who follows an event in its transaction; the table is in `publish.rs`.
pub type Followers = for<'t> fn(&'t mut Tx, &'t RestaurantScope, &'t Event<'t>) -> Steps<'t, ()>;

/// Most events one transaction may append: the place of an event within its transaction has ten bits.
pub const EVENTS_PER_TRANSACTION: i32 = 1024;

/// How long a unit may take.
#[derive(Debug, Clone, Copy)]
pub struct TimeLimits {
    /// From BEGIN to the last statement.
    pub work: Duration,
    /// For COMMIT and its way to the disk; past it the outcome is unknown.
    pub commit: Duration,
}

/// How a unit ended.
#[derive(Debug)]
pub enum Outcome<T> {
    /// It happened, and PostgreSQL has said that it is on disk.
    Committed(T),
    /// It did not happen.
    RolledBack(Problem),
    /// COMMIT was sent, and nobody has said that it is on disk: it may have happened. The same request with its key
    /// settles it.
    Unknown,
}

/// The database, as the rest of the service uses it.
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

/// An open transaction. It ends where its unit ends, never before.
#[derive(Debug)]
pub struct Tx {
    connection: HeldConnection,
    now: DateTime<Utc>,
    events: i32,
    kind: AccessMode,
    /// What its commit waits for; without it, COMMIT itself waits for the disk.
    ticket: Option<Ticket>,
    followers: Followers,
    /// Whom what it writes is counted for, and how much that is so far.
    user: Option<UserId>,
    written: u64,
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AccessMode {
    Write,
    Read,
}

impl AccessMode {
    /// How PostgreSQL is told. Writers with a ticket leave the waiting for the disk to the shared flush, so that no lock
    /// is held meanwhile.
    const fn begin(self, ticket: Option<Ticket>) -> &'static str {
        match (self, ticket) {
            (Self::Write, Some(_)) => "BEGIN; SET LOCAL synchronous_commit = off",
            (Self::Write, None) => "BEGIN",
            (Self::Read, _) => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        }
    }
}

impl Tx {
    /// One instant for everything that happens in this transaction.
    pub const fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// The connection, for a slice's `sql.rs`.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Takes a lock of PostgreSQL until the transaction ends; `false`: somebody else has it.
    pub async fn try_lock(&mut self, lock: i64) -> Result<bool, Problem> {
        let row = sqlx::query!(r#"select pg_try_advisory_xact_lock($1) as "taken!""#, lock)
            .fetch_one(self.connection())
            .await?;
        Ok(row.taken)
    }

    /// Counts bytes that it writes and that stay, for the limits on writing of the user for whom it runs.
    pub fn note_bytes(&mut self, bytes: usize) {
        self.written = self.written.saturating_add(bytes as u64);
    }

    /// Who follows the events that it appends.
    pub(crate) const fn followers(&self) -> Followers {
        self.followers
    }

    /// The place of the next event within this transaction.
    pub(crate) fn next_event_place(&mut self) -> Result<i32, Problem> {
        if self.events == EVENTS_PER_TRANSACTION {
            return Err(Problem::internal(&"a transaction appends at most 1024 events"));
        }
        self.events += 1;
        Ok(self.events - 1)
    }
}

impl Database {
    /// A database behind a pool of connections that already speak as the application's role, and who follows events.
    pub fn new(pool: PgPool, clock: Clock, bounds: TimeLimits, followers: Followers) -> Self {
        let flush = Flush::new(pool.connect_options(), bounds.commit);
        let (units, appended, written) = (TaskTracker::new(), Arc::new(Notify::new()), Arc::default());
        Self { pool, clock, bounds, units, appended, flush, followers, written }
    }

    /// The same database at another time: what is written through it happened when that clock says.
    pub(crate) fn at(&self, clock: Clock) -> Self {
        Self { clock, ..self.clone() }
    }

    /// Signalled after a unit that appended events has been committed: a hint, never the only way to learn of it.
    pub fn appended(&self) -> Arc<Notify> {
        Arc::clone(&self.appended)
    }

    /// What committed transactions have written for users.
    pub fn written(&self) -> Arc<WrittenBytes> {
        Arc::clone(&self.written)
    }

    /// The pool, for the few single statements that need no transaction and see only tables without tenants.
    pub(crate) const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Changes something, for `who`.
    ///
    /// # Errors
    /// What the steps refuse with; `busy` when the database does not answer; `outcome_unknown` when it is not known
    /// whether the change happened.
    pub async fn write<T, F>(&self, who: impl Into<TenancyContext>, steps: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T> + Send + 'static,
    {
        self.unit(AccessMode::Write, who.into(), steps).await
    }

    /// Reads a consistent picture, for `who`: all statements see the state of the first one's moment.
    ///
    /// # Errors
    /// As [`Database::write`]; a write inside is refused by PostgreSQL.
    pub async fn read<T, F>(&self, who: impl Into<TenancyContext>, steps: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T> + Send + 'static,
    {
        // Whether a read was committed is nothing that anybody needs to know.
        self.unit(AccessMode::Read, who.into(), steps).await.map_err(|problem| match problem.code() {
            Code::OutcomeUnknown => Problem::busy(1),
            _ => problem,
        })
    }

    /// For readers who tell others what they read, and may have read what another node has only just committed: to be
    /// taken before reading.
    ///
    /// # Errors
    /// `busy` while nothing could say that something is on disk.
    pub async fn ticket(&self) -> Result<Ticket, Problem> {
        let ticket = timeout(self.bounds.commit, self.flush.next_ticket()).await;
        ticket.ok().flatten().ok_or_else(|| Problem::busy(1))
    }

    /// Waits until everything that was read since the ticket was taken is on disk, whichever node has written it.
    ///
    /// # Errors
    /// `busy` when PostgreSQL does not say so in time.
    pub async fn durable(&self, ticket: Ticket) -> Result<(), Problem> {
        if self.is_on_disk(ticket).await { Ok(()) } else { Err(Problem::busy(1)) }
    }

    /// With everybody else, or else over the connection that has committed: no crash lies between if it still answers.
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

    async fn unit<T, F>(&self, kind: AccessMode, who: TenancyContext, steps: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T> + Send + 'static,
    {
        let database = self.clone();
        let unit = async move { database.run(kind, who, steps).await };
        match self.units.spawn(unit.in_current_span()).await {
            Ok(Outcome::Committed(answer)) => Ok(answer),
            Ok(Outcome::RolledBack(problem)) => Err(problem),
            Ok(Outcome::Unknown) => Err(outcome_unknown()),
            Err(panic) => Err(Problem::internal(&panic)),
        }
    }

    /// From BEGIN to the end. If this future panics, the connection closes itself, and PostgreSQL rolls back.
    async fn run<T, F>(self, kind: AccessMode, who: TenancyContext, steps: F) -> Outcome<T>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T> + Send + 'static,
    {
        let mut tx = match timeout(self.bounds.work, self.begin(kind, who)).await {
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

    /// Opens a transaction. A connection that died in the pool fails here, before anything was asked of it, and the
    /// next one is tried; at worst as many as the pool holds.
    async fn begin(&self, kind: AccessMode, who: TenancyContext) -> Result<Tx, sqlx::Error> {
        // Before BEGIN: what it says holds from here on.
        let ticket = self.flush.ticket();
        // In one round trip: BEGIN, who acts, and the check of what entitles them to it.
        let begin = format!("{}{}", kind.begin(ticket), who.statements(kind == AccessMode::Write));
        let mut attempts_left = self.pool.size() + 1;
        loop {
            let mut connection = HeldConnection::new(self.pool.acquire().await?);
            let opened = sqlx::raw_sql(AssertSqlSafe(begin.as_str())).execute(&mut *connection).await;
            match opened {
                Ok(_) => {
                    return Ok(Tx {
                        connection,
                        now: self.clock.now(),
                        events: 0,
                        kind,
                        ticket,
                        followers: self.followers,
                        user: who.user,
                        written: 0,
                    });
                }
                // The transaction may not begin; the connection is whole.
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

    async fn commit<T>(&self, mut tx: Tx, answer: T) -> Outcome<T> {
        let unflushed = (tx.kind == AccessMode::Write && tx.ticket.is_some()).then(|| self.flush.committing());
        let ended = timeout(self.bounds.commit, sqlx::raw_sql("COMMIT").execute(&mut *tx.connection)).await;
        match ended {
            Ok(Ok(_)) => {
                // A reader waits too when it may have seen what is not on disk yet.
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
            // The server answered: a deferred constraint said no, and everything was rolled back.
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

    /// Waits for the units that are still running, then closes the pool.
    pub async fn close(&self) {
        self.units.close();
        self.units.wait().await;
        self.flush.close().await;
        self.pool.close().await;
    }
}

/// A grant that was there when the permission was decided is gone.
fn is_refusal(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(refusal) if refusal.code().is_some_and(|code| code.starts_with("QP")))
}

async fn roll_back(mut tx: Tx, limit: Duration) {
    if let Ok(Ok(_)) = timeout(limit, sqlx::raw_sql("ROLLBACK").execute(&mut *tx.connection)).await {
        tx.connection.give_back();
    }
}

/// The connection broke, or the server is stopping (SQLSTATE 57P01–57P03): it will answer nothing any more.
fn connection_is_dead(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(refusal) => refusal.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    }
}

fn outcome_unknown() -> Problem {
    Problem::new(
        Code::OutcomeUnknown,
        "The database did not confirm in time. Repeat the request with the same Idempotency-Key, or get the current state.",
    )
    .with("outcome", "unknown")
    .retry_after(1)
}
