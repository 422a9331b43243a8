//! The ends of transactions that are not a commit.

use crate::problem::{Code, Problem};

/// Whether the check of the grant failed: it existed when the permission was decided, and was removed since.
pub(super) fn is_refusal(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(refusal) if refusal.code().is_some_and(|code| code.starts_with("QP")))
}

/// Whether the connection is broken, or the server is stopping (SQLSTATE 57P01–57P03).
pub(super) fn connection_is_dead(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(refusal) => refusal.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    }
}

/// The response while it is not known whether a transaction was committed.
pub(super) fn outcome_unknown() -> Problem {
    Problem::new(
        Code::OutcomeUnknown,
        "The database did not confirm in time. Repeat the request with the same Idempotency-Key, or get the current \
         state.",
    )
    .with("outcome", "unknown")
    .retry_after(1)
}
