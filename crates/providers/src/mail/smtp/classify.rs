//! What an error of an SMTP server means, by how far the message came.
//!
//! 4yz is temporary and 5yz is permanent (RFC 5321, 4.2.1). The enhanced status code (RFC 3463) refines it; without one
//! an address is not given up, because servers also refuse with a plain 550 what has nothing to do with it.

use std::error::Error as _;

use lettre::transport::smtp::Error;

use super::{SmtpFailure, Stage};
use crate::http::{account_refused, unreachable};
use crate::outcome::{AmbiguousCause, PermanentCause, ProviderError, RecipientProblem, RetryCause, SendOutcome};

/// A status code like `5.1.1` at the beginning of a text.
fn enhanced_code(text: &str) -> Option<&str> {
    let code = text.split_whitespace().next()?;
    let mut parts = code.split('.');
    let is_number = |part: Option<&str>| {
        part.is_some_and(|part| (1..=3).contains(&part.len()) && part.bytes().all(|digit| digit.is_ascii_digit()))
    };
    (is_number(parts.next()) && is_number(parts.next()) && is_number(parts.next()) && parts.next().is_none())
        .then_some(code)
}

/// The cause of an error, without lettre's words.
fn text_of(error: &Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// What a failure means. `private` does not appear in the error.
pub(super) fn outcome(stage: Stage, failure: &SmtpFailure, private: &[&str]) -> SendOutcome {
    let error = match failure {
        SmtpFailure::Server(error) => error,
        SmtpFailure::NoUnicodeAddresses => {
            let text = "the server takes no addresses with other letters than those of ASCII";
            let error = ProviderError::new("no_smtputf8", text, private);
            return SendOutcome::Permanent { cause: PermanentCause::Message, error };
        }
        SmtpFailure::TimedOut => return interrupted(stage, ProviderError::new("timeout", "", private)),
    };
    let text = text_of(error);
    let Some(status) = error.status().map(u16::from) else {
        let code = if error.is_tls() { "tls" } else { "interrupted" };
        let described = ProviderError::new(code, &text, private);
        // Something is not as the settings say: no certificate, no STARTTLS, no way to log in.
        let is_ours = error.is_tls() || (error.is_client() && matches!(stage, Stage::Connect | Stage::Login));
        return if is_ours { account_refused(described) } else { interrupted(stage, described) };
    };
    let enhanced = enhanced_code(&text);
    let described = match enhanced {
        Some(code) => ProviderError::new(code, &text, private),
        None => ProviderError::new(status, &text, private),
    };
    match (stage, status) {
        // The server goes down.
        (Stage::Connect | Stage::Login, 400..=499) => unreachable(described),
        (_, 421) => SendOutcome::RetryLater { after: None, cause: RetryCause::ProviderFailure, error: described },
        (_, 400..=499) => SendOutcome::RetryLater { after: None, cause: RetryCause::Throttled, error: described },
        // No access, no encryption, no authentication.
        (Stage::Connect | Stage::Login, _) | (_, 530 | 534 | 535 | 538) => account_refused(described),
        (Stage::Sender, _) => refused_settings(described),
        (Stage::Recipient, _) => match enhanced {
            Some("5.1.1" | "5.1.2" | "5.1.3" | "5.1.6" | "5.1.10" | "5.2.1") => {
                SendOutcome::DeadRecipient { cause: RecipientProblem::Invalid, error: described }
            }
            Some(code) if code.starts_with("5.7.") => refused_settings(described),
            _ => SendOutcome::Permanent { cause: PermanentCause::Message, error: described },
        },
        (Stage::Data | Stage::Content, _) => {
            SendOutcome::Permanent { cause: PermanentCause::Message, error: described }
        }
    }
}

fn refused_settings(error: ProviderError) -> SendOutcome {
    tracing::error!(%error, "the SMTP server refuses a message because of its sender or our rights");
    SendOutcome::Permanent { cause: PermanentCause::Configuration, error }
}

/// The connection was lost, or the time is over.
fn interrupted(stage: Stage, error: ProviderError) -> SendOutcome {
    if stage == Stage::Content {
        SendOutcome::Ambiguous { cause: AmbiguousCause::Interrupted, error }
    } else {
        unreachable(error)
    }
}
