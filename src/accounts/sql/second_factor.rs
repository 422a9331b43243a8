//! Every statement on second factors, their recovery codes, and sign-ins that wait for one.

use chrono::{DateTime, Utc};

use crate::ids::{ChallengeId, UserId};
use crate::problem::Problem;
use crate::uow::Tx;

/// A user's second factor.
pub struct SecondFactor {
    /// The TOTP key, encrypted.
    pub secret: Vec<u8>,
    /// When its first code was sent; `None`: it is not required yet.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// The time step of the last accepted code.
    pub last_step: i64,
}

/// A user's second factor, and how many recovery codes are left.
pub async fn get(tx: &mut Tx, user: UserId) -> Result<Option<(DateTime<Utc>, i64)>, Problem> {
    let row = sqlx::query!(
        r#"select confirmed_at as "confirmed_at!",
                  (select count(*) from recovery_codes c where c.user_id = f.user_id and c.used_at is null) as "left!"
           from second_factors f where user_id = $1 and confirmed_at is not null"#,
        user as UserId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| (row.confirmed_at, row.left)))
}

/// Stores an unconfirmed key, and replaces an earlier unconfirmed one. `false`: there is a confirmed one, which is not
/// changed.
pub async fn begin(tx: &mut Tx, user: UserId, secret: &[u8]) -> Result<bool, Problem> {
    let now = tx.now();
    let written = sqlx::query!(
        "insert into second_factors as f (user_id, secret, created_at) values ($1, $2, $3)
         on conflict (user_id) do update set secret = $2, created_at = $3 where f.confirmed_at is null",
        user as UserId,
        secret,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(written.rows_affected() == 1)
}

/// A user's second factor, locked so that concurrent codes are checked one after another.
pub async fn hold(tx: &mut Tx, user: UserId) -> Result<Option<SecondFactor>, Problem> {
    let factor = sqlx::query_as!(
        SecondFactor,
        "select secret, confirmed_at, last_step from second_factors where user_id = $1 for update",
        user as UserId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(factor)
}

/// Records an accepted code: neither it nor an older one is valid any more. The first one confirms the second factor.
pub async fn advance(tx: &mut Tx, user: UserId, step: i64) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "update second_factors set last_step = $2, confirmed_at = coalesce(confirmed_at, $3) where user_id = $1",
        user as UserId,
        step,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Removes the second factor and its recovery codes; `false`: there was none.
pub async fn remove(tx: &mut Tx, user: UserId) -> Result<bool, Problem> {
    let removed =
        sqlx::query!("delete from second_factors where user_id = $1", user as UserId).execute(tx.connection()).await?;
    Ok(removed.rows_affected() == 1)
}

/// Stores recovery codes, and deletes all earlier ones.
pub async fn put_recovery_codes(tx: &mut Tx, user: UserId, hashes: &[Vec<u8>]) -> Result<(), Problem> {
    sqlx::query!("delete from recovery_codes where user_id = $1", user as UserId).execute(tx.connection()).await?;
    sqlx::query!(
        "insert into recovery_codes (user_id, code_hash) select $1, unnest($2::bytea[])",
        user as UserId,
        hashes,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Uses a recovery code; `false`: there is no such code, or it was used before.
pub async fn use_recovery_code(tx: &mut Tx, user: UserId, hash: &[u8]) -> Result<bool, Problem> {
    let now = tx.now();
    let taken = sqlx::query!(
        "update recovery_codes set used_at = $3 where user_id = $1 and code_hash = $2 and used_at is null",
        user as UserId,
        hash,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// A sign-in with a correct password that waits for the second factor.
pub struct Challenge {
    /// The user whose password was correct.
    pub user: UserId,
    /// The hash the password was checked against.
    pub password_hash: String,
}

/// Stores a challenge, and deletes some that have expired.
pub async fn challenge(
    tx: &mut Tx,
    id: ChallengeId,
    challenge: &Challenge,
    expires_at: DateTime<Utc>,
) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "with old as (
             delete from login_challenges where id in (
                 select id from login_challenges where expires_at < $4 order by expires_at limit 20 for update skip
                 locked))
         insert into login_challenges (id, user_id, password_hash, created_at, expires_at)
         values ($1, $2, $3, $4, $5)",
        id as ChallengeId,
        challenge.user as UserId,
        challenge.password_hash,
        now,
        expires_at,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Counts one of five attempts at a challenge.
pub async fn take_try(tx: &mut Tx, id: ChallengeId) -> Result<Option<Challenge>, Problem> {
    let now = tx.now();
    let challenge = sqlx::query_as!(
        Challenge,
        "update login_challenges set tries = tries + 1
         where id = $1 and tries < 5 and used_at is null and expires_at > $2 returning user_id as user, password_hash",
        id as ChallengeId,
        now,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(challenge)
}

/// Completes a challenge; `false`: it was completed meanwhile.
pub async fn complete(tx: &mut Tx, id: ChallengeId) -> Result<bool, Problem> {
    let now = tx.now();
    let completed = sqlx::query!(
        "update login_challenges set used_at = $2 where id = $1 and used_at is null",
        id as ChallengeId,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(completed.rows_affected() == 1)
}
