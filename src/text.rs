//! Text fields of requests: [`SingleLine`] for names, [`MultiLine`] for notes.
//!
//! Both are normalised before they are checked or stored: trimmed, every line break becomes LF, every tab a space. Both
//! must contain a visible character, and must not contain control characters or overrides of the writing direction,
//! with which a text can be displayed differently from its content (CVE-2021-42574). Pure.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

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
const MAX_MARKS: usize = 8;

/// The first character that can be a combining mark or an override of the writing direction: texts without later
/// characters need no check for them.
const FIRST_MARK: char = '\u{300}';

fn is_mark(letter: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(letter);
    matches!(category, GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark)
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

/// One LF for every line break, a space for every tab, nothing around it.
fn normalise(text: Cow<'_, str>) -> String {
    let trimmed = text.trim();
    if trimmed.contains(|letter| letter == '\t' || LINE_BREAKS.contains(&letter)) {
        let one_break = trimmed.replace("\r\n", "\n").replace(LINE_BREAKS, "\n");
        return one_break.replace('\t', " ");
    }
    if trimmed.len() == text.len() { text.into_owned() } else { trimmed.to_owned() }
}

/// Whether a text is what [`normalise`] and [`checked`] would make of it, without looking anything up: printable ASCII
/// with nothing blank around it, in few enough bytes. Most texts are; a menu holds thousands.
fn is_plain(text: &str, max: usize, has_lines: bool) -> bool {
    let bytes = text.as_bytes();
    let is_ink = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    bytes.len() <= max
        && is_ink(bytes.first())
        && is_ink(bytes.last())
        && bytes.iter().all(|byte| matches!(byte, b' '..=b'~') || (has_lines && *byte == b'\n'))
}

/// The errors that both kinds of text can have, found in one pass.
fn checked(text: &str, max: usize) -> Result<(), String> {
    let (mut letters, mut marks, mut max_marks) = (0, 0, 0);
    let (mut has_control, mut has_override, mut has_visible) = (false, false, false);
    for letter in text.chars() {
        letters += 1;
        if letter < FIRST_MARK {
            has_control |= letter.is_control() && letter != '\n';
            marks = 0;
        } else {
            has_override |= is_override(letter);
            marks = if is_mark(letter) { marks + 1 } else { 0 };
            max_marks = max_marks.max(marks);
        }
        has_visible = has_visible || is_visible(letter);
    }
    if letters == 0 || letters > max {
        Err(format!("must be 1 to {max} characters long"))
    } else if has_control {
        Err("must not contain control characters".into())
    } else if has_override {
        Err("must not contain characters that override the writing direction (U+202D, U+202E)".into())
    } else if !has_visible {
        Err("must contain a visible character".into())
    } else if max_marks > MAX_MARKS {
        Err(format!("must not stack more than {MAX_MARKS} marks on a letter"))
    } else {
        Ok(())
    }
}

fn single_line(text: Cow<'_, str>, max: usize) -> Result<String, String> {
    if is_plain(&text, max, false) {
        return Ok(text.into_owned());
    }
    let text = normalise(text);
    checked(&text, max)?;
    if text.contains('\n') {
        return Err("must be one line, without line breaks".into());
    }
    if text.chars().any(is_embedding) {
        let message = "must not contain characters that change the writing direction (U+202A–U+202E, U+2066–U+2069)";
        return Err(message.into());
    }
    Ok(text)
}

fn multi_line(text: Cow<'_, str>, max: usize) -> Result<String, String> {
    if is_plain(&text, max, true) {
        return Ok(text.into_owned());
    }
    let text = normalise(text);
    checked(&text, max)?;
    Ok(text)
}

/// Reads a value from a text, which is not copied.
///
/// # Errors
/// When it is not a text, or not a valid value.
pub fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    struct FromText<T>(PhantomData<T>);

    impl<T: FromStr<Err: fmt::Display>> serde::de::Visitor<'_> for FromText<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(FromText(PhantomData))
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

            /// A text that was checked before it was stored; it is not checked again.
            pub(crate) const fn stored(text: String) -> Self {
                Self(text)
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
                $read(Cow::Owned(text), MAX).map(Self)
            }
        }

        impl<'de, const MAX: usize> Deserialize<'de> for $name<MAX> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                $read(text, MAX).map(Self).map_err(serde::de::Error::custom)
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
