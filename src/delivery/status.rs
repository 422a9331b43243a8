//! The state machine of a delivery, as data. Who may change it: `permission.rs` and `access.rs`; the change itself,
//! with that of the order, is in `actions/status.rs`, assignment to a driver in `actions/assign.rs`.
//!
//! A new status is also in these places:
//!
//! - the type `delivery_status`, in a new migration; its constraints are in `migrations/0061_deliveries.sql`
//! - the rule of `check/rules.rs` on the time of pickup
//! - `DeliveryStatus` of `crates/client/src/wire.rs`
//! - `console/format.js`, `console/driver.js` and `console/status.js` (`nextOfDelivery`, `beforePickup`)
//! - `crates/replay/src/audit.rs`

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Delivery, Stop};
use crate::ids::DeliveryId;
use crate::orders::{Order, OrderStatus};

/// The status of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "delivery_status", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeliveryStatus {
    /// It has no driver.
    Waiting,
    /// Not used yet: deliveries are assigned, not offered.
    Offered,
    /// It is assigned to a driver.
    Assigned,
    /// The driver is at the restaurant.
    Arrived,
    /// The driver has the food.
    PickedUp,
    /// It was handed over to the customer.
    Delivered,
    /// It was picked up and could not be handed over.
    Failed,
    /// The order was cancelled before it was picked up.
    Cancelled,
}

use DeliveryStatus::{Arrived, Assigned, Cancelled, Delivered, Failed, Offered, PickedUp, Waiting};

/// The allowed transitions. A restaurant may deliver an order itself, so WAITING may become `PICKED_UP`. Until it is
/// picked up a delivery can be handed back, which makes it WAITING again; afterwards it is delivered, or it failed.
pub const STEPS: &[(DeliveryStatus, &[DeliveryStatus])] = &[
    (Waiting, &[Offered, Assigned, PickedUp, Cancelled]),
    (Offered, &[Waiting, Assigned, PickedUp, Cancelled]),
    (Assigned, &[Waiting, Assigned, Arrived, PickedUp, Cancelled]),
    (Arrived, &[Waiting, Assigned, PickedUp, Cancelled]),
    (PickedUp, &[Delivered, Failed]),
    (Delivered, &[]),
    (Failed, &[]),
    (Cancelled, &[]),
];

/// The statuses that a delivery may have for each status of its order; all other pairs are inconsistent. A delivery
/// opens when its order is confirmed, so an order that was cancelled before has none.
pub const WITH_ORDER: &[(OrderStatus, &[DeliveryStatus])] = &[
    (OrderStatus::Pending, &[]),
    (OrderStatus::Confirmed, &[Waiting, Offered, Assigned, Arrived]),
    (OrderStatus::Preparing, &[Waiting, Offered, Assigned, Arrived]),
    (OrderStatus::Ready, &[Waiting, Offered, Assigned, Arrived]),
    (OrderStatus::OnTheWay, &[PickedUp, Failed]),
    (OrderStatus::Delivered, &[Delivered]),
    (OrderStatus::Cancelled, &[Cancelled, Failed]),
];

impl DeliveryStatus {
    /// Whether no status follows this one.
    pub fn is_final(self) -> bool {
        matches!(self, Delivered | Failed | Cancelled)
    }

    /// Whether it has a driver and is not picked up: it can be handed back, and assigned to another driver.
    pub const fn is_before_pickup(self) -> bool {
        matches!(self, Assigned | Arrived)
    }

    /// Whether the table allows the step.
    pub fn may_become(self, to: Self) -> bool {
        STEPS.iter().any(|(from, steps)| *from == self && steps.contains(&to))
    }
}

/// The table has no such step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSuchStep;

/// Proof that a transition is allowed, which every write of a delivery's status requires.
#[derive(Debug)]
#[must_use = "a step is taken only when it is saved"]
pub struct DeliveryChange {
    to: DeliveryStatus,
    picked_up_at: Option<DateTime<Utc>>,
    closed_at: Option<DateTime<Utc>>,
}

impl DeliveryChange {
    /// The new status.
    pub const fn to(&self) -> DeliveryStatus {
        self.to
    }

    /// The instant of the pickup; `None`: it is another step.
    pub const fn picked_up_at(&self) -> Option<DateTime<Utc>> {
        self.picked_up_at
    }

    /// The instant of its end; `None`: it stays open.
    pub const fn closed_at(&self) -> Option<DateTime<Utc>> {
        self.closed_at
    }
}

impl Delivery {
    /// The step to a status.
    ///
    /// # Errors
    /// When the table has none.
    pub fn follow(&self, to: DeliveryStatus, now: DateTime<Utc>) -> Result<DeliveryChange, NoSuchStep> {
        if !self.status.may_become(to) {
            return Err(NoSuchStep);
        }
        Ok(DeliveryChange {
            to,
            picked_up_at: (to == PickedUp).then_some(now),
            closed_at: to.is_final().then_some(now),
        })
    }

    /// The step that follows from a new status of the order; `None`: the delivery already matches it. If an order is
    /// cancelled on its way, its delivery failed.
    ///
    /// # Errors
    /// When the delivery has no such step; then the order must not change either.
    pub fn follow_order(&self, order: OrderStatus, now: DateTime<Utc>) -> Result<Option<DeliveryChange>, NoSuchStep> {
        let to = match order {
            OrderStatus::OnTheWay => PickedUp,
            OrderStatus::Delivered => Delivered,
            OrderStatus::Cancelled if matches!(self.status, PickedUp | Failed) => Failed,
            OrderStatus::Cancelled => Cancelled,
            OrderStatus::Pending | OrderStatus::Confirmed | OrderStatus::Preparing | OrderStatus::Ready => {
                return Ok(None);
            }
        };
        if self.status == to { Ok(None) } else { self.follow(to, now).map(Some) }
    }

    /// The delivery that an order has after its confirmation.
    pub fn opened_for(order: &Order, id: DeliveryId, pickup: Stop, now: DateTime<Utc>) -> Self {
        Self {
            id,
            order_id: order.id,
            restaurant_id: order.restaurant_id,
            customer_id: order.customer_id,
            driver: None,
            former_driver: None,
            status: Waiting,
            version: 1,
            assigned_because: None,
            reason: None,
            pickup,
            dropoff: Stop { name: None, address: order.address.clone(), place: order.place },
            created_at: now,
            updated_at: now,
            closed_at: None,
        }
    }

    /// The delivery after a transition that follows the order and keeps the driver, as it is stored.
    #[must_use]
    pub fn after(self, change: &DeliveryChange, at: DateTime<Utc>) -> Self {
        Self {
            status: change.to(),
            version: self.version + 1,
            reason: None,
            updated_at: at,
            closed_at: change.closed_at(),
            ..self
        }
    }
}
