//! How many orders one customer may hold at one restaurant. Pure.
//!
//! People who work for the restaurant are not limited: they place orders for guests.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::config;
use crate::problem::{Code, Problem};

/// An order counts as recent for so long after it was placed.
pub const RECENT: Duration = Duration::from_hours(1);

/// What a customer holds at a restaurant.
#[derive(Debug, Clone, Copy)]
pub struct OrderLoad {
    /// The customer is a member of the restaurant, and so not limited.
    pub works_here: bool,
    /// Orders that have not come to their end.
    pub open: i64,
    /// Those of them that are for later.
    pub for_later: i64,
    /// Orders placed within [`RECENT`], whatever became of them.
    pub recent: i64,
    /// When the oldest of those was placed.
    pub oldest_recent: Option<DateTime<Utc>>,
}

/// Whether placing an order has to ask for the load at all.
pub const fn is_limited(rules: config::Orders, for_later: bool) -> bool {
    rules.max_open.is_some() || rules.max_recent.is_some() || for_later
}

impl OrderLoad {
    /// Refuses one order more than may be.
    ///
    /// # Errors
    /// 429 `order_limit_reached` with `limit`, `count`, and in `Retry-After` when to try again. Only the limit within an hour
    /// passes by waiting; the others when an order is finished.
    pub fn check(&self, rules: config::Orders, for_later: bool, now: DateTime<Utc>) -> Result<(), Problem> {
        const LATER: u32 = 60;
        if self.works_here {
            return Ok(());
        }
        let refused = |limit: i64, count: i64, detail: String, wait: u32| {
            let problem = Problem::new(Code::OrderLimitReached, detail).with("limit", limit).with("count", count);
            problem.retry_after(wait)
        };
        if let Some(limit) = rules.max_open.filter(|limit| self.open >= *limit) {
            let detail = format!(
                "You have {} open orders at this restaurant. Order again when one of them is finished.",
                self.open
            );
            return Err(refused(limit, self.open, detail, LATER).not_by_waiting());
        }
        if for_later && self.for_later >= rules.max_scheduled {
            let detail = format!(
                "You have {} scheduled orders at this restaurant. Order again when one of them is finished.",
                self.for_later
            );
            return Err(refused(rules.max_scheduled, self.for_later, detail, LATER).not_by_waiting());
        }
        if let Some(limit) = rules.max_recent.filter(|limit| self.recent >= *limit) {
            let ends = self.oldest_recent.map_or(now, |oldest| oldest + RECENT);
            let wait = u32::try_from((ends - now).num_seconds().max(1)).unwrap_or(LATER);
            let detail =
                format!("You have placed {} orders here within an hour. Order again after Retry-After.", self.recent);
            return Err(refused(limit, self.recent, detail, wait));
        }
        Ok(())
    }
}
