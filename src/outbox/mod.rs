//! The outbox: messages to people, written in the transaction of what they tell of and sent afterwards.
//!
//! A [`Notice`] becomes a notification and a message of the outbox; the worker hands each message to its provider
//! (`notifications/worker.rs`), so nothing ever waits for one. A code is encrypted in the notification and removed once
//! its message is final.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Notify;
use utoipa::ToSchema;

use crate::encryption::{Encryption, KeyPurpose};
use crate::ids::{MessageId, NotificationId, UserId};
use crate::problem::Problem;
use crate::uow::Tx;

pub mod sql;

/// How a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "notification_channel", rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = NotificationChannel)]
pub enum Channel {
    /// To an app.
    Push,
    /// To a phone.
    Sms,
    /// To a mailbox.
    Email,
}

/// The status of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "delivery_state", rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = NotificationStatus)]
pub enum State {
    /// It waits to be sent.
    Pending,
    /// In a worker's hands.
    Sending,
    /// The provider has taken it.
    Sent,
    /// The provider says that it arrived.
    Delivered,
    /// It was given up after its last attempt.
    Dead,
    /// Not to be sent: nobody is there.
    Skipped,
}

/// What somebody is told about their account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A code to choose a new password with.
    ResetCode,
    /// A code that proves a phone number.
    PhoneCode,
    /// A code that proves an e-mail address.
    EmailCode,
    /// The phone number is another one now, or none.
    PhoneChanged,
    /// The phone number is proved: codes for a new password may go there.
    PhoneConfirmed,
    /// The account is there.
    Welcome,
    /// Somebody tried to sign up with this address, which has an account.
    AlreadySignedUp,
    /// The password is another one now.
    PasswordChanged,
    /// A second factor is asked for from now on.
    SecondFactorAdded,
    /// The second factor of the account was removed.
    SecondFactorRemoved,
    /// A recovery code was used instead of the second factor.
    RecoveryCodeUsed,
}

impl Kind {
    /// As the table has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ResetCode => "account.reset-code",
            Self::PhoneCode => "account.phone-code",
            Self::EmailCode => "account.email-code",
            Self::PhoneChanged => "account.phone-changed",
            Self::PhoneConfirmed => "account.phone-confirmed",
            Self::Welcome => "account.welcome",
            Self::AlreadySignedUp => "account.already-signed-up",
            Self::PasswordChanged => "account.password-changed",
            Self::SecondFactorAdded => "account.second-factor-added",
            Self::SecondFactorRemoved => "account.second-factor-removed",
            Self::RecoveryCodeUsed => "account.recovery-code-used",
        }
    }

    /// By that word.
    pub fn by_word(word: &str) -> Option<Self> {
        let all = [
            Self::ResetCode,
            Self::PhoneCode,
            Self::EmailCode,
            Self::PhoneChanged,
            Self::PhoneConfirmed,
            Self::Welcome,
            Self::AlreadySignedUp,
            Self::PasswordChanged,
            Self::SecondFactorAdded,
            Self::SecondFactorRemoved,
            Self::RecoveryCodeUsed,
        ];
        all.into_iter().find(|kind| kind.word() == word)
    }

    /// Somebody waits for it.
    const fn priority(self) -> i16 {
        if matches!(self, Self::ResetCode | Self::PhoneCode | Self::EmailCode) { 0 } else { 5 }
    }
}

/// One thing to tell one recipient.
pub struct Notice<'a> {
    /// Which message it is; says the words.
    pub kind: Kind,
    /// The same key is told once.
    pub dedupe_key: String,
    /// Whom, and how.
    pub recipient: Recipient<'a>,
    /// The code in it.
    pub secret: Option<&'a str>,
    /// Not to be told later.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Who a notice is for.
#[derive(Debug, Clone, Copy)]
pub enum Recipient<'a> {
    /// Somebody at a known place.
    Known {
        /// Who, if it is somebody with an account.
        user: Option<UserId>,
        /// The channel it is sent through.
        channel: Channel,
        /// The device, number or address it is sent to.
        target: &'a str,
    },
    /// Whoever has an account with this e-mail address. The worker finds out, so that writing the notice takes as long when
    /// nobody does, and tells nobody anything.
    HolderOf {
        /// The e-mail address, in lower case.
        email: &'a str,
        /// How, where the account has the means; else by e-mail.
        channel: Channel,
    },
}

impl Recipient<'_> {
    /// Who, if that is known and somebody with an account.
    const fn user(&self) -> Option<UserId> {
        match self {
            Self::Known { user, .. } => *user,
            Self::HolderOf { .. } => None,
        }
    }
}

/// What wakes the worker of this node.
pub struct Outbox {
    bell: Notify,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { bell: Notify::new() }
    }
}

impl Outbox {
    /// Something was committed: the worker need not wait for its next round.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    /// Waits until [`Outbox::ring`] was called since the last wait.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }
}

/// Writes a notice into the outbox, in the transaction of what it tells of. A dedupe key that is known changes nothing.
pub async fn tell(tx: &mut Tx, encryption: &Encryption, notice: &Notice<'_>) -> Result<(), Problem> {
    let (id, message) = (NotificationId::new(), MessageId::new());
    let secret = notice
        .secret
        .map(|secret| encryption.encrypt(KeyPurpose::Outbox, id.uuid().as_bytes(), secret.as_bytes()))
        .transpose()?;
    let data: Value = json!({});
    if sql::insert(tx, id, notice, secret.as_deref(), &data).await? {
        sql::insert_message(tx, id, message, notice).await?;
    }
    Ok(())
}
