//! Lists in pages: `?limit=` and an opaque `cursor`, newest first, stable while new rows arrive.
//!
//! A cursor is the key of the last row shown, so a page costs the same however deep it lies.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::problem::Problem;

/// Most rows a page may have.
pub const LARGEST_PAGE: u16 = 200;
const USUAL_PAGE: u16 = 50;

/// Which page is wanted.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Rows a page, 1 to 200; 50 unless told.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u16>,
    /// `nextCursor` of the page before.
    pub cursor: Option<String>,
}

/// Where a page begins and how long it is.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Rows wanted, plus one that tells whether there are more.
    pub fetch: i64,
    limit: usize,
    /// The last row of the page before, if any: its time and its id.
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

    /// From what a client sent.
    pub fn parse(limit: Option<u16>, cursor: Option<&str>) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(USUAL_PAGE);
        if !(1..=LARGEST_PAGE).contains(&limit) {
            return Err(Problem::invalid_field("?limit", "must be between 1 and 200"));
        }
        let after = cursor.map(decode).transpose()?;
        Ok(Self { fetch: i64::from(limit) + 1, limit: usize::from(limit), after })
    }

    /// Cuts the extra row off and says where the next page begins.
    pub fn cut<T>(&self, mut rows: Vec<T>, key: impl Fn(&T) -> (DateTime<Utc>, Uuid)) -> List<T> {
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next_cursor = rows.last().filter(|_| more).map(|row| Self::cursor_at(key(row)));
        List { data: rows, next_cursor }
    }
}

impl Page {
    /// The cursor of the page that begins after a row.
    pub fn cursor_at(key: (DateTime<Utc>, Uuid)) -> String {
        encode(key)
    }
}

impl PageQuery {
    /// The page, or why it cannot be.
    pub fn page(&self) -> Result<Page, Problem> {
        Page::parse(self.limit, self.cursor.as_deref())
    }
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct List<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Send it as `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
}

impl<T> List<T> {
    /// The same page of something else.
    pub fn map<U>(self, to: impl FnMut(T) -> U) -> List<U> {
        List { data: self.data.into_iter().map(to).collect(), next_cursor: self.next_cursor }
    }

    /// A list short enough for one page.
    pub const fn whole(data: Vec<T>) -> Self {
        Self { data, next_cursor: None }
    }
}

fn encode((time, id): (DateTime<Utc>, Uuid)) -> String {
    let mut bytes = time.timestamp_micros().to_be_bytes().to_vec();
    bytes.extend_from_slice(id.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(cursor: &str) -> Result<(DateTime<Utc>, Uuid), Problem> {
    let read = || {
        let bytes = <[u8; 24]>::try_from(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let (time, id) = bytes.split_at(8);
        let micros = i64::from_be_bytes(time.try_into().ok()?);
        Some((DateTime::from_timestamp_micros(micros)?, Uuid::from_slice(id).ok()?))
    };
    read().ok_or_else(|| Problem::invalid_field("?cursor", "must be the nextCursor of a page before"))
}
