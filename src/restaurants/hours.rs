//! Opening hours: weekly spans in local time, half-open, some of them past midnight.

use chrono::{DateTime, Datelike as _, Timelike as _, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const MINUTES_A_DAY: i16 = 1_440;

/// Minutes after local midnight, written `HH:MM`; `24:00` is the midnight that ends the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalTime(i16);

impl LocalTime {
    /// From minutes after midnight, 0 to 1440.
    pub const fn from_minutes(minutes: i16) -> Self {
        Self(minutes)
    }

    /// Minutes after midnight.
    pub const fn minutes(self) -> i16 {
        self.0
    }
}

impl std::fmt::Display for LocalTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl std::str::FromStr for LocalTime {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let read = || {
            let (hours, minutes) = text.split_once(':')?;
            let two_digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            if !two_digits(hours) || !two_digits(minutes) {
                return None;
            }
            let (hours, minutes): (i16, i16) = (hours.parse().ok()?, minutes.parse().ok()?);
            let total = hours * 60 + minutes;
            (minutes < 60 && total <= MINUTES_A_DAY).then_some(Self(total))
        };
        read().ok_or("must be a time such as 11:30, from 00:00 to 24:00")
    }
}

impl Serialize for LocalTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LocalTime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// From one time to another on one day of the week; if it closes at or before it opens, it closes the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// The day it opens, as ISO counts: 1 Monday to 7 Sunday.
    #[schema(minimum = 1, maximum = 7, example = 5)]
    pub weekday: i16,
    /// When it opens, local time.
    #[schema(value_type = String, example = "18:30", pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    pub opens: LocalTime,
    /// When it closes, local time; `24:00` for midnight.
    #[schema(value_type = String, example = "02:00", pattern = "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
    pub closes: LocalTime,
}

impl Span {
    /// Minutes after the midnight of its weekday at which it ends; past 1440 on the next day.
    pub const fn closes_after(self) -> i16 {
        if self.closes.0 <= self.opens.0 { self.closes.0 + MINUTES_A_DAY } else { self.closes.0 }
    }

    /// Back from what the table holds.
    pub const fn from_columns(weekday: i16, opens: i16, closes: i16) -> Self {
        let closes = if closes > MINUTES_A_DAY { closes - MINUTES_A_DAY } else { closes };
        Self { weekday, opens: LocalTime(opens), closes: LocalTime(closes) }
    }

    /// Minutes of the week it covers, counted from Monday's midnight; it may run past the end of the week.
    const fn minutes_of_week(self) -> (i32, i32) {
        let midnight = (self.weekday as i32 - 1) * MINUTES_A_DAY as i32;
        (midnight + self.opens.0 as i32, midnight + self.closes_after() as i32)
    }
}

const MINUTES_A_WEEK: i32 = 7 * MINUTES_A_DAY as i32;

/// The first fault in a list of spans: which one, and what about it.
///
/// # Errors
/// The index of the span and the fault.
pub fn check(spans: &[Span]) -> Result<(), (usize, &'static str)> {
    for (index, span) in spans.iter().enumerate() {
        if !(1..=7).contains(&span.weekday) {
            return Err((index, "weekday must be 1 (Monday) to 7 (Sunday)"));
        }
        if span.opens.0 == MINUTES_A_DAY {
            return Err((index, "opens must be before 24:00"));
        }
        if spans[..index].iter().any(|earlier| overlap(*earlier, *span)) {
            return Err((index, "overlaps an earlier span"));
        }
    }
    Ok(())
}

fn overlap(one: Span, other: Span) -> bool {
    let ((from, to), (start, end)) = (one.minutes_of_week(), other.minutes_of_week());
    // A span of Sunday night reaches into Monday: compare with the week before and after as well.
    [-MINUTES_A_WEEK, 0, MINUTES_A_WEEK].iter().any(|shift| from < end + shift && start + shift < to)
}

/// Whether one of the spans covers the instant, in the restaurant's zone. No spans: always.
///
/// The instant is turned into local time, which is never ambiguous in that direction; an hour that the clock jumps
/// over is never met, one that it repeats is met twice.
pub fn is_open(spans: &[Span], zone: Tz, at: DateTime<Utc>) -> bool {
    if spans.is_empty() {
        return true;
    }
    let local = at.with_timezone(&zone);
    let day = i32::try_from(local.weekday().num_days_from_monday()).unwrap_or_default();
    let minute = i32::try_from(local.num_seconds_from_midnight() / 60).unwrap_or_default();
    let now = day * i32::from(MINUTES_A_DAY) + minute;
    spans.iter().any(|span| {
        let (from, to) = span.minutes_of_week();
        (from..to).contains(&now) || (from..to).contains(&(now + MINUTES_A_WEEK))
    })
}
