//! Decides for which times an order can be placed: now or in a slot, and the nearest slot if it cannot. Pure.
//!
//! The rule on opening hours, preparation time and last orders is in `restaurants/last_orders.rs`; it is the same for
//! orders as soon as possible and for scheduled orders.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::fulfilment::Fulfilment;
use crate::money::Overflow;
use crate::problem::{Code, Problem};
use crate::restaurants::Restaurant;
use crate::restaurants::hours::Schedule;
use crate::restaurants::last_orders::{LeadTimes, NoPromise, OrderTimes, Promise};
use crate::restaurants::slots::Slot;

/// The time for which an order is placed.
#[derive(Debug, Clone, Copy)]
pub struct FulfilmentTime {
    /// The requested slot; `None`: as soon as possible.
    pub scheduled: Option<Slot>,
    /// The instant for which the availability of menu items is decided.
    pub at: DateTime<Utc>,
    /// When the customer can have it, and between which instants it is ready.
    pub promise: Promise,
    /// For a scheduled order, the next instant at which the restaurant is open, which is now if it is open already.
    /// `None`: the order is for as soon as possible, or the restaurant does not open within [`LOOK_AHEAD`].
    pub opens_at: Option<DateTime<Utc>>,
}

/// Why no order can be placed for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// The restaurant takes no orders of this fulfilment at that instant.
    Closed(DateTime<Utc>),
    /// The time has passed, is further ahead than orders are taken, or a fresh order could not be ready in time.
    OutOfReach,
    /// The restaurant is open then, but hands nothing over: too soon after opening, or after the last order.
    NoHandOver,
    /// The slot is full.
    SlotFull(Slot),
}

/// Why an order is refused: a complete problem, or an unavailable time, for which the nearest alternative still has to
/// be determined.
#[derive(Debug)]
pub enum OrderRefusal {
    /// A complete problem.
    Problem(Problem),
    /// The time is not available; [`AvailabilityQuery::problem`] makes the response.
    Unavailable(Unavailable),
}

impl From<Problem> for OrderRefusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Overflow> for OrderRefusal {
    fn from(overflow: Overflow) -> Self {
        Self::Problem(overflow.into())
    }
}

impl From<Unavailable> for OrderRefusal {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

/// The longest length of a slot (constraint `slots_length`), so that a slot which began earlier has ended.
pub const LONGEST_SLOT: TimeDelta = TimeDelta::minutes(240);

/// The number of orders that are due in each slot, by the slot's beginning. Slots of different lengths overlap if a
/// restaurant has changed the length.
#[derive(Debug, Default)]
pub struct DueOrders(BTreeMap<DateTime<Utc>, (DateTime<Utc>, i32)>);

impl FromIterator<(Slot, i32)> for DueOrders {
    fn from_iter<T: IntoIterator<Item = (Slot, i32)>>(counts: T) -> Self {
        Self(counts.into_iter().map(|(slot, orders)| (slot.starts_at, (slot.ends_at, orders))).collect())
    }
}

impl DueOrders {
    /// The number of orders that are due in a slot or in one that overlaps with it.
    pub fn within(&self, slot: Slot) -> i32 {
        let begun = self.0.range(slot.starts_at - LONGEST_SLOT..slot.ends_at);
        begun.filter(|(_, (ends_at, _))| *ends_at > slot.starts_at).map(|(_, (_, orders))| orders).sum()
    }
}

/// How far ahead opening hours are searched: one day more than the longest time ahead that an order can be scheduled
/// (30 days).
pub const LOOK_AHEAD: TimeDelta = TimeDelta::days(31);

/// The last date whose exceptional hours a decision at `now` can depend on: [`LOOK_AHEAD`], the margin of `OrderTimes`
/// (two days), and a day on either side for the difference between UTC and local dates: together 4 days.
pub fn last_day(now: DateTime<Utc>) -> NaiveDate {
    (now + LOOK_AHEAD).date_naive() + Days::new(4)
}

/// Everything that decides for which times a restaurant accepts an order of one fulfilment.
#[derive(Clone, Copy)]
pub struct AvailabilityQuery<'a> {
    /// The restaurant, with its pause and its rules for slots.
    pub restaurant: &'a Restaurant,
    /// The restaurant's time zone.
    pub zone: Tz,
    /// Its hours, with the exceptions at least from two days ago to [`last_day`].
    pub schedule: &'a Schedule,
    /// The fulfilment of the order.
    pub fulfilment: Fulfilment,
    /// Travel time to the delivery address, in minutes, once the order is ready; 0 for pickup and dine-in.
    pub lead_minutes: i16,
    /// The time of the decision.
    pub now: DateTime<Utc>,
}

impl<'a> AvailabilityQuery<'a> {
    fn lead_times(&self) -> LeadTimes {
        let last = self.restaurant.last_orders.of(self.fulfilment);
        LeadTimes::of(self.restaurant.preparation_minutes, self.lead_minutes, last)
    }

