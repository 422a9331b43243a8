//! What may run, and what waits for what. Pure.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::State;

/// An operation that is not finished.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its number on the phone.
    pub seq: i64,
    /// What the phone calls it.
    pub op_id: String,
    /// It runs after everything before it about the same thing; otherwise whenever it comes.
    pub in_order: bool,
    /// What it is about: an order, an item.
    pub aggregate: Option<String>,
    /// The operation of the same phone that it builds on.
    pub refers: Option<String>,
    /// PENDING or DEAD.
    pub state: State,
    /// Not before then.
    pub retry_at: Option<DateTime<Utc>>,
    /// What it was refused with last; `None`: it has not been tried.
    pub last_error: Option<String>,
}

/// Why an operation waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BlockedReason)]
pub enum Why {
    /// An operation with a smaller number has not come yet.
    Missing,
    /// It is being worked on.
    Running,
    /// It met a limit or a fault that passes, and is tried again.
    Retrying,
    /// It failed again and again; an operator has to look.
    Dead,
}

/// What an operation waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BlockedBy)]
pub struct WaitsFor {
    /// The number that has to come, or be finished, first: perhaps its own.
    #[schema(example = 3)]
    pub seq: i64,
    /// What the phone calls that operation; absent while it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op_id: Option<String>,
    /// Why.
    pub why: Why,
    /// For `retrying`: in how many seconds it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub retry_after: Option<i64>,
    /// For `retrying`: the code of what it met, and what that means, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        example = "order_limit_reached: You have placed 60 orders here within an hour. Order again after Retry-After."
    )]
    pub reason: Option<String>,
}

impl WaitsFor {
    /// The operation itself.
    pub fn itself(entry: &Entry, why: Why) -> Self {
        Self { seq: entry.seq, op_id: Some(entry.op_id.clone()), why, retry_after: None, reason: None }
    }

    /// The operation itself, which is tried again at `at`.
    fn retry(entry: &Entry, at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        let seconds = (at - now).num_seconds().saturating_add(1);
        Self { retry_after: Some(seconds), reason: entry.last_error.clone(), ..Self::itself(entry, Why::Retrying) }
    }

    /// Whether the operation waits for nothing but the time at which it is tried again.
    pub fn is_retry_of(&self, entry: &Entry) -> bool {
        self.seq == entry.seq && self.why == Why::Retrying
    }
}

/// A walk through a phone's unfinished operations, in the order of their numbers.
#[derive(Debug)]
pub struct Walk {
    next_seq: i64,
    stuck: Vec<(Entry, WaitsFor)>,
}

impl Walk {
    /// `next_seq` is the smallest number that has not come yet.
    pub const fn new(next_seq: i64) -> Self {
        Self { next_seq, stuck: Vec::new() }
    }

    /// Whether an operation may run, after those before it have run or [stayed](Walk::stays).
    ///
    /// # Errors
    /// What it waits for.
    pub fn may_run(&self, entry: &Entry, now: DateTime<Utc>) -> Result<(), WaitsFor> {
        if entry.state == State::Dead {
            return Err(WaitsFor::itself(entry, Why::Dead));
        }
        if entry.in_order {
            if entry.seq >= self.next_seq {
                return Err(WaitsFor {
                    seq: self.next_seq,
                    op_id: None,
                    why: Why::Missing,
                    retry_after: None,
                    reason: None,
                });
            }
            if let Some((_, root)) = self.stuck.iter().find(|(before, _)| before.holds_up(entry)) {
                return Err(root.clone());
            }
        }
        match entry.retry_at {
            Some(at) if at > now => Err(WaitsFor::retry(entry, at, now)),
            _ => Ok(()),
        }
    }

    /// An operation is not finished: what depends on it waits for what it waits for, and nothing else does.
    pub fn stays(&mut self, entry: &Entry, waits_for: WaitsFor) {
        if entry.in_order {
            self.stuck.push((entry.clone(), waits_for));
        }
    }
}

impl Entry {
    fn holds_up(&self, later: &Self) -> bool {
        let about_the_same = self.aggregate.is_some() && self.aggregate == later.aggregate;
        about_the_same || later.refers.as_ref() == Some(&self.op_id)
    }
}
