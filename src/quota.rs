//! Quotas: how many times something is allowed within a time.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::clock::parse_duration;

/// `count` times, also all at once, refilled evenly over the time `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    count: NonZeroU32,
    per: Duration,
}

impl Quota {
    /// A quota of at least one.
    pub fn new(count: u32, per: Duration) -> Self {
        Self { count: NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN), per }
    }

    /// Reads a number and a time such as `60/1m`; `None` if the text is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let (count, per) = text.split_once('/')?;
        let count = count.trim().parse().ok()?;
        let per = parse_duration(per.trim()).ok().filter(|per| !per.is_zero())?;
        // Redis counts in microseconds, so a quota must not exceed one request per microsecond.
        (per.as_micros() >= u128::from(count)).then(|| NonZeroU32::new(count))?.map(|count| Self { count, per })
    }

    /// The number allowed within the time.
    pub const fn count(self) -> u32 {
        self.count.get()
    }

    /// The time of the quota.
    pub const fn per(self) -> Duration {
        self.per
    }

    /// `factor` times as many in the same time.
    #[must_use]
    pub const fn times(self, factor: u32) -> Self {
        let Some(factor) = NonZeroU32::new(factor) else { return self };
        Self { count: self.count.saturating_mul(factor), per: self.per }
    }

    /// The time in which one is refilled.
    pub fn interval(self) -> Duration {
        self.per / self.count.get()
    }
}
