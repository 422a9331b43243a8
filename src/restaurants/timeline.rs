//! Local time as a few stretches of UTC, so that schedules are computed from edge to edge and not minute by minute. Pure.
//!
//! Within a stretch the zone's offset does not change, so local time runs evenly and interval arithmetic holds. Work
//! grows with the number of days looked at and of intervals written down, never with the minutes between them.

use std::collections::HashMap;
use std::ops::Range;

use chrono::{DateTime, NaiveDateTime, NaiveTime, Offset as _, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

use super::hours::Schedule;
use crate::fulfilment::Fulfilment;
use crate::work;

/// A stretch of time, half-open, during which a zone's clocks are ahead of UTC by the same amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Its first instant.
    pub begin: DateTime<Utc>,
    /// The first instant behind it.
    pub end: DateTime<Utc>,
    /// How far clocks are ahead of UTC.
    pub ahead: TimeDelta,
}

impl Stretch {
    /// What the clocks show at an instant of this stretch.
    pub fn local(&self, at: DateTime<Utc>) -> NaiveDateTime {
        work::step(1);
        at.naive_utc() + self.ahead
    }

    /// When they show it, if they did not change.
    fn instant(&self, local: NaiveDateTime) -> DateTime<Utc> {
        work::step(1);
        (local - self.ahead).and_utc()
    }
}

/// How far a zone's clocks are ahead of UTC.
pub(super) fn ahead(zone: Tz, at: DateTime<Utc>) -> TimeDelta {
    work::step(1);
    TimeDelta::seconds(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc().into())
}

/// The stretches between two instants, in their order, without gaps; none if there is no time between them.
///
/// A change is found by halving: no zone changes its clocks twice within twelve hours.
pub fn stretches(zone: Tz, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<Stretch> {
    const STEP: TimeDelta = TimeDelta::hours(12);
    let mut found = Vec::new();
    let (mut begin, mut at) = (from, from);
    while at < until {
        let next = (at + STEP).min(until);
        let (before, after) = (ahead(zone, at), ahead(zone, next));
        if before != after {
            let (mut low, mut high) = (at.timestamp(), next.timestamp());
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                let unchanged = DateTime::from_timestamp(middle, 0).is_some_and(|at| ahead(zone, at) == before);
                if unchanged { low = middle } else { high = middle }
            }
            let change = DateTime::from_timestamp(high, 0).unwrap_or(next);
            if change > begin {
                found.push(Stretch { begin, end: change, ahead: before });
            }
            begin = change;
        }
        at = next;
    }
    if begin < until {
        found.push(Stretch { begin, end: until, ahead: ahead(zone, begin) });
    }
    found
}

/// A half-open span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Its first instant.
    pub from: DateTime<Utc>,
    /// The first instant behind it.
    pub until: DateTime<Utc>,
}

impl Period {
    /// Whether an instant lies in it.
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

    /// The first of them that does not end before an instant.
    fn from(&self, at: DateTime<Utc>) -> Option<&Range<DateTime<Utc>>> {
        work::step(1);
        self.0.get(self.0.partition_point(|one| one.end <= at))
    }

    /// Whether an instant lies in one of them.
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.from(at).is_some_and(|one| one.start <= at)
    }

    /// The first instant from one on that lies in one of them.
    pub fn next(&self, from: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.from(from).map(|one| one.start.max(from))
    }

    /// Each of them, in their order.
    pub fn periods(&self) -> impl Iterator<Item = Period> {
        self.0.iter().map(|one| Period { from: one.start, until: one.end })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl Schedule {
    /// When it is open for a fulfilment between two instants: exactly the instants for which `open_for` says so.
    pub fn open_between(
        &self,
        zone: Tz,
        fulfilment: Fulfilment,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Intervals {
        let exceptions: HashMap<_, _> = self.exceptions.iter().map(|one| (one.date, one)).collect();
        let mut open = Vec::new();
        for stretch in stretches(zone, from, until) {
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
