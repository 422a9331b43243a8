//! When orders are accepted and for when they can be promised, by opening hours, preparation, travel time and last
//! orders. Pure.
//!
//! One rule for orders as soon as possible and for scheduled orders: preparation begins only while the restaurant is
//! open and before its last order, and the customer has the order after preparation and travel, by the last hand-over
//! at the latest. So nothing is promised before opening plus preparation plus travel, nor after the last hand-over.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Pause;
use super::fulfilments::Fulfilments;
use super::hours::Schedule;
use super::slots::Slot;
use super::timeline::Period;
use crate::fulfilment::Fulfilment;
use crate::problem::FieldError;
use crate::step_count;

/// The last order and the last hand-over for one fulfilment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = LastOrderTime)]
pub struct LastOrder {
    /// How many minutes before closing the last order is accepted, 0 to 480; null: the preparation time.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 480)]
    pub cut_off_minutes: Option<i16>,
    /// How many minutes after closing an order may still be handed over (delivered, for a delivery), 0 to 480.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 480)]
    pub hand_over_minutes: i16,
}

/// The last order and the last hand-over, by fulfilment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LastOrders {
    /// Last orders for delivery.
    #[serde(default)]
    pub delivery: LastOrder,
    /// Last orders for pickup.
    #[serde(default)]
    pub pickup: LastOrder,
    /// Last orders for dine-in.
    #[serde(default)]
    pub dine_in: LastOrder,
}

impl LastOrders {
    /// The settings of one fulfilment.
    pub const fn of(&self, fulfilment: Fulfilment) -> LastOrder {
        match fulfilment {
            Fulfilment::Delivery => self.delivery,
            Fulfilment::Pickup => self.pickup,
            Fulfilment::DineIn => self.dine_in,
        }
    }

    /// The errors of values out of range.
    pub fn faults(&self) -> Vec<FieldError> {
        let range = 0..=480;
        let parts = [("delivery", self.delivery), ("pickup", self.pickup), ("dineIn", self.dine_in)];
        let mut faults = Vec::new();
        for (name, LastOrder { cut_off_minutes, hand_over_minutes }) in parts {
            if cut_off_minutes.is_some_and(|minutes| !range.contains(&minutes)) {
                let pointer = format!("/lastOrders/{name}/cutOffMinutes");
                faults.push(FieldError::invalid(pointer, "must be between 0 and 480, or null"));
            }
            if !range.contains(&hand_over_minutes) {
                let pointer = format!("/lastOrders/{name}/handOverMinutes");
                faults.push(FieldError::invalid(pointer, "must be between 0 and 480"));
            }
        }
        faults
    }
}

/// The durations of an order, and its limits around closing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeadTimes {
    /// From the beginning of preparation to ready.
    pub preparation: TimeDelta,
    /// From ready to the customer.
    pub way: TimeDelta,
    /// How long before closing the last order is begun.
    pub cut_off: TimeDelta,
    /// How long after closing the last order is handed over.
    pub hand_over: TimeDelta,
}

impl LeadTimes {
    /// From these minutes and the last orders of the fulfilment.
    pub fn of(preparation_minutes: i16, way_minutes: i16, last: LastOrder) -> Self {
        let minutes = |count: i16| TimeDelta::minutes(count.into());
        Self {
            preparation: minutes(preparation_minutes),
            way: minutes(way_minutes),
            cut_off: minutes(last.cut_off_minutes.unwrap_or(preparation_minutes)),
            hand_over: minutes(last.hand_over_minutes),
        }
    }

    /// From the beginning of preparation to the customer.
    pub fn whole(self) -> TimeDelta {
        self.preparation + self.way
    }

    /// The period in which an order may be begun, if the restaurant is open for `open`; `None`: there is none.
    pub fn begins_in(self, open: Period) -> Option<Period> {
        let until = (open.until - self.cut_off).min(open.until + self.hand_over - self.whole());
        (open.from < until).then_some(Period { from: open.from, until })
    }
}

/// A time for which an order can be promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// The earliest time at which the customer can have the order.
    pub arrives_at: DateTime<Utc>,
    /// The earliest time at which it may be ready.
    pub ready_from: DateTime<Utc>,
    /// The latest time at which it may be ready.
    pub ready_until: DateTime<Utc>,
}

/// Why an order cannot be promised for a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPromise {
    /// Preparation and travel take longer than until the end of the slot.
    TooSoon,
    /// The restaurant is open in the slot, but no order can be handed over: too soon after opening, or after the last
    /// order.
    NotThen,
    /// The restaurant is closed during the slot.
    Closed,
}

/// The periods in which orders of one fulfilment can be started, up to the end of the look-ahead.
#[derive(Debug, Clone)]
pub struct OrderTimes {
    lead_times: LeadTimes,
    /// The opening periods, in order.
    open: Vec<Period>,
    /// For each period in which orders can be begun, the period for which it is open.
    begins: Vec<(Period, Period)>,
}

/// How far before and after a time opening periods are read: an order takes at most 16 hours.
const MARGIN: TimeDelta = TimeDelta::days(2);

impl OrderTimes {
    /// The times of a schedule, between two instants.
    pub fn of(
        schedule: &Schedule,
        zone: chrono_tz::Tz,
        fulfilment: Fulfilment,
        lead_times: LeadTimes,
        (from, until): (DateTime<Utc>, DateTime<Utc>),
    ) -> Self {
        let open = schedule.open_between(zone, fulfilment, from - MARGIN, until + MARGIN);
        let open: Vec<_> = open.periods().collect();
        let begins = open.iter().filter_map(|open| Some((lead_times.begins_in(*open)?, *open))).collect();
        Self { lead_times, open, begins }
    }

