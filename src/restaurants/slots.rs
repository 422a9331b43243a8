//! Slots: the pieces of the day for which orders are placed ahead, and which of them is the earliest. Pure.
//!
//! Slots begin at the local midnight and follow each other without gaps. An order for later is due in one of them.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Timelike as _, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::hours::Schedule;
use super::timeline::Intervals;
use crate::orders::Fulfilment;
use crate::problem::FieldError;

/// How a restaurant takes orders for later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SlotRules {
    /// How long a slot lasts: 5 to 240 minutes, of which a day holds a whole number.
    #[serde(default = "quarter")]
    #[schema(minimum = 5, maximum = 240, example = 15)]
    pub minutes: i16,
    /// Orders that may be due in one slot, those for now included; null: any number.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10_000)]
    pub capacity: Option<i32>,
    /// How many days ahead an order may be placed; 0: for now only.
    #[serde(default = "week")]
    #[schema(minimum = 0, maximum = 30, example = 7)]
    pub days_ahead: i16,
}

const fn quarter() -> i16 {
    15
}

const fn week() -> i16 {
    7
}

impl Default for SlotRules {
    fn default() -> Self {
        Self { minutes: quarter(), capacity: None, days_ahead: week() }
    }
}

/// A slot: half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Slot {
    /// Its beginning.
    pub starts_at: DateTime<Utc>,
    /// Its end.
    pub ends_at: DateTime<Utc>,
}

/// How far ahead an opening is looked for.
pub const HORIZON: TimeDelta = TimeDelta::days(32);

impl SlotRules {
    /// What about them cannot be.
    pub fn faults(&self) -> Vec<FieldError> {
        let mut faults = Vec::new();
        if !(5..=240).contains(&self.minutes) || 1_440 % self.minutes != 0 {
            let message = "must be 5 to 240, and a day must hold a whole number of slots: 5, 10, 15, 20, 30, 60 …";
            faults.push(FieldError::invalid("/slots/minutes", message));
        }
        if self.capacity.is_some_and(|capacity| !(1..=10_000).contains(&capacity)) {
            faults.push(FieldError::invalid("/slots/capacity", "must be between 1 and 10000, or null"));
        }
        if !(0..=30).contains(&self.days_ahead) {
            faults.push(FieldError::invalid("/slots/daysAhead", "must be between 0 and 30"));
        }
        faults
    }

    /// The slot that holds an instant.
    pub fn slot_of(self, zone: Tz, at: DateTime<Utc>) -> Slot {
        let length = TimeDelta::minutes(self.minutes.max(1).into());
        let local = at.with_timezone(&zone);
        let into_slot = i64::from(local.num_seconds_from_midnight()) % length.num_seconds();
        let fraction = TimeDelta::nanoseconds(at.timestamp_subsec_nanos().into());
        let starts_at = at - TimeDelta::seconds(into_slot) - fraction;
        Slot { starts_at, ends_at: starts_at + length }
    }

    /// The last instant an order may be placed for.
    pub fn horizon(self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + TimeDelta::days(self.days_ahead.into())
    }

    /// The slots that begin on a local day, in their sequence. On a night on which clocks change, slots of an uneven length
    /// may run into each other: then those are named that hold the instant at which they begin.
    pub fn of_day(self, zone: Tz, day: NaiveDate) -> Vec<Slot> {
        // Local midnight is at most 14 hours before that of UTC, and a slot is at most four hours long.
        let mut slot = self.slot_of(zone, day.and_time(NaiveTime::MIN).and_utc() - TimeDelta::hours(18));
        let mut slots = Vec::new();
        loop {
            let begins_on = slot.starts_at.with_timezone(&zone).date_naive();
            if begins_on > day {
                return slots;
            }
            if begins_on == day && self.slot_of(zone, slot.starts_at) == slot {
                slots.push(slot);
            }
            slot = self.slot_of(zone, slot.ends_at);
        }
    }

    /// The first slot not over when an order begun now could be there (`ready`), at whose beginning the door is open, and
    /// that is not full. `None`: there is none before `until`.
    pub fn earliest(
        self,
        door: Door<'_>,
        ready: DateTime<Utc>,
        until: DateTime<Utc>,
        is_full: impl Fn(DateTime<Utc>) -> bool,
    ) -> Option<Slot> {
        let mut slot = self.slot_of(door.zone, ready);
        // Written down once: many short spans would be looked up for each of thousands of slots.
        let open = door.open_between(slot.starts_at, until + TimeDelta::days(1));
        while slot.starts_at <= until {
            if !open.contains(slot.starts_at) {
                let opens = open.next(slot.starts_at)?;
                let holds = self.slot_of(door.zone, opens);
                slot = if holds.starts_at < opens { self.slot_of(door.zone, holds.ends_at) } else { holds };
            } else if is_full(slot.starts_at) {
                slot = self.slot_of(door.zone, slot.ends_at);
            } else {
                return Some(slot);
            }
        }
        None
    }
}

/// A restaurant's door, for one fulfilment.
#[derive(Debug, Clone, Copy)]
pub struct Door<'a> {
    /// When it is open.
    pub schedule: &'a Schedule,
    /// In which zone.
    pub zone: Tz,
    /// For what.
    pub fulfilment: Fulfilment,
}

impl Door<'_> {
    /// Whether it is open at an instant.
    pub fn is_open(self, at: DateTime<Utc>) -> bool {
        self.schedule.open_for(self.zone, at).contains(self.fulfilment)
    }

    /// When it is open between two instants.
    pub fn open_between(self, from: DateTime<Utc>, until: DateTime<Utc>) -> Intervals {
        self.schedule.open_between(self.zone, self.fulfilment, from, until)
    }

    /// The first instant from one on at which it is open; `None`: it does not open within a month.
    pub fn opens_next(self, from: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.open_between(from, from + HORIZON).next(from)
    }
}
