//! For when an order is: whether the restaurant takes it at that time, in which slot it is due, and what the nearest
//! alternative is where it does not. The rule is `restaurants/last_orders.rs`, the same for now and for later.

use chrono::{DateTime, Days, NaiveDate, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::orders::sql::slots::{self, DueOrders};
use crate::fulfilment::Fulfilment;
use crate::problem::{Code, Problem};
use crate::restaurants::hours::Schedule;
use crate::restaurants::last_orders::{NoPromise, OrderTimes, Pace, Promise};
use crate::restaurants::slots::Slot;
use crate::restaurants::{self, Restaurant};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// For when an order is.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The slot it was asked for; `None`: as soon as can be.
    pub scheduled: Option<Slot>,
    /// The instant at which day-parts are looked at.
    pub at: DateTime<Utc>,
    /// When it can be with the guest, and between which instants it is ready.
    pub promise: Promise,
    /// From when on the restaurant is open, for an order for later; `None`: it is open, or never opens.
    pub opens: Option<DateTime<Utc>>,
}

/// What is asked of a restaurant's time.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Of whom.
    pub restaurant: &'a Restaurant,
    /// For what.
    pub fulfilment: Fulfilment,
    /// From ready to the door, in minutes.
    pub lead_minutes: i16,
}

/// What stands in the way of a slot, whatever is ordered and however full it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hindrance {
    /// It has passed, lies further ahead than orders are taken, or nothing that is begun now could be there in time.
    OutOfReach,
    /// The restaurant is open then, but hands nothing over: too soon after opening, or after the last order.
    NotThen,
    /// The restaurant takes nothing of this kind for it.
    Closed,
}

impl Asked<'_> {
    fn pace(&self) -> Pace {
        let last = self.restaurant.last_orders.of(self.fulfilment);
        Pace::of(self.restaurant.preparation_minutes, self.lead_minutes, last)
    }

    /// When an order that is begun at an instant would be with the guest.
    pub fn there(&self, begun: DateTime<Utc>) -> DateTime<Utc> {
        begun + self.pace().whole()
    }
}

/// A restaurant's time for one kind of order, as far ahead as orders are taken.
struct Times<'a> {
    restaurant: &'a Restaurant,
    zone: Tz,
    orders: OrderTimes,
    now: DateTime<Utc>,
    /// No orders before; now, where there is no pause.
    paused_until: DateTime<Utc>,
}

/// How far ahead an opening is looked for, at least.
const LONGEST_LOOK: TimeDelta = TimeDelta::days(31);

impl<'a> Times<'a> {
    async fn load(tx: &mut Tx, asked: Asked<'a>) -> Result<Self, Problem> {
        let (restaurant, now, zone) = (asked.restaurant, tx.now(), asked.restaurant.zone()?);
        // "Yesterday" is local: two days before in UTC are enough.
        let from = now.date_naive() - Days::new(2);
        let until = now + LONGEST_LOOK;
        let last = until.date_naive() + Days::new(4);
        let exceptions = restaurants::sql::hours::exceptions(tx, restaurant.id, from, Some(last)).await?;
        let schedule = Schedule { always: restaurant.always_open, weekly: restaurant.hours.clone(), exceptions };
        let orders = OrderTimes::of(&schedule, zone, asked.fulfilment, asked.pace(), (now, until));
        let paused_until = restaurant.pause.as_ref().map_or(now, |pause| pause.until.max(now));
        Ok(Self { restaurant, zone, orders, now, paused_until })
    }

    fn is_paused(&self) -> bool {
        self.paused_until > self.now
    }

    /// The promise for a slot, or why there is none.
    fn promise(&self, slot: Slot) -> Result<Promise, Hindrance> {
        if slot.ends_at <= self.now || slot.starts_at > self.restaurant.slots.horizon(self.now) {
            return Err(Hindrance::OutOfReach);
        }
        if !self.restaurant.accepting || (self.is_paused() && slot.starts_at < self.paused_until) {
            return Err(Hindrance::Closed);
        }
        self.orders.within(slot, self.now).map_err(|refusal| match refusal {
            NoPromise::TooSoon => Hindrance::OutOfReach,
            NoPromise::NotThen => Hindrance::NotThen,
            NoPromise::Closed => Hindrance::Closed,
        })
    }

