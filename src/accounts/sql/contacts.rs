//! Statements on the verification of e-mail addresses and phone numbers, and on the codes sent to them.

use chrono::{DateTime, Utc};

use crate::ids::UserId;
use crate::outbox::Channel;
use crate::problem::Problem;
use crate::uow::Tx;

/// The e-mail address and phone number of a user.
#[derive(Debug, Clone)]
pub struct ContactData {
    /// The user's e-mail address.
    pub email: String,
    /// The user's phone number in E.164; `None`: there is none.
    pub phone: Option<String>,
    /// Whether the number was verified with a code.
    pub phone_is_verified: bool,
}

impl ContactData {
    /// The number, if it is verified.
    pub fn verified_phone(&self) -> Option<&str> {
        self.phone.as_deref().filter(|_| self.phone_is_verified)
    }
}

/// The contacts of a user; `None`: there is no such user.
pub async fn reach(tx: &mut Tx, user: UserId) -> Result<Option<ContactData>, Problem> {
    let reach = sqlx::query_as!(
        ContactData,
        r#"select email, phone, phone_verified_at is not null as "phone_is_verified!" from users where id = $1"#,
        user as UserId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(reach)
}

/// Stores a code that is being sent, and replaces an earlier one.
pub async fn put_code(
    tx: &mut Tx,
    user: UserId,
    channel: Channel,
    target: &str,
    code_hash: &[u8],
    expires_at: DateTime<Utc>,
) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "insert into contact_codes (user_id, channel, target, code_hash, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (user_id, channel) do update
         set target = excluded.target, code_hash = excluded.code_hash, tries = 0, created_at = excluded.created_at,
             expires_at = excluded.expires_at",
        user as UserId,
        channel as Channel,
        target,
        code_hash,
        now,
        expires_at,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// A code that may be tried.
#[derive(Debug, Clone)]
pub struct PendingCode {
    /// The address or number that it was sent to.
    pub target: String,
    /// HMAC of the code that was sent.
    pub code_hash: Vec<u8>,
}

/// Counts one of a code's five attempts. `None`: no code can be tried.
pub async fn take_try(tx: &mut Tx, user: UserId, channel: Channel) -> Result<Option<PendingCode>, Problem> {
    let now = tx.now();
    let pending = sqlx::query_as!(
        PendingCode,
        "update contact_codes set tries = tries + 1
         where user_id = $1 and channel = $2 and tries < 5 and expires_at > $3
         returning target, code_hash",
        user as UserId,
        channel as Channel,
        now,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(pending)
}

/// Uses a code: verifies its target, if that is still the account's. `false`: it is not, or the code was used
/// meanwhile.
pub async fn confirm(tx: &mut Tx, user: UserId, channel: Channel, code: &PendingCode) -> Result<bool, Problem> {
    let now = tx.now();
    let confirmed = sqlx::query!(
        "with used as (
             delete from contact_codes where user_id = $1 and channel = $2 and code_hash = $4 returning user_id)
         update users u set
             phone_verified_at = case when $2 = 'SMS' then $5 else u.phone_verified_at end,
             email_verified_at = case when $2 = 'EMAIL' then coalesce(u.email_verified_at, $5) else
             u.email_verified_at end
         from used where u.id = used.user_id and $3 = case when $2 = 'SMS' then u.phone else u.email end",
        user as UserId,
        channel as Channel,
        code.target,
        code.code_hash,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(confirmed.rows_affected() == 1)
}

/// Verifies the e-mail address after a code that was sent to it came back. The first time, everything that was set
/// before may come from somebody else who registered with the address: name, number, second factor, addresses,
/// preferences, carts, quotes, devices and their offline operations are deleted. Orders are kept, because they belong
/// to restaurants. Later calls remove only a number that was never verified.
pub async fn prove_mailbox(tx: &mut Tx, user: UserId) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "with first as (
             update users set email_verified_at = $2, phone = null, phone_at = $2, updated_at = $2,
                 name = left(split_part(email, '@', 1), 120), name_at = $2
             where id = $1 and email_verified_at is null returning id),
         unproved as (
             update users set phone = null, phone_at = $2, updated_at = $2
             where id = $1 and email_verified_at is not null and phone is not null and phone_verified_at is null
             returning id),
         factor as (delete from second_factors using first where user_id = first.id),
         challenges as (delete from login_challenges using first where user_id = first.id),
         codes as (delete from contact_codes using first where user_id = first.id),
         devices as (delete from push_devices using first where user_id = first.id),
         addresses as (delete from user_addresses using first where user_id = first.id),
         preferences as (delete from notification_preferences using first where user_id = first.id),
         -- What other features keep for the user: a function of each.
         others as materialized (
             select delete_unverified_carts(first.id), delete_unverified_quotes(first.id),
             delete_unverified_operations(first.id)
             from first)
         select count(*) from first union all select count(*) from unproved union all select count(*) from others",
        user as UserId,
        now,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(())
}
