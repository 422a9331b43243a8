//! The events of a past order, generated with the same state machines as those of current orders.

use chrono::{DateTime, TimeDelta, Utc};

use super::timeline::{OrderTimeline, TimelineAction, TimelineStep};
use crate::actor::Actor;
use crate::delivery::sql::history::PastDelivery;
use crate::delivery::{Delivery, DeliveryStatus, Stop};
use crate::demo::dataset::DemoRestaurant;
use crate::events::PastEvent;
use crate::fulfilment::Fulfilment;
use crate::ids::{DeliveryId, UserId};
use crate::orders::sql::history::PastOrder;
use crate::orders::status::StatusUpdate;
use crate::orders::{Order, OrderStatus};
use crate::problem::Problem;

/// The payload of an event.
enum HistoryPayload {
    Placed(Order),
    Stepped(Order),
    Assigned(Delivery),
    Followed(Delivery),
}

/// An event of the history.
pub struct HistoryEntry {
    /// When it happened.
    pub at: DateTime<Utc>,
    actor: Actor,
    actor_id: Option<UserId>,
    body: HistoryPayload,
}

impl HistoryEntry {
    /// The event for the import into the log.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn as_past(&self) -> Result<PastEvent<'_>, Problem> {
        let event = match &self.body {
            HistoryPayload::Placed(order) => order.placed_event()?,
            HistoryPayload::Stepped(order) => order.status_changed_event()?,
            HistoryPayload::Assigned(delivery) => delivery.assigned_event()?,
            HistoryPayload::Followed(delivery) => delivery.status_changed_event()?,
        };
        Ok(PastEvent { at: self.at, actor: self.actor, actor_id: self.actor_id, event })
    }
}

/// An order and its delivery in their last states, with all events.
pub struct OrderHistory {
    /// The order in its last state.
    pub order: PastOrder,
    /// Its delivery, if there was one.
    pub delivery: Option<PastDelivery>,
    /// The events, earliest first.
    pub log: Vec<HistoryEntry>,
}

/// Generates the history of a timeline, with this order number.
pub fn write(kitchen: &DemoRestaurant, timeline: OrderTimeline, number: i32) -> Result<OrderHistory, Problem> {
    let placed = Order { number, ..timeline.order };
    let first = HistoryEntry {
        at: placed.placed_at,
        actor: Actor::Customer,
        actor_id: Some(placed.customer_id),
        body: HistoryPayload::Placed(placed.clone()),
    };
    let mut writer = Writer { kitchen, order: placed, delivery: None, log: vec![first] };
    for step in timeline.steps {
        let TimelineStep { at, actor, actor_id, what } = step;
        let by = |body| HistoryEntry { at, actor, actor_id, body };
        match what {
            TimelineAction::Step(to, why) => {
                writer.step(to, why, actor, at)?;
                writer.log.push(by(HistoryPayload::Stepped(writer.order.clone())));
                if let Some(followed) = writer.follow(timeline.delivery, at)? {
                    writer.log.push(by(HistoryPayload::Followed(followed)));
                }
            }
            TimelineAction::Assigned(carrier, because) => {
                if let Some(past) = &mut writer.delivery {
                    past.assigned_at = Some(at);
                    let delivery = &mut past.delivery;
                    delivery.driver = Some(carrier);
                    delivery.assigned_because = Some(because);
                    delivery.status = DeliveryStatus::Assigned;
                    delivery.version += 1;
                    delivery.updated_at = at;
                    writer.log.push(by(HistoryPayload::Assigned(delivery.clone())));
                }
            }
        }
    }
    let Writer { order, delivery, log, .. } = writer;
    Ok(OrderHistory { order: PastOrder { order, day: timeline.day }, delivery, log })
}

struct Writer<'t> {
    kitchen: &'t DemoRestaurant,
    order: Order,
    delivery: Option<PastDelivery>,
    log: Vec<HistoryEntry>,
}

impl Writer<'_> {
    fn step(
        &mut self,
        to: OrderStatus,
        why: Option<&'static str>,
        actor: Actor,
        at: DateTime<Utc>,
    ) -> Result<(), Problem> {
        let preparation = TimeDelta::minutes(self.kitchen.document.preparation_minutes.into());
        let update = StatusUpdate { to, reason: why.map(ToOwned::to_owned), return_stock: false };
        let change = self.order.advance(update, preparation, actor, at).map_err(|refusal| {
            Problem::internal(&format!("{refusal:?}: {:?} to {to:?} by {actor:?}", self.order.status))
        })?;
        self.order = self.order.after(&change, at);
        Ok(())
    }

    /// Changes the delivery after its order, as `delivery/actions/follow.rs` does.
    fn follow(&mut self, id: DeliveryId, at: DateTime<Utc>) -> Result<Option<Delivery>, Problem> {
        let order = &self.order;
        let to = match order.status {
            _ if order.fulfilment != Fulfilment::Delivery => return Ok(None),
            OrderStatus::Confirmed => {
                let opened = open(self.kitchen, order, id, at);
                self.delivery = Some(PastDelivery { delivery: opened.clone(), assigned_at: None, picked_up_at: None });
                return Ok(Some(opened));
            }
            OrderStatus::OnTheWay => DeliveryStatus::PickedUp,
            OrderStatus::Delivered => DeliveryStatus::Delivered,
            OrderStatus::Cancelled => DeliveryStatus::Cancelled,
            OrderStatus::Pending | OrderStatus::Preparing | OrderStatus::Ready => return Ok(None),
        };
        let Some(past) = &mut self.delivery else { return Ok(None) };
        let change =
            past.delivery.follow(to, at).map_err(|_| Problem::internal(&"the delivery cannot follow its order"))?;
        past.picked_up_at = change.picked_up_at().or(past.picked_up_at);
        let delivery = &mut past.delivery;
        if let Some(driver) = &mut delivery.driver {
            driver.place = if to == DeliveryStatus::PickedUp { delivery.pickup.place } else { delivery.dropoff.place };
        }
        delivery.status = to;
        delivery.version += 1;
        delivery.updated_at = at;
        delivery.closed_at = change.closed_at();
        Ok(Some(delivery.clone()))
    }
}

fn open(kitchen: &DemoRestaurant, order: &Order, id: DeliveryId, at: DateTime<Utc>) -> Delivery {
    let restaurant = &kitchen.document;
    let pickup = Stop {
        name: Some(restaurant.name.clone()),
        address: Some(restaurant.address.clone()),
        place: Some(restaurant.place),
    };
    Delivery::opened_for(order, id, pickup, at)
}
