//! The state machine of a delivery, as data.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Delivery;

/// How far a delivery has come.
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
    /// It could not be handed over.
    Failed,
    /// The order was cancelled.
    Cancelled,
}

use DeliveryStatus::{Arrived, Assigned, Cancelled, Delivered, Failed, Offered, PickedUp, Waiting};

/// What may follow what. A restaurant may carry an order itself: hence from WAITING to `PICKED_UP`.
pub const STEPS: &[(DeliveryStatus, &[DeliveryStatus])] = &[
    (Waiting, &[Offered, Assigned, PickedUp, Cancelled]),
    (Offered, &[Waiting, Assigned, PickedUp, Cancelled]),
    (Assigned, &[Waiting, Assigned, Arrived, PickedUp, Failed, Cancelled]),
    (Arrived, &[Waiting, Assigned, PickedUp, Failed, Cancelled]),
    (PickedUp, &[Delivered, Failed, Cancelled]),
    (Delivered, &[]),
    (Failed, &[]),
    (Cancelled, &[]),
];

impl DeliveryStatus {
    /// Nothing follows.
    pub fn is_final(self) -> bool {
        matches!(self, Delivered | Failed | Cancelled)
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
}
