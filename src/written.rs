//! What committed transactions have written for users, until it is drawn from their limits on writing: a request of a few bytes
//! may write an order, its events and its stored answer.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::ids::UserId;

/// Users who are remembered at a time; beyond that all are forgotten, to the good of each.
const MOST_REMEMBERED: usize = 100_000;

/// Bytes that were written for users and are not drawn from any limit yet.
#[derive(Debug, Default)]
pub struct WrittenBytes(Mutex<HashMap<UserId, u64>>);

impl WrittenBytes {
    /// Notes what a transaction has written.
    pub fn add(&self, user: UserId, bytes: u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_REMEMBERED {
            all.clear();
        }
        let written = all.entry(user).or_default();
        *written = written.saturating_add(bytes);
    }

    /// What was written for a user since this was last asked.
    pub fn take(&self, user: UserId) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&user).unwrap_or_default()
    }
}
