//! What sending a message came to. The worker that sends decides by it alone: it never looks at the codes of a
//! provider.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A send in progress.
pub type Sending<'a> = Pin<Box<dyn Future<Output = SendOutcome> + Send + 'a>>;

/// What sending one message came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// The provider took the message. It may still fail to deliver it.
    Accepted {
        /// The provider's id of the message; `None`: it gave none.
        provider_id: Option<String>,
    },
    /// The message will never be accepted as it is; the recipient stays usable.
    Permanent {
        /// Who has to correct something.
        cause: PermanentCause,
        /// The provider's error.
        error: ProviderError,
    },
    /// The recipient cannot be reached any more: remove or suppress it.
    DeadRecipient {
        /// Why it cannot be reached.
        cause: RecipientProblem,
        /// The provider's error.
        error: ProviderError,
    },
    /// Not accepted; the same message may be accepted later. An attempt was used.
    RetryLater {
        /// The least time to wait, as the provider said; `None`: the caller's own schedule.
        after: Option<Duration>,
        /// Why it was not accepted.
        cause: RetryCause,
        /// The provider's error.
        error: ProviderError,
    },
    /// The provider is not available to anybody: the message was not sent, and no attempt was used.
    Unavailable {
        /// How long to wait before the next message to this provider.
        after: Duration,
        /// Why it is not available.
        cause: UnavailableCause,
        /// The provider's error, or that of the connection.
        error: ProviderError,
    },
    /// The message may have been sent or not. It must not be sent again without looking it up.
    Ambiguous {
        /// Why it is not known.
        cause: AmbiguousCause,
        /// What interrupted it.
        error: ProviderError,
    },
}

impl SendOutcome {
    /// The provider's error; `None` if the message was accepted.
    pub const fn error(&self) -> Option<&ProviderError> {
        match self {
            Self::Accepted { .. } => None,
            Self::Permanent { error, .. }
            | Self::DeadRecipient { error, .. }
            | Self::RetryLater { error, .. }
            | Self::Unavailable { error, .. }
            | Self::Ambiguous { error, .. } => Some(error),
        }
    }
}

/// Who has to correct something before a message like this can be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PermanentCause {
    /// The message itself: it is empty, too long, or malformed.
    Message,
    /// The account at the provider, or our settings: for example a sender that may not send to this country.
    Configuration,
}

/// Why a recipient cannot be reached any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecipientProblem {
    /// The app was removed from the device, or the subscription has ended.
    Unregistered,
    /// The address, number or token does not exist, or cannot receive this kind of message.
    Invalid,
    /// The recipient does not want messages from this sender.
    OptedOut,
}

/// Why a message may be accepted later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryCause {
    /// The provider works, and takes no more messages now, or none for this recipient.
    Throttled,
    /// The provider has an error, did not answer in time, or gave a response that is not its own.
    ProviderFailure,
}

/// Why it is not known whether a message was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AmbiguousCause {
    /// The request or its response was lost, and the message was not found afterwards.
    Interrupted,
    /// An earlier attempt was ambiguous, its message was not found, and it must not be sent twice. The provider works.
    NotRepeated,
}

/// Why a provider is not available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnavailableCause {
    /// It refuses our credentials, or lacks credentials of its own: an operator has to act.
    Account,
    /// It could not be asked: no connection was made, or no access token was obtained.
    Unreachable,
    /// It failed repeatedly and is not asked for a while.
    CircuitOpen,
}

/// The longest text of an error that is kept, in characters.
const LONGEST_TEXT: usize = 300;
/// The longest code of an error that is kept, in characters.
const LONGEST_CODE: usize = 64;

/// An error of a provider, safe to be stored and logged: bounded, on one line, without the secrets of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderError {
    /// The provider's code, such as `21211` or `UNREGISTERED`, or our own in lower case, such as `timeout`. At most 64
    /// characters.
    pub code: String,
    /// The text, in the provider's language; at most 300 characters, may be empty.
    pub text: String,
}

impl ProviderError {
    /// An error whose text does not contain any of `private`: credentials, and the recipient's address.
    pub(crate) fn new(code: impl fmt::Display, text: &str, private: &[&str]) -> Self {
        let mut text: String = text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect();
        for secret in private.iter().filter(|secret| secret.len() > 3) {
            text = text.replace(*secret, "[removed]");
        }
        let short = |text: &str, most: usize| text.trim().chars().take(most).collect::<String>();
        let code: String = code.to_string().chars().filter(|sign| !sign.is_control()).collect();
        Self { code: short(&code, LONGEST_CODE), text: short(&text, LONGEST_TEXT) }
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() { f.write_str(&self.code) } else { write!(f, "{}: {}", self.code, self.text) }
    }
}
