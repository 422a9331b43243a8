//! A request in two steps: a decision on what is committed, and one call of a database function that verifies what was
//! read, writes everything and is a transaction of its own.
//!
//! In a transaction of several statements each of them is a round trip, and locks are held through all that follow. A
//! call holds its locks only while PostgreSQL works. What was read may be out of date when it runs, so the function
//! compares versions; if they have changed, the request is decided again. A function that has written nothing returns
//! its outcome, because PostgreSQL logs each error; otherwise it raises [`DECLINED`] or [`OUTDATED`].

use std::borrow::Cow;
use std::pin::Pin;

use tokio::time::timeout;

use super::held::HeldConnection;
use super::outcome::connection_is_dead;
use super::{AccessMode, Database, Outcome, Steps, Tx};
use crate::ids::UserId;
use crate::problem::Problem;

/// The SQLSTATE by which a function rolls back because the request needs more than one call.
const DECLINED: &str = "QO001";

/// The SQLSTATE by which a function rolls back because what was read is out of date.
const OUTDATED: &str = "QO002";

/// The result of a request in two steps.
#[derive(Debug)]
pub enum OneCall<T> {
    /// Everything was written.
    Done(T),
    /// Nothing was written: what was read is out of date.
    Outdated,
    /// Nothing was written: the request has to be performed by [`Database::write`].
    Declined,
}

impl<T> OneCall<T> {
    /// The same with another result.
    pub fn map<U>(self, of: impl FnOnce(T) -> U) -> OneCall<U> {
        match self {
            Self::Done(result) => OneCall::Done(of(result)),
            Self::Outdated => OneCall::Outdated,
            Self::Declined => OneCall::Declined,
        }
    }
}

/// The call of a function, boxed: `|tx, decided| Box::pin(async move { … })`.
pub type Call<'t, T> = Pin<Box<dyn Future<Output = Result<OneCall<T>, sqlx::Error>> + Send + 't>>;

impl Database {
    /// Decides with statements that are no transaction, and writes with one call. The statements of `decide` see public
    /// rows only, unless they call a function that sets a context. Bytes are counted for `user`.
    ///
    /// If `decide` returns `None`, the function is not called, and the result is [`OneCall::Declined`].
    ///
    /// # Errors
    /// As [`Database::write`].
    pub async fn write_in_one_call<D, T>(
        &self,
        user: UserId,
        decide: impl for<'t> FnOnce(&'t mut Tx) -> Steps<'t, Option<D>> + Send + 'static,
        call: impl for<'t> FnOnce(&'t mut Tx, D) -> Call<'t, T> + Send + 'static,
    ) -> Result<OneCall<T>, Problem>
    where
        D: Send + 'static,
        T: Send + 'static,
    {
        let database = self.clone();
        self.finish(database.decide_and_call(user, decide, call)).await
    }

    async fn decide_and_call<D, T>(
        self,
        user: UserId,
        decide: impl for<'t> FnOnce(&'t mut Tx) -> Steps<'t, Option<D>> + Send,
        call: impl for<'t> FnOnce(&'t mut Tx, D) -> Call<'t, T> + Send,
    ) -> Outcome<OneCall<T>> {
        // Taken before the call, see `flush.rs`.
        let ticket = self.flush.ticket();
        let connection = match timeout(self.bounds.work, self.pool.acquire()).await {
            Ok(Ok(connection)) => HeldConnection::new(connection),
            Ok(Err(error)) => return Outcome::RolledBack(error.into()),
            Err(_) => return Outcome::RolledBack(Problem::busy(1)),
        };
        let mut tx = self.tx(connection, AccessMode::Write, ticket, Some(user));
        let decided = match timeout(self.bounds.work, decide(&mut tx)).await {
            Ok(Ok(Some(decided))) => decided,
            Ok(Ok(None)) => {
                tx.connection.give_back();
                return Outcome::Committed(OneCall::Declined);
            }
            Ok(Err(problem)) => return Outcome::RolledBack(problem),
            Err(_) => return Outcome::RolledBack(Problem::busy(1)),
        };
        let unflushed = tx.ticket.is_some().then(|| self.flush.committing());
        // PostgreSQL ends a statement that takes longer than `work`.
        match timeout(self.bounds.work + self.bounds.commit, call(&mut tx, decided)).await {
            Ok(Ok(answer)) => self.confirm(tx, unflushed, answer).await,
            Ok(Err(error @ sqlx::Error::Database(_))) if !connection_is_dead(&error) => {
                tx.connection.give_back();
                match sqlstate(&error).as_deref() {
                    Some(DECLINED) => Outcome::Committed(OneCall::Declined),
                    Some(OUTDATED) => Outcome::Committed(OneCall::Outdated),
                    _ => Outcome::RolledBack(error.into()),
                }
            }
            Ok(Err(_)) | Err(_) => {
                tracing::error!("a call was not answered; the outcome of its transaction is unknown");
                Outcome::Unknown
            }
        }
    }
}

fn sqlstate(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    match error {
        sqlx::Error::Database(refusal) => refusal.code(),
        _ => None,
    }
}
