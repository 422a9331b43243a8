//! The buckets of this node: for each user, network and socket.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::middleware::{NoOpMiddleware, StateInformationMiddleware, StateSnapshot};
use governor::state::keyed::DashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{NotUntil, RateLimiter};

use super::{Draw, LimitDecision, Policy, SharedBuckets, Subject, SubjectPart, seconds_up, too_many};
use crate::clock::Clock;
use crate::network::{AddressBlock, SiteFactor};
use crate::problem::Problem;
use crate::quota::Quota;

/// The clock of the buckets: it never goes back, and follows the injected clock in tests.
#[derive(Debug, Clone)]
struct Ticks {
    began: tokio::time::Instant,
    clock: Clock,
}

impl governor::clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.began.elapsed() + self.clock.shift()
    }
}

/// Converts a quota for the algorithm.
fn refill(quota: Quota) -> governor::Quota {
    governor::Quota::with_period(quota.interval())
        .unwrap_or(governor::Quota::per_second(NonZeroU32::MIN))
        .allow_burst(NonZeroU32::new(quota.count()).unwrap_or(NonZeroU32::MIN))
}

type KeyedLimiter = RateLimiter<SubjectPart, DashMapStateStore<SubjectPart>, Ticks, StateInformationMiddleware>;

impl Ticks {
    fn of(clock: &Clock) -> Self {
        Self { began: tokio::time::Instant::now(), clock: clock.clone() }
    }
}

/// A bucket of one socket.
pub struct Bucket {
    state: RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Duration>>,
    ticks: Ticks,
}

impl Bucket {
    /// A full bucket for the quota.
    pub fn new(quota: Quota, clock: &Clock) -> Self {
        let ticks = Ticks::of(clock);
        Self { state: RateLimiter::direct_with_clock(refill(quota), ticks.clone()), ticks }
    }

    /// Draws one from the bucket.
    ///
    /// # Errors
    /// 429, with the seconds to wait, when it is empty.
    pub fn draw(&self) -> Result<(), Problem> {
        self.state.check().map_err(|not_until| {
            let wait = not_until.wait_time_from(governor::clock::Clock::now(&self.ticks));
            too_many(wait).with("retryAfter", seconds_up(wait).max(1))
        })
    }
}

/// Buckets of one policy, on this node.
pub struct Buckets {
    /// The policy of these buckets.
    pub policy: Policy,
    /// The quota of each bucket; that of an IPv6 /48 is a multiple.
    pub quota: Quota,
    store: KeyedLimiter,
    of_sites: KeyedLimiter,
    sites: SiteFactor,
    ticks: Ticks,
    drawn: AtomicU32,
}

/// A bucket that a subject draws from.
struct BucketLevel<'a> {
    part: SubjectPart,
    quota: Quota,
    store: &'a KeyedLimiter,
}

/// Number of draws after which full buckets are deleted; a full bucket is the same as none.
const DELETE_EVERY: u32 = 8_192;

impl Buckets {
    pub(super) fn new(policy: Policy, quota: Quota, sites: SiteFactor, clock: &Clock) -> Self {
        let ticks = Ticks::of(clock);
        let store = |quota| RateLimiter::dashmap_with_clock(refill(quota), ticks.clone()).with_middleware();
        let (store, of_sites) = (store(quota), store(sites.site_quota(quota)));
        Self { policy, quota, store, of_sites, sites, ticks, drawn: AtomicU32::new(0) }
    }

    fn levels(&self, subject: Subject) -> impl Iterator<Item = BucketLevel<'_>> {
        subject.parts().map(|part| match part {
            SubjectPart::Block(AddressBlock::Site(_)) => {
                BucketLevel { part, quota: self.sites.site_quota(self.quota), store: &self.of_sites }
            }
            SubjectPart::User(_) | SubjectPart::Block(AddressBlock::Subnet(_)) => {
                BucketLevel { part, quota: self.quota, store: &self.store }
            }
        })
    }

    /// Draws several at once on this node; more than the quota are never allowed.
    pub(super) fn draw_many(&self, subject: Subject, count: u32) -> LimitDecision {
        self.delete_unused_if_due();
        let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        let mut decision = LimitDecision::unlimited(self.quota);
        for BucketLevel { part, quota, store } in self.levels(subject) {
            decision = decision.and(match store.check_key_n(&part, count) {
                Ok(answer) => self.decision(quota, answer),
                Err(_) => LimitDecision { allowed: false, remaining: 0, wait: quota.per(), quota },
            });
            if !decision.allowed {
                break;
            }
        }
        decision
    }

    fn draw(&self, subject: Subject) -> LimitDecision {
        self.draw_many(subject, 1)
    }

    /// Draws `count`, or what is left if that is less.
    pub(super) fn draw_best_effort(&self, subject: Subject, count: u32) {
        for BucketLevel { part, quota, store } in self.levels(subject) {
            let mut left = count.min(quota.count());
            let mut portion = left;
            while let Some(some) = NonZeroU32::new(portion) {
                if matches!(store.check_key_n(&part, some), Ok(Ok(_))) {
                    left -= portion;
                    portion = portion.min(left);
                } else {
                    portion /= 2;
                }
            }
        }
    }

    fn delete_unused_if_due(&self) {
        if self.drawn.fetch_add(1, Ordering::Relaxed) % DELETE_EVERY == DELETE_EVERY - 1 {
            self.store.retain_recent();
            self.of_sites.retain_recent();
        }
    }

    fn decision(&self, quota: Quota, answer: Result<StateSnapshot, NotUntil<Duration>>) -> LimitDecision {
        match answer {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                LimitDecision { allowed: true, remaining, wait: Duration::ZERO, quota }
            }
            Err(not_until) => {
                let wait = not_until.wait_time_from(governor::clock::Clock::now(&self.ticks));
                LimitDecision { allowed: false, remaining: 0, wait, quota }
            }
        }
    }

    /// The decision of all nodes together, in Redis, without this node's own; `None`: Redis does not answer.
    pub(super) async fn draw_shared(
        &self,
        shared: &SharedBuckets,
        subject: Subject,
        draw: Draw,
    ) -> Option<LimitDecision> {
        let mut decision = LimitDecision::unlimited(self.quota);
        for BucketLevel { part, quota, .. } in self.levels(subject) {
            decision = decision.and(shared.draw(self.policy.name(), quota, &part, draw).await?);
            if !decision.allowed {
                break;
            }
        }
        Some(decision)
    }

    /// The decision of this node and, with Redis, of all nodes together: the stricter one.
    pub async fn draw_everywhere(&self, shared: Option<&SharedBuckets>, subject: Subject) -> LimitDecision {
        let mut decision = self.draw(subject);
        let Some(shared) = shared.filter(|_| decision.allowed) else { return decision };
        for BucketLevel { part, quota, .. } in self.levels(subject) {
            match shared.draw(self.policy.name(), quota, &part, Draw::ONE).await {
                Some(common) => decision = decision.and(common),
                None if self.policy == Policy::Auth => return self.draw(subject),
                None => return decision,
            }
            if !decision.allowed {
                break;
            }
        }
        decision
    }
}
