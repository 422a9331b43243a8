//! Whether staff may postpone the promised time of an order. It is first set at confirmation (`status.rs`). Pure.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::status::CANCEL_WINDOW;
use super::{Order, OrderStatus};

/// Why the promised time of an order cannot be postponed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CannotPromise {
    /// The order is not CONFIRMED or PREPARING.
    NotInProgress,
    /// The new time is not later than the promised one, or has passed.
    NotLater,
    /// The new time is further away than `ORDER_LONGEST_DELAY`.
    TooFar,
    /// The new time is after the last hand-over, which is at this time.
    AfterHandOver(DateTime<Utc>),
}

/// Proof that the promised time may be postponed. Only [`Order::promise`] creates one.
#[derive(Debug)]
#[must_use = "a promise is made only when it is saved"]
pub struct PromiseChange {
    promised_at: DateTime<Utc>,
    cancellable_until: Option<DateTime<Utc>>,
}

impl PromiseChange {
    /// The new promised time.
    pub const fn promised_at(&self) -> DateTime<Utc> {
        self.promised_at
    }

    /// Until when the customer may cancel after it; `None`: not any more.
    pub const fn cancellable_until(&self) -> Option<DateTime<Utc>> {
        self.cancellable_until
    }
}

impl Order {
    /// Postpones the promised time to `promised_at`. It must be at most `longest` from now and not after the last
    /// hand-over; once the last hand-over has passed, only `longest` limits it. If preparation has not begun, the
    /// customer may cancel again. `None`: this is the promised time already.
    ///
    /// # Errors
    /// The reason why it cannot be postponed.
    pub fn promise(
        &self,
        promised_at: DateTime<Utc>,
        now: DateTime<Utc>,
        longest: Duration,
    ) -> Result<Option<PromiseChange>, CannotPromise> {
        let cancellable_until = match self.status {
            OrderStatus::Confirmed => Some(now + CANCEL_WINDOW),
            OrderStatus::Preparing => None,
            _ => return Err(CannotPromise::NotInProgress),
        };
        if self.promised_at == Some(promised_at) {
            return Ok(None);
        }
        if promised_at <= now || self.promised_at.is_some_and(|before| promised_at <= before) {
            return Err(CannotPromise::NotLater);
        }
        if promised_at > now + longest {
            return Err(CannotPromise::TooFar);
        }
        if let Some(ready_until) = self.ready_until.filter(|until| *until > now) {
            let last = ready_until + TimeDelta::minutes(self.lead_minutes.into());
            if promised_at > last {
                return Err(CannotPromise::AfterHandOver(last));
            }
        }
        Ok(Some(PromiseChange { promised_at, cancellable_until }))
    }
}
