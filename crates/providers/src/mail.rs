//! E-mail: a [`SendMail`] sends a [`MailMessage`] to one address.

use std::fmt;

use crate::breaker::CircuitBreaker;
use crate::outcome::Sending;

pub mod smtp;

pub use smtp::Smtp;

/// A message for one address.
#[derive(Clone, PartialEq, Eq)]
pub struct MailMessage {
    /// The id of the delivery, the same in each attempt: it becomes the `Message-ID`, by which a mailbox can recognise
    /// a repetition. 1 to 64 letters, digits, `.`, `-` and `_`.
    pub id: String,
    /// The address of the recipient, without a name.
    pub to: String,
    /// The subject, one line.
    pub subject: String,
    /// The message as plain text.
    pub text: String,
    /// The same message in HTML; `None`: plain text only.
    pub html: Option<String>,
    /// The https URL that ends messages like this at the request of the mailbox (RFC 8058); `None`: the message is not
    /// advertising.
    pub unsubscribe_url: Option<String>,
}

impl fmt::Debug for MailMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailMessage").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Sends e-mail to single addresses.
pub trait SendMail: Send + Sync + fmt::Debug {
    /// The name of the provider, which is stored with every attempt.
    fn provider(&self) -> &'static str;

    /// Sends a message. A repetition has the same `Message-ID`; some mailboxes show it twice.
    fn send_mail<'a>(&'a self, message: &'a MailMessage) -> Sending<'a>;
}

/// A client that is asked only while its breaker allows it.
#[derive(Debug)]
pub struct GuardedMail<C> {
    /// The client of the server.
    pub client: C,
    /// The server's breaker.
    pub breaker: CircuitBreaker,
}

impl<C: SendMail> SendMail for GuardedMail<C> {
    fn provider(&self) -> &'static str {
        self.client.provider()
    }

    fn send_mail<'a>(&'a self, message: &'a MailMessage) -> Sending<'a> {
        Box::pin(self.breaker.run(self.client.send_mail(message)))
    }
}
