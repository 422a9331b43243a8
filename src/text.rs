//! Text fields of requests: [`SingleLine`] for names, [`MultiLine`] for notes.
//!
//! Both are normalised before they are checked or stored: trimmed, every line break becomes LF, every tab a space. Both
//! must contain a visible character, and must not contain control characters or overrides of the writing direction,
//! with which a text can be displayed differently from its content (CVE-2021-42574). Pure.

use std::borrow::Cow;

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Invisible characters of the Unicode categories for letters and symbols: a blank Braille pattern, a null note head,
/// and the placeholder for an object.
const BLANK_SYMBOLS: [char; 3] = [BLANK_BRAILLE, '\u{1d159}', '\u{fffc}'];

const BLANK_BRAILLE: char = '\u{2800}';

/// Line breaks of other systems: carriage return, vertical tab, form feed, next line, line and paragraph separator.
const LINE_BREAKS: [char; 6] = ['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];

/// Whether a character is visible: a letter, digit, punctuation mark or symbol that is not ignorable (Unicode's
/// `Default_Ignorable_Code_Point`: zero-width space, soft hyphen, Hangul filler, …).
fn is_visible(letter: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(letter);
    let shows = GeneralCategoryGroup::Letter
        .union(GeneralCategoryGroup::Number)
        .union(GeneralCategoryGroup::Punctuation)
        .union(GeneralCategoryGroup::Symbol);
    shows.contains(category)
        && !BLANK_SYMBOLS.contains(&letter)
        && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(letter)
}

/// The most marks on one letter. Languages use up to six (Hebrew with points and accents, Tibetan); more would cover
/// the lines above and below.
const MOST_MARKS: usize = 8;

/// Whether more marks than [`MOST_MARKS`] follow each other.
fn is_stacked(text: &str) -> bool {
    let is_mark = |letter: char| {
        let category = CodePointMapData::<GeneralCategory>::new().get(letter);
        matches!(category, GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark)
    };
    let mut marks = 0;
    text.chars().any(|letter| {
        marks = if !letter.is_ascii() && is_mark(letter) { marks + 1 } else { 0 };
        marks > MOST_MARKS
    })
}

/// Left-to-right and right-to-left override (UAX #9): they change the order in which a text is displayed.
const fn is_override(letter: char) -> bool {
    matches!(letter, '\u{202d}' | '\u{202e}')
}

/// Explicit embeddings and isolates with their ends; one that is not closed affects the text after it.
const fn is_embedding(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202c}' | '\u{2066}'..='\u{2069}')
}

/// Whether a character is invisible, or changes the display of others: addresses and codes must not contain it, because
/// people compare them by eye.
pub fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || is_override(letter)
        || is_embedding(letter)
        || letter == BLANK_BRAILLE
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(letter)
}

/// Normalises line breaks to LF and tabs to spaces, and trims the text.
fn normalise(text: &str) -> String {
    let one_break = text.replace("\r\n", "\n").replace(LINE_BREAKS, "\n");
    one_break.replace('\t', " ").trim().to_owned()
}

/// The checks that both kinds of text share.
fn checked(text: String, most: usize) -> Result<String, String> {
    if text.is_empty() || text.chars().count() > most {
        return Err(format!("must be 1 to {most} characters long"));
    }
    if text.chars().any(|letter| letter.is_control() && letter != '\n') {
        return Err("must not contain control characters".into());
    }
    if text.chars().any(is_override) {
        return Err("must not contain characters that override the writing direction (U+202D, U+202E)".into());
    }
    if !text.chars().any(is_visible) {
        return Err("must contain a visible character".into());
    }
    if is_stacked(&text) {
        return Err(format!("must not stack more than {MOST_MARKS} marks on a letter"));
    }
    Ok(text)
}

fn single_line(text: &str, most: usize) -> Result<String, String> {
    let text = checked(normalise(text), most)?;
    if text.contains('\n') {
        return Err("must be one line, without line breaks".into());
    }
    if text.chars().any(is_embedding) {
        let message = "must not contain characters that change the writing direction (U+202A–U+202E, U+2066–U+2069)";
        return Err(message.into());
    }
    Ok(text)
}

fn multi_line(text: &str, most: usize) -> Result<String, String> {
    checked(normalise(text), most)
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident by $read:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(transparent)]
        pub struct $name<const MAX: usize>(String);

        impl<const MAX: usize> $name<MAX> {
            /// The normalised text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text, owned.
            pub fn into_string(self) -> String {
                self.0
            }

            /// For optional fields that hold a [`String`].
            ///
            /// # Errors
            /// As for reading the text.
            pub fn deserialize_option<'de, D>(deserializer: D) -> Result<Option<String>, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                Option::<Self>::deserialize(deserializer).map(|text| text.map(Self::into_string))
            }
        }

        impl<const MAX: usize> std::ops::Deref for $name<MAX> {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl<const MAX: usize> From<$name<MAX>> for String {
            fn from(text: $name<MAX>) -> Self {
                text.0
            }
        }

        impl<const MAX: usize> TryFrom<String> for $name<MAX> {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                $read(&text, MAX).map(Self)
            }
        }

        impl<'de, const MAX: usize> Deserialize<'de> for $name<MAX> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                $read(&text, MAX).map(Self).map_err(serde::de::Error::custom)
            }
        }

        impl<const MAX: usize> utoipa::PartialSchema for $name<MAX> {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::String)
                    .min_length(Some(1))
                    .max_length(Some(MAX))
                    .build()
                    .into()
            }
        }

        impl<const MAX: usize> ToSchema for $name<MAX> {
            fn name() -> Cow<'static, str> {
                Cow::Owned(format!(concat!(stringify!($name), "{}"), MAX))
            }
        }
    )*};
}

texts! {
    /// A text of one line, 1 to `MAX` characters: names, labels, keys, search queries. It contains no line break and no
    /// character that changes the writing direction.
    SingleLine by single_line;
    /// A text of any number of lines, 1 to `MAX` characters, with LF between them: notes, reasons, descriptions, postal
    /// addresses.
    MultiLine by multi_line;
}
