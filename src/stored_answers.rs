//! How much is kept of one user's answers: those under an `Idempotency-Key`, and the results of offline operations. Both are kept
//! by age (`retention.rs`); without a limit of this kind, one account fills the disk within that time.
//!
//! What is added is counted in memory, for each user, and costs no statement. Whenever a tenth of the limit has been added, the
//! oldest beyond the limit are deleted, beside the request. So a user has at most eleven tenths of it for each node, and what was
//! added before a restart counts with the next tenth.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::config::StoredAnswersLimit;
use crate::ids::UserId;

/// Where answers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Store {
    /// Answers in the table `idempotency_keys`.
    Keys,
    /// Results in the table `sync_operations`.
    Operations,
}

/// What was added since the surplus was last deleted.
#[derive(Debug, Default, Clone, Copy)]
struct Added {
    rows: i64,
    bytes: i64,
}

/// What users have added on this node.
#[derive(Debug)]
pub struct StoredAnswers {
    /// Most that is kept of one user in each store.
    pub limit: StoredAnswersLimit,
    added: Mutex<HashMap<(UserId, Store), Added>>,
}

/// Users who are remembered at a time; beyond that all are forgotten, which delays the next deletion of each.
const MOST_REMEMBERED: usize = 100_000;

impl StoredAnswers {
    /// With nothing added.
    pub fn new(limit: StoredAnswersLimit) -> Self {
        Self { limit, added: Mutex::default() }
    }

    /// Notes what a user has added; true: a tenth of the limit has been, and the surplus is to be deleted.
    #[must_use]
    pub fn note(&self, user: UserId, store: Store, rows: usize, bytes: usize) -> bool {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let mut all = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_REMEMBERED {
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
