//! The outbox: messages to people, written in the transaction of their cause and sent afterwards.
//!
//! A [`Notice`] becomes a notification and a message of the outbox; the worker hands each message to its provider
//! (`notifications/worker.rs`), so no request waits for one. There is no provider yet: a stand-in stores the text at
//! the first attempt, and nothing is sent. A code is encrypted in the notification and deleted when its message is
//! final.

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
    /// A push notification to a device.
    Push,
    /// A text message to a phone number.
    Sms,
    /// An e-mail to an address.
    Email,
}

/// The status of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "delivery_state", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NotificationStatus {
    /// It waits to be sent.
    Pending,
    /// A worker is sending it.
    Sending,
    /// The provider has accepted it.
    Sent,
    /// The provider has confirmed its delivery.
    Delivered,
    /// Not sent: it has expired, or its kind is unknown.
    Dead,
    /// Not sent, because it has no recipient or the recipient's limit of messages is reached.
    Skipped,
}

/// Defines the kinds of notifications from one list.
macro_rules! notification_kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal;)+) => {
        /// The kinds of notifications about an account. The text of a kind is in `notifications/text.rs`, its limit in
        /// `within_limit` of `notifications/worker.rs`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum NotificationKind {
            $($(#[$doc])* $kind,)+
        }

        impl NotificationKind {
            /// All kinds of notifications.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            /// The value of the column `kind`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }
        }
    };
}

notification_kinds! {
    /// A code to reset the password.
    ResetCode = "account.reset-code";
    /// A code that verifies a phone number.
    PhoneCode = "account.phone-code";
    /// A code that verifies an e-mail address.
    EmailCode = "account.email-code";
    /// The phone number was changed or removed.
    PhoneChanged = "account.phone-changed";
    /// The phone number was verified, so codes to reset the password may be sent to it.
    PhoneConfirmed = "account.phone-confirmed";
    /// The account was created.
    Welcome = "account.welcome";
    /// Somebody registered with this address, which has an account.
    AlreadySignedUp = "account.already-signed-up";
    /// The password was changed.
    PasswordChanged = "account.password-changed";
    /// A second factor is required from now on.
    SecondFactorAdded = "account.second-factor-added";
    /// The second factor of the account was removed.
    SecondFactorRemoved = "account.second-factor-removed";
    /// A recovery code was used instead of the second factor.
    RecoveryCodeUsed = "account.recovery-code-used";
}

impl NotificationKind {
    /// The kind of a column value.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// The priority of its messages: codes come first, because the recipient waits for them.
    const fn priority(self) -> i16 {
        if matches!(self, Self::ResetCode | Self::PhoneCode | Self::EmailCode) { 0 } else { 5 }
    }
}

/// A notification to one recipient.
pub struct Notice<'a> {
    /// The kind, which determines the text.
    pub kind: NotificationKind,
    /// A key for which only one notification is written.
    pub dedupe_key: String,
    /// The recipient and channel.
    pub recipient: Recipient<'a>,
    /// The code in it; `None`: it has none.
    pub secret: Option<&'a str>,
    /// Not sent after this instant; `None`: no limit.
    pub expires_at: Option<DateTime<Utc>>,
}

/// The recipient of a notice.
#[derive(Debug, Clone, Copy)]
pub enum Recipient<'a> {
    /// A known device, number or address.
    Known {
        /// The user; `None`: the recipient has no account.
        user: Option<UserId>,
        /// The channel it is sent through.
        channel: Channel,
        /// The device, number or address it is sent to.
        target: &'a str,
    },
    /// The owner of the account with this e-mail address, if there is one. The worker looks up the account, so that
    /// writing the notice takes the same time without an account.
    HolderOf {
        /// The e-mail address, in lower case.
        email: &'a str,
        /// The channel, if the account has it; else e-mail.
        channel: Channel,
    },
}

impl Recipient<'_> {
    /// The user, if known.
    const fn user(&self) -> Option<UserId> {
        match self {
            Self::Known { user, .. } => *user,
            Self::HolderOf { .. } => None,
        }
    }
}

/// Wakes the worker of this node.
pub struct Outbox {
    wakeups: Notify,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { wakeups: Notify::new() }
    }
}

impl Outbox {
    /// Wakes the worker after a commit.
    pub fn wake(&self) {
        self.wakeups.notify_one();
    }

    /// Waits until [`Outbox::wake`] was called since the last wait.
    pub async fn woken(&self) {
        self.wakeups.notified().await;
    }
}

/// Writes a notice to the outbox, in the transaction of its cause. Does nothing if its dedupe key exists.
pub async fn enqueue(tx: &mut Tx, encryption: &Encryption, notice: &Notice<'_>) -> Result<(), Problem> {
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