    fn calendar(self) -> Calendar<'a> {
        let (restaurant, now) = (self.restaurant, self.now);
        let orders =
            OrderTimes::of(self.schedule, self.zone, self.fulfilment, self.lead_times(), (now, now + LOOK_AHEAD));
        let paused_until = restaurant.pause.as_ref().map_or(now, |pause| pause.until.max(now));
        Calendar { query: self, orders, paused_until }
    }

    /// The time of an order that is requested for an instant, or with `None` as soon as possible.
    ///
    /// # Errors
    /// The reason why the restaurant takes no such order. Whether the slot is full is decided by
    /// [`AvailabilityQuery::due_slot`].
    pub fn fulfilment_time(self, requested: Option<DateTime<Utc>>) -> Result<FulfilmentTime, Unavailable> {
        let (restaurant, now) = (self.restaurant, self.now);
        let Some(requested) = requested else {
            let promise =
                restaurant.open.promise(self.fulfilment, self.lead_times(), now).ok_or(Unavailable::Closed(now))?;
            return Ok(FulfilmentTime { scheduled: None, at: now, promise, opens_at: None });
        };
        // An instant far in the past or future could overflow the calculation.
        let reach = now - TimeDelta::days(1)..=restaurant.slots.horizon(now) + TimeDelta::days(1);
        if !reach.contains(&requested) {
            return Err(Unavailable::OutOfReach);
        }
        let slot = restaurant.slots.slot_of(self.zone, requested);
        let calendar = self.calendar();
        let promise = calendar.promise(slot)?;
        let opens_at = calendar.orders.opens_next(now);
        Ok(FulfilmentTime { scheduled: Some(slot), at: promise.arrives_at, promise, opens_at })
    }

    /// The slots of a local day for which an order could be placed now, full ones included.
    pub fn slots_of_day(self, day: NaiveDate) -> Vec<Slot> {
        let (rules, now) = (self.restaurant.slots, self.now);
        let local = |at: DateTime<Utc>| at.with_timezone(&self.zone).date_naive();
        // The current slot may have begun yesterday.
        if day < local(rules.slot_of(self.zone, now).starts_at) || day > local(rules.horizon(now)) {
            return Vec::new();
        }
        let calendar = self.calendar();
        let mut slots = rules.of_day(self.zone, day);
        slots.retain(|slot| calendar.promise(*slot).is_ok());
        slots
    }

    /// The first slot from an instant on for which an order could be placed now and which is not full; `None`: every
    /// slot up to the largest time ahead is full or unavailable. `due` holds the orders of
    /// [`AvailabilityQuery::bookable`].
    pub fn earliest_slot(self, from: DateTime<Utc>, due: &DueOrders) -> Option<Slot> {
        self.restaurant.accepting.then(|| self.calendar().earliest(from, due)).flatten()
    }

    /// The slot in which an order that is begun now would reach the customer.
    pub fn slot_of_arrival(self) -> Slot {
        self.restaurant.slots.slot_of(self.zone, self.now + self.lead_times().whole())
    }

    /// The span that holds every slot for which an order could be placed.
    pub fn bookable(self) -> (DateTime<Utc>, DateTime<Utc>) {
        (self.now - LONGEST_SLOT, self.restaurant.slots.horizon(self.now) + LONGEST_SLOT)
    }

    /// The slot whose capacity an order takes, if the restaurant limits slots: the requested one, or for an order as
    /// soon as possible the one in which it is with the customer.
    pub fn limited_slot(self, time: FulfilmentTime) -> Option<Slot> {
        self.restaurant.slots.capacity?;
        Some(time.scheduled.unwrap_or_else(|| self.restaurant.slots.slot_of(self.zone, time.promise.arrives_at)))
    }

    /// The same, checked against the orders that are due.
    ///
    /// # Errors
    /// When as many orders are due in it as its capacity allows.
    pub fn due_slot(self, time: FulfilmentTime, due: &DueOrders) -> Result<Option<Slot>, Unavailable> {
        match self.limited_slot(time) {
            Some(slot) if self.is_full(slot, due) => Err(Unavailable::SlotFull(slot)),
            slot => Ok(slot),
        }
    }

    /// Whether as many orders are due in a slot as its capacity allows; never without a capacity.
    pub fn is_full(self, slot: Slot, due: &DueOrders) -> bool {
        self.restaurant.slots.capacity.is_some_and(|capacity| due.within(slot) >= capacity)
    }

    /// The response to an order for an unavailable time, with the nearest alternative. `due` holds the orders of
    /// [`AvailabilityQuery::bookable`].
    pub fn problem(self, unavailable: Unavailable, due: &DueOrders) -> Problem {
        match unavailable {
            Unavailable::Closed(at) => self.closed(at, due),
            Unavailable::OutOfReach | Unavailable::NoHandOver => self.slot_unavailable(unavailable, due),
            Unavailable::SlotFull(slot) => self.slot_full(slot, due),
        }
    }

    fn closed(self, at: DateTime<Utc>, due: &DueOrders) -> Problem {
        let (restaurant, calendar) = (self.restaurant, self.calendar());
        let from = calendar.paused_until.max(at);
        let opens = calendar.orders.takes_next(from).filter(|_| restaurant.accepting);
        let problem = match &restaurant.pause {
            Some(pause) if at < pause.until => {
                let until = pause.until.to_rfc3339_opts(SecondsFormat::Secs, true);
                let detail = format!("The restaurant takes no orders until {until}: {}", pause.reason);
                Problem::new(Code::RestaurantPaused, detail)
                    .with("pausedUntil", pause.until)
                    .with("reason", &pause.reason)
            }
            _ => {
                let is_now = at == self.now;
                let detail = if !restaurant.accepting {
                    "The restaurant takes no orders at the moment. Try again later."
                } else if is_now && calendar.orders.opens_next(at) == Some(at) {
                    "The restaurant is open, but the last order time has passed: order for earliestSlot or nextOpensAt."
                } else if is_now && restaurant.open_now {
                    "The restaurant is open, but not for this fulfilment: see openFor."
                } else {
                    "The restaurant is closed at that time. Order for nextOpensAt or later, or choose another \
                     fulfilment."
                };
                Problem::new(Code::RestaurantClosed, detail)
                    .with("hours", &restaurant.hours)
                    .with("openFor", restaurant.open_for)
            }
        };
        problem.with("nextOpensAt", opens).with("earliestSlot", self.earliest_slot(at, due))
    }

    fn slot_unavailable(self, unavailable: Unavailable, due: &DueOrders) -> Problem {
        let rules = self.restaurant.slots;
        let detail = match (rules.days_ahead, unavailable) {
            (0, _) => "This restaurant does not take scheduled orders. Leave out scheduledFor.".to_owned(),
            (_, Unavailable::NoHandOver) => {
                "The restaurant is open at that time, but no order can be ready: orders are prepared between opening \
                 and the last order. Choose a slot from earliestSlot on."
                    .to_owned()
            }
            (days, _) => format!("Choose a slot from earliestSlot on, at most {days} days ahead."),
        };
        Problem::new(Code::SlotUnavailable, detail)
            .with("earliestSlot", self.earliest_slot(self.now, due))
            .with("latest", rules.horizon(self.now))
    }

    fn slot_full(self, slot: Slot, due: &DueOrders) -> Problem {
        let earliest = self.earliest_slot(slot.ends_at, due);
        let detail = match earliest {
            Some(_) => "Order for earliestSlot, which is available, or for another slot.",
            None => "No slot is available as far ahead as orders are taken. Try again later.",
        };
        Problem::new(Code::SlotFull, detail).with("slot", slot).with("earliestSlot", earliest)
    }
}

