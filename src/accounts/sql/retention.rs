//! Deletes attempt limits, password resets and sign-in challenges that ended long ago (`retention.rs`).

use chrono::{DateTime, Utc};

use crate::problem::Problem;
use crate::uow::Tx;

/// Deletes up to `max` counters of attempts that ended before an instant, oldest first; returns how many.
pub async fn delete_expired_attempt_limits(tx: &mut Tx, before: DateTime<Utc>, max: i64) -> Result<u64, Problem> {
    let forgotten = sqlx::query!(
        "delete from attempt_limits where key in (
             select key from attempt_limits where ends_at < $1 order by ends_at limit $2 for update skip locked)",
        before,
        max,
    )
    .execute(tx.connection())
    .await?;
    Ok(forgotten.rows_affected())
}

/// Deletes up to `max` password resets that ended before an instant, oldest first; returns how many.
pub async fn delete_expired_resets(tx: &mut Tx, before: DateTime<Utc>, max: i64) -> Result<u64, Problem> {
    let forgotten = sqlx::query!(
        "delete from password_resets where id in (
             select id from password_resets where expires_at < $1 order by expires_at limit $2 for update skip locked)",
        before,
        max,
    )
    .execute(tx.connection())
    .await?;
    Ok(forgotten.rows_affected())
}

/// Deletes up to `max` sign-in challenges that ended before an instant, oldest first; returns how many.
pub async fn delete_expired_challenges(tx: &mut Tx, before: DateTime<Utc>, max: i64) -> Result<u64, Problem> {
    let forgotten = sqlx::query!(
        "delete from login_challenges where id in (
             select id from login_challenges where expires_at < $1 order by expires_at limit $2 for update skip
             locked)",
        before,
        max,
    )
    .execute(tx.connection())
    .await?;
    Ok(forgotten.rows_affected())
}
