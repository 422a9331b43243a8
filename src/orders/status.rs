//! The state machine of an order, as data. The server has no other definition of the allowed transitions, but
//! `comanda replay` checks events against its own (`crates/replay/src/audit.rs`). A test (`tests/it/status.rs`)
//! compares the table with `docs/orders.md`, with the console, and with a second table that is written in the test.
//! `actions/status.rs` makes a change, `sql/status.rs` stores it and returns what a cancelled order took (`give_back`:
//! stock, slot, coupon). The promised time is set at confirmation (`advance`) and postponed in `promise.rs`.
//!
//! A new status is also in these places:
//!
//! - the type `order_status`, in a new migration; its constraints are in `migrations/0050_orders.sql`
//! - `OrderStatus::ALL` below
//! - `OrderStatus` of `crates/client/src/wire.rs`: the demo and `comanda replay` read orders with it
//! - `OPEN` of `src/demo/simulator/staff.rs`
//! - `console/format.js`, `console/status.js` (`OPEN`, `label`), `console/console.css` (columns)
//! - `crates/replay/src/audit.rs`
//! - `WITH_ORDER` of `src/delivery/status.rs`, for deliveries
//!
//! These have a default, so that the compiler does not ask; decide in each of them:
//!
//! - `src/delivery/actions/follow.rs`
//! - `is_unanswered` below, and `order_load`, in a new migration
//! - `promise.rs`
//! - the rule on transitions of `src/check/rules.rs`

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
    /// Placed; the restaurant has not accepted it yet.
    Pending,
    /// Accepted by the restaurant.
    Confirmed,
    /// It is being prepared.
    Preparing,
    /// Ready for pickup, serving or delivery.
    Ready,
    /// On the way to the delivery address.
    OnTheWay,
    /// Handed over to the customer.
    Delivered,
    /// The order was cancelled.
    Cancelled,
}

impl OrderStatus {
    /// All statuses, in the order of an order's life.
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

/// The orders to which a transition applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppliesTo {
    /// Orders of every kind.
    All,
    /// Orders that are delivered.
    Delivery,
    /// Orders for pickup and dine-in.
    PickupAndDineIn,
}

/// What a transition does with the counted stock that an order took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelledStock {
    /// It remains taken; also by transitions that do not cancel.
    Stays,
    /// It is returned, because nothing has been prepared.
    Returns,
    /// It is returned only if the request says so, because prepared food cannot be sold again.
    ReturnsIfSaid,
}

/// One row of the table: a transition from one status to another.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// The status before.
    pub from: OrderStatus,
    /// The status after.
    pub to: OrderStatus,
    /// The roles that may make the transition. ADMIN may wherever STAFF may.
    pub actors: &'static [Actor],
    /// The orders to which it applies.
    pub applies: AppliesTo,
    /// Whether a reason is required.
    pub needs_reason: bool,
    /// What it does with the stock that the order took.
    pub stock: CancelledStock,
    /// A note for the documentation.
    pub note: &'static str,
}

const fn step(from: OrderStatus, to: OrderStatus, actors: &'static [Actor], note: &'static str) -> Step {
    Step { from, to, actors, applies: AppliesTo::All, needs_reason: false, stock: CancelledStock::Stays, note }
}

const fn to_delivery(from: OrderStatus, to: OrderStatus, actors: &'static [Actor], note: &'static str) -> Step {
    Step { applies: AppliesTo::Delivery, ..step(from, to, actors, note) }
}

/// A cancellation before preparation.
const fn cancelled_early(from: OrderStatus, actors: &'static [Actor], note: &'static str) -> Step {
    Step { stock: CancelledStock::Returns, ..step(from, Cancelled, actors, note) }
}

/// A cancellation after preparation has begun.
const fn cancelled_late(from: OrderStatus, actors: &'static [Actor], note: &'static str) -> Step {
    Step { needs_reason: true, stock: CancelledStock::ReturnsIfSaid, ..step(from, Cancelled, actors, note) }
}

use Actor::{Admin, Customer, Driver, Staff, System};
use OrderStatus::{Cancelled, Confirmed, Delivered, OnTheWay, Pending, Preparing, Ready};

