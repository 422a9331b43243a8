//! The status of a message at the provider after it was accepted. It only moves forward, whatever the order in which
//! reports arrive.

/// The status of a message; of several reports the furthest one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SmsStatus {
    /// Accepted or scheduled; a sender is not chosen yet.
    Accepted,
    /// Waits to be sent.
    Queued,
    /// Is being handed to the carrier.
    Sending,
    /// The carrier took it.
    Sent,
    /// The carrier says that it arrived.
    Delivered,
    /// It was read. Only some channels say so.
    Read,
    /// The carrier could not deliver it.
    Undelivered,
    /// It was never handed to the carrier.
    Failed,
    /// It was cancelled before it was sent.
    Canceled,
}

impl SmsStatus {
    const fn rank(self) -> u8 {
        match self {
            Self::Accepted => 0,
            Self::Queued => 1,
            Self::Sending => 2,
            Self::Sent => 3,
            Self::Delivered | Self::Undelivered | Self::Failed | Self::Canceled => 4,
            Self::Read => 5,
        }
    }

    /// Whether the message has not arrived and never will.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Undelivered | Self::Failed | Self::Canceled)
    }

    /// Whether a report with this status changes the status of a message, which is `known` so far. `None`: none was
    /// reported.
    pub fn may_follow(self, known: Option<Self>) -> bool {
        known.is_none_or(|known| !known.is_failure() && self.rank() > known.rank())
    }

    /// The name that is stored, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

/// Why a message did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryFailure {
    /// It was not sent because too many were waiting: it may be sent again.
    QueueFull,
    /// The phone is off or has no network; another message may arrive.
    Unreachable,
    /// The recipient or the carrier blocks us: send no more to this number.
    Blocked,
    /// The number does not exist or cannot receive SMS: send no more to this number.
    InvalidNumber,
    /// The recipient does not want messages from this sender: send no more to this number.
    OptedOut,
    /// A carrier's filter took it for spam; it is about the text or the sender, not the number.
    Filtered,
    /// Our account is suspended: an operator has to act.
    Account,
    /// No reason is known; another message may arrive.
    Unknown,
}

impl DeliveryFailure {
    /// Whether no more messages should be sent to this number.
    pub const fn suppresses(self) -> bool {
        matches!(self, Self::Blocked | Self::InvalidNumber | Self::OptedOut)
    }
}
