//! The content of a message: headers, plain text and HTML. Nothing of a message can become another header, another
//! recipient or the end of the content.

use std::time::SystemTime;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use reqwest::Url;

use crate::mail::MailMessage;
use crate::outcome::{PermanentCause, ProviderError, RecipientProblem, SendOutcome};

/// The longest address (RFC 5321, 4.5.3.1.3, and its erratum).
const LONGEST_ADDRESS: usize = 254;

fn invalid(code: &str, text: &str) -> SendOutcome {
    let error = ProviderError::new(code, text, &[]);
    SendOutcome::Permanent { cause: PermanentCause::Message, error }
}

fn address(text: &str) -> Option<Address> {
    let is_plain = |sign: char| !sign.is_control() && !sign.is_whitespace() && !"<>".contains(sign);
    (text.len() <= LONGEST_ADDRESS && text.chars().all(is_plain)).then(|| text.parse().ok())?
}

/// The header fields of a message that can be unsubscribed from with one request (RFC 2369, RFC 8058).
fn unsubscribe_headers(url: &str) -> Option<[HeaderValue; 2]> {
    let url = Url::parse(url).ok().filter(|url| url.scheme() == "https")?;
    let header = |name: &'static str, value: String| HeaderValue::new(HeaderName::new_from_ascii_str(name), value);
    Some([
        header("List-Unsubscribe", format!("<{url}>")),
        header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".into()),
    ])
}

/// The recipient and the content. `Err`: the message cannot be sent.
pub(super) fn compose(
    message: &MailMessage,
    from: &Mailbox,
    domain: &str,
    now: SystemTime,
) -> Result<(Address, Vec<u8>), SendOutcome> {
    let MailMessage { id, to, subject, text, html, unsubscribe_url } = message;
    let Some(to) = address(to) else {
        let error = ProviderError::new("invalid_address", "the address is malformed", &[]);
        return Err(SendOutcome::DeadRecipient { cause: RecipientProblem::Invalid, error });
    };
    let is_id = |sign: char| sign.is_ascii_alphanumeric() || ".-_".contains(sign);
    if !(1..=64).contains(&id.len()) || !id.chars().all(is_id) {
        return Err(invalid("invalid_id", "the id of the delivery contains other characters"));
    }
    if subject.chars().any(char::is_control) {
        return Err(invalid("invalid_subject", "the subject contains control characters"));
    }
    let mut builder = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to.clone()))
        .date(now)
        .message_id(Some(format!("<{id}@{domain}>")))
        .subject(subject.as_str())
        // Nobody on holiday answers it (RFC 3834).
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into()));
    if let Some(url) = unsubscribe_url {
        let headers = unsubscribe_headers(url);
        let headers = headers.ok_or_else(|| invalid("invalid_unsubscribe_url", "it is no https URL"))?;
        builder = headers.into_iter().fold(builder, lettre::message::MessageBuilder::raw_header);
    }
    let text = visible(text);
    let built = match html {
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(text, visible(html))),
        None => builder.singlepart(SinglePart::plain(text)),
    };
    let built = built.map_err(|error| invalid("invalid_message", &error.to_string()))?;
    Ok((to, built.formatted()))
}

/// A text without NUL and without carriage returns; line breaks are written as the protocol says when it is encoded.
fn visible(text: &str) -> String {
    text.replace("\r\n", "\n").replace(['\r', '\0'], "\n")
}
