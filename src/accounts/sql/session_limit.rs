//! The limit on the sessions of one user (`SESSION_MAX_PER_USER`).

use super::sessions::RevocationReason;
use crate::ids::UserId;
use crate::problem::Problem;
use crate::row_limit::{self, RowLimit};
use crate::uow::Tx;

/// Called after a session was opened: ends the user's sessions except the `max` used last, and deletes ended ones
/// except the `max` that ended last. Concurrent sign-ins of one user run one after another here.
pub async fn end_surplus(tx: &mut Tx, user: UserId, max: i64) -> Result<(), Problem> {
    let now = tx.now();
    if row_limit::count(tx, RowLimit::Sessions, user.uuid()).await? > max {
        sqlx::query!(
            "update sessions set revoked_at = $2, revoked_reason = $4 where id in (
                 select id from sessions where user_id = $1 and revoked_at is null and expires_at > $2
                 order by last_used_at desc, id desc offset $3)",
            user as UserId,
            now,
            max,
            RevocationReason::Surplus.as_str(),
        )
        .execute(tx.connection())
        .await?;
    }
    sqlx::query!(
        "delete from sessions where id in (
             select id from sessions where user_id = $1 and (revoked_at is not null or expires_at <= $2)
             order by last_used_at desc, id desc offset $3)",
        user as UserId,
        now,
        max,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
