//! One order in the hands of the staff, from wherever it stands to its end.

use std::sync::Arc;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::staff::StaffedRestaurant;
use super::{Simulation, TaskClaim, drivers};
use crate::demo::chance;
use comanda_client::{CallError, Fulfilment, Order, OrderStatus};

/// Failures in a row after which an order is left alone until the next look around.
const PATIENCE: u32 = 5;
/// Why staff give up.
const REASONS: [&str; 3] = [
    "We have run out of an ingredient, sorry.",
    "The oven has failed, we cannot finish it in time.",
    "Too many orders at once: we would be an hour late.",
];

/// Sees to an order, unless somebody does or it is over.
pub fn take(simulation: &Arc<Simulation>, kitchen: &Arc<StaffedRestaurant>, order: Order) {
    if matches!(order.status, OrderStatus::Delivered | OrderStatus::Cancelled) {
        return;
    }
    if let Some(in_hand) = simulation.take(&order.id) {
        let random = chance::of(&format!("simulator/order/{}", order.id));
        let order_tasks =
            OrderTask { simulation: Arc::clone(simulation), kitchen: Arc::clone(kitchen), random, in_hand };
        simulation.spawn(order_tasks.see_through(order));
    }
}

struct OrderTask {
    simulation: Arc<Simulation>,
    kitchen: Arc<StaffedRestaurant>,
    random: StdRng,
    in_hand: TaskClaim,
}

impl OrderTask {
    async fn see_through(mut self, mut order: Order) {
        let (mut failures, mut driver_called) = (0, false);
        while failures < PATIENCE {
            let cooking = matches!(order.status, OrderStatus::Preparing | OrderStatus::Ready | OrderStatus::OnTheWay);
            if cooking && order.fulfilment == Fulfilment::Delivery && !driver_called {
                let call = drivers::call(Arc::clone(&self.simulation), Arc::clone(&self.kitchen), order.id.clone());
                self.simulation.spawn(call);
                driver_called = true;
            }
            match self.step(&order).await {
                Ok(Some(next)) => (order, failures) = (next, 0),
                Ok(None) => break,
                Err(error) => {
                    super::note("seeing to an order", &error);
                    failures += 1;
                    self.simulation.speed.wait(1.0).await;
                    // Somebody else was faster, or the server was away: what counts is where it stands now.
                    if let Ok(now) = self.kitchen.staff.order(&order.id).await {
                        order = now;
                    }
                }
            }
        }
        drop(self.in_hand);
    }

    /// The next step, after the time it takes; `None` when there is none for the staff to take.
    async fn step(&mut self, order: &Order) -> Result<Option<Order>, CallError> {
        let to_door = order.fulfilment == Fulfilment::Delivery;
        let staff = &self.kitchen.staff;
        let preparation = f64::from(self.kitchen.shop.document.preparation_minutes);
        let (takes, to) = match order.status {
            OrderStatus::Pending if self.kitchen.shop.document.auto_accept => {
                // The restaurant answers by itself; its word is on the way.
                self.simulation.speed.wait(0.2).await;
                return staff.order(&order.id).await.map(Some);
            }
            OrderStatus::Pending => (self.random.random_range(0.6..2.5), OrderStatus::Confirmed),
            OrderStatus::Confirmed => (self.random.random_range(0.4..2.0), OrderStatus::Preparing),
            OrderStatus::Preparing => (preparation * self.random.random_range(0.6..1.1), OrderStatus::Ready),
            OrderStatus::Ready if !to_door => (self.random.random_range(1.0..6.0), OrderStatus::Delivered),
            OrderStatus::Ready | OrderStatus::OnTheWay => {
                // The driver has it from here; whether it arrives is looked at now and then.
                self.simulation.speed.wait(6.0).await;
                return staff.order(&order.id).await.map(Some);
            }
            OrderStatus::Delivered | OrderStatus::Cancelled => return Ok(None),
        };
        let gives_up = order.status == OrderStatus::Preparing && self.random.random_bool(0.015)
            || order.status == OrderStatus::Pending && self.random.random_bool(0.02);
        if gives_up {
            self.simulation.speed.wait(takes.min(3.0)).await;
            let reason = REASONS.choose(&mut self.random).copied();
            return staff.advance(&order.id, OrderStatus::Cancelled, reason).await.map(Some);
        }
        self.simulation.speed.wait(takes).await;
        staff.advance(&order.id, to, None).await.map(Some)
    }
}
