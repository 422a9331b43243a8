//! How guests reach a restaurant.

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
    /// The same with the number in E.164, read where the restaurant is; one that is none stays as it is, for
    /// [`Contact::faults`].
    #[must_use]
    pub fn normalised(self, timezone: Tz) -> Self {
        let region = Region::of_zone(timezone);
        let e164 = |text: String| Phone::parse_in(&text, region).map_or(text, |phone| phone.as_str().to_owned());
        Self { phone: self.phone.map(e164), ..self }
    }

    /// What about it cannot be, at a restaurant in this zone.
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

/// A page on the web: pages that show it as a link must not be made to run something, nor to look like a link to another
/// host (`https://known.example@other.example`, or letters turned around).
fn is_website(website: &str) -> bool {
    let rest = website.strip_prefix("https://").or_else(|| website.strip_prefix("http://")).unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let plain = |letter: char| !letter.is_whitespace() && !text::is_hidden(letter) && !"<>\"'`\\".contains(letter);
    authority.starts_with(char::is_alphanumeric)
        && !authority.contains('@')
        && website.chars().count() <= 300
        && website.chars().all(plain)
}
