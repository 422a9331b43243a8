//! Values in this process: bounded in bytes, the least recently used are removed first.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// A value that a [`LocalCache`] can hold.
pub trait CachedValue {
    /// Grows with every change of what the value shows. A value is never replaced by one of an older version.
    fn version(&self) -> i64;

    /// About how many bytes it takes.
    fn weight(&self) -> usize;
}

/// Values in this process. A reader has to verify that a value is current.
pub struct LocalCache<K, V> {
    entries: RwLock<BoundedEntries<K, V>>,
    uses: AtomicU64,
    max_bytes: usize,
}

/// A value, and when it was last used.
struct CacheEntry<V> {
    value: Arc<V>,
    used: AtomicU64,
}

struct BoundedEntries<K, V> {
    slots: HashMap<K, CacheEntry<V>>,
    bytes: usize,
}

impl<K: Eq + Hash + Clone, V: CachedValue> LocalCache<K, V> {
    /// An empty cache of at most `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        let entries = RwLock::new(BoundedEntries { slots: HashMap::new(), bytes: 0 });
        Self { entries, uses: AtomicU64::new(0), max_bytes }
    }

    /// The bytes of all values.
    pub fn bytes(&self) -> usize {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).bytes
    }

    /// The value under a key.
    pub fn get(&self, key: &K) -> Option<Arc<V>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let slot = entries.slots.get(key)?;
        slot.used.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        Some(Arc::clone(&slot.value))
    }

    /// Stores a value in place of an older one; returns it.
    pub fn put(&self, key: K, value: impl Into<Arc<V>>) -> Arc<V> {
        let value = value.into();
        let used = self.uses.fetch_add(1, Ordering::Relaxed).into();
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.slots.get(&key).is_some_and(|slot| slot.value.version() > value.version()) {
            return value;
        }
        entries.bytes += value.weight();
        if let Some(old) = entries.slots.insert(key, CacheEntry { value: Arc::clone(&value), used }) {
            entries.bytes -= old.value.weight();
        }
        if entries.bytes > self.max_bytes {
            entries.shrink(self.max_bytes - self.max_bytes / 8);
        }
        value
    }

    /// Removes the value under a key.
    pub fn remove(&self, key: &K) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = entries.slots.remove(key) {
            entries.bytes -= old.value.weight();
        }
    }
}

impl<K: Eq + Hash + Clone, V: CachedValue> BoundedEntries<K, V> {
    /// Removes the least recently used values until `target` bytes are left, so that the next insertions need not do
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
                self.bytes -= slot.value.weight();
            }
        }
    }
}