    /// The first slot from an instant on that can be had and is not full.
    fn earliest(&self, from: DateTime<Utc>, taken: &DueOrders) -> Option<Slot> {
        let (rules, horizon) = (self.restaurant.slots, self.restaurant.slots.horizon(self.now));
        let mut next = from.max(self.now);
        for period in self.orders.deliverable(next) {
            let mut slot = rules.slot_of(self.zone, next.max(period.from));
            while slot.starts_at < period.until {
                if slot.starts_at > horizon {
                    return None;
                }
                if self.promise(slot).is_ok() && !is_full(self.restaurant, taken, slot) {
                    return Some(slot);
                }
                slot = rules.slot_of(self.zone, slot.ends_at);
            }
            next = slot.starts_at;
        }
        None
    }
}

/// As instants go over the wire.
fn wire_time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The moment an order is for, if the restaurant takes orders of this kind for it and one that is begun now would be there
/// in time.
///
/// # Errors
/// `restaurant_closed`, `restaurant_paused` or `slot_unavailable`, with the nearest alternative.
pub async fn taken(
    tx: &mut Tx,
    scope: &RestaurantScope,
    asked: Asked<'_>,
    wanted: Option<DateTime<Utc>>,
) -> Result<Moment, Problem> {
    let (restaurant, now) = (asked.restaurant, tx.now());
    let Some(wanted) = wanted else {
        if let Some(promise) = restaurant.open.promise(asked.fulfilment, asked.pace(), now) {
            return Ok(Moment { scheduled: None, at: now, promise, opens: None });
        }
        let times = Times::load(tx, asked).await?;
        return Err(closed(tx, scope, &times, now).await?);
    };
    let times = Times::load(tx, asked).await?;
    // Far from any slot, and perhaps beyond what can be counted with.
    let reach = now - TimeDelta::days(1)..=restaurant.slots.horizon(now) + TimeDelta::days(1);
    if !reach.contains(&wanted) {
        return Err(out_of_reach(tx, scope, &times, Hindrance::OutOfReach).await?);
    }
    let slot = restaurant.slots.slot_of(times.zone, wanted);
    match times.promise(slot) {
        Ok(promise) => {
            let opens = times.orders.opens_next(now);
            Ok(Moment { scheduled: Some(slot), at: promise.there, promise, opens })
        }
        Err(Hindrance::Closed) => Err(closed(tx, scope, &times, slot.starts_at).await?),
        Err(hindrance) => Err(out_of_reach(tx, scope, &times, hindrance).await?),
    }
}

/// The slots of a local day for which an order of this kind could be placed now, and whether each is full.
///
/// # Errors
/// When the database does not answer.
pub async fn of_day(
    tx: &mut Tx,
    scope: &RestaurantScope,
    asked: Asked<'_>,
    day: NaiveDate,
) -> Result<Vec<(Slot, bool)>, Problem> {
    let (restaurant, now) = (asked.restaurant, tx.now());
    let (rules, zone) = (restaurant.slots, restaurant.zone()?);
    let local = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive();
    // The slot of this moment may have begun yesterday.
    if day < local(rules.slot_of(zone, now).starts_at) || day > local(rules.horizon(now)) {
        return Ok(Vec::new());
    }
    let times = Times::load(tx, asked).await?;
    let mut slots = rules.of_day(zone, day);
    slots.retain(|slot| times.promise(*slot).is_ok());
    let taken = match (slots.first(), slots.last()) {
        (Some(first), Some(last)) if rules.capacity.is_some() => {
            taken_between(tx, scope, restaurant, first.starts_at, last.ends_at).await?
        }
        _ => DueOrders::default(),
    };
    Ok(slots.into_iter().map(|slot| (slot, is_full(restaurant, &taken, slot))).collect())
}

/// It takes no orders of this kind at an instant: why, and when it does.
async fn closed(
    tx: &mut Tx,
    scope: &RestaurantScope,
    times: &Times<'_>,
    at: DateTime<Utc>,
) -> Result<Problem, Problem> {
    let restaurant = times.restaurant;
    let from = times.paused_until.max(at);
    let opens = times.orders.takes_next(from).filter(|_| restaurant.accepting);
    let earliest = earliest_of(tx, scope, times, at).await?;
    let problem = match &restaurant.pause {
        Some(pause) if at < pause.until => {
            let detail = format!("The restaurant takes no orders until {}: {}", wire_time(pause.until), pause.reason);
            Problem::new(Code::RestaurantPaused, detail).with("pausedUntil", pause.until).with("reason", &pause.reason)
        }
        _ => {
            let is_now = at == tx.now();
            let detail = if !restaurant.accepting {
                "The restaurant takes no orders at the moment. Try again later."
            } else if is_now && times.orders.opens_next(at) == Some(at) {
                "The restaurant is open, but the last order time has passed: order for earliestSlot or nextOpensAt."
            } else if is_now && restaurant.open_now {
                "The restaurant is open, but not for this fulfilment: see openFor."
            } else {
                "The restaurant is closed at that time. Order for nextOpensAt or later, or choose another fulfilment."
            };
            Problem::new(Code::RestaurantClosed, detail)
                .with("hours", &restaurant.hours)
                .with("openFor", restaurant.open_for)
        }
    };
    Ok(problem.with("nextOpensAt", opens).with("earliestSlot", earliest))
}

