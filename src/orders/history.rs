//! Orders of the past: brought in whole, as they ended, along the same table as those of today.

use chrono::{DateTime, Utc};

use super::Order;
use super::status::StatusChange;

impl Order {
    /// The order after a step that was taken at that time: in memory what `sql::save_status` writes.
    #[must_use]
    pub fn after(&self, change: &StatusChange, at: DateTime<Utc>) -> Self {
        Self {
            status: change.to(),
            version: self.version + 1,
            promised_at: change.promised_at().or(self.promised_at),
            cancellable_until: change.cancellable_until(),
            cancel_reason: change.returns_stock().then(|| change.reason().unwrap_or("Cancelled").to_owned()),
            updated_at: at,
            closed_at: change.closed_at(),
            ..self.clone()
        }
    }
}
