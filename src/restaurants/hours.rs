//! Opening hours: weekly spans in local time and exceptions on dates. Spans are half-open and may end after midnight.
//!
//! A span belongs to the day on which it opens: an exception on a date replaces the spans that would have opened on it,
//! and a span of the day before runs to its end. Members set both in `http/hours.rs`; orders are decided with them in
//! `last_orders.rs`.

use std::collections::HashMap;

use chrono::{DateTime, Datelike as _, Days, NaiveDate, Timelike as _, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fulfilments::Fulfilments;
use crate::bounded;
use crate::step_count;
use crate::text::MultiLine;
use crate::timestamp::LocalDate;

mod local_time;

pub use local_time::LocalTime;
use local_time::MINUTES_A_DAY;

/// Whether two lists are the same weekly hours, in whatever order.
pub fn are_same(one: &[Span], other: &[Span]) -> bool {
    let sorted = |spans: &[Span]| {
        let mut spans = spans.to_vec();
        spans.sort_by_key(|span| (span.weekday, span.opens, span.closes));
        spans
    };
    sorted(one) == sorted(other)
}

/// Whether two lists are the same exceptions, in whatever order.
pub fn are_same_exceptions(one: &[Exception], other: &[Exception]) -> bool {
    let sorted = |days: &[Exception]| {
        let mut days = days.to_vec();
        days.sort_by_key(|day| day.date);
        for day in &mut days {
            day.spans.sort_by_key(|span| (span.opens, span.closes));
        }
        days
    };
    sorted(one) == sorted(other)
}

/// Opening hours from one local time to another (exclusive); if `closes` is not after `opens`, on the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DaySpan {
    /// The opening time, local.
    #[schema(value_type = String, example = "18:30", pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    pub opens: LocalTime,
    /// The closing time, local; `24:00` is midnight.
    #[schema(value_type = String, example = "02:00", pattern = "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
    pub closes: LocalTime,
    /// The fulfilments for which it is open; absent: all.
    #[serde(default, skip_serializing_if = "Fulfilments::is_all")]
    #[schema(inline)]
    pub fulfilments: Fulfilments,
}

impl DaySpan {
    /// A whole day, for all fulfilments.
    const WHOLE_DAY: Self =
        Self { opens: LocalTime(0), closes: LocalTime(MINUTES_A_DAY), fulfilments: Fulfilments::ALL };

    /// Minutes after the midnight of its day at which it ends; past 1440 on the next day.
    pub const fn closes_after(self) -> i16 {
        if self.closes.0 <= self.opens.0 { self.closes.0 + MINUTES_A_DAY } else { self.closes.0 }
    }

    /// From the columns of a table.
    pub const fn from_columns(opens: i16, closes: i16, fulfilments: Fulfilments) -> Self {
        let closes = if closes > MINUTES_A_DAY { closes - MINUTES_A_DAY } else { closes };
        Self { opens: LocalTime(opens), closes: LocalTime(closes), fulfilments }
    }

    /// Whether it covers a minute after the midnight of its day.
    const fn covers(self, minute: i16) -> bool {
        self.opens.0 <= minute && minute < self.closes_after()
    }

    /// Whether it overlaps a span that opens `days_later` days later, for a common fulfilment.
    fn overlaps(self, other: Self, days_later: i32) -> bool {
        let shift = days_later * i32::from(MINUTES_A_DAY);
        let begins = |span: Self| i32::from(span.opens.0);
        let ends = |span: Self| i32::from(span.closes_after());
        begins(self) < ends(other) + shift
            && begins(other) + shift < ends(self)
            && self.fulfilments.meets(other.fulfilments)
    }
}

/// Opening hours on one day of the week; if `closes` is not after `opens`, it closes on the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OpeningSpan)]
pub struct Span {
    /// The ISO weekday on which it opens: 1 (Monday) to 7 (Sunday).
    #[schema(minimum = 1, maximum = 7, example = 5)]
    pub weekday: i16,
    /// The opening time, local.
    #[schema(value_type = String, example = "18:30", pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    pub opens: LocalTime,
    /// The closing time, local; `24:00` is midnight.
    #[schema(value_type = String, example = "02:00", pattern = "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
    pub closes: LocalTime,
    /// The fulfilments for which it is open; absent: all.
    #[serde(default, skip_serializing_if = "Fulfilments::is_all")]
    #[schema(inline)]
    pub fulfilments: Fulfilments,
}

