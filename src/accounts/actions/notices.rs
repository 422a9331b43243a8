//! Notices to the owner of an account: a registration with the address, and changes to the account's protection.

use chrono::{DateTime, Utc};

use crate::accounts::{Email, sql};
use crate::encryption::Encryption;
use crate::ids::UserId;
use crate::outbox::{self, Channel, Notice, NotificationKind, Recipient};
use crate::problem::Problem;
use crate::uow::Tx;

/// The notice to the owner of an address after a registration with it.
pub fn signed_up(email: &Email, id: UserId, is_new: bool, now: DateTime<Utc>) -> Notice<'_> {
    // At most one mail a day, however many registrations there are with the address.
    let (kind, dedupe_key, user) = if is_new {
        (NotificationKind::Welcome, format!("welcome:{id}"), Some(id))
    } else {
        (NotificationKind::AlreadySignedUp, format!("already-signed-up:{}:{}", email.as_str(), now.date_naive()), None)
    };
    Notice {
        kind,
        dedupe_key,
        recipient: Recipient::Known { user, channel: Channel::Email, target: email.as_str() },
        secret: None,
        expires_at: None,
    }
}

/// Notifies the owner of an account of a change to its protection: by e-mail, by SMS if the number is verified, and by
/// SMS to the verified number that the account had before (`before`).
///
/// # Errors
/// 401 when there is no such account.
pub async fn notify_owner(
    tx: &mut Tx,
    encryption: &Encryption,
    kind: NotificationKind,
    user: UserId,
    before: Option<&str>,
) -> Result<(), Problem> {
    let reach = sql::contacts::reach(tx, user).await?.ok_or_else(Problem::unauthenticated)?;
    let now = reach.verified_phone();
    let numbers = now.into_iter().chain(before.filter(|before| now != Some(*before)));
    let targets = std::iter::once((Channel::Email, reach.email.as_str())).chain(numbers.map(|one| (Channel::Sms, one)));
    for (index, (channel, target)) in targets.enumerate() {
        let notice = Notice {
            kind,
            dedupe_key: format!("{}:{user}:{}:{index}", kind.as_str(), tx.now().timestamp_micros()),
            recipient: Recipient::Known { user: Some(user), channel, target },
            secret: None,
            expires_at: None,
        };
        outbox::enqueue(tx, encryption, &notice).await?;
    }
    Ok(())
}
