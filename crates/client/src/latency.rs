//! The latencies of calls: one bounded histogram for each operation.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Significant digits of a duration: values are at most 1 % off.
const DIGITS: u8 = 2;
/// The longest duration that is distinguished, in microseconds: an hour. Longer ones count as an hour.
const LONGEST: u64 = 3_600_000_000;

/// Counts durations (HdrHistogram): its size does not depend on their number.
#[derive(Clone)]
pub struct Histogram(hdrhistogram::Histogram<u64>);

impl Default for Histogram {
    #[expect(clippy::expect_used, reason = "constant bounds that HdrHistogram takes")]
    fn default() -> Self {
        Self(hdrhistogram::Histogram::new_with_bounds(1, LONGEST, DIGITS).expect("bounds of a histogram"))
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// Adds the counts of another histogram.
    #[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "every histogram has the same bounds")]
    pub fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("the same bounds");
    }

    /// The number of counted durations.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The duration at a per mille of the counted ones; zero if none was counted.
    pub fn per_mille(&self, share: u32) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(f64::from(share) / 1000.0))
    }
}

/// The latencies of a client's calls by operation, and the number of repetitions.
#[derive(Default)]
pub struct Calls {
    operations: Mutex<BTreeMap<&'static str, Histogram>>,
    repeats: AtomicU64,
}

/// The counts up to now.
#[derive(Clone, Default)]
pub struct CallsSoFar {
    /// One histogram for each operation that was called.
    pub operations: BTreeMap<&'static str, Histogram>,
    /// Requests that were repeated after a lost connection, a 429 or a 503.
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

    /// Returns the counts and resets them.
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