    /// The promise of an order as soon as possible at an instant; `None`: none is accepted.
    pub fn now(&self, at: DateTime<Utc>) -> Option<Promise> {
        step_count::step(self.begins.len());
        let (_, open) = self.begins.iter().find(|(begins, _)| begins.contains(at))?;
        Some(promise(self.lead_times, *open, at + self.lead_times.whole()))
    }

    /// The first instant from `from` on at which an order as soon as possible is accepted; `None`: there is none within
    /// the look-ahead.
    pub fn takes_next(&self, from: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.begins.iter().find(|(begins, _)| begins.until > from).map(|(begins, _)| begins.from.max(from))
    }

    /// The first instant from `from` on at which it is open.
    pub fn opens_next(&self, from: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.open.iter().find(|open| open.until > from).map(|open| open.from.max(from))
    }

    /// The promise of an order for a slot, if it is begun at `now` or later.
    ///
    /// # Errors
    /// The reason why no order can be promised within the slot.
    pub fn within(&self, slot: Slot, now: DateTime<Utc>) -> Result<Promise, NoPromise> {
        let whole = self.lead_times.whole();
        let first = self.begins.partition_point(|(begins, _)| begins.until + whole <= slot.starts_at);
        let mut refusal = None;
        step_count::step(1);
        for (begins, open) in &self.begins[first..] {
            step_count::step(1);
            if begins.from + whole >= slot.ends_at {
                break;
            }
            let arrives_at = slot.starts_at.max(begins.from + whole).max(now + whole);
            if arrives_at < slot.ends_at.min(begins.until + whole) {
                return Ok(promise(self.lead_times, *open, arrives_at));
            }
            refusal = Some(NoPromise::TooSoon);
        }
        Err(refusal.unwrap_or_else(|| self.is_open_in(slot)))
    }

    fn is_open_in(&self, slot: Slot) -> NoPromise {
        let first = self.open.partition_point(|open| open.until <= slot.starts_at);
        let meets = self.open.get(first).is_some_and(|open| open.from < slot.ends_at);
        if meets { NoPromise::NotThen } else { NoPromise::Closed }
    }

    /// The periods from an instant on in which an order can be handed over, in order.
    pub fn deliverable(&self, from: DateTime<Utc>) -> impl Iterator<Item = Period> {
        let whole = self.lead_times.whole();
        let all = self
            .begins
            .iter()
            .map(move |(begins, _)| Period { from: begins.from + whole, until: begins.until + whole });
        all.filter(move |period| period.until > from)
    }
}

fn promise(lead_times: LeadTimes, open: Period, arrives_at: DateTime<Utc>) -> Promise {
    let ready_until = open.until + lead_times.hand_over - lead_times.way;
    Promise { arrives_at, ready_from: arrives_at - lead_times.way, ready_until }
}

/// The uninterrupted opening period of a restaurant at an instant, for each fulfilment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpenNow {
    delivery: Option<Period>,
    pickup: Option<Period>,
    dine_in: Option<Period>,
}

impl OpenNow {
    /// The periods in which orders are accepted now. None when the restaurant accepts no orders, or has paused.
    pub fn of(
        is_accepting: bool,
        pause: Option<&Pause>,
        schedule: &Schedule,
        zone: chrono_tz::Tz,
        now: DateTime<Utc>,
    ) -> Self {
        if is_accepting && pause.is_none() { Self::at(schedule, zone, now) } else { Self::default() }
    }

    /// The periods at an instant, limited to two days before and one day after it.
    fn at(schedule: &Schedule, zone: chrono_tz::Tz, now: DateTime<Utc>) -> Self {
        let find = |fulfilment| {
            let open = schedule.open_between(zone, fulfilment, now - MARGIN, now + TimeDelta::days(1));
            open.periods().find(|open| open.contains(now))
        };
        Self {
            delivery: find(Fulfilment::Delivery),
            pickup: find(Fulfilment::Pickup),
            dine_in: find(Fulfilment::DineIn),
        }
    }

    const fn period(&self, fulfilment: Fulfilment) -> Option<Period> {
        match fulfilment {
            Fulfilment::Delivery => self.delivery,
            Fulfilment::Pickup => self.pickup,
            Fulfilment::DineIn => self.dine_in,
        }
    }

    /// The promise of an order as soon as possible; `None`: none is accepted.
    pub fn promise(&self, fulfilment: Fulfilment, lead_times: LeadTimes, now: DateTime<Utc>) -> Option<Promise> {
        let open = self.period(fulfilment)?;
        lead_times
            .begins_in(open)
            .filter(|begins| begins.contains(now))
            .map(|_| promise(lead_times, open, now + lead_times.whole()))
    }

    /// The fulfilments for which an order as soon as possible is accepted, without travel time.
    pub fn takes(&self, preparation_minutes: i16, last: &LastOrders, now: DateTime<Utc>) -> Fulfilments {
        let takes = |fulfilment| {
            self.promise(fulfilment, LeadTimes::of(preparation_minutes, 0, last.of(fulfilment)), now).is_some()
        };
        Fulfilments {
            delivery: takes(Fulfilment::Delivery),
            pickup: takes(Fulfilment::Pickup),
            dine_in: takes(Fulfilment::DineIn),
        }
    }
}
