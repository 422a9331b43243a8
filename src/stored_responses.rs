//! Limits the stored responses of a user: those under an `Idempotency-Key`, and the results of offline operations. Both
//! are deleted after a time (`retention.rs`); without this limit, one account could fill the disk before that.
//!
//! Added responses are counted in memory for each user, without a query. Whenever a tenth of the limit has been added,
//! the oldest responses beyond the limit are deleted in the background. So a user has at most eleven tenths of the
//! limit for each node, and responses added before a restart are counted with the next tenth.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::config::StoredResponsesLimit;
use crate::ids::UserId;

/// Where responses are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResponseStore {
    /// Responses in the table `idempotency_keys`.
    Keys,
    /// Results in the table `sync_operations`.
    Operations,
}

/// The responses added since the surplus was last deleted.
#[derive(Debug, Default, Clone, Copy)]
struct Added {
    rows: i64,
    bytes: i64,
}

/// Counts the stored responses of users that this node has added.
#[derive(Debug)]
pub struct StoredResponses {
    /// The limit for one user in each store.
    pub limit: StoredResponsesLimit,
    added: Mutex<HashMap<(UserId, ResponseStore), Added>>,
}

/// The most users whose counts are kept; beyond it all counts start again, which delays the next deletion of each user.
const MAX_TRACKED_USERS: usize = 100_000;

impl StoredResponses {
    /// With nothing added.
    pub fn new(limit: StoredResponsesLimit) -> Self {
        Self { limit, added: Mutex::default() }
    }

    /// Counts added responses of a user; true: a tenth of the limit has been added, and the surplus has to be deleted.
    #[must_use]
    pub fn note(&self, user: UserId, store: ResponseStore, rows: usize, bytes: usize) -> bool {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let mut all = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_TRACKED_USERS {
            all.clear();
        }
        let added = all.entry((user, store)).or_default();
        added.rows = added.rows.saturating_add(count(rows));
        added.bytes = added.bytes.saturating_add(count(bytes));
        let is_due = added.rows > self.limit.rows / 10 || added.bytes > self.limit.bytes / 10;
        if is_due {
            all.remove(&(user, store));
        }
        is_due
    }
}
