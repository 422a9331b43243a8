//! Paging of lists: `?limit=` and an opaque `cursor`, newest first, stable while new rows arrive.
//!
//! A cursor is the key of the last row of a page, so every page costs the same.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::problem::Problem;
use crate::timestamp::Timestamp;

/// The most rows of a page.
pub const LARGEST_PAGE: u16 = 200;
const USUAL_PAGE: u16 = 50;

/// The query parameters of a page.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// The maximum number of rows in a page, 1 to 200; default 50.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u16>,
    /// `nextCursor` of the page before.
    #[param(value_type = Option<String>)]
    pub cursor: Option<Cursor>,
}

/// The beginning and the length of a page.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// The number of rows to read: those of the page, and one more that shows whether there is a next page.
    pub fetch: i64,
    limit: usize,
    /// The time and id of the last row of the previous page; `None`: this is the first page.
    pub after: Option<(DateTime<Utc>, Uuid)>,
}

impl Page {
    /// The time of the row to begin after.
    pub fn after_time(&self) -> Option<DateTime<Utc>> {
        self.after.map(|(time, _)| time)
    }

    /// The id of the row to begin after.
    pub fn after_id(&self) -> Option<Uuid> {
        self.after.map(|(_, id)| id)
    }

    /// Checks the parameters of a request.
    ///
    /// # Errors
    /// 422 for a limit out of range, and for a cursor of another kind of list.
    pub fn parse(limit: Option<u16>, cursor: Option<Cursor>) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(USUAL_PAGE);
        if !(1..=LARGEST_PAGE).contains(&limit) {
            return Err(Problem::invalid_field("?limit", "must be between 1 and 200"));
        }
        let after = match cursor {
            None => None,
            Some(Cursor::Time(time, id)) => Some((time.utc(), id)),
            Some(Cursor::Distance(..)) => return Err(Problem::invalid_field("?cursor", InvalidCursor.to_string())),
        };
        Ok(Self { fetch: i64::from(limit) + 1, limit: usize::from(limit), after })
    }

    /// Removes the extra row and returns the page with the cursor of the next one.
    pub fn cut<T>(&self, mut rows: Vec<T>, key: impl Fn(&T) -> (DateTime<Utc>, Uuid)) -> List<T> {
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next_cursor = rows.last().filter(|_| more).map(|row| Self::cursor_at(key(row)));
        List { data: rows, next_cursor }
    }
}

impl Page {
    /// The cursor of the page that begins after a row.
    pub fn cursor_at((time, id): (DateTime<Utc>, Uuid)) -> String {
        Cursor::encode(&[&time.timestamp_micros().to_be_bytes(), id.as_bytes()])
    }
}

impl PageQuery {
    /// The page of these parameters.
    pub fn page(&self) -> Result<Page, Problem> {
        Page::parse(self.limit, self.cursor)
    }
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct List<T> {
    /// The items of this page.
    pub data: Vec<T>,
    /// Send it as `cursor` to get the next page; null on the last page.
    pub next_cursor: Option<String>,
}

impl<T> List<T> {
    /// Converts each item of the page.
    pub fn map<U>(self, to: impl FnMut(T) -> U) -> List<U> {
        List { data: self.data.into_iter().map(to).collect(), next_cursor: self.next_cursor }
    }

    /// A list short enough for one page.
    pub const fn whole(data: Vec<T>) -> Self {
        Self { data, next_cursor: None }
    }
}

/// The text is not a `nextCursor` of any list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the nextCursor of a page of the same list")]
pub struct InvalidCursor;

/// A `nextCursor`: the key of the last row of the previous page. Its values are checked, so that a forged one can only
/// find other rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cursor {
    /// For a list by age: the row's time and id.
    Time(Timestamp, Uuid),
    /// For a list by distance: metres, and the row's id.
    Distance(f64, Uuid),
}

impl Cursor {
    /// The byte before the metres; it also makes the length different.
    const OF_DISTANCE: u8 = b'd';

    fn encode(parts: &[&[u8]]) -> String {
        URL_SAFE_NO_PAD.encode(parts.concat())
    }

    /// The cursor of the page that begins after a row at this distance.
    pub fn at_distance(metres: f64, id: Uuid) -> String {
        Self::encode(&[&[Self::OF_DISTANCE], &metres.to_be_bytes(), id.as_bytes()])
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = if bytes.len() % 8 == 1 { bytes.split_at(1) } else { bytes.split_at(0) };
        let (key, id) = rest.split_first_chunk::<8>()?;
        let id = Uuid::from_slice(id).ok()?;
        match kind {
            [] => Some(Self::Time(Timestamp::from_micros(i64::from_be_bytes(*key))?, id)),
            [Self::OF_DISTANCE] => {
                let metres = f64::from_be_bytes(*key);
                (0.0..=LONGEST_DISTANCE).contains(&metres).then_some(Self::Distance(metres, id))
            }
            _ => None,
        }
    }
}

/// The largest distance in metres: a little more than half the circumference of the earth.
const LONGEST_DISTANCE: f64 = 21_000_000.0;

impl std::str::FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        // Base64 of 25 bytes.
        let short = text.len() <= 34;
        let bytes = short.then(|| URL_SAFE_NO_PAD.decode(text).ok()).flatten();
        bytes.and_then(|bytes| Self::decode(&bytes)).ok_or(InvalidCursor)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
