//! The state machine of an order, as data. This table is the only place that says what may follow what; the docs and
//! the tests are generated from it.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Order;
use crate::actor::Actor;
use crate::fulfilment::Fulfilment;

/// The status of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "order_status", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderStatus {
    /// Placed; the restaurant has not answered.
    Pending,
    /// The restaurant will cook it.
    Confirmed,
    /// It is being cooked.
    Preparing,
    /// It can be fetched.
    Ready,
    /// A driver has it.
    OnTheWay,
    /// The guest has it.
    Delivered,
    /// It will not happen.
    Cancelled,
}

impl OrderStatus {
    /// All of them, in the order of an order's life.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Confirmed,
        Self::Preparing,
        Self::Ready,
        Self::OnTheWay,
        Self::Delivered,
        Self::Cancelled,
    ];

    /// Whether no status follows this one.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Cancelled)
    }
}

/// For which orders a step exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applies {
    /// All of them.
    Always,
    /// The step exists for deliveries only.
    ToDelivery,
    /// Pickup and dine-in only.
    AtTheCounter,
}

/// What a step does with the counted stock that an order took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelledStock {
    /// It stays taken.
    Stays,
    /// It returns: nothing has been cooked.
    Returns,
    /// It returns only if whoever takes the step says so: food that has been cooked cannot be sold again.
    ReturnsIfSaid,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Where it begins.
    pub from: OrderStatus,
    /// Where it ends.
    pub to: OrderStatus,
    /// The roles that may make the transition. ADMIN may wherever STAFF may.
    pub actors: &'static [Actor],
    /// For which orders.
    pub applies: Applies,
    /// A reason must be given.
    pub needs_reason: bool,
    /// What becomes of the stock it took.
    pub stock: CancelledStock,
    /// What is worth knowing about it.
    pub note: &'static str,
}

const fn step(from: OrderStatus, to: OrderStatus, actors: &'static [Actor], note: &'static str) -> Step {
    Step { from, to, actors, applies: Applies::Always, needs_reason: false, stock: CancelledStock::Stays, note }
}

const fn to_delivery(from: OrderStatus, to: OrderStatus, actors: &'static [Actor], note: &'static str) -> Step {
    Step { applies: Applies::ToDelivery, ..step(from, to, actors, note) }
}

/// A cancellation before anything is cooked.
const fn cancelled_early(from: OrderStatus, actors: &'static [Actor], note: &'static str) -> Step {
    Step { stock: CancelledStock::Returns, ..step(from, Cancelled, actors, note) }
}

/// A cancellation after cooking has begun.
const fn cancelled_late(from: OrderStatus, actors: &'static [Actor], note: &'static str) -> Step {
    Step { needs_reason: true, stock: CancelledStock::ReturnsIfSaid, ..step(from, Cancelled, actors, note) }
}

use Actor::{Admin, Customer, Driver, Staff, System};
use OrderStatus::{Cancelled, Confirmed, Delivered, OnTheWay, Pending, Preparing, Ready};

/// The table of permitted changes.
pub const STEPS: &[Step] = &[
    step(
        Pending,
        Confirmed,
        &[Staff, System],
        "By staff, or at once where the restaurant accepts by itself. Sets promisedAt.",
    ),
    cancelled_early(Pending, &[Customer, Staff, System], "By the system when acceptBy has passed. Stock returns."),
    step(Confirmed, Preparing, &[Staff], "Cooking begins."),
    cancelled_early(Confirmed, &[Staff, Customer], "By the customer within the cancel window. Stock returns."),
    step(Preparing, Ready, &[Staff], "It can be fetched."),
    to_delivery(Preparing, OnTheWay, &[Driver, Staff], "Delivery; implies ready."),
    cancelled_late(Preparing, &[Staff], "A reason is required; stock returns only with returnStock."),
    to_delivery(Ready, OnTheWay, &[Driver, Staff], "Delivery only."),
    Step { applies: Applies::AtTheCounter, ..step(Ready, Delivered, &[Staff], "Pickup and dine-in: handed over.") },
    cancelled_late(Ready, &[Staff], "A reason is required; stock returns only with returnStock."),
    step(OnTheWay, Delivered, &[Driver, Staff], "Handed over at the delivery address."),
    cancelled_late(
        OnTheWay,
        &[Staff, Admin],
        "Failed delivery; a reason is required; stock returns only with returnStock.",
    ),
];

/// After confirmation, and after a later promise, a customer may still cancel for so long.
pub const CANCEL_WINDOW: TimeDelta = TimeDelta::minutes(2);

impl Step {
    fn exists_for(&self, fulfilment: Fulfilment) -> bool {
        match self.applies {
            Applies::Always => true,
            Applies::ToDelivery => fulfilment == Fulfilment::Delivery,
            Applies::AtTheCounter => fulfilment != Fulfilment::Delivery,
        }
    }

    fn open_to(&self, actor: Actor) -> bool {
        self.actors.contains(&actor) || (actor == Admin && self.actors.contains(&Staff))
    }
}