impl Span {
    /// The span without its weekday.
    pub const fn of_day(self) -> DaySpan {
        DaySpan { opens: self.opens, closes: self.closes, fulfilments: self.fulfilments }
    }
}

/// A date with other opening hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = HoursException)]
pub struct Exception {
    /// The local date.
    #[serde(deserialize_with = "LocalDate::deserialize_date")]
    #[schema(value_type = LocalDate, example = "2026-12-25")]
    pub date: NaiveDate,
    /// A note for customers, up to 200 characters.
    #[serde(default, deserialize_with = "MultiLine::<200>::deserialize_option")]
    #[schema(min_length = 1, max_length = 200, example = "Christmas")]
    pub note: Option<String>,
    /// The opening hours of that date; empty: closed.
    #[serde(default, deserialize_with = "bounded::list::<_, _, 20>")]
    #[schema(max_items = 20)]
    pub spans: Vec<DaySpan>,
}

/// The opening hours of a restaurant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Whether it is open around the clock, every day; then weekly spans are ignored.
    pub always: bool,
    /// The weekly spans; empty: closed, unless `always` is set.
    pub weekly: Vec<Span>,
    /// Dates with other hours, in any order, each at most once.
    pub exceptions: Vec<Exception>,
}

impl Schedule {
    /// The fulfilments for which it is open at an instant, in the restaurant's time zone.
    ///
    /// The instant is converted to local time, which is always unambiguous: an hour that the clock skips never occurs,
    /// and one that it repeats occurs twice.
    pub fn open_for(&self, zone: Tz, at: DateTime<Utc>) -> Fulfilments {
        let local = at.with_timezone(&zone).naive_local();
        let minute = i16::try_from(local.num_seconds_from_midnight() / 60).unwrap_or_default();
        let today = self.open_on(local.date(), minute);
        let from_yesterday = local.date().pred_opt().map(|day| self.open_on(day, minute + MINUTES_A_DAY));
        today.or(from_yesterday.unwrap_or(Fulfilments::NONE))
    }

    /// The fulfilments that the spans of a date cover at a minute after its midnight.
    fn open_on(&self, date: NaiveDate, minute: i16) -> Fulfilments {
        let covering = self.spans_of(date).filter(|span| span.covers(minute));
        covering.fold(Fulfilments::NONE, |open, span| open.or(span.fulfilments))
    }

    /// The spans that open on a date.
    fn spans_of(&self, date: NaiveDate) -> impl Iterator<Item = DaySpan> + '_ {
        self.spans_on(date, self.exceptions.iter().find(|exception| exception.date == date))
    }

    /// The spans that open on a date with a given exception, if any.
    pub(super) fn spans_on<'a>(
        &'a self,
        date: NaiveDate,
        exception: Option<&'a Exception>,
    ) -> impl Iterator<Item = DaySpan> + 'a {
        step_count::step(1 + self.weekly.len());
        let weekday = i16::try_from(date.weekday().number_from_monday()).unwrap_or_default();
        let weekly = self.weekly.iter().filter(move |span| span.weekday == weekday).map(|span| span.of_day());
        let whole_day = (exception.is_none() && self.always).then_some(DaySpan::WHOLE_DAY);
        let of_week = (exception.is_none() && !self.always).then_some(weekly).into_iter().flatten();
        let of_date = exception.into_iter().flat_map(|exception| exception.spans.iter().copied());
        of_date.chain(of_week).chain(whole_day)
    }
}

/// An error: the pointer below the list, such as `/3/spans/1`, and the message.
pub type HoursFault = (String, String);