/// The times at which orders of one fulfilment are taken, over [`LOOK_AHEAD`].
struct Calendar<'a> {
    query: AvailabilityQuery<'a>,
    orders: OrderTimes,
    /// No orders are taken before this instant; `now` where there is no pause.
    paused_until: DateTime<Utc>,
}

impl Calendar<'_> {
    fn is_paused_at(&self, at: DateTime<Utc>) -> bool {
        self.paused_until > self.query.now && at < self.paused_until
    }

    /// The promise for a slot, whatever is ordered and however full it is.
    fn promise(&self, slot: Slot) -> Result<Promise, Unavailable> {
        let AvailabilityQuery { restaurant, now, .. } = self.query;
        if slot.ends_at <= now || slot.starts_at > restaurant.slots.horizon(now) {
            return Err(Unavailable::OutOfReach);
        }
        if !restaurant.accepting || self.is_paused_at(slot.starts_at) {
            return Err(Unavailable::Closed(slot.starts_at));
        }
        self.orders.within(slot, now).map_err(|refusal| match refusal {
            NoPromise::TooSoon => Unavailable::OutOfReach,
            NoPromise::NotThen => Unavailable::NoHandOver,
            NoPromise::Closed => Unavailable::Closed(slot.starts_at),
        })
    }

    fn earliest(&self, from: DateTime<Utc>, due: &DueOrders) -> Option<Slot> {
        let AvailabilityQuery { restaurant, zone, now, .. } = self.query;
        let (rules, horizon) = (restaurant.slots, restaurant.slots.horizon(now));
        let mut next = from.max(now);
        for period in self.orders.deliverable(next) {
            let mut slot = rules.slot_of(zone, next.max(period.from));
            while slot.starts_at < period.until {
                if slot.starts_at > horizon {
                    return None;
                }
                if self.promise(slot).is_ok() && !self.query.is_full(slot, due) {
                    return Some(slot);
                }
                slot = rules.slot_of(zone, slot.ends_at);
            }
            next = slot.starts_at;
        }
        None
    }
}
