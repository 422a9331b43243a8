//! Converts errors of the database to problems.

use super::{Code, Problem};

/// The SQLSTATE of a lock that was not granted in time, see
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
const LOCK_NOT_AVAILABLE: &str = "55P03";
const DEADLOCK_DETECTED: &str = "40P01";
const QUERY_CANCELED: &str = "57014";

impl From<sqlx::Error> for Problem {
    /// After contention, and while the database is unavailable, the client may try again (503); other errors are
    /// internal (500).
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => {
                tracing::warn!(%error, "the database does not answer");
                Self::busy(1)
            }
            sqlx::Error::Database(refusal) => match refusal.code().as_deref() {
                Some(LOCK_NOT_AVAILABLE | DEADLOCK_DETECTED | QUERY_CANCELED) => Self::busy(1),
                // A grant does not exist any more (`migrations/0100_permission.sql`).
                Some("QP401") => Self::unauthenticated(),
                Some("QP403") => Self::new(Code::Forbidden, "Ask someone whose role allows it, or ask for the role."),
                Some("QP404") => Self::not_found(),
                // 57P01–57P03: the server is stopping or starting; 53300: too many connections.
                Some(code) if code.starts_with("57P") || code == "53300" => Self::busy(1),
                _ => Self::internal(&error),
            },
            _ => Self::internal(&error),
        }
    }
}

/// Converts the violation of a constraint into a problem.
pub trait OnConstraint<T> {
    /// Returns `problem` if the statement violated `constraint`.
    fn on_constraint(self, constraint: &str, problem: impl FnOnce() -> Problem) -> Result<T, Problem>;
}

impl<T> OnConstraint<T> for Result<T, sqlx::Error> {
    fn on_constraint(self, constraint: &str, problem: impl FnOnce() -> Problem) -> Result<T, Problem> {
        self.map_err(|error| match &error {
            sqlx::Error::Database(refusal) if refusal.constraint() == Some(constraint) => problem(),
            _ => error.into(),
        })
    }
}
