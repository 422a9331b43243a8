//! Day-parts: when something is served, as windows of the week in the restaurant's own time. Pure.
//!
//! A window whose end is not after its beginning runs into the next day. An instant is turned into local time, which is
//! never ambiguous in that direction: an hour that the clock jumps over is never met, one that it repeats is met twice.

use std::ops::Range;

use chrono::{DateTime, Datelike as _, NaiveDateTime, TimeDelta, Timelike as _, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bounded;
use crate::restaurants::hours::LocalTime;
use crate::restaurants::timeline::{Stretch, stretches};
use crate::work;

/// Most windows a category or an item may have.
pub const MOST_WINDOWS: usize = 30;

const MINUTES_A_DAY: i32 = 1440;

/// A time window on some days of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DayPart {
    /// ISO weekdays on which the day-part begins: 1 (Monday) to 7 (Sunday).
    #[schema(example = json!([1, 2, 3, 4, 5]))]
    #[serde(deserialize_with = "bounded::list::<_, _, 7>")]
    pub days: Vec<u8>,
    /// The local time at which it begins.
    #[schema(value_type = String, example = "07:00")]
    pub from: LocalTime,
    /// The local time at which it ends (exclusive); if not after `from`, on the next day.
    #[schema(value_type = String, example = "11:00")]
    pub to: LocalTime,
}

impl DayPart {
    /// Minutes from the midnight it begins after to its end.
    fn end(&self) -> i32 {
        let (from, to) = (i32::from(self.from.minutes()), i32::from(self.to.minutes()));
        if to > from { to } else { to + MINUTES_A_DAY }
    }

    fn covers(&self, day: u8, minute: i32) -> bool {
        work::step(1);
        let day_before = if day == 1 { 7 } else { day - 1 };
        let (from, end) = (i32::from(self.from.minutes()), self.end());
        (self.days.contains(&day) && (from..end).contains(&minute))
            || (self.days.contains(&day_before) && (from..end).contains(&(minute + MINUTES_A_DAY)))
    }
}

/// The first fault in a list of windows: which one, and what about it.
///
/// # Errors
/// The index of the window and the fault.
pub fn check(windows: &[DayPart]) -> Result<(), (usize, &'static str)> {
    if windows.len() > MOST_WINDOWS {
        return Err((MOST_WINDOWS, "is one too many: at most 30"));
    }
    for (index, window) in windows.iter().enumerate() {
        if window.days.is_empty() || window.days.len() > 7 || window.days.iter().any(|day| !(1..=7).contains(day)) {
            return Err((index, "days must name days from 1 (Monday) to 7 (Sunday), each once"));
        }
        if i32::from(window.from.minutes()) == MINUTES_A_DAY {
            return Err((index, "from must be before 24:00"));
        }
    }
    Ok(())
}

/// Whether something with these windows is served at this instant. No windows: always.
pub fn served(windows: &[DayPart], zone: Tz, at: DateTime<Utc>) -> bool {
    if windows.is_empty() {
        return true;
    }
    let local = at.with_timezone(&zone);
    let day = u8::try_from(local.weekday().number_from_monday()).unwrap_or_default();
    let minute = i32::try_from(local.num_seconds_from_midnight() / 60).unwrap_or_default();
    windows.iter().any(|window| window.covers(day, minute))
}

/// When something is served, as minutes of a local week: sorted, apart from each other, half-open. An item that is served
/// only while its category is has what both have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Week(Vec<Range<i32>>);

const MINUTES_A_WEEK: i32 = 7 * MINUTES_A_DAY;

impl Week {
    /// Of these windows. No windows: always.
    pub fn of(windows: &[DayPart]) -> Self {
        if windows.is_empty() {
            return Self(std::iter::once(0..MINUTES_A_WEEK).collect());
        }
        let mut all = Vec::new();
        for window in windows {
            for day in &window.days {
                let midnight = (i32::from(*day) - 1) * MINUTES_A_DAY;
                let (from, end) = (midnight + i32::from(window.from.minutes()), midnight + window.end());
                all.push(from..end.min(MINUTES_A_WEEK));
                // A window of Sunday night goes on at the beginning of the week.
                if end > MINUTES_A_WEEK {
                    all.push(0..end - MINUTES_A_WEEK);
                }
            }
        }
        work::step(all.len());
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

    /// What both have in common.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let (mut ours, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut common = Vec::new();
        while let (Some(one), Some(two)) = (ours.peek(), theirs.peek()) {
            let (start, end) = (one.start.max(two.start), one.end.min(two.end));
            if start < end {
                common.push(start..end);
            }
            if one.end < two.end {
                ours.next()
            } else {
                theirs.next()
            };
        }
        Self(common)
    }

    fn contains(&self, minute: i32) -> bool {
        work::step(1);
        let behind = self.0.partition_point(|one| one.end <= minute);
        self.0.get(behind).is_some_and(|one| one.start <= minute)
    }

    /// Minutes from one on to the next at which it may be otherwise.
    fn to_edge(&self, minute: i32) -> i32 {
        work::step(1);
        let behind = self.0.partition_point(|one| one.end <= minute);
        let edge = self.0.get(behind).map(|one| if one.start <= minute { one.end } else { one.start });
        edge.unwrap_or(MINUTES_A_WEEK) - minute
    }

    /// Whether it is served at an instant.
    pub fn serves(&self, zone: Tz, at: DateTime<Utc>) -> bool {
        self.contains(minute_of_week(at.with_timezone(&zone).naive_local()))
    }

    /// The first whole minute after the first instant of the time at which it is otherwise than then; `None` if that lies
    /// behind the time. Offsets of today's zones are whole minutes, so nothing changes within a minute.
    pub fn next_change(&self, time: &Time) -> Option<DateTime<Utc>> {
        let first = time.stretches.first()?;
        let now = self.contains(minute_of_week(first.local(first.begin)));
        let into_minute = TimeDelta::seconds(first.begin.timestamp().rem_euclid(60))
            + TimeDelta::nanoseconds(i64::from(first.begin.timestamp_subsec_nanos()));
        let first_minute = first.begin - into_minute + TimeDelta::minutes(1);
        for stretch in &time.stretches {
            let mut minute = first_minute.max(stretch.begin);
            while minute < stretch.end {
                let local = minute_of_week(stretch.local(minute));
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

/// The time from an instant on in which a change is looked for, in a restaurant's zone; made once for all items.
#[derive(Debug, Clone)]
pub struct Time {
    stretches: Vec<Stretch>,
}

impl Time {
    /// From one instant to another.
    pub fn between(zone: Tz, from: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        Self { stretches: stretches(zone, from, until) }
    }

    /// As long as anything that is ever served has to be waited for: every window comes again within a week.
    pub fn longest_wait(zone: Tz, from: DateTime<Utc>) -> Self {
        Self::between(zone, from, from + TimeDelta::days(8))
    }
}

/// The first whole minute after `at` and before `end` at which `served` answers otherwise; `end` if there is none.
pub fn next_change(windows: &[DayPart], zone: Tz, at: DateTime<Utc>, end: DateTime<Utc>) -> DateTime<Utc> {
    if windows.is_empty() {
        return end;
    }
    Week::of(windows).next_change(&Time::between(zone, at, end)).unwrap_or(end)
}