/// The table of allowed transitions.
pub const STEPS: &[Step] = &[
    step(
        Pending,
        Confirmed,
        &[Staff, System],
        "By staff, or at once if the restaurant accepts automatically. Sets promisedAt.",
    ),
    cancelled_early(Pending, &[Customer, Staff, System], "By the system when acceptBy has passed. Stock returns."),
    step(Confirmed, Preparing, &[Staff], "Cooking begins."),
    cancelled_early(Confirmed, &[Staff, Customer], "By the customer within the cancellation window. Stock returns."),
    step(Preparing, Ready, &[Staff], "Ready for pickup, serving or delivery."),
    to_delivery(Preparing, OnTheWay, &[Driver, Staff], "Delivery; implies ready."),
    cancelled_late(Preparing, &[Staff], "A reason is required; stock returns only with returnStock."),
    to_delivery(Ready, OnTheWay, &[Driver, Staff], "Delivery only."),
    Step {
        applies: AppliesTo::PickupAndDineIn,
        ..step(Ready, Delivered, &[Staff], "Pickup and dine-in: handed over.")
    },
    cancelled_late(Ready, &[Staff], "A reason is required; stock returns only with returnStock."),
    step(OnTheWay, Delivered, &[Driver, Staff], "Handed over at the delivery address."),
    cancelled_late(
        OnTheWay,
        &[Staff, Admin],
        "Failed delivery; a reason is required; stock returns only with returnStock.",
    ),
];

/// The least time that a customer has to cancel after the confirmation, and after the promised time was postponed.
/// After the confirmation it is longer if preparation begins later.
pub const CANCEL_WINDOW: TimeDelta = TimeDelta::minutes(2);

impl Step {
    fn exists_for(&self, fulfilment: Fulfilment) -> bool {
        match self.applies {
            AppliesTo::All => true,
            AppliesTo::Delivery => fulfilment == Fulfilment::Delivery,
            AppliesTo::PickupAndDineIn => fulfilment != Fulfilment::Delivery,
        }
    }

    fn open_to(&self, actor: Actor) -> bool {
        self.actors.contains(&actor) || (actor == Admin && self.actors.contains(&Staff))
    }
}

/// Why a status update is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CannotAdvance {
    /// The table has no such transition.
    NoSuchStep,
    /// The transition is not allowed to this role.
    NotYours,
    /// The customer's time to cancel has passed.
    TooLate,
    /// A reason is required, and none was given.
    ReasonMissing,
}

/// Proof that a transition is allowed, which every write of a status requires. Only [`Order::advance`] creates one.
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
    /// The status before.
    pub const fn from(&self) -> OrderStatus {
        self.from
    }

    /// The status after.
    pub const fn to(&self) -> OrderStatus {
        self.to
    }

    /// The reason, if given.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The promised time, if the transition sets it.
    pub const fn promised_at(&self) -> Option<DateTime<Utc>> {
        self.promised_at
    }

    /// Until when the customer may cancel after this change; `None`: not any more.
    pub const fn cancellable_until(&self) -> Option<DateTime<Utc>> {
        self.cancellable_until
    }

    /// When the order is closed, if the transition closes it.
    pub const fn closed_at(&self) -> Option<DateTime<Utc>> {
        self.closed_at
    }

    /// Whether it cancels the order, which releases its slot and coupon.
    pub fn cancels(&self) -> bool {
        self.to == Cancelled
    }

    /// Whether the stock that the order took is returned.
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
    /// Whether nobody at the restaurant has answered the order: it is not confirmed, or was confirmed automatically
    /// (such an order has no `acceptBy`) and is not being prepared. `order_load()` decides the same.
    pub const fn is_unanswered(&self) -> bool {
        match self.status {
            OrderStatus::Pending => true,
            OrderStatus::Confirmed => self.accept_by.is_none(),
            _ => false,
        }
    }

    /// The promised time of an order that is confirmed at `now` and could be ready at `soonest`: a scheduled order is
    /// promised for the beginning of its slot, and no order before opening plus preparation. If the restaurant accepts
    /// late in the evening, the promise is still within its last hand-over, unless that has passed.
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
            // Until preparation has to begin, but at least for the cancellation window.
            cancellable_until: (to == Confirmed).then(|| (ready - preparation).max(now + CANCEL_WINDOW)),
            closed_at: to.is_final().then_some(now),
            returns_stock: match step.stock {
                CancelledStock::Stays => false,
                CancelledStock::Returns => true,
                CancelledStock::ReturnsIfSaid => return_stock,
            },
        })
    }

    /// The order after a transition at this time, as it is stored and published.
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
