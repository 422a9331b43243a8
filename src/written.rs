//! Counts the bytes that committed transactions have written for users, until they are drawn from the users' write
//! limits: a request of a few bytes may write an order, its events and a stored response.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::ids::UserId;

/// The most users whose bytes are counted; beyond it all counts start at zero again, in favour of the users.
const MAX_TRACKED_USERS: usize = 100_000;

/// The maximum number of bytes counted for one write if another user decided its size: staff who change the status of
/// an order write an event that contains the whole order, and must not run out of writes because customers order much.
/// Stored responses count as much at most, because their bytes are limited separately (`STORED_RESPONSES_MAX_BYTES`).
pub const MAX_BYTES_OF_OTHERS: usize = 8 << 10;

/// Bytes written for users that are not drawn from a limit yet.
#[derive(Debug, Default)]
pub struct WrittenBytes(Mutex<HashMap<UserId, u64>>);

impl WrittenBytes {
    /// Adds the bytes that a transaction has written.
    pub fn add(&self, user: UserId, bytes: u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_TRACKED_USERS {
            all.clear();
        }
        let written = all.entry(user).or_default();
        *written = written.saturating_add(bytes);
    }

    /// Returns the bytes written for a user since the last call, and resets their count.
    pub fn take(&self, user: UserId) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&user).unwrap_or_default()
    }
}
