//! For when an order is: whether the restaurant takes it at that time, in which slot it is due, and what the nearest
//! alternative is where it does not.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;

use super::Fulfilment;
use super::sql::slots;
use crate::problem::{Code, Problem};
use crate::restaurants::hours::Schedule;
use crate::restaurants::slots::{Door, Slot};
use crate::restaurants::{self, Restaurant};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// For when an order is.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The slot it was asked for; `None`: as soon as can be.
    pub scheduled: Option<Slot>,
    /// The instant at which hours and day-parts are looked at.
    pub at: DateTime<Utc>,
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
    /// It has passed, or lies further ahead than orders are taken.
    OutOfReach,
    /// The restaurant takes nothing of this kind at its beginning.
    Closed,
}

impl Asked<'_> {
    /// Why nothing of this kind can be ordered for a slot.
    fn hindrance(&self, schedule: &Schedule, zone: Tz, slot: Slot, now: DateTime<Utc>) -> Option<Hindrance> {
        let restaurant = self.restaurant;
        if slot.ends_at <= now || slot.starts_at > restaurant.slots.horizon(now) {
            return Some(Hindrance::OutOfReach);
        }
        let door = Door { schedule, zone, fulfilment: self.fulfilment };
        let is_paused = restaurant.pause.as_ref().is_some_and(|pause| slot.starts_at < pause.until);
        (!restaurant.accepting || is_paused || !door.is_open(slot.starts_at)).then_some(Hindrance::Closed)
    }

    /// Whether a slot is over before an order that is begun now could be there.
    fn is_too_soon(&self, slot: Slot, now: DateTime<Utc>) -> bool {
        slot.ends_at <= self.there(now)
    }

    /// When an order that is begun at an instant would be with the guest.
    pub fn there(&self, begun: DateTime<Utc>) -> DateTime<Utc> {
        begun + TimeDelta::minutes(i64::from(self.restaurant.preparation_minutes) + i64::from(self.lead_minutes))
    }
}

/// As instants go over the wire.
fn wire_time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// When a restaurant is open, from yesterday on, as far as orders are placed ahead and openings are looked for.
async fn schedule(tx: &mut Tx, restaurant: &Restaurant) -> Result<Schedule, Problem> {
    // "Yesterday" is local: two days before in UTC are enough. An opening is looked for a month from the last slot on.
    let from = tx.now().date_naive() - Days::new(2);
    let until = restaurant.slots.horizon(tx.now()).date_naive() + Days::new(35);
    let exceptions = restaurants::sql::hours::exceptions(tx, restaurant.id, from, Some(until)).await?;
    Ok(Schedule { weekly: restaurant.hours.clone(), exceptions })
}

/// The moment an order is for, if the restaurant takes orders of this kind for it. `lead` is asked only to name an
/// alternative.
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
        if restaurant.open_for.contains(asked.fulfilment) {
            return Ok(Moment { scheduled: None, at: now });
        }
        return Err(closed(tx, scope, asked, now).await?);
    };
    let zone = restaurant.zone()?;
    let slot = restaurant.slots.slot_of(zone, wanted);
    let schedule = schedule(tx, restaurant).await?;
    match asked.hindrance(&schedule, zone, slot, now) {
        None => Ok(Moment { scheduled: Some(slot), at: slot.starts_at }),
        Some(Hindrance::OutOfReach) => Err(out_of_reach(tx, scope, asked).await?),
        Some(Hindrance::Closed) => Err(closed(tx, scope, asked, slot.starts_at).await?),
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
    let schedule = schedule(tx, restaurant).await?;
    let mut slots = rules.of_day(zone, day);
    slots.retain(|slot| asked.hindrance(&schedule, zone, *slot, now).is_none() && !asked.is_too_soon(*slot, now));
    let taken = match (slots.first(), slots.last()) {
        (Some(first), Some(last)) if rules.capacity.is_some() => {
            slots::taken(tx, scope, first.starts_at, last.ends_at).await?
        }
        _ => BTreeMap::new(),
    };
    Ok(slots.into_iter().map(|slot| (slot, is_full(restaurant, &taken, slot.starts_at, zone))).collect())
}

