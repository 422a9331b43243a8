//! How often something may be done: a count and the time in which it is allowed again.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::clock::parse_duration;

/// So many, all at once if need be, and then so many again over the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    count: NonZeroU32,
    per: Duration,
}

impl Quota {
    /// At least one.
    pub fn new(count: u32, per: Duration) -> Self {
        Self { count: NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN), per }
    }

    /// Reads a number and a time such as `60/1m`; `None` if the text is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let (count, per) = text.split_once('/')?;
        let count = count.trim().parse().ok()?;
        let per = parse_duration(per.trim()).ok().filter(|per| !per.is_zero())?;
        // Finer than a microsecond a request is no limit, and Redis counts in microseconds.
        (per.as_micros() >= u128::from(count)).then(|| NonZeroU32::new(count))?.map(|count| Self { count, per })
    }

    /// How many may come within the time.
    pub const fn count(self) -> u32 {
        self.count.get()
    }

    /// In so long.
    pub const fn per(self) -> Duration {
        self.per
    }

    /// So many times as many in the same time.
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
