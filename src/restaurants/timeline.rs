//! Divides time into spans of constant UTC offset, so that schedules are computed with intervals and not minute by
//! minute. Pure.
//!
//! Within a span the zone's offset does not change, so intervals of local time can be converted directly. The cost
//! grows with the number of days and intervals, not with the minutes between them.

use std::collections::HashMap;
use std::ops::Range;

use chrono::{DateTime, NaiveDateTime, NaiveTime, Offset as _, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

use super::hours::Schedule;
use crate::fulfilment::Fulfilment;
use crate::step_count;

/// A half-open span of time during which a zone's offset from UTC is constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetSpan {
    /// Its first instant.
    pub begin: DateTime<Utc>,
    /// The first instant after it.
    pub end: DateTime<Utc>,
    /// The offset from UTC.
    pub ahead: TimeDelta,
}

impl OffsetSpan {
    /// The local time at an instant of this span.
    pub fn local(&self, at: DateTime<Utc>) -> NaiveDateTime {
        step_count::step(1);
        at.naive_utc() + self.ahead
    }

    /// The instant of a local time at the offset of this span.
    fn instant(&self, local: NaiveDateTime) -> DateTime<Utc> {
        step_count::step(1);
        (local - self.ahead).and_utc()
    }
}

/// The offset of a time zone from UTC.
pub(super) fn utc_offset(zone: Tz, at: DateTime<Utc>) -> TimeDelta {
    step_count::step(1);
    TimeDelta::seconds(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc().into())
}

/// The spans between two instants, in order, without gaps; empty if there is no time between them.
///
/// Changes are found by bisection: no zone changes its clocks twice within twelve hours.
pub fn offset_spans(zone: Tz, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<OffsetSpan> {
    const STEP: TimeDelta = TimeDelta::hours(12);
    let mut found = Vec::new();
    let (mut begin, mut at) = (from, from);
    while at < until {
        let next = (at + STEP).min(until);
        let (before, after) = (utc_offset(zone, at), utc_offset(zone, next));
        if before != after {
            let (mut low, mut high) = (at.timestamp(), next.timestamp());
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                let unchanged = DateTime::from_timestamp(middle, 0).is_some_and(|at| utc_offset(zone, at) == before);
                if unchanged { low = middle } else { high = middle }
            }
            let change = DateTime::from_timestamp(high, 0).unwrap_or(next);
            if change > begin {
                found.push(OffsetSpan { begin, end: change, ahead: before });
            }
            begin = change;
        }
        at = next;
    }
    if begin < until {
        found.push(OffsetSpan { begin, end: until, ahead: utc_offset(zone, begin) });
    }
    found
}

/// A half-open span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Its first instant.
    pub from: DateTime<Utc>,
    /// The first instant after it.
    pub until: DateTime<Utc>,
}

impl Period {
    /// Whether it contains an instant.
    pub fn contains(self, at: DateTime<Utc>) -> bool {
        self.from <= at && at < self.until
    }
}

/// Intervals of time, half-open, sorted, that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intervals(Vec<Range<DateTime<Utc>>>);

impl Intervals {
    fn new(mut all: Vec<Range<DateTime<Utc>>>) -> Self {
        all.sort_unstable_by_key(|one| one.start);
        let mut merged: Vec<Range<DateTime<Utc>>> = Vec::with_capacity(all.len());
        for one in all {
            match merged.last_mut() {
                Some(last) if one.start <= last.end => last.end = last.end.max(one.end),
                _ => merged.push(one),
            }
        }
        Self(merged)
    }

    /// The first interval that does not end before an instant.
    fn from(&self, at: DateTime<Utc>) -> Option<&Range<DateTime<Utc>>> {
        step_count::step(1);
        self.0.get(self.0.partition_point(|one| one.end <= at))
    }

    /// Whether one of them contains an instant.
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.from(at).is_some_and(|one| one.start <= at)
    }

    /// The first instant from `from` on that one of them contains.
    pub fn next(&self, from: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.from(from).map(|one| one.start.max(from))
    }

    /// All intervals, in order.
    pub fn periods(&self) -> impl Iterator<Item = Period> {
        self.0.iter().map(|one| Period { from: one.start, until: one.end })
    }

    /// The number of intervals.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl Schedule {
    /// The intervals between two instants in which it is open for a fulfilment: exactly the instants for which
    /// `open_for` contains it.
    pub fn open_between(
        &self,
        zone: Tz,
        fulfilment: Fulfilment,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Intervals {
        let exceptions: HashMap<_, _> = self.exceptions.iter().map(|one| (one.date, one)).collect();
        let mut open = Vec::new();
        for stretch in offset_spans(zone, from, until) {
            let (first, last) = (stretch.local(stretch.begin).date(), stretch.local(stretch.end).date());
            // A span of the day before may still be open.
            for date in first.pred_opt().unwrap_or(first).iter_days().take_while(|date| *date <= last) {
                let midnight = date.and_time(NaiveTime::MIN);
                for span in self.spans_on(date, exceptions.get(&date).copied()) {
                    let minute = |minutes: i16| stretch.instant(midnight + TimeDelta::minutes(minutes.into()));
                    let (start, end) = (minute(span.opens.minutes()), minute(span.closes_after()));
                    let (start, end) = (start.max(stretch.begin), end.min(stretch.end));
                    if span.fulfilments.contains(fulfilment) && start < end {
                        open.push(start..end);
                    }
                }
            }
        }
        Intervals::new(open)
    }
}
