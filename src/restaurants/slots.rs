//! Slots: the time slots of scheduled orders. Pure.
//!
//! Slots begin at local midnight and follow each other without gap or overlap, also when clocks change. A scheduled
//! order is due in one of them; which ones are available is decided by `orders/availability.rs`. Their length, capacity
//! and horizon are set in `restaurants/http.rs`; capacity is taken in `orders/sql/slots.rs`.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::timeline::{offset_spans, utc_offset};
use crate::problem::FieldError;

/// The slots of scheduled orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SlotRules {
    /// The length of a slot: 5 to 240 minutes, a divisor of a day.
    #[serde(default = "quarter")]
    #[schema(minimum = 5, maximum = 240, example = 15)]
    pub minutes: i16,
    /// How many orders may be due in one slot, orders for now included; null: unlimited.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10_000)]
    pub capacity: Option<i32>,
    /// How many days ahead an order may be scheduled; 0: no scheduled orders.
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

/// A time slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Slot {
    /// The beginning of the slot.
    pub starts_at: DateTime<Utc>,
    /// The end of the slot (exclusive).
    pub ends_at: DateTime<Utc>,
}

impl SlotRules {
    /// The errors of the rules.
    pub fn faults(&self) -> Vec<FieldError> {
        let mut faults = Vec::new();
        if !(5..=240).contains(&self.minutes) || 1_440 % self.minutes != 0 {
            let message = "must be 5 to 240 and divide a day: 5, 10, 15, 20, 30, 60 …";
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

    /// The slot that contains an instant. Slots begin at multiples of their length after local midnight, and at each
    /// change of the clocks one ends and the next begins: so they never overlap and leave no gap, and those next to a
    /// change may be shorter.
    pub fn slot_of(self, zone: Tz, at: DateTime<Utc>) -> Slot {
        let length = TimeDelta::minutes(self.minutes.max(1).into());
        let clock = utc_offset(zone, at);
        let into_day = (at.timestamp() + clock.num_seconds()).rem_euclid(86_400);
        let second = at - TimeDelta::nanoseconds(at.timestamp_subsec_nanos().into());
        let starts_at = second - TimeDelta::seconds(into_day % length.num_seconds());
        let ends_at = starts_at + length;
        if utc_offset(zone, starts_at) != clock || utc_offset(zone, ends_at - TimeDelta::seconds(1)) != clock {
            let pieces = offset_spans(zone, starts_at, ends_at);
            if let Some(piece) = pieces.iter().find(|piece| piece.begin <= at && at < piece.end) {
                return Slot { starts_at: piece.begin, ends_at: piece.end };
            }
        }
        Slot { starts_at, ends_at }
    }

    /// The last instant for which an order may be scheduled.
    pub fn horizon(self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + TimeDelta::days(self.days_ahead.into())
    }

    /// The slots that begin on a local day, in order: they cover it without gap or overlap.
    pub fn of_day(self, zone: Tz, day: NaiveDate) -> Vec<Slot> {
        let midnight = day.and_time(NaiveTime::MIN).and_utc();
        // Clocks change by less than four hours.
        let mut slot = self.slot_of(zone, midnight - utc_offset(zone, midnight) - TimeDelta::hours(4));
        let mut slots = Vec::new();
        loop {
            let begins_on = slot.starts_at.with_timezone(&zone).date_naive();
            if begins_on > day {
                return slots;
            }
            if begins_on == day {
                slots.push(slot);
            }
            slot = self.slot_of(zone, slot.ends_at);
        }
    }
}