/// Nobody can be served then: it has passed, it is too soon, too soon after opening, after the last order or too far away.
async fn out_of_reach(
    tx: &mut Tx,
    scope: &RestaurantScope,
    times: &Times<'_>,
    hindrance: Hindrance,
) -> Result<Problem, Problem> {
    let (rules, now) = (times.restaurant.slots, times.now);
    let detail = match (rules.days_ahead, hindrance) {
        (0, _) => "This restaurant does not take scheduled orders. Leave out scheduledFor.".to_owned(),
        (_, Hindrance::NotThen) => {
            "The restaurant is open at that time, but no order can be ready: orders are prepared between opening and the \
             last order. Choose a slot from earliestSlot on."
                .to_owned()
        }
        (days, _) => format!("Choose a slot from earliestSlot on, at most {days} days ahead."),
    };
    let earliest = earliest_of(tx, scope, times, now).await?;
    Ok(Problem::new(Code::SlotUnavailable, detail).with("earliestSlot", earliest).with("latest", rules.horizon(now)))
}

/// The first slot from an instant on in which a fresh order could be had; `None`: there is none as far ahead as orders are
/// taken.
///
/// # Errors
/// When the database does not answer.
pub async fn earliest(
    tx: &mut Tx,
    scope: &RestaurantScope,
    asked: Asked<'_>,
    from: DateTime<Utc>,
) -> Result<Option<Slot>, Problem> {
    let times = Times::load(tx, asked).await?;
    earliest_of(tx, scope, &times, from).await
}

async fn earliest_of(
    tx: &mut Tx,
    scope: &RestaurantScope,
    times: &Times<'_>,
    from: DateTime<Utc>,
) -> Result<Option<Slot>, Problem> {
    if !times.restaurant.accepting {
        return Ok(None);
    }
    let (begin, end) = (times.now - TimeDelta::hours(4), times.restaurant.slots.horizon(times.now));
    let taken = taken_between(tx, scope, times.restaurant, begin, end + TimeDelta::hours(4)).await?;
    Ok(times.earliest(from, &taken))
}

/// How many orders are due in the slots of a span; none where the restaurant bounds nothing.
async fn taken_between(
    tx: &mut Tx,
    scope: &RestaurantScope,
    restaurant: &Restaurant,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<DueOrders, Problem> {
    match restaurant.slots.capacity {
        Some(_) => slots::taken(tx, scope, from, until).await,
        None => Ok(DueOrders::default()),
    }
}

/// Whether a slot has as many orders as it may.
fn is_full(restaurant: &Restaurant, taken: &DueOrders, slot: Slot) -> bool {
    restaurant.slots.capacity.is_some_and(|capacity| taken.within(slot) >= capacity)
}

/// The slot an order is due in. Where the restaurant bounds its slots, every order takes one: one for now that in which it
/// would be there.
///
/// # Errors
/// `slot_full` when the kitchen has as many orders for it as it takes.
pub async fn due(
    tx: &mut Tx,
    scope: &RestaurantScope,
    asked: Asked<'_>,
    moment: Moment,
) -> Result<Option<Slot>, Problem> {
    let restaurant = asked.restaurant;
    if restaurant.slots.capacity.is_none() {
        return Ok(None);
    }
    let zone = restaurant.zone()?;
    let slot = moment.scheduled.unwrap_or_else(|| restaurant.slots.slot_of(zone, moment.promise.there));
    let taken = slots::taken(tx, scope, slot.starts_at, slot.ends_at).await?;
    if is_full(restaurant, &taken, slot) {
        return Err(full(tx, scope, asked, slot).await?);
    }
    Ok(Some(slot))
}

/// The kitchen has as many orders for a slot as it takes.
///
/// # Errors
/// When the database does not answer.
pub async fn full(tx: &mut Tx, scope: &RestaurantScope, asked: Asked<'_>, slot: Slot) -> Result<Problem, Problem> {
    let earliest = earliest(tx, scope, asked, slot.ends_at).await?;
    let detail = match earliest {
        Some(_) => "Order for earliestSlot, which is available, or for another slot.",
        None => "No slot is available as far ahead as orders are taken. Try again later.",
    };
    Ok(Problem::new(Code::SlotFull, detail).with("slot", slot).with("earliestSlot", earliest))
}
