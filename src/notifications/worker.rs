//! The worker of the outbox: leases messages and sends them. No provider exists yet: the stand-in stores the text at
//! the first attempt, so nothing is retried after an error of a provider.
//!
//! Each node runs one. A message whose worker failed is sent by another one after its lease has ended, so a message may
//! be sent twice, but none is lost.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use crate::accounts;
use crate::accounts::attempt_limits::Counter;
use crate::accounts::sql::recovery::AccountOwner;
use crate::app::App;
use crate::config::Mode;
use crate::encryption::KeyPurpose;
use crate::ids::UserId;
use crate::outbox::sql::{self, ClaimedMessage, MessageOutcome};
use crate::outbox::{Channel, NotificationKind, NotificationStatus};
use crate::problem::Problem;
use crate::tenancy::PlatformScope;
use crate::uow::Tx;

/// The most messages leased at once.
const BATCH: i64 = 50;
/// How long a lease lasts.
const LEASE: TimeDelta = TimeDelta::seconds(20);
/// How often the outbox is polled, in case a wake-up was missed.
const ROUND: Duration = Duration::from_secs(1);
/// Replaces a secret in the stored text of a message.
const MASK: &str = "••••••••";

/// The name of the provider that is recorded where none is configured.
pub const STAND_IN: &str = "stand-in";

/// Sends messages until `stop`.
pub async fn work(app: Arc<App>, stop: CancellationToken) {
    let scope = PlatformScope::proven_by("the worker of the outbox", None);
    loop {
        match send_batch(&app, scope).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(problem) => tracing::warn!(%problem, "the outbox worker failed; it retries"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = app.outbox.woken() => {}
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}

/// Sends one batch; returns whether there may be more.
async fn send_batch(app: &Arc<App>, scope: PlatformScope) -> Result<bool, Problem> {
    let claimed = app.db.write(scope, |tx| Box::pin(async move { sql::claim(tx, BATCH, LEASE).await })).await?;
    let more = i64::try_from(claimed.len()).is_ok_and(|count| count == BATCH);
    for message in claimed {
        let task_app = Arc::clone(app);
        let id = message.id;
        let work = app.db.write(scope, move |tx| Box::pin(async move { send_message(tx, &task_app, &message).await }));
        if let Err(problem) = work.await {
            tracing::warn!(message = %id, %problem, "a message was not sent; it is retried after its lease");
        }
    }
    Ok(more)
}

/// Hands a message to the stand-in, which stores it. A message to the owner of an address takes the same steps if the
/// address has no owner.
async fn send_message(tx: &mut Tx, app: &App, message: &ClaimedMessage) -> Result<(), Problem> {
    let address = address_of(tx, message).await?;
    let ended = |state, error, content| {
        let (user, channel, target) = match &address {
            Some(Address { user, channel, target }) => (*user, *channel, target.as_str()),
            None => (None, message.channel, message.target.as_str()),
        };
        MessageOutcome { state, user, channel, target, provider: STAND_IN, error, content }
    };
    if message.expires_at.is_some_and(|end| end <= tx.now()) {
        return sql::finish(tx, message, &ended(NotificationStatus::Dead, Some("too late to be sent"), None)).await;
    }
    let Some(kind) = NotificationKind::by_name(&message.kind) else {
        return sql::finish(tx, message, &ended(NotificationStatus::Dead, Some("its kind is unknown"), None)).await;
    };
    let address = within_limit(tx, app, message, kind, address).await?;
    let ended = |state, error, content| {
        let (user, channel, target) = match &address {
            Some(Address { user, channel, target }) => (*user, *channel, target.as_str()),
            None => (None, message.channel, message.target.as_str()),
        };
        MessageOutcome { state, user, channel, target, provider: STAND_IN, error, content }
    };
    let channel = address.as_ref().map_or(message.channel, |address| address.channel);
    if let (NotificationKind::ResetCode, Some(_)) = (kind, &address) {
        accounts::actions::recovery::sent(tx, &message.dedupe_key, channel).await?;
    }
    let content = content(app, message, kind, channel)?;
    let outcome = match &address {
        Some(_) => ended(NotificationStatus::Sent, None, Some(content.as_slice())),
        None => ended(NotificationStatus::Skipped, None, None),
    };
    sql::finish(tx, message, &outcome).await
}

/// The recipient's address of a message.
struct Address {
    user: Option<UserId>,
    channel: Channel,
    target: String,
}

/// The address of a message: the stored one, or that of the owner of an e-mail address; `None`: there is no owner.
async fn address_of(tx: &mut Tx, message: &ClaimedMessage) -> Result<Option<Address>, Problem> {
    if !message.to_holder {
        return Ok(Some(Address { user: None, channel: message.channel, target: message.target.clone() }));
    }
    let holder = accounts::sql::recovery::owner(tx, &message.target).await?;
    Ok(holder.map(|AccountOwner { id, phone }| {
        let phone = phone.filter(|_| message.channel == Channel::Sms);
        let (channel, target) =
            phone.map_or_else(|| (Channel::Email, message.target.clone()), |phone| (Channel::Sms, phone));
        Address { user: Some(id), channel, target }
    }))
}

/// Applies the limits of messages and of notices to a number or mailbox (`MESSAGES_PER_NUMBER` each): somebody who
/// changes an account again and again must not fill its mailbox. Beyond it, a code to reset the password goes by e-mail
/// instead of SMS, and other messages are not sent. Codes that verify a number or go by e-mail were counted when they
/// were requested.
async fn within_limit(
    tx: &mut Tx,
    app: &App,
    message: &ClaimedMessage,
    kind: NotificationKind,
    address: Option<Address>,
) -> Result<Option<Address>, Problem> {
    let Some(to) = address else { return Ok(None) };
    let counter = match (to.channel, kind) {
        (_, NotificationKind::PhoneCode)
        | (Channel::Email, NotificationKind::ResetCode | NotificationKind::EmailCode) => return Ok(Some(to)),
        (_, NotificationKind::ResetCode) => Counter::messages_to(app, &to.target),
        // Codes that others request to a number or mailbox do not use up the notices of its owner.
        (_, _) => Counter::notices_to(app, &to.target),
    };
    if accounts::sql::attempt_limits::take(tx, &[counter]).await?.0.is_none() {
        return Ok(Some(to));
    }
    tracing::warn!(kind = kind.as_str(), "the limit of messages to a number or an address is reached");
    if to.channel != Channel::Sms {
        return Ok(None);
    }
    let by_mail = Address { user: to.user, channel: Channel::Email, target: message.target.clone() };
    Ok(message.to_holder.then_some(by_mail))
}

/// The text that would have been sent, encrypted.
fn content(app: &App, message: &ClaimedMessage, kind: NotificationKind, channel: Channel) -> Result<Vec<u8>, Problem> {
    let notification = message.notification.uuid();
    let opened = message
        .secret
        .as_ref()
        .map(|secret| app.encryption.decrypt(KeyPurpose::Outbox, notification.as_bytes(), secret));
    let secret = opened.transpose()?.map(|secret| String::from_utf8_lossy(&secret).into_owned());
    // In production, administrators must not be able to read codes in the list of messages.
    let secret = secret.map(|secret| if app.config.mode == Mode::Development { secret } else { MASK.to_owned() });
    let text = super::text::message_text(kind, channel, secret.as_deref());
    let content = serde_json::to_vec(&(text.subject, text.body)).map_err(|error| Problem::internal(&error))?;
    app.encryption.encrypt(KeyPurpose::Outbox, message.id.uuid().as_bytes(), &content)
}
