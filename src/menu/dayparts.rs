//! Day-parts: when something is served, as windows of the week in the restaurant's local time. Pure.
//!
//! A window whose end is not after its beginning ends on the next day. Instants are converted to local time, which is
//! always unambiguous: an hour that the clock skips never occurs, and one that it repeats occurs twice.

use std::ops::Range;

use chrono::{DateTime, Datelike as _, NaiveDateTime, TimeDelta, Timelike as _, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::restaurants::hours::LocalTime;
use crate::restaurants::timeline::{OffsetSpan, offset_spans};
use crate::step_count;

/// The most windows of a category or an item.
pub const MAX_DAY_PARTS: usize = 30;

const MINUTES_A_DAY: i32 = 1440;

/// ISO weekdays, as they were named; kept in place, because a menu has thousands of lists of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weekdays {
    days: [u8; 7],
    count: u8,
}

impl Weekdays {
    /// The first seven of these days, 1 (Monday) to 7 (Sunday).
    pub fn of(days: &[u8]) -> Self {
        let mut weekdays = Self { days: [0; 7], count: 0 };
        for (entry, day) in weekdays.days.iter_mut().zip(days) {
            *entry = *day;
            weekdays.count += 1;
        }
        weekdays
    }

    /// The days, in the order in which they were named.
    pub fn as_slice(&self) -> &[u8] {
        &self.days[..usize::from(self.count)]
    }
}

impl Serialize for Weekdays {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_slice().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Weekdays {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Days;

        impl<'de> serde::de::Visitor<'de> for Days {
            type Value = Weekdays;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a sequence")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut elements: A) -> Result<Weekdays, A::Error> {
                let mut weekdays = Weekdays { days: [0; 7], count: 0 };
                for entry in &mut weekdays.days {
                    match elements.next_element()? {
                        Some(day) => *entry = day,
                        None => return Ok(weekdays),
                    }
                    weekdays.count += 1;
                }
                match elements.next_element::<serde::de::IgnoredAny>()? {
                    Some(_) => Err(serde::de::Error::custom("must be at most 7")),
                    None => Ok(weekdays),
                }
            }
        }

        deserializer.deserialize_seq(Days)
    }
}

/// A time window on some days of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DayPart {
    /// ISO weekdays on which the day-part begins: 1 (Monday) to 7 (Sunday).
    #[schema(example = json!([1, 2, 3, 4, 5]), value_type = Vec<u8>)]
    pub days: Weekdays,
    /// The local time at which it begins.
    #[schema(value_type = String, example = "07:00")]
    pub from: LocalTime,
    /// The local time at which it ends (exclusive); if not after `from`, on the next day.
    #[schema(value_type = String, example = "11:00")]
    pub to: LocalTime,
}

impl DayPart {
    /// The end in minutes after the midnight of the day on which it begins.
    fn end(&self) -> i32 {
        let (from, to) = (i32::from(self.from.minutes()), i32::from(self.to.minutes()));
        if to > from { to } else { to + MINUTES_A_DAY }
    }

    fn covers(&self, day: u8, minute: i32) -> bool {
        step_count::step(1);
        let day_before = if day == 1 { 7 } else { day - 1 };
        let (from, end) = (i32::from(self.from.minutes()), self.end());
        (self.days.as_slice().contains(&day) && (from..end).contains(&minute))
            || (self.days.as_slice().contains(&day_before) && (from..end).contains(&(minute + MINUTES_A_DAY)))
    }
}

/// Checks a list of windows.
///
/// # Errors
/// The index of the first invalid window, and the error.
pub fn check(windows: &[DayPart]) -> Result<(), (usize, &'static str)> {
    if windows.len() > MAX_DAY_PARTS {
        return Err((MAX_DAY_PARTS, "exceeds the limit of 30 entries"));
    }
    for (index, window) in windows.iter().enumerate() {
        let days = window.days.as_slice();
        if days.is_empty() || days.iter().any(|day| !(1..=7).contains(day)) {
            return Err((index, "days must name days from 1 (Monday) to 7 (Sunday), each once"));
        }
        if i32::from(window.from.minutes()) == MINUTES_A_DAY {
            return Err((index, "from must be before 24:00"));
        }
    }
    Ok(())
}

/// Whether an item with these windows is served at an instant. No windows: always.
pub fn served(windows: &[DayPart], zone: Tz, at: DateTime<Utc>) -> bool {
    if windows.is_empty() {
        return true;
    }
    let local = at.with_timezone(&zone);
    let day = u8::try_from(local.weekday().number_from_monday()).unwrap_or_default();
    let minute = i32::try_from(local.num_seconds_from_midnight() / 60).unwrap_or_default();
    windows.iter().any(|window| window.covers(day, minute))
}

/// When something is served, as ranges of minutes of a local week: sorted, disjoint, half-open. An item that is also
/// limited by its category has the intersection of both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Week(Vec<Range<i32>>);

