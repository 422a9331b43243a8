//! The log that an order's life would have left, written by the same state machines that write today's.

use chrono::{DateTime, TimeDelta, Utc};

use super::life::{Life, Moment, What};
use crate::actor::Actor;
use crate::delivery::sql::history::PastDelivery;
use crate::delivery::{Delivery, DeliveryStatus, Stop};
use crate::demo::town::Kitchen;
use crate::events::PastEvent;
use crate::fulfilment::Fulfilment;
use crate::ids::{DeliveryId, UserId};
use crate::orders::sql::history::PastOrder;
use crate::orders::status::StatusUpdate;
use crate::orders::{Order, OrderStatus};
use crate::problem::Problem;

/// What an event carries.
enum Body {
    Placed(Order),
    Stepped(Order),
    Assigned(Delivery),
    Followed(Delivery),
}

/// A line of the log.
pub struct Entry {
    /// When.
    pub at: DateTime<Utc>,
    actor: Actor,
    actor_id: Option<UserId>,
    body: Body,
}

impl Entry {
    /// As the log takes it.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn as_past(&self) -> Result<PastEvent<'_>, Problem> {
        let event = match &self.body {
            Body::Placed(order) => order.placed_event()?,
            Body::Stepped(order) => order.status_changed_event()?,
            Body::Assigned(delivery) => delivery.assigned_event()?,
            Body::Followed(delivery) => delivery.status_changed_event()?,
        };
        Ok(PastEvent { at: self.at, actor: self.actor, actor_id: self.actor_id, event })
    }
}

/// How an order and its delivery ended, and everything on the way there.
pub struct Chronicle {
    /// The order.
    pub order: PastOrder,
    /// Its delivery, if there was one.
    pub delivery: Option<PastDelivery>,
    /// The log, the earliest line first.
    pub log: Vec<Entry>,
}

/// Writes down a life, under this number.
pub fn write(kitchen: &Kitchen, life: Life, number: i32) -> Result<Chronicle, Problem> {
    let placed = Order { number, ..life.order };
    let first = Entry {
        at: placed.placed_at,
        actor: Actor::Customer,
        actor_id: Some(placed.customer_id),
        body: Body::Placed(placed.clone()),
    };
    let mut writer = Writer { kitchen, order: placed, delivery: None, log: vec![first] };
    for moment in life.moments {
        let Moment { at, actor, actor_id, what } = moment;
        let by = |body| Entry { at, actor, actor_id, body };
        match what {
            What::Step(to, why) => {
                writer.step(to, why, actor, at)?;
                writer.log.push(by(Body::Stepped(writer.order.clone())));
                if let Some(followed) = writer.follow(life.delivery, at)? {
                    writer.log.push(by(Body::Followed(followed)));
                }
            }
            What::Assigned(carrier, because) => {
                if let Some(past) = &mut writer.delivery {
                    past.assigned_at = Some(at);
                    let delivery = &mut past.delivery;
                    delivery.driver = Some(carrier);
                    delivery.assigned_because = Some(because);
                    delivery.status = DeliveryStatus::Assigned;
                    delivery.version += 1;
                    delivery.updated_at = at;
                    writer.log.push(by(Body::Assigned(delivery.clone())));
                }
            }
        }
    }
    let Writer { order, delivery, log, .. } = writer;
    Ok(Chronicle { order: PastOrder { order, day: life.day }, delivery, log })
}

struct Writer<'t> {
    kitchen: &'t Kitchen,
    order: Order,
    delivery: Option<PastDelivery>,
    log: Vec<Entry>,
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

    /// The delivery follows its order, as `delivery::follow` has it.
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
        let change = past.delivery.follow(to, at).map_err(|_| Problem::internal(&"a delivery that does not follow"))?;
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

fn open(kitchen: &Kitchen, order: &Order, id: DeliveryId, at: DateTime<Utc>) -> Delivery {
    let restaurant = &kitchen.document;
    Delivery {
        id,
        order_id: order.id,
        restaurant_id: order.restaurant_id,
        customer_id: order.customer_id,
        driver: None,
        former_driver: None,
        status: DeliveryStatus::Waiting,
        version: 1,
        assigned_because: None,
        reason: None,
        pickup: Stop {
            name: Some(restaurant.name.clone()),
            address: Some(restaurant.address.clone()),
            place: Some(restaurant.place),
        },
        dropoff: Stop { name: None, address: order.address.clone(), place: order.place },
        created_at: at,
        updated_at: at,
        closed_at: None,
    }
}
