//! Contact data of a restaurant.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::accounts::Email;
use crate::phone::{Phone, Region};
use crate::problem::FieldError;
use crate::text;

/// How customers reach a restaurant; absent and null fields are not published.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Contact {
    /// A phone number in international format; stored as E.164.
    #[schema(example = "+39 051 1234567", max_length = 40)]
    pub phone: Option<String>,
    /// An e-mail address for customers.
    #[schema(example = "ciao@ermengarda.example", max_length = 254)]
    pub email: Option<String>,
    /// A URL that begins with `https://` or `http://`.
    #[schema(example = "https://ermengarda.example", max_length = 300)]
    pub website: Option<String>,
}

impl Contact {
    /// The same with the phone number in E.164, parsed in the restaurant's country; an invalid number is not changed,
    /// and is reported by [`Contact::faults`].
    #[must_use]
    pub fn normalised(self, timezone: Tz) -> Self {
        let region = Region::of_zone(timezone);
        let e164 = |text: String| Phone::parse_in(&text, region).map_or(text, |phone| phone.as_str().to_owned());
        Self { phone: self.phone.map(e164), ..self }
    }

    /// The errors of the contact data of a restaurant in this time zone.
    pub fn faults(&self, timezone: Tz) -> Vec<FieldError> {
        let mut faults = Vec::new();
        let region = Region::of_zone(timezone);
        if let Some(refusal) = self.phone.as_deref().and_then(|phone| Phone::parse_in(phone, region).err()) {
            faults.push(FieldError::invalid("/contact/phone", refusal.to_string()));
        }
        if self.email.clone().is_some_and(|email| Email::try_from(email).is_err()) {
            faults.push(FieldError::invalid("/contact/email", "must be an e-mail address"));
        }
        if self.website.as_deref().is_some_and(|website| !is_website(website)) {
            let message = "must be an address that begins with https:// or http://, of at most 300 characters";
            faults.push(FieldError::invalid("/contact/website", message));
        }
        faults
    }
}

/// Whether a text is a safe web address: shown as a link, it must not run a script, nor look like a link to another
/// host (`https://known.example@other.example`, or characters that change the writing direction).
fn is_website(website: &str) -> bool {
    let rest = website.strip_prefix("https://").or_else(|| website.strip_prefix("http://")).unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let plain = |letter: char| !letter.is_whitespace() && !text::is_hidden(letter) && !"<>\"'`\\".contains(letter);
    authority.starts_with(char::is_alphanumeric)
        && !authority.contains('@')
        && website.chars().count() <= 300
        && website.chars().all(plain)
}
