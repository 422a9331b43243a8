//! How long calls take: one bounded histogram for each operation.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Every power of two is cut into this many equal parts, so a read value is at most 1.6 % off.
const PARTS: u64 = 32;
const PARTS_BITS: u32 = PARTS.trailing_zeros();
const BUCKETS: usize = 1024;

/// Counts durations in buckets whose width grows with the duration; its size does not depend on how many it counted.
#[derive(Clone)]
pub struct Histogram {
    buckets: Box<[u64; BUCKETS]>,
    count: u64,
    longest: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: Box::new([0; BUCKETS]), count: 0, longest: 0 }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(micros)] += 1;
        self.count += 1;
        self.longest = self.longest.max(micros);
    }

    /// Adds what another histogram counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(other.buckets.iter()) {
            *mine += theirs;
        }
        self.count += other.count;
        self.longest = self.longest.max(other.longest);
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The duration that so many of a thousand counted ones do not exceed.
    pub fn per_mille(&self, share: u64) -> Duration {
        // The rank of the wanted value, counted from one.
        let rank = self.count.saturating_mul(share).div_ceil(1000).max(1);
        let mut passed = 0;
        for (bucket, count) in (0..).zip(self.buckets.iter()) {
            passed += count;
            if *count > 0 && passed >= rank {
                return Duration::from_micros(middle_of(bucket).min(self.longest));
            }
        }
        Duration::ZERO
    }
}

fn bucket_of(micros: u64) -> usize {
    let bucket = if micros < PARTS {
        micros
    } else {
        let shift = u64::from(micros.ilog2() - PARTS_BITS);
        (shift + 1) * PARTS + (micros >> shift) - PARTS
    };
    usize::try_from(bucket).map_or(BUCKETS - 1, |bucket| bucket.min(BUCKETS - 1))
}

fn middle_of(bucket: u64) -> u64 {
    if bucket < PARTS {
        return bucket;
    }
    let shift = bucket / PARTS - 1;
    let lowest = (bucket % PARTS + PARTS) << shift;
    lowest + (1 << shift) / 2
}

/// What a client's calls took, by operation, and how many had to be repeated.
#[derive(Default)]
pub struct Calls {
    operations: Mutex<BTreeMap<&'static str, Histogram>>,
    repeats: AtomicU64,
}

/// The calls up to a moment.
#[derive(Clone, Default)]
pub struct CallsSoFar {
    /// One histogram for each operation that was called.
    pub operations: BTreeMap<&'static str, Histogram>,
    /// Requests that were sent again after a lost connection or a "later, please".
    pub repeats: u64,
}

impl Calls {
    pub(super) fn record(&self, operation: &'static str, took: Duration) {
        let mut operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        operations.entry(operation).or_default().record(took);
    }

    pub(super) fn repeated(&self) {
        self.repeats.fetch_add(1, Ordering::Relaxed);
    }

    /// Hands over what was counted and starts from nothing.
    pub fn take(&self) -> CallsSoFar {
        let mut operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        CallsSoFar { operations: std::mem::take(&mut operations), repeats: self.repeats.swap(0, Ordering::Relaxed) }
    }
}

impl CallsSoFar {
    /// All operations together.
    pub fn overall(&self) -> Histogram {
        let mut all = Histogram::default();
        self.operations.values().for_each(|one| all.merge(one));
        all
    }
}
