//! Decides which operations of a device may run, and for which operation, retry or pause the others wait. A rejected
//! operation is finished: others do not wait for it. Pure.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::OperationState;
use crate::limits;
use crate::network::Network;

/// An operation that is not finished.
#[derive(Debug, Clone)]
pub struct QueuedOperation {
    /// The sequence number on the device.
    pub seq: i64,
    /// The id that the device generated.
    pub op_id: String,
    /// Whether it runs after earlier operations on the same object; otherwise it runs when it arrives.
    pub in_order: bool,
    /// The object that it concerns, such as an order or an item.
    pub aggregate: Option<String>,
    /// The `opId` of the earlier operation that it refers to.
    pub refers: Option<String>,
    /// PENDING or DEAD.
    pub state: OperationState,
    /// The time of the next attempt; `None`: at once.
    pub retry_at: Option<DateTime<Utc>>,
    /// The last refusal or error; `None`: it has not been tried.
    pub last_error: Option<String>,
    /// The network address that its session was last seen from; `None`: not known any more.
    pub address: Option<String>,
}

/// Why an operation waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BlockedReason)]
pub enum BlockedReason {
    /// An operation with a smaller number has not arrived yet.
    Missing,
    /// It is running.
    Running,
    /// It was refused temporarily, failed, or the rate limit is used up; it is retried later.
    Retrying,
    /// It failed repeatedly and is abandoned until an operator retries it.
    Dead,
}

/// What a blocked operation waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BlockedBy)]
pub struct BlockedBy {
    /// The number of the operation that must arrive or be finished first; may be the operation's own.
    #[schema(example = 3)]
    pub seq: i64,
    /// The `opId` of the operation that is waited for; absent while that operation is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op_id: Option<String>,
    /// Why it waits.
    pub why: BlockedReason,
    /// For `retrying`: seconds until the operation is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub retry_after: Option<i64>,
    /// For `retrying`: the code of the refusal, and an explanation for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        example = "order_limit_reached: You have placed 60 orders here within an hour. Order again after Retry-After."
    )]
    pub reason: Option<String>,
}

impl BlockedBy {
    /// The operation waits for itself.
    pub fn itself(entry: &QueuedOperation, why: BlockedReason) -> Self {
        Self { seq: entry.seq, op_id: Some(entry.op_id.clone()), why, retry_after: None, reason: None }
    }

    /// The operation waits for its retry at `at`.
    fn retry(entry: &QueuedOperation, at: DateTime<Utc>, now: DateTime<Utc>, reason: Option<String>) -> Self {
        let seconds = (at - now).num_seconds().saturating_add(1);
        Self { retry_after: Some(seconds), reason, ..Self::itself(entry, BlockedReason::Retrying) }
    }

    /// Whether the operation waits only for its own retry.
    pub fn is_retry_of(&self, entry: &QueuedOperation) -> bool {
        self.seq == entry.seq && self.why == BlockedReason::Retrying
    }
}

/// A scan of a device's unfinished operations, in the order of their numbers. Each step takes the same time, however
/// many operations are blocked.
#[derive(Debug)]
pub struct QueueScan {
    next_seq: i64,
    paused_until: Option<DateTime<Utc>>,
    /// For each order or item (aggregate): what the first blocked operation on it waits for.
    blocked_aggregates: HashMap<String, BlockedBy>,
    /// For each blocked operation, by its `op_id`: what it waits for.
    blocked_operations: HashMap<String, BlockedBy>,
}

impl QueueScan {
    /// `next_seq` is the smallest number that has not arrived yet; nothing runs before `paused_until`.
    pub fn new(next_seq: i64, paused_until: Option<DateTime<Utc>>) -> Self {
        Self { next_seq, paused_until, blocked_aggregates: HashMap::new(), blocked_operations: HashMap::new() }
    }

    /// Pauses until an instant, because the rate limit is used up.
    pub fn pause(&mut self, until: DateTime<Utc>) {
        self.paused_until = self.paused_until.max(Some(until));
    }

    /// The end of the pause, if it is later than `now`.
    pub fn paused_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.paused_until.filter(|until| *until > now)
    }

    /// When an operation that waits only for its retry is tried: at its retry time, or after the pause if that is
    /// later.
    pub fn tried_at(&self, entry: &QueuedOperation) -> Option<DateTime<Utc>> {
        entry.retry_at.max(self.paused_until)
    }

    /// Whether an operation may run, after those before it have run or were recorded as unfinished
    /// ([`QueueScan::record_unfinished`]).
    ///
    /// # Errors
    /// What it waits for.
    pub fn may_run(&self, entry: &QueuedOperation, now: DateTime<Utc>) -> Result<(), BlockedBy> {
        if entry.state == OperationState::Dead {
            return Err(BlockedBy::itself(entry, BlockedReason::Dead));
        }
        if entry.in_order {
            if entry.seq >= self.next_seq {
                return Err(BlockedBy {
                    seq: self.next_seq,
                    op_id: None,
                    why: BlockedReason::Missing,
                    retry_after: None,
                    reason: None,
                });
            }
            let about = entry.aggregate.as_ref().and_then(|aggregate| self.blocked_aggregates.get(aggregate));
            let referred = entry.refers.as_ref().and_then(|op_id| self.blocked_operations.get(op_id));
            // If it waits for two, the one with the smaller number is named.
            if let Some(root) = about.into_iter().chain(referred).min_by_key(|root| root.seq) {
                return Err(root.clone());
            }
        }
        let Some(at) = self.tried_at(entry).filter(|at| *at > now) else { return Ok(()) };
        let reason = if entry.retry_at.is_some_and(|own| own > now) {
            entry.last_error.clone()
        } else {
            Some(limits::too_many(Duration::ZERO).to_string())
        };
        Err(BlockedBy::retry(entry, at, now, reason))
    }

    /// Records that an operation is not finished: operations that depend on it wait for the same, others do not.
    pub fn record_unfinished(&mut self, entry: &QueuedOperation, waits_for: BlockedBy) {
        if !entry.in_order {
            return;
        }
        if let Some(aggregate) = &entry.aggregate {
            self.blocked_aggregates.entry(aggregate.clone()).or_insert_with(|| waits_for.clone());
        }
        self.blocked_operations.entry(entry.op_id.clone()).or_insert(waits_for);
    }
}

impl QueuedOperation {
    /// The network of its session; all sessions whose network is not known share one.
    pub fn network(&self) -> Network {
        let address = self.address.as_ref().and_then(|address| address.parse().ok());
        address.map_or_else(Network::unknown, Network::of)
    }
}
