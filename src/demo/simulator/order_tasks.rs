//! The staff's task for one order, from its current status to its end.

use std::sync::Arc;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::staff::StaffedRestaurant;
use super::{Simulation, TaskClaim, drivers};
use crate::demo::chance;
use comanda_client::{CallError, Fulfilment, Order, OrderStatus};

/// Failures in a row after which an order is left until the next check of open orders.
const PATIENCE: u32 = 5;
/// Reasons of staff for cancelling.
const REASONS: [&str; 3] = [
    "We have run out of an ingredient, sorry.",
    "The oven has failed, we cannot finish it in time.",
    "Too many orders at once: we would be an hour late.",
];

/// Starts the task of an order, unless it has one or is closed.
pub fn take(simulation: &Arc<Simulation>, kitchen: &Arc<StaffedRestaurant>, order: Order) {
    if matches!(order.status, OrderStatus::Delivered | OrderStatus::Cancelled) {
        return;
    }
    if let Some(claim) = simulation.take(&order.id) {
        let random = chance::of(&format!("simulator/order/{}", order.id));
        let order_tasks = OrderTask { simulation: Arc::clone(simulation), kitchen: Arc::clone(kitchen), random, claim };
        simulation.spawn(order_tasks.process(order));
    }
}

struct OrderTask {
    simulation: Arc<Simulation>,
    kitchen: Arc<StaffedRestaurant>,
    random: StdRng,
    claim: TaskClaim,
}

impl OrderTask {
    async fn process(mut self, mut order: Order) {
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
                    // Another client was faster, or the server did not answer: continue with the current status.
                    if let Ok(now) = self.kitchen.staff.order(&order.id).await {
                        order = now;
                    }
                }
            }
        }
        drop(self.claim);
    }

    /// Performs the next step after its duration; `None`: there is no step for the staff.
    async fn step(&mut self, order: &Order) -> Result<Option<Order>, CallError> {
        let is_delivery = order.fulfilment == Fulfilment::Delivery;
        let staff = &self.kitchen.staff;
        let preparation = f64::from(self.kitchen.shop.document.preparation_minutes);
        let (takes, to) = match order.status {
            OrderStatus::Pending if self.kitchen.shop.document.auto_accept => {
                // The order is accepted automatically in a moment.
                self.simulation.speed.wait(0.2).await;
                return staff.order(&order.id).await.map(Some);
            }
            OrderStatus::Pending => (self.random.random_range(0.6..2.5), OrderStatus::Confirmed),
            OrderStatus::Confirmed => (self.random.random_range(0.4..2.0), OrderStatus::Preparing),
            OrderStatus::Preparing => (preparation * self.random.random_range(0.6..1.1), OrderStatus::Ready),
            OrderStatus::Ready if !is_delivery => (self.random.random_range(1.0..6.0), OrderStatus::Delivered),
            OrderStatus::Ready | OrderStatus::OnTheWay => {
                // The driver continues from here; the order is checked now and then.
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
