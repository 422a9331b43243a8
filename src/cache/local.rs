//! The part of the cache in this process: bounded in bytes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{CacheKey, CachedResponse};

/// A response, and when it was last used.
pub(super) struct CacheEntry {
    pub(super) answer: Arc<CachedResponse>,
    pub(super) used: AtomicU64,
}

/// The entries of this process: bounded in bytes, the least recently used are removed first.
#[derive(Default)]
pub(super) struct LocalEntries {
    pub(super) slots: HashMap<CacheKey, CacheEntry>,
    pub(super) bytes: usize,
}

impl LocalEntries {
    pub(super) fn put(&mut self, key: CacheKey, answer: Arc<CachedResponse>, used: u64, max_bytes: usize) {
        if self.slots.get(&key).is_some_and(|slot| slot.answer.version > answer.version) {
            return;
        }
        self.bytes += answer.weight();
        if let Some(old) = self.slots.insert(key, CacheEntry { answer, used: used.into() }) {
            self.bytes -= old.answer.weight();
        }
        if self.bytes > max_bytes {
            self.shrink(max_bytes - max_bytes / 8);
        }
    }

    /// Removes the least recently used entries until `target` bytes are left, so that the next insertions need not do
    /// it again.
    fn shrink(&mut self, target: usize) {
        let mut by_age: Vec<_> =
            self.slots.iter().map(|(key, slot)| (slot.used.load(Ordering::Relaxed), key.clone())).collect();
        by_age.sort_unstable_by_key(|(used, _)| *used);
        for (_, key) in by_age {
            if self.bytes <= target {
                return;
            }
            if let Some(slot) = self.slots.remove(&key) {
                self.bytes -= slot.answer.weight();
            }
        }
    }
}
