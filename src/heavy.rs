//! Work that takes processor time, on separate threads: parsing large bodies, planning a menu, decoding an image. A few
//! pieces run at once, some wait, and further ones are refused with `busy`. Work for one restaurant, or for one
//! network, takes at most half of what runs at once and a third of the queue, so that it cannot delay all others.
//!
//! The timeout of a transaction cannot interrupt such work, so it is not done within one.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::ids::RestaurantId;
use crate::network::{AddressBlock, Network};
use crate::problem::Problem;
use crate::shares::Shares;
use crate::tenancy::RestaurantScope;

/// Bodies larger than this, in bytes, are parsed here.
pub const LARGE_BODY: usize = 64 << 10;

/// For whom work is done: a restaurant or a network. All work for one of them shares its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkFor {
    /// A restaurant, for all its callers together.
    Restaurant(RestaurantId),
    /// A network, before the restaurant is known.
    Network(Network),
    /// Nobody in particular: all such work together has one share.
    Anybody,
}

impl From<RestaurantScope> for WorkFor {
    fn from(scope: RestaurantScope) -> Self {
        Self::Restaurant(scope.restaurant())
    }
}

/// The owner of a share: an IPv6 network has one for its /64, and one for its /48.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum WorkOwner {
    Restaurant(RestaurantId),
    Block(AddressBlock),
    Anybody,
}

impl WorkFor {
    fn owners(self) -> Vec<WorkOwner> {
        match self {
            Self::Restaurant(restaurant) => vec![WorkOwner::Restaurant(restaurant)],
            Self::Network(network) => network.blocks().map(WorkOwner::Block).collect(),
            Self::Anybody => vec![WorkOwner::Anybody],
        }
    }
}

/// What one owner may take.
#[derive(Debug)]
struct Share {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

/// Runs work, with its limits.
#[derive(Debug, Clone)]
pub struct HeavyWork {
    running: Arc<Semaphore>,
    /// Limits the number of pieces that run or wait.
    admitted: Arc<Semaphore>,
    shares: Arc<Shares<WorkOwner, Share>>,
    /// The number of pieces that run at once, and of pieces that run or wait.
    all: (usize, usize),
    retry_after_seconds: u32,
}

impl HeavyWork {
    /// Runs `at_once` and lets `waiting` wait; further work is refused with `Retry-After`.
    pub fn new(at_once: usize, waiting: usize, retry_after_seconds: u32) -> Self {
        let all = at_once + waiting;
        Self {
            running: Arc::new(Semaphore::new(at_once)),
            admitted: Arc::new(Semaphore::new(all)),
            shares: Arc::default(),
            all: (at_once, all),
            retry_after_seconds,
        }
    }

    /// Runs work and waits for its end. It is not interrupted when the client disconnects, and counts until it has
    /// ended.
    ///
    /// # Errors
    /// 503 `busy` when the limit, or the share of the restaurant or network, is reached.
    pub async fn run<T: Send + 'static>(
        &self,
        work_for: WorkFor,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let shares: Vec<_> = work_for.owners().into_iter().map(|owner| self.share_of(owner)).collect();
        let busy = |_| Problem::busy(self.retry_after_seconds);
        let limits = shares.iter().map(|share| &share.admitted).chain([&self.admitted]);
        let admitted: Vec<_> =
            limits.map(|limit| Arc::clone(limit).try_acquire_owned().map_err(busy)).collect::<Result<_, _>>()?;
        // The permit of the share first, so that waiting for it does not block others.
        let mut permits = Vec::with_capacity(shares.len() + 1);
        for running in shares.iter().map(|share| &share.running).chain([&self.running]) {
            permits.push(permit(running).await?);
        }
        let work = move || {
            let done = work();
            drop((permits, admitted, shares));
            done
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| Problem::internal(&error))
    }

    /// The share of an owner: half of the pieces that run at once and a third of those that run or wait; for an IPv6
    /// /48 more.
    fn share_of(&self, owner: WorkOwner) -> Arc<Share> {
        let share = |each: usize, all: usize| match owner {
            WorkOwner::Block(block) => block.share(each, all),
            WorkOwner::Restaurant(_) | WorkOwner::Anybody => each,
        };
        let (at_once, all) = self.all;
        self.shares.of(owner, || Share {
            running: Arc::new(Semaphore::new(share(at_once.div_ceil(2), at_once))),
            admitted: Arc::new(Semaphore::new(share(all.div_ceil(3).max(2).min(all), all))),
        })
    }
}

async fn permit(running: &Arc<Semaphore>) -> Result<tokio::sync::OwnedSemaphorePermit, Problem> {
    Arc::clone(running).acquire_owned().await.map_err(|error| Problem::internal(&error))
}
