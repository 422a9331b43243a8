//! The state machine of a delivery, as data.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Delivery;
use crate::orders::OrderStatus;

/// The status of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "delivery_status", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeliveryStatus {
    /// Nobody carries it yet.
    Waiting,
    /// A driver has been asked.
    Offered,
    /// A driver has it.
    Assigned,
    /// The driver is at the restaurant.
    Arrived,
    /// The driver has the food.
    PickedUp,
    /// The guest has it.
    Delivered,
    /// It was picked up and could not be handed over.
    Failed,
    /// The order was cancelled before it was picked up.
    Cancelled,
}

use DeliveryStatus::{Arrived, Assigned, Cancelled, Delivered, Failed, Offered, PickedUp, Waiting};

/// What may follow what. A restaurant may carry an order itself: hence from WAITING to `PICKED_UP`. Until it is picked up
/// a delivery can be handed back, which makes it WAITING again; afterwards it is delivered, or it failed.
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

/// What a delivery may be while its order is in a status; every other pair contradicts itself. A delivery opens when its
/// order is confirmed, so an order that was cancelled before has none.
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

    /// A driver has it and it has not been picked up: it can be handed back, and given to another.
    pub const fn is_before_pickup(self) -> bool {
        matches!(self, Assigned | Arrived)
    }

    /// Whether the table leads there.
    pub fn may_become(self, to: Self) -> bool {
        STEPS.iter().any(|(from, steps)| *from == self && steps.contains(&to))
    }
}

/// The table leads nowhere there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSuchStep;

/// Proof that a step is legal; nothing writes a delivery's status without it.
#[derive(Debug)]
#[must_use = "a step is taken only when it is saved"]
pub struct DeliveryChange {
    to: DeliveryStatus,
    picked_up_at: Option<DateTime<Utc>>,
    closed_at: Option<DateTime<Utc>>,
}

impl DeliveryChange {
    /// Where it leads.
    pub const fn to(&self) -> DeliveryStatus {
        self.to
    }

    /// When the food was taken along, if this is it.
    pub const fn picked_up_at(&self) -> Option<DateTime<Utc>> {
        self.picked_up_at
    }

    /// When it came to its end, if this is it.
    pub const fn closed_at(&self) -> Option<DateTime<Utc>> {
        self.closed_at
    }
}

impl Delivery {
    /// The step from here to there.
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

    /// The step that a step of the order asks for; `None` when the delivery is where it belongs already. An order that is
    /// cancelled on its way is a delivery that failed.
    ///
    /// # Errors
    /// When the delivery cannot go where the order went: the order's step must not be taken either.
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
}
