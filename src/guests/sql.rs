//! Every statement on guests.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;

use crate::ids::{GuestId, UserId};
use crate::problem::Problem;
use crate::uow::{Database, Tx};

/// A new guest.
pub async fn insert(tx: &mut Tx, guest: GuestId, hash: &[u8], expires_at: DateTime<Utc>) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "insert into guests (id, token_hash, created_at, last_used_at, expires_at) values ($1, $2, $3, $3, $4)",
        guest as GuestId,
        hash,
        now,
        expires_at,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The guest of a token hash; `None`: there is none, or the guest has expired or was merged into an account.
pub async fn active(database: &Database, hash: &[u8], now: DateTime<Utc>) -> Result<Option<GuestId>, Problem> {
    let row = sqlx::query!(
        "select id from guests where token_hash = $1 and expires_at > $2 and taken_over_at is null",
        hash,
        now,
    )
    .fetch_optional(database.pool())
    .await?;
    Ok(row.map(|row| row.id))
}

/// The guest of a token hash, also if it was merged into an account.
pub async fn by_token_hash(database: &Database, hash: &[u8], now: DateTime<Utc>) -> Result<Option<GuestId>, Problem> {
    let row = sqlx::query!("select id from guests where token_hash = $1 and expires_at > $2", hash, now,)
        .fetch_optional(database.pool())
        .await?;
    Ok(row.map(|row| row.id))
}

/// Extends the life of a guest and locks it; `false`: the guest has expired or was merged into an account.
pub async fn touch(tx: &mut Tx, guest: GuestId, expires_at: DateTime<Utc>) -> Result<bool, Problem> {
    let now = tx.now();
    let touched = sqlx::query!(
        "update guests set last_used_at = $2, expires_at = greatest(expires_at, $3)
         where id = $1 and expires_at > $2 and taken_over_at is null",
        guest as GuestId,
        now,
        expires_at,
    )
    .execute(tx.connection())
    .await?;
    Ok(touched.rows_affected() == 1)
}

/// The user who merged a guest's carts, and the response.
pub struct MergeState {
    /// The user who merged the guest's carts; `None`: they were not merged.
    pub by: Option<UserId>,
    /// The response, as JSON (`cart::actions::merge::CartMerge`).
    pub answer: Option<Json<Value>>,
}

/// The merge state of a guest who has not expired; locked, so that concurrent merges take turns.
pub async fn hold(tx: &mut Tx, guest: GuestId) -> Result<Option<MergeState>, Problem> {
    let now = tx.now();
    let active = sqlx::query_as!(
        MergeState,
        r#"select taken_over_by as by, taken_over as "answer: _" from guests
           where id = $1 and expires_at > $2 for update"#,
        guest as GuestId,
        now,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(active)
}

/// Records that the carts of a locked guest were merged, and stores the response until `expires_at`.
pub async fn mark_merged(
    tx: &mut Tx,
    guest: GuestId,
    by: UserId,
    answer: &Value,
    until: DateTime<Utc>,
) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "update guests set taken_over_by = $2, taken_over_at = $3, taken_over = $4, expires_at = $5 where id = $1",
        guest as GuestId,
        by as UserId,
        now,
        Json(answer) as _,
        until,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Deletes up to `max` guests that expired before an instant, oldest first; returns how many.
pub async fn delete_expired(tx: &mut Tx, before: DateTime<Utc>, max: i64) -> Result<u64, Problem> {
    let forgotten = sqlx::query!(
        "delete from guests where id in (
             select id from guests where expires_at <= $1 order by expires_at limit $2 for update skip locked)",
        before,
        max,
    )
    .execute(tx.connection())
    .await?;
    Ok(forgotten.rows_affected())
}