/// It takes no orders of this kind at an instant: why, and when it does.
async fn closed(tx: &mut Tx, scope: &RestaurantScope, asked: Asked<'_>, at: DateTime<Utc>) -> Result<Problem, Problem> {
    let restaurant = asked.restaurant;
    let (mut opens, mut earliest) = (None, None);
    if restaurant.accepting {
        let schedule = schedule(tx, restaurant).await?;
        let door = Door { schedule: &schedule, zone: restaurant.zone()?, fulfilment: asked.fulfilment };
        let from = restaurant.pause.as_ref().map_or(at, |pause| pause.until.max(at));
        opens = door.opens_next(from);
        earliest = self::earliest(tx, scope, asked, at).await?;
    }
    let problem = match &restaurant.pause {
        Some(pause) if at < pause.until => {
            let detail = format!("It takes no orders until {}: {}", wire_time(pause.until), pause.reason);
            Problem::new(Code::RestaurantPaused, detail).with("pausedUntil", pause.until).with("reason", &pause.reason)
        }
        _ => {
            let detail = if !restaurant.accepting {
                "It takes no orders for the moment. Try again later."
            } else if restaurant.open_now && at == tx.now() {
                "It is open, but not for this fulfilment; see openFor."
            } else {
                "It is closed then. Order for nextOpensAt or later, or choose another fulfilment."
            };
            Problem::new(Code::RestaurantClosed, detail)
                .with("hours", &restaurant.hours)
                .with("openFor", restaurant.open_for)
        }
    };
    Ok(problem.with("nextOpensAt", opens).with("earliestSlot", earliest))
}

/// Nobody can be served then: it has passed, it is too soon or too far away.
async fn out_of_reach(tx: &mut Tx, scope: &RestaurantScope, asked: Asked<'_>) -> Result<Problem, Problem> {
    let (rules, now) = (asked.restaurant.slots, tx.now());
    let detail = match rules.days_ahead {
        0 => "This restaurant takes orders for now only. Leave scheduledFor out.".to_owned(),
        days => format!("Choose a slot from earliestSlot on, at most {days} days ahead."),
    };
    let earliest = earliest(tx, scope, asked, now).await?;
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
    let (restaurant, now) = (asked.restaurant, tx.now());
    if !restaurant.accepting {
        return Ok(None);
    }
    let schedule = schedule(tx, restaurant).await?;
    let door = Door { schedule: &schedule, zone: restaurant.zone()?, fulfilment: asked.fulfilment };
    let paused_until = restaurant.pause.as_ref().map_or(now, |pause| pause.until);
    let ready = asked.there(now).max(paused_until).max(from);
    let until = restaurant.slots.horizon(now);
    let taken = match restaurant.slots.capacity {
        Some(_) => slots::taken(tx, scope, ready - TimeDelta::hours(4), until + TimeDelta::hours(4)).await?,
        None => BTreeMap::new(),
    };
    let mut ready = ready;
    // A slot that began while the restaurant still paused cannot be had.
    if restaurant.slots.slot_of(door.zone, ready).starts_at < paused_until && paused_until > now {
        ready = restaurant.slots.slot_of(door.zone, ready).ends_at;
    }
    Ok(restaurant.slots.earliest(door, ready, until, |start| is_full(restaurant, &taken, start, door.zone)))
}

/// Whether the slot that begins then has as many orders as it may.
fn is_full(restaurant: &Restaurant, taken: &BTreeMap<DateTime<Utc>, i32>, start: DateTime<Utc>, zone: Tz) -> bool {
    let slot = restaurant.slots.slot_of(zone, start);
    let due: i32 = taken.range(slot.starts_at..slot.ends_at).map(|(_, taken)| taken).sum();
    restaurant.slots.capacity.is_some_and(|capacity| due >= capacity)
}

/// The slot an order is due in, if it can be there in time. Where the restaurant bounds its slots, every order takes one:
/// one for now that in which it would be there.
///
/// # Errors
/// `slot_unavailable` when it is too soon, `slot_full` when the kitchen has as many orders for it as it takes.
pub async fn due(
    tx: &mut Tx,
    scope: &RestaurantScope,
    asked: Asked<'_>,
    moment: Moment,
) -> Result<Option<Slot>, Problem> {
    let (restaurant, there) = (asked.restaurant, asked.there(tx.now()));
    if moment.scheduled.is_some_and(|slot| asked.is_too_soon(slot, tx.now())) {
        return Err(out_of_reach(tx, scope, asked).await?);
    }
    if restaurant.slots.capacity.is_none() {
        return Ok(None);
    }
    let zone = restaurant.zone()?;
    let slot = moment.scheduled.unwrap_or_else(|| restaurant.slots.slot_of(zone, there));
    let taken = slots::taken(tx, scope, slot.starts_at, slot.ends_at).await?;
    if is_full(restaurant, &taken, slot.starts_at, zone) {
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
        Some(_) => "Order for earliestSlot, which is free, or for another one.",
        None => "No slot is free as far ahead as orders are taken. Try again later: somebody may cancel.",
    };
    Ok(Problem::new(Code::SlotFull, detail).with("slot", slot).with("earliestSlot", earliest))
}

/// When a restaurant that is closed at an instant opens for anybody who has ordered something of this kind.
///
/// # Errors
/// When the database does not answer.
pub async fn opens_next(tx: &mut Tx, asked: Asked<'_>, from: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Problem> {
    let schedule = schedule(tx, asked.restaurant).await?;
    let zone = asked.restaurant.zone()?;
    Ok(Door { schedule: &schedule, zone, fulfilment: asked.fulfilment }.opens_next(from))
}