/// The most weekly spans.
pub const MAX_SPANS: usize = 100;
/// The most exceptions, and the most spans of one.
pub const MAX_EXCEPTIONS: usize = 400;
const MAX_SPANS_PER_DATE: usize = 20;

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// The errors of weekly spans, with their pointers in the list.
pub fn faults_of_week(spans: &[Span]) -> Vec<HoursFault> {
    if spans.len() > MAX_SPANS {
        return vec![(String::new(), format!("must be at most {MAX_SPANS} spans"))];
    }
    let fault = |(index, span): (usize, &Span)| {
        if !(1..=7).contains(&span.weekday) {
            return Some((format!("/{index}"), "weekday must be 1 (Monday) to 7 (Sunday)".to_owned()));
        }
        if let Some(message) = opens_at_the_end(span.of_day()) {
            return Some((format!("/{index}"), message));
        }
        let earlier = spans[..index].iter().position(|earlier| overlap_in_a_week(*earlier, *span))?;
        let Span { weekday, opens, closes, .. } = spans[earlier];
        let day = usize::try_from(weekday - 1).ok().and_then(|day| WEEKDAYS.get(day)).copied().unwrap_or_default();
        Some((format!("/{index}"), format!("overlaps /{earlier}, {day} {opens}–{closes}")))
    };
    spans.iter().enumerate().filter_map(fault).collect()
}

fn opens_at_the_end(span: DaySpan) -> Option<String> {
    (span.opens.0 == MINUTES_A_DAY).then(|| "opens must be before 24:00".to_owned())
}

/// Whether two weekly spans overlap. A span of Sunday night may extend into Monday, so the weeks before and after are
/// checked, too.
fn overlap_in_a_week(one: Span, other: Span) -> bool {
    let apart = i32::from(other.weekday) - i32::from(one.weekday);
    (1..=7).contains(&one.weekday) && [-7, 0, 7].iter().any(|week| one.of_day().overlaps(other.of_day(), apart + week))
}

/// The errors of exceptions: a repeated date, or spans that overlap on a date or from one date into the next.
pub fn faults_of_exceptions(exceptions: &[Exception]) -> Vec<HoursFault> {
    if exceptions.len() > MAX_EXCEPTIONS {
        return vec![(String::new(), format!("must be at most {MAX_EXCEPTIONS} dates"))];
    }
    let mut faults = Vec::new();
    let mut seen: HashMap<NaiveDate, usize> = HashMap::new();
    for (index, exception) in exceptions.iter().enumerate() {
        if let Some(first) = seen.insert(exception.date, index) {
            faults.push((format!("/{index}/date"), format!("is already the date of /{first}")));
        }
        if exception.spans.len() > MAX_SPANS_PER_DATE {
            faults.push((format!("/{index}/spans"), format!("must be at most {MAX_SPANS_PER_DATE} spans")));
        }
    }
    if faults.is_empty() {
        faults.extend(exceptions.iter().enumerate().flat_map(|(index, _)| overlaps_at(exceptions, index, &seen)));
    }
    faults
}

/// The errors of the spans of an exception: those that open too late, overlap an earlier one of the date, or one of the
/// day before.
fn overlaps_at(exceptions: &[Exception], index: usize, by_date: &HashMap<NaiveDate, usize>) -> Vec<HoursFault> {
    let exception = &exceptions[index];
    let before = exception.date.checked_sub_days(Days::new(1)).and_then(|day| by_date.get(&day)).copied();
    let name = |of: usize, at: usize, span: DaySpan| {
        format!("overlaps /{of}/spans/{at}, {} {}–{}", exceptions[of].date, span.opens, span.closes)
    };
    let fault = |(at, span): (usize, &DaySpan)| {
        let own = exception.spans[..at].iter().position(|earlier| earlier.overlaps(*span, 0));
        let own = own.map(|earlier| name(index, earlier, exception.spans[earlier]));
        let other = || {
            let spans = &exceptions[before?].spans;
            let earlier = spans.iter().position(|earlier| earlier.overlaps(*span, 1))?;
            Some(name(before?, earlier, spans[earlier]))
        };
        let message = opens_at_the_end(*span).or(own).or_else(other)?;
        Some((format!("/{index}/spans/{at}"), message))
    };
    exception.spans.iter().enumerate().filter_map(fault).collect()
}
