//! Twilio's reports on the messages we sent (`StatusCallback`).
//!
//! <https://www.twilio.com/docs/messaging/guides/track-outbound-message-status>. Twilio adds fields without notice, and
//! reports arrive in any order and more than once.

use crate::sms::{DeliveryFailure, SmsStatus};

/// A report on one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusReport {
    /// Twilio's id of the message, as in `SendOutcome::Accepted`.
    pub message_id: String,
    /// The status of the message when the report was sent.
    pub status: SmsStatus,
    /// Twilio's code of an error; `None`: there is none.
    pub error_code: Option<u32>,
}

/// Why a body is no report on a message of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableReport {
    /// A field is missing: its name.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A status that is not known, or of a received message. Answer it with success, or Twilio repeats it.
    #[error("the status is not known")]
    UnknownStatus,
}

impl StatusReport {
    /// Reads the form of a report. Its signature has to be verified before.
    ///
    /// # Errors
    /// When the message or its status is missing or not known.
    pub fn read(form: &[u8]) -> Result<Self, UnreadableReport> {
        let field = |names: [&str; 2]| {
            let mut fields = form_urlencoded::parse(form);
            fields.find(|(name, _)| names.contains(&name.as_ref())).map(|(_, value)| value.into_owned())
        };
        let message_id = field(["MessageSid", "SmsSid"]).filter(|id| !id.is_empty() && id.len() <= 64);
        let status = field(["MessageStatus", "SmsStatus"]).ok_or(UnreadableReport::Missing("MessageStatus"))?;
        let status = match status.as_str() {
            "accepted" | "scheduled" => SmsStatus::Accepted,
            "queued" => SmsStatus::Queued,
            "sending" => SmsStatus::Sending,
            "sent" | "partially_delivered" => SmsStatus::Sent,
            "delivered" => SmsStatus::Delivered,
            "read" => SmsStatus::Read,
            "undelivered" => SmsStatus::Undelivered,
            "failed" => SmsStatus::Failed,
            "canceled" => SmsStatus::Canceled,
            _ => return Err(UnreadableReport::UnknownStatus),
        };
        let error_code = field(["ErrorCode", "ErrorCode"]).and_then(|code| code.parse().ok()).filter(|code| *code != 0);
        Ok(Self { message_id: message_id.ok_or(UnreadableReport::Missing("MessageSid"))?, status, error_code })
    }

    /// Identifies the report: one that arrives twice has the same.
    pub fn event_id(&self) -> String {
        format!("{}:{}", self.message_id, self.status.name())
    }

    /// Why the message did not arrive; `None`: it may still arrive, or has arrived.
    pub const fn failure(&self) -> Option<DeliveryFailure> {
        if !self.status.is_failure() {
            return None;
        }
        Some(match self.error_code {
            Some(30001) => DeliveryFailure::QueueFull,
            Some(30002) => DeliveryFailure::Account,
            Some(30003) => DeliveryFailure::Unreachable,
            Some(30004) => DeliveryFailure::Blocked,
            Some(30005 | 30006 | 21211 | 21614) => DeliveryFailure::InvalidNumber,
            Some(21610) => DeliveryFailure::OptedOut,
            Some(30007) => DeliveryFailure::Filtered,
            _ => DeliveryFailure::Unknown,
        })
    }
}
