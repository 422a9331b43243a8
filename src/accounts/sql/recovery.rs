//! Every statement on requests for a new password.

use chrono::{DateTime, Utc};

use crate::ids::{ResetId, UserId};
use crate::outbox::Channel;
use crate::problem::Problem;
use crate::uow::Tx;

/// Whose address it is, and how to reach them.
#[derive(Debug, Clone)]
pub struct AccountOwner {
    /// The id of the account.
    pub id: UserId,
    /// Verified phone number in E.164; `None`: there is none.
    pub phone: Option<String>,
}

/// Whose address it is; nobody who is disabled. The number only if it is proved, and the mailbox too: before that a
/// stranger may have signed up with the address and a number of their own.
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
    /// When the code ends.
    pub expires_at: DateTime<Utc>,
}

/// Writes a request, and removes some that ended a day ago.
pub async fn insert(tx: &mut Tx, reset: &NewReset) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "with old as (
             delete from password_resets where id in (
                 select id from password_resets where expires_at < $5::timestamptz - interval '1 day' order by expires_at limit 20))
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
    /// How the code went out; `None`: not yet.
    pub sent_by: Option<Channel>,
}

/// Notes how the code of a request went out.
pub async fn sent(tx: &mut Tx, id: ResetId, channel: Channel) -> Result<(), Problem> {
    sqlx::query!("update password_resets set sent_by = $2 where id = $1", id as ResetId, channel as Channel)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Takes one of a request's tries.
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

/// The last request for an address, for whoever does not name one.
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

/// Uses a request up, and with it all others for its address; `false`: somebody else did, its time is over, or its code was
/// sent to a number that the account does not have any more. Nothing is used up then. The account is locked.
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

/// Holds the account, so that two resets of it take turns.
pub async fn hold(tx: &mut Tx, user: UserId) -> Result<(), Problem> {
    sqlx::query!("select id from users where id = $1 for no key update", user as UserId)
        .fetch_optional(tx.connection())
        .await?;
    Ok(())
}