/// Why an order does not take a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CannotAdvance {
    /// Nothing in the table leads there.
    NoSuchStep,
    /// The step exists, for somebody else.
    NotYours,
    /// The customer's time for it is over.
    TooLate,
    /// The change needs a reason, and none was given.
    ReasonMissing,
}

/// Proof that a step is legal. Only [`Order::advance`] makes one, and nothing writes a status without it.
#[derive(Debug)]
#[must_use = "a step is taken only when it is saved"]
pub struct StatusChange {
    from: OrderStatus,
    to: OrderStatus,
    reason: Option<String>,
    promised_at: Option<DateTime<Utc>>,
    cancellable_until: Option<DateTime<Utc>>,
    closed_at: Option<DateTime<Utc>>,
    returns_stock: bool,
}

impl StatusChange {
    /// The status it leaves.
    pub const fn from(&self) -> OrderStatus {
        self.from
    }

    /// The status it reaches.
    pub const fn to(&self) -> OrderStatus {
        self.to
    }

    /// Why, where a reason was given.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The promise it makes, if it makes one.
    pub const fn promised_at(&self) -> Option<DateTime<Utc>> {
        self.promised_at
    }

    /// Until when the customer may take the order back after it.
    pub const fn cancellable_until(&self) -> Option<DateTime<Utc>> {
        self.cancellable_until
    }

    /// When the order came to its end, if this is it.
    pub const fn closed_at(&self) -> Option<DateTime<Utc>> {
        self.closed_at
    }

    /// The order is cancelled: its slot and its coupon come back.
    pub fn cancels(&self) -> bool {
        self.to == Cancelled
    }

    /// The stock that it took comes back.
    pub const fn returns_stock(&self) -> bool {
        self.returns_stock
    }
}

/// A requested change of an order's status.
#[derive(Debug, Clone)]
pub struct StatusUpdate {
    /// The requested status.
    pub to: OrderStatus,
    /// The reason, which the customer sees. Some transitions require it, see [`Step::needs_reason`].
    pub reason: Option<String>,
    /// Whether counted stock that the order took is available again. Only for transitions with
    /// [`CancelledStock::ReturnsIfSaid`].
    pub return_stock: bool,
}

impl StatusUpdate {
    /// An update without a reason, which leaves the stock taken.
    pub const fn to(to: OrderStatus) -> Self {
        Self { to, reason: None, return_stock: false }
    }
}

impl Order {
    /// When it is to be ready, if that could be at `soonest` and it is confirmed at `now`: an order for later so that
    /// it is there when its slot begins, and each not before opening and preparation. A restaurant that answers late in
    /// the evening still hands over by its last hand-over, as long as that is to come.
    fn promised_for(&self, soonest: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
        let ready = self.ready_from.map_or(soonest, |from| soonest.max(from));
        self.ready_until.filter(|until| *until > now).map_or(ready, |until| ready.min(until))
    }

    /// Checks a status update against the table. `preparation` is the time from confirmation to ready; it is used only
    /// for a confirmation.
    ///
    /// # Errors
    /// The reason why the table does not allow the update to this actor at this time.
    pub fn advance(
        &self,
        update: StatusUpdate,
        preparation: TimeDelta,
        actor: Actor,
        now: DateTime<Utc>,
    ) -> Result<StatusChange, CannotAdvance> {
        let StatusUpdate { to, reason, return_stock } = update;
        let step = STEPS
            .iter()
            .find(|step| step.from == self.status && step.to == to && step.exists_for(self.fulfilment))
            .ok_or(CannotAdvance::NoSuchStep)?;
        if !step.open_to(actor) {
            return Err(CannotAdvance::NotYours);
        }
        let in_time = self.cancellable_until.is_some_and(|until| now <= until);
        if self.status == Confirmed && actor == Customer && !in_time {
            return Err(CannotAdvance::TooLate);
        }
        if step.needs_reason && reason.is_none() {
            return Err(CannotAdvance::ReasonMissing);
        }
        let ready = self.promised_for(now + preparation, now);
        Ok(StatusChange {
            from: self.status,
            to,
            reason,
            // Ready for pickup, or at the address.
            promised_at: (to == Confirmed).then_some(ready + TimeDelta::minutes(self.lead_minutes.into())),
            // Until cooking has to begin, where that is later.
            cancellable_until: (to == Confirmed).then(|| (ready - preparation).max(now + CANCEL_WINDOW)),
            closed_at: to.is_final().then_some(now),
            returns_stock: match step.stock {
                CancelledStock::Stays => false,
                CancelledStock::Returns => true,
                CancelledStock::ReturnsIfSaid => return_stock,
            },
        })
    }

    /// The order after a step that was taken at that time: what is written, and what the event says.
    #[must_use]
    pub fn after(&self, change: &StatusChange, at: DateTime<Utc>) -> Self {
        Self {
            status: change.to,
            version: self.version + 1,
            promised_at: change.promised_at.or(self.promised_at),
            cancellable_until: change.cancellable_until,
            cancel_reason: change.cancels().then(|| change.reason().unwrap_or("Cancelled").to_owned()),
            updated_at: at,
            closed_at: change.closed_at,
            ..self.clone()
        }
    }
}
