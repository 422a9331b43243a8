//! Every statement on notifications and the outbox.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Channel, Notice, NotificationStatus, Recipient};
use crate::ids::{MessageId, NotificationId, UserId};
use crate::paging::Page;
use crate::problem::Problem;
use crate::uow::Tx;

/// Writes a notification; `false`: its dedupe key exists, and nothing was written.
pub async fn insert(
    tx: &mut Tx,
    id: NotificationId,
    notice: &Notice<'_>,
    secret: Option<&[u8]>,
    data: &Value,
) -> Result<bool, Problem> {
    let now = tx.now();
    let inserted = sqlx::query!(
        "insert into notifications (id, dedupe_key, kind, category, user_id, data, secret, expires_at, created_at)
         values ($1, $2, $3, 'SECURITY', $4, $5, $6, $7, $8) on conflict do nothing",
        id as NotificationId,
        notice.dedupe_key,
        notice.kind.as_str(),
        notice.recipient.user() as Option<UserId>,
        data,
        secret,
        notice.expires_at,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Writes the message of a notification.
pub async fn insert_message(
    tx: &mut Tx,
    notification: NotificationId,
    id: MessageId,
    notice: &Notice<'_>,
) -> Result<(), Problem> {
    let now = tx.now();
    let (channel, target, to_holder) = match notice.recipient {
        Recipient::Known { channel, target, .. } => (channel, target, false),
        Recipient::HolderOf { channel, email } => (channel, email, true),
    };
    sqlx::query!(
        "insert into notification_deliveries
             (id, notification_id, channel, target, to_holder, priority, state, next_attempt_at, created_at)
         values ($1, $2, $3, $4, $5, $6, 'PENDING', $7, $7)",
        id as MessageId,
        notification as NotificationId,
        channel as Channel,
        target,
        to_holder,
        notice.kind.priority(),
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// A message that a worker has leased.
pub struct ClaimedMessage {
    /// The message's id.
    pub id: MessageId,
    /// The notification of the message.
    pub notification: NotificationId,
    /// The notification's kind.
    pub kind: String,
    /// The key for which only one notification is written.
    pub dedupe_key: String,
    /// The channel it is sent through.
    pub channel: Channel,
    /// The device, number or address.
    pub target: String,
    /// Whether it is sent to the owner of the account with that address.
    pub to_holder: bool,
    /// The code to be sent, encrypted; `None`: there is none, or it was deleted.
    pub secret: Option<Vec<u8>>,
    /// Not sent after this instant; `None`: no limit.
    pub expires_at: Option<DateTime<Utc>>,
    /// The id of the lease, checked when the message is finished.
    pub lease: Uuid,
}

/// Leases messages that are due, and those whose lease has expired.
pub async fn claim(tx: &mut Tx, max: i64, lease: TimeDelta) -> Result<Vec<ClaimedMessage>, Problem> {
    let now = tx.now();
    let claimed = sqlx::query_as!(
        ClaimedMessage,
        r#"with due as (
               select id from notification_deliveries
               where (state = 'PENDING' and next_attempt_at <= $1) or (state = 'SENDING' and lease_until < $1)
               order by priority, next_attempt_at limit $2 for update skip locked)
           update notification_deliveries d
           set state = 'SENDING', attempts = d.attempts + 1, lease_until = $3, lease_token = gen_random_uuid()
           from due, notifications n where d.id = due.id and n.id = d.notification_id
           returning d.id, d.notification_id as notification, n.kind, n.dedupe_key, d.channel, d.target, d.to_holder,
           n.secret,
                     n.expires_at, d.lease_token as "lease!""#,
        now,
        max,
        now + lease,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(claimed)
}

/// The end of a message.
pub struct MessageOutcome<'a> {
    /// `SENT`, `DEAD` or `SKIPPED`.
    pub state: NotificationStatus,
    /// The recipient, if the worker looked it up.
    pub user: Option<UserId>,
    /// The channel that was used.
    pub channel: Channel,
    /// The device, number or address it was sent to.
    pub target: &'a str,
    /// The provider that accepted it.
    pub provider: &'a str,
    /// Why it was given up.
    pub error: Option<&'a str>,
    /// The text that the stand-in stores, encrypted.
    pub content: Option<&'a [u8]>,
}

/// Records the end of a message, unless another worker has leased it meanwhile. Deletes the code with the last message.
pub async fn finish(tx: &mut Tx, message: &ClaimedMessage, ending: &MessageOutcome<'_>) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "update notification_deliveries
         set state = $3, provider = $4, error = $5, content = $6, final_at = $7, channel = $8, target = $9,
             lease_until = null, lease_token = null
         where id = $1 and lease_token = $2",
        message.id as MessageId,
        message.lease,
        ending.state as NotificationStatus,
        ending.provider,
        ending.error,
        ending.content,
        now,
        ending.channel as Channel,
        ending.target,
    )
    .execute(tx.connection())
    .await?;
    sqlx::query!(
        "update notifications set secret = null, user_id = coalesce($2, user_id)
         where id = $1 and secret is not null and not exists (
             select from notification_deliveries d where d.notification_id = notifications.id and d.final_at is null)",
        message.notification as NotificationId,
        ending.user as Option<UserId>,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// A message as the list for administrators shows it.
pub struct OutboxRow {
    /// The message's id.
    pub id: MessageId,
    /// The channel it is sent through.
    pub channel: Channel,
    /// The device, number or address it is sent to.
    pub target: String,
    /// The notification's kind.
    pub kind: String,
    /// The status of the message.
    pub state: NotificationStatus,
    /// The number of attempts.
    pub attempts: i16,
    /// The provider that accepted it.
    pub provider: Option<String>,
    /// Why it was given up.
    pub error: Option<String>,
    /// The text that the stand-in stored, encrypted; `None`: a provider sent it, or it was not sent yet.
    pub content: Option<Vec<u8>>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it became final.
    pub final_at: Option<DateTime<Utc>>,
}

/// A page of the outbox, newest first, without messages that have no recipient or whose recipient is not known yet.
pub async fn outbox(tx: &mut Tx, page: Page) -> Result<Vec<OutboxRow>, Problem> {
    let shown = sqlx::query_as!(
        OutboxRow,
        "select d.id, d.channel, d.target, n.kind, d.state, d.attempts, d.provider, d.error, d.content, d.created_at,
                d.final_at
         from notification_deliveries d join notifications n on n.id = d.notification_id
         where d.state <> 'SKIPPED' and not (d.to_holder and d.final_at is null) and ($2::timestamptz is null or
         (d.created_at, d.id) < ($2, $3))
         order by d.created_at desc, d.id desc limit $1",
        page.fetch,
        page.after_time(),
        page.after_id(),
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(shown)
}

/// Deletes up to `max` notifications that were created before an instant, oldest first; returns how many.
pub async fn delete_expired(tx: &mut Tx, before: DateTime<Utc>, max: i64) -> Result<u64, Problem> {
    let forgotten = sqlx::query!(
        "delete from notifications where id in (
             select id from notifications where created_at < $1 order by created_at limit $2)",
        before,
        max,
    )
    .execute(tx.connection())
    .await?;
    Ok(forgotten.rows_affected())
}
