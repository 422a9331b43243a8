//! Instants and dates of requests: from bodies, queries, sync payloads, CSV and the command line. Each is limited to
//! the years 1970 to 2199, so that adding to it stays within the ranges of PostgreSQL and chrono. Pure.

use std::borrow::Cow;
use std::str::FromStr;

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::SchemaFormat;
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, Type};

/// The allowed years of an instant or a date.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=2199;

/// The longest text that is parsed: RFC 3339 with nanoseconds and an offset has 35 characters.
const LONGEST: usize = 64;

/// Why a text is not a valid instant or date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTime {
    /// Not RFC 3339 with an offset.
    #[error("must be an instant with date, time and zone, such as 2026-05-01T18:30:00Z or 2026-05-01T20:30:00+02:00")]
    Instant,
    /// The plus sign of the offset arrived as a space: in a query it has to be escaped.
    #[error("must be an instant with its zone, such as 2026-05-01T20:30:00%2B02:00: write the + of the zone as %2B")]
    UnescapedPlus,
    /// Not a date.
    #[error("must be a date such as 2026-05-01")]
    Date,
    /// Not a zone.
    #[error("must be an IANA time zone such as Europe/Rome")]
    Zone,
    /// Too long ago, or too far ahead.
    #[error("must be in the years 1970 to 2199")]
    Years,
}

/// An instant of a request: RFC 3339, in the years 1970 to 2199 (UTC), in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// The instant in UTC.
    pub const fn utc(self) -> DateTime<Utc> {
        self.0
    }

    /// The instant this many microseconds after the beginning of 1970; `None`: outside the allowed years.
    pub fn from_micros(micros: i64) -> Option<Self> {
        DateTime::from_timestamp_micros(micros).filter(|at| YEARS.contains(&at.year())).map(Self)
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(at: Timestamp) -> Self {
        at.0
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        if text.len() > LONGEST {
            return Err(InvalidTime::Instant);
        }
        let read = |text: &str| DateTime::parse_from_rfc3339(text).ok();
        let at = read(text).ok_or_else(|| match text.rsplit_once(' ') {
            Some((time, offset)) if read(&format!("{time}+{offset}")).is_some() => InvalidTime::UnescapedPlus,
            _ => InvalidTime::Instant,
        })?;
        Self::from_micros(at.timestamp_micros()).ok_or(InvalidTime::Years)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl utoipa::PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("RFC 3339 with a zone, in the years 1970 to 2199."))
            .examples([serde_json::json!("2026-05-01T18:30:00Z")])
            .build()
            .into()
    }
}

impl ToSchema for Timestamp {}

/// A date of a request, without a zone: `2026-05-01`, in the years 1970 to 2199.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalDate(NaiveDate);

impl LocalDate {
    /// The date without a time zone.
    pub const fn date(self) -> NaiveDate {
        self.0
    }

    /// For fields of chrono's type.
    ///
    /// # Errors
    /// As for deserialising a [`LocalDate`].
    pub fn deserialize_date<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<NaiveDate, D::Error> {
        Self::deserialize(deserializer).map(Self::date)
    }
}

impl FromStr for LocalDate {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let has_date_length = text.len() == "2026-05-01".len() && text.starts_with(|one: char| one.is_ascii_digit());
        let date: NaiveDate = text.parse().ok().filter(|_| has_date_length).ok_or(InvalidTime::Date)?;
        if YEARS.contains(&date.year()) { Ok(Self(date)) } else { Err(InvalidTime::Years) }
    }
}

impl<'de> Deserialize<'de> for LocalDate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for LocalDate {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)))
            .description(Some("A date of the years 1970 to 2199, without a zone."))
            .examples([serde_json::json!("2026-05-01")])
            .build()
            .into()
    }
}

impl ToSchema for LocalDate {}

/// A time zone of a request, by its name in the IANA database: `Europe/Rome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZoneName(Tz);

impl From<ZoneName> for Tz {
    fn from(zone: ZoneName) -> Self {
        zone.0
    }
}

impl FromStr for ZoneName {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        text.parse().map(Self).map_err(|_| InvalidTime::Zone)
    }
}

impl<'de> Deserialize<'de> for ZoneName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for ZoneName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A name of the IANA time zone database."))
            .examples([serde_json::json!("Europe/Rome")])
            .build()
            .into()
    }
}

impl ToSchema for ZoneName {
    /// The name of its schema in the OpenAPI document is `Zone`.
    fn name() -> std::borrow::Cow<'static, str> {
        "Zone".into()
    }
}
