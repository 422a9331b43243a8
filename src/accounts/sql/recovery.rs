//! Every statement on password resets.

use chrono::{DateTime, Utc};

use crate::ids::{ResetId, UserId};
use crate::outbox::Channel;
use crate::problem::Problem;
use crate::uow::Tx;

/// The owner of an address, and the contacts for a code.
#[derive(Debug, Clone)]
pub struct AccountOwner {
    /// The id of the account.
    pub id: UserId,
    /// Verified phone number in E.164; `None`: there is none.
    pub phone: Option<String>,
}

/// The owner of an address; `None`: there is none, or the user is disabled. The number is returned only if both it and
/// the e-mail address are verified: before that, somebody else may have registered with the address and their own
/// number.
pub async fn owner(tx: &mut Tx, email: &str) -> Result<Option<AccountOwner>, Problem> {
    let owner = sqlx::query_as!(
        AccountOwner,
        "select id, case when phone_verified_at is not null and email_verified_at is not null then phone end as phone
         from users where email = $1 and disabled_at is null",
        email,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(owner)
}

/// A request about to be written.
pub struct NewReset {
    /// The id of the request.
    pub id: ResetId,
    /// The address, hashed.
    pub email_key: [u8; 32],
    /// Id and code, hashed.
    pub code_hash: [u8; 32],
    /// When the code expires.
    pub expires_at: DateTime<Utc>,
}

/// Writes a request, and removes some that ended a day ago.
pub async fn insert(tx: &mut Tx, reset: &NewReset) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "with old as (
             delete from password_resets where id in (
                 select id from password_resets where expires_at < $5::timestamptz - interval '1 day' order by
                 expires_at limit 20))
         insert into password_resets (id, email_key, code_hash, created_at, expires_at)
         values ($1, $2, $3, $5, $4)",
        reset.id as ResetId,
        &reset.email_key,
        &reset.code_hash,
        reset.expires_at,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// A request whose code may be tried.
pub struct Pending {
    /// The id of the request.
    pub id: ResetId,
    /// Id and code, hashed.
    pub code_hash: Vec<u8>,
    /// The channel by which the code was sent; `None`: not sent yet.
    pub sent_by: Option<Channel>,
}

/// Records the channel by which the code of a request was sent.
pub async fn sent(tx: &mut Tx, id: ResetId, channel: Channel) -> Result<(), Problem> {
    sqlx::query!("update password_resets set sent_by = $2 where id = $1", id as ResetId, channel as Channel)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Counts one of a request's attempts; `None`: no code can be tried.
pub async fn take_try(tx: &mut Tx, id: ResetId, email_key: [u8; 32]) -> Result<Option<Pending>, Problem> {
    let now = tx.now();
    let pending = sqlx::query_as!(
        Pending,
        "update password_resets set tries = tries + 1
         where id = $1 and email_key = $2 and tries < 5 and used_at is null and expires_at > $3
         returning id, code_hash, sent_by as \"sent_by: Channel\"",
        id as ResetId,
        &email_key,
        now,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(pending)
}

/// The latest request for an address, for an attempt without a request's id.
pub async fn newest(tx: &mut Tx, email_key: [u8; 32]) -> Result<Option<Pending>, Problem> {
    let now = tx.now();
    let pending = sqlx::query_as!(
        Pending,
        "select id, code_hash, sent_by as \"sent_by: Channel\" from password_resets
         where email_key = $1 and used_at is null and expires_at > $2
         order by created_at desc, id desc limit 1",
        &email_key,
        now,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(pending)
}

/// Uses a request, and voids all others for its address. `false`: it was used meanwhile, has expired, or its code was
/// sent to a number that the account no longer has; then nothing changes. The account must be locked.
pub async fn use_up(tx: &mut Tx, id: ResetId, email_key: [u8; 32], user: UserId) -> Result<bool, Problem> {
    let now = tx.now();
    let is_used = sqlx::query_scalar!(
        r#"with usable as (
               select r.id from password_resets r
               where r.id = $1 and (r.sent_by is distinct from 'SMS' or exists (
                   select from users u where u.id = $4 and u.phone_verified_at <= r.created_at))),
           used as (
               update password_resets set used_at = $3
               where email_key = $2 and used_at is null and expires_at > $3 and exists (select from usable)
               returning id)
           select exists (select from used where id = $1) as "used!""#,
        id as ResetId,
        &email_key,
        now,
        user as UserId,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(is_used)
}

/// Locks the account, so that concurrent resets run one after another.
pub async fn hold(tx: &mut Tx, user: UserId) -> Result<(), Problem> {
    sqlx::query!("select id from users where id = $1 for no key update", user as UserId)
        .fetch_optional(tx.connection())
        .await?;
    Ok(())
}
