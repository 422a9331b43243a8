//! Work that takes processor time, done beside the threads that answer requests: parsing what is large, planning a menu,
//! decoding a picture. Few at once, some wait, and the others are told to come back. What is done for one restaurant, or at
//! the request of one network, takes half of what runs at once and a third of the places: so nobody keeps all others waiting.
//!
//! A transaction's time-out cannot end work of the processor, so nothing of this kind is done within one.

use std::sync::Arc;

use ipnet::IpNet;
use tokio::sync::Semaphore;

use crate::ids::RestaurantId;
use crate::problem::Problem;
use crate::shares::Shares;
use crate::tenancy::RestaurantScope;

/// A body beyond so many bytes is parsed here.
pub const LARGE_BODY: usize = 64 << 10;

/// For whom work is done: who shares what they may take of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Beneficiary {
    /// A restaurant, whoever asks.
    Restaurant(RestaurantId),
    /// A network, before it is known whom it asks about.
    Network(IpNet),
    /// Nobody in particular.
    Anybody,
}

impl From<RestaurantScope> for Beneficiary {
    fn from(scope: RestaurantScope) -> Self {
        Self::Restaurant(scope.restaurant())
    }
}

/// What one beneficiary may take.
#[derive(Debug)]
struct Share {
    running: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// Where it is done.
#[derive(Debug, Clone)]
pub struct HeavyWork {
    running: Arc<Semaphore>,
    /// Of what runs and what waits.
    places: Arc<Semaphore>,
    shares: Arc<Shares<Beneficiary, Share>>,
    /// Of one beneficiary: at once, and with what waits.
    share: (usize, usize),
    retry_after_seconds: u32,
}

impl HeavyWork {
    /// So much at once, and so much waiting; whoever comes beyond is told to come back after so many seconds.
    pub fn new(at_once: usize, waiting: usize, retry_after_seconds: u32) -> Self {
        let all = at_once + waiting;
        Self {
            running: Arc::new(Semaphore::new(at_once)),
            places: Arc::new(Semaphore::new(all)),
            shares: Arc::default(),
            share: (at_once.div_ceil(2), all.div_ceil(3).max(2).min(all)),
            retry_after_seconds,
        }
    }

    /// Does it, and waits for its end; it goes on when the client hangs up, and keeps its place until it is done.
    ///
    /// # Errors
    /// 503 `busy` when all places are taken, or all of this beneficiary.
    pub async fn run<T: Send + 'static>(
        &self,
        beneficiary: Beneficiary,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let share = self.share_of(beneficiary);
        let busy = |_| Problem::busy(self.retry_after_seconds);
        let places = [&share.places, &self.places].map(|places| Arc::clone(places).try_acquire_owned().map_err(busy));
        let [own_place, place] = places;
        let (own_place, place) = (own_place?, place?);
        // The own turn first: whoever waits for it takes no turn of others.
        let own_permit = turn(&share.running).await?;
        let permit = turn(&self.running).await?;
        let work = move || {
            let done = work();
            drop((permit, own_permit, place, own_place, share));
            done
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| Problem::internal(&error))
    }

    /// What a beneficiary shares among all its work.
    fn share_of(&self, beneficiary: Beneficiary) -> Arc<Share> {
        let (running, places) = self.share;
        self.shares.of(beneficiary, || Share {
            running: Arc::new(Semaphore::new(running)),
            places: Arc::new(Semaphore::new(places)),
        })
    }
}

async fn turn(running: &Arc<Semaphore>) -> Result<tokio::sync::OwnedSemaphorePermit, Problem> {
    Arc::clone(running).acquire_owned().await.map_err(|error| Problem::internal(&error))
}
