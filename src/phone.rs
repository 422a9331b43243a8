//! Phone numbers: read as people write them, kept in E.164.
//!
//! Google's numbering plans (the `phonenumber` crate) decide: spaces, hyphens and brackets do not matter, a trunk zero
//! that does not belong to the international form is dropped (`+49 (0)30 …`), one that does is kept (`+39 051 …`).

use phonenumber::Mode;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use utoipa::ToSchema;

use crate::fold;
use crate::text::is_hidden;

/// Nobody writes a number with more signs; what is longer is not looked at.
const LONGEST: usize = 40;
/// In bytes, before signs that show nothing are taken out.
const LONGEST_WRITTEN: usize = 4 * LONGEST;

/// A phone number in E.164: `+`, country code, number, nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, min_length = 8, max_length = 40, example = "+39 051 1234567")]
pub struct Phone(String);

/// It is no number that could be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a phone number that exists, in international form, such as +39 051 1234567")]
pub struct NoPhone;

impl Phone {
    /// The number in E.164.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads a number in international form.
    ///
    /// # Errors
    /// When it does not begin with `+`, or no numbering plan knows it.
    pub fn parse(text: &str) -> Result<Self, NoPhone> {
        if text.len() > LONGEST_WRITTEN {
            return Err(NoPhone);
        }
        // Full width, other digits, and the marks of direction with which phones copy numbers.
        let shown = text
            .nfkc()
            .filter(|sign| sign.is_control() || !is_hidden(*sign))
            .map(fold::common_form)
            .collect::<String>();
        let text = shown.trim();
        // Digits and what people put between them: the parser's other syntaxes (RFC 3966, extensions) are of no use here.
        let is_plain = |sign: char| sign.is_ascii_digit() || " -\u{2010}–−.()/".contains(sign);
        let number = text.strip_prefix('+').filter(|number| number.chars().all(is_plain) && text.len() <= LONGEST);
        let digits: String = number.ok_or(NoPhone)?.chars().filter(char::is_ascii_digit).collect();
        let read = phonenumber::parse(None, format!("+{digits}")).map_err(|_| NoPhone)?;
        if !read.is_valid() {
            return Err(NoPhone);
        }
        let e164 = read.format().mode(Mode::E164).to_string();
        let is_e164 = (8..=16).contains(&e164.len()) && e164.starts_with('+');
        if is_e164 { Ok(Self(e164)) } else { Err(NoPhone) }
    }
}

impl TryFrom<String> for Phone {
    type Error = NoPhone;

    fn try_from(text: String) -> Result<Self, NoPhone> {
        Self::parse(&text)
    }
}
