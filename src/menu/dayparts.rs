//! Day-parts: when something is served, as windows of the week in the restaurant's own time. Pure.
//!
//! A window whose end is not after its beginning runs into the next day. An instant is turned into local time, which is
//! never ambiguous in that direction: an hour that the clock jumps over is never met, one that it repeats is met twice.

use chrono::{DateTime, Datelike as _, TimeDelta, Timelike as _, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::restaurants::hours::LocalTime;

/// Most windows a category or an item may have.
pub const MOST_WINDOWS: usize = 30;

const MINUTES_A_DAY: i32 = 1440;

/// A window on some days of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DayPart {
    /// ISO days on which it begins: 1 Monday … 7 Sunday.
    #[schema(example = json!([1, 2, 3, 4, 5]))]
    pub days: Vec<u8>,
    /// From this minute on.
    #[schema(value_type = String, example = "07:00")]
    pub from: LocalTime,
    /// Up to this minute, without it; not after `from`: of the next day.
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

/// The first whole minute after `at` and before `end` at which `served` answers otherwise; `end` if there is none.
///
/// Offsets of today's zones are whole minutes, so nothing changes within a minute.
pub fn next_change(windows: &[DayPart], zone: Tz, at: DateTime<Utc>, end: DateTime<Utc>) -> DateTime<Utc> {
    if windows.is_empty() {
        return end;
    }
    let now = served(windows, zone, at);
    let into_minute = TimeDelta::seconds(at.timestamp().rem_euclid(60))
        + TimeDelta::nanoseconds(i64::from(at.timestamp_subsec_nanos()));
    let mut minute = at - into_minute + TimeDelta::minutes(1);
    while minute < end {
        if served(windows, zone, minute) != now {
            return minute;
        }
        minute += TimeDelta::minutes(1);
    }
    end
}

/// How far ahead something that is not served is looked for: every window comes again within a week.
const LONGEST_WAIT: TimeDelta = TimeDelta::days(8);

/// When something that is served only while all of these lists say so will be; `None`: it is, or never will be.
pub fn next_served(lists: [&[DayPart]; 2], zone: Tz, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let all = |at| lists.iter().all(|windows| served(windows, zone, at));
    if all(at) {
        return None;
    }
    let end = at + LONGEST_WAIT;
    let mut moment = at;
    while moment < end {
        // Whichever list holds it back is waited for; the others are asked again then.
        let windows = lists.iter().find(|windows| !served(windows, zone, moment))?;
        moment = next_change(windows, zone, moment, end);
        if moment < end && all(moment) {
            return Some(moment);
        }
    }
    None
}
