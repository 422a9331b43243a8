//! The timeline of a past order: its steps, with their actors and times.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::basket;
use super::driver_pool::{self, DriverPool, DriverTrip};
use super::past_orders::PastOrderSeed;
use crate::actor::Actor;
use crate::delivery::Carrier;
use crate::demo::chance::id_at;
use crate::demo::dataset::{DemoData, DemoRestaurant};
use crate::fulfilment::Fulfilment;
use crate::ids::{DeliveryId, UserId};
use crate::orders::{Order, OrderStatus};
use crate::problem::Problem;

/// Reasons of customers for cancelling.
const CUSTOMER_REASONS: [&str; 4] = [
    "I chose the wrong address, I will order again.",
    "My guests are not coming.",
    "I ordered at the wrong restaurant.",
    "We have found something in the fridge after all.",
];
/// Reasons of restaurants for cancelling.
const RESTAURANT_REASONS: [&str; 4] = [
    "We have run out of an ingredient, sorry.",
    "The oven has failed, we cannot finish it in time.",
    "Too many orders at once: we would be an hour late.",
    "The phone number does not answer and the address is incomplete.",
];

/// The action of a step.
pub enum TimelineAction {
    /// A change of the order's status, with the reason of a cancellation.
    Step(OrderStatus, Option<&'static str>),
    /// The assignment of a driver, with the reason.
    Assigned(Carrier, String),
}

/// A step of a timeline.
pub struct TimelineStep {
    /// When it happens.
    pub at: DateTime<Utc>,
    /// The role of the actor.
    pub actor: Actor,
    /// The user who does it; `None`: the system.
    pub actor_id: Option<UserId>,
    /// What happens to the order or its delivery.
    pub what: TimelineAction,
}

/// An order from its placement to its end.
pub struct OrderTimeline {
    /// The order as it was placed, without its number.
    pub order: Order,
    /// The local day of its number.
    pub day: NaiveDate,
    /// The id of its delivery, if there will be one.
    pub delivery: DeliveryId,
    /// The steps, in order.
    pub steps: Vec<TimelineStep>,
}

impl OrderTimeline {
    /// When it ended.
    pub fn ended(&self) -> DateTime<Utc> {
        self.steps.last().map_or(self.order.placed_at, |step| step.at)
    }

    /// The largest number of its events.
    pub fn max_events(&self) -> usize {
        let for_delivery = if self.order.fulfilment == Fulfilment::Delivery { 3 } else { 0 };
        1 + self.steps.len() + for_delivery
    }
}

/// Generates the timeline of an order.
pub fn live(data: &DemoData, mut seed: PastOrderSeed, drivers: &mut DriverPool<'_>) -> Result<OrderTimeline, Problem> {
    let kitchen = &data.restaurants[seed.kitchen];
    let order = basket::order(data, &mut seed)?;
    let mut random = seed.random;
    let delivery = DeliveryId::from_uuid(id_at(&mut random, seed.at));
    let cook = kitchen.staff.choose(&mut random).map(|(person, _)| person.id);
    let mut timeline = TimelineBuilder { kitchen, cook, steps: Vec::new() };
    let (customer, placed) = (order.customer_id, order.placed_at);

    let outcome = random.random_range(0..1000);
    let cancelled_at = placed + seconds(&mut random, 20, 100);
    let answered = if kitchen.document.auto_accept { placed } else { placed + seconds(&mut random, 25, 150) };
    let guest_leaves = outcome < 25;
    // A customer may cancel until the restaurant has answered, and for two minutes after that.
    if !guest_leaves || answered < cancelled_at {
        timeline.confirm(answered);
    }
    if guest_leaves {
        let reason = CUSTOMER_REASONS.choose(&mut random).copied();
        timeline.step(cancelled_at, Actor::Customer, Some(customer), OrderStatus::Cancelled, reason);
    } else {
        let begun = answered + seconds(&mut random, 10, 180);
        timeline.by_staff(begun, OrderStatus::Preparing, None);
        if outcome < 45 {
            let given_up = begun + seconds(&mut random, 60, 400);
            timeline.by_staff(given_up, OrderStatus::Cancelled, RESTAURANT_REASONS.choose(&mut random).copied());
        } else {
            let minutes = f64::from(kitchen.document.preparation_minutes) * random.random_range(0.65..1.2);
            let ready = begun + driver_pool::seconds(minutes * 60.0);
            timeline.hand_over(&order, ready, drivers, &mut random);
        }
    }
    timeline.steps.sort_by_key(|step| step.at);
    Ok(OrderTimeline { order, day: seed.day, delivery, steps: timeline.steps })
}

fn seconds(random: &mut StdRng, min: i64, max: i64) -> TimeDelta {
    TimeDelta::milliseconds(random.random_range(min * 1_000..max * 1_000))
}

/// Builds the timeline of one order.
struct TimelineBuilder<'t> {
    kitchen: &'t DemoRestaurant,
    cook: Option<UserId>,
    steps: Vec<TimelineStep>,
}

impl TimelineBuilder<'_> {
    fn step(
        &mut self,
        at: DateTime<Utc>,
        actor: Actor,
        actor_id: Option<UserId>,
        to: OrderStatus,
        why: Option<&'static str>,
    ) {
        self.steps.push(TimelineStep { at, actor, actor_id, what: TimelineAction::Step(to, why) });
    }

    fn by_staff(&mut self, at: DateTime<Utc>, to: OrderStatus, why: Option<&'static str>) {
        self.step(at, Actor::Staff, self.cook, to, why);
    }

    fn confirm(&mut self, at: DateTime<Utc>) {
        if self.kitchen.document.auto_accept {
            self.step(at, Actor::System, None, OrderStatus::Confirmed, None);
        } else {
            self.by_staff(at, OrderStatus::Confirmed, None);
        }
    }

    /// Adds the steps from ready to delivered.
    fn hand_over(&mut self, order: &Order, ready: DateTime<Utc>, drivers: &mut DriverPool<'_>, random: &mut StdRng) {
        self.by_staff(ready, OrderStatus::Ready, None);
        let Some(destination) = order.place.filter(|_| order.fulfilment == Fulfilment::Delivery) else {
            let fetched = ready + seconds(random, 60, 600);
            return self.by_staff(fetched, OrderStatus::Delivered, None);
        };
        // The driver is assigned so that they arrive when the food is ready.
        let called = (ready - seconds(random, 240, 480)).max(order.placed_at + TimeDelta::minutes(4));
        let DriverTrip { driver, carrier, because, called, at_kitchen, way } =
            drivers.call(called, self.kitchen.document.place, destination);
        let taken = at_kitchen.max(ready) + seconds(random, 30, 150);
        let handed = taken + way + seconds(random, 45, 180);
        drivers.free_at(driver, handed, destination);
        let driver = Some(drivers.user(driver));
        let assigned = TimelineAction::Assigned(carrier, because);
        self.steps.push(TimelineStep { at: called, actor: Actor::Staff, actor_id: self.cook, what: assigned });
        self.step(taken, Actor::Driver, driver, OrderStatus::OnTheWay, None);
        self.step(handed, Actor::Driver, driver, OrderStatus::Delivered, None);
    }
}