const MINUTES_A_WEEK: i32 = 7 * MINUTES_A_DAY;

impl Week {
    /// The number of ranges.
    pub fn ranges(&self) -> usize {
        self.0.len()
    }

    /// The week of these windows. No windows: always.
    pub fn of(windows: &[DayPart]) -> Self {
        if windows.is_empty() {
            return Self(std::iter::once(0..MINUTES_A_WEEK).collect());
        }
        let mut all = Vec::new();
        for window in windows {
            for day in window.days.as_slice() {
                let midnight = (i32::from(*day) - 1) * MINUTES_A_DAY;
                let (from, end) = (midnight + i32::from(window.from.minutes()), midnight + window.end());
                all.push(from..end.min(MINUTES_A_WEEK));
                // A window of Sunday night continues at the beginning of the week.
                if end > MINUTES_A_WEEK {
                    all.push(0..end - MINUTES_A_WEEK);
                }
            }
        }
        step_count::step(all.len());
        all.sort_unstable_by_key(|one| one.start);
        let mut merged: Vec<Range<i32>> = Vec::with_capacity(all.len());
        for one in all {
            match merged.last_mut() {
                Some(last) if one.start <= last.end => last.end = last.end.max(one.end),
                _ => merged.push(one),
            }
        }
        Self(merged)
    }

    /// The intersection of both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut common = Vec::new();
        while let (Some(one), Some(two)) = (left.peek(), right.peek()) {
            let (start, end) = (one.start.max(two.start), one.end.min(two.end));
            if start < end {
                common.push(start..end);
            }
            if one.end < two.end {
                left.next()
            } else {
                right.next()
            };
        }
        Self(common)
    }

    fn contains(&self, minute: i32) -> bool {
        step_count::step(1);
        let next = self.0.partition_point(|one| one.end <= minute);
        self.0.get(next).is_some_and(|one| one.start <= minute)
    }

    /// The minutes from `minute` to the next boundary of a window.
    fn to_edge(&self, minute: i32) -> i32 {
        step_count::step(1);
        let next = self.0.partition_point(|one| one.end <= minute);
        let edge = self.0.get(next).map(|one| if one.start <= minute { one.end } else { one.start });
        edge.unwrap_or(MINUTES_A_WEEK) - minute
    }

    /// Whether it is served at an instant.
    pub fn serves(&self, zone: Tz, at: DateTime<Utc>) -> bool {
        self.contains(minute_of_week(at.with_timezone(&zone).naive_local()))
    }

    /// The first whole minute in the time at which it differs from the beginning of the time; `None`: it does not
    /// change within the time. Offsets of current time zones are whole minutes, so nothing changes within a minute.
    pub fn next_change(&self, time: &TimeSpan) -> Option<DateTime<Utc>> {
        let first = time.offset_spans.first()?;
        let now = self.contains(minute_of_week(first.local(first.begin)));
        let into_minute = TimeDelta::seconds(first.begin.timestamp().rem_euclid(60))
            + TimeDelta::nanoseconds(i64::from(first.begin.timestamp_subsec_nanos()));
        let first_minute = first.begin - into_minute + TimeDelta::minutes(1);
        for span in &time.offset_spans {
            let mut minute = first_minute.max(span.begin);
            while minute < span.end {
                let local = minute_of_week(span.local(minute));
                if self.contains(local) != now {
                    return Some(minute);
                }
                minute += TimeDelta::minutes(self.to_edge(local).into());
            }
        }
        None
    }
}

fn minute_of_week(local: NaiveDateTime) -> i32 {
    let day = i32::try_from(local.weekday().num_days_from_monday()).unwrap_or_default();
    day * MINUTES_A_DAY + i32::try_from(local.num_seconds_from_midnight() / 60).unwrap_or_default()
}

/// A span of time in a restaurant's zone in which changes are searched; prepared once for all items.
#[derive(Debug, Clone)]
pub struct TimeSpan {
    offset_spans: Vec<OffsetSpan>,
}

impl TimeSpan {
    /// From one instant to another.
    pub fn between(zone: Tz, from: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        Self { offset_spans: offset_spans(zone, from, until) }
    }

    /// A span long enough for every window to occur: each occurs within a week.
    pub fn longest_wait(zone: Tz, from: DateTime<Utc>) -> Self {
        Self::between(zone, from, from + TimeDelta::days(8))
    }
}

/// The first whole minute after `at` and before `end` at which `served` returns another value; `end` if there is none.
pub fn next_change(windows: &[DayPart], zone: Tz, at: DateTime<Utc>, end: DateTime<Utc>) -> DateTime<Utc> {
    if windows.is_empty() {
        return end;
    }
    Week::of(windows).next_change(&TimeSpan::between(zone, at, end)).unwrap_or(end)
}
