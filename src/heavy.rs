//! Work that takes processor time, done beside the threads that answer requests: parsing what is large, planning a menu,
//! decoding a picture. Few at once, some wait, and the others are told to come back.
//!
//! A transaction's time-out cannot end work of the processor, so nothing of this kind is done within one.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::problem::Problem;

/// A body beyond so many bytes is parsed here.
pub const LARGE_BODY: usize = 64 << 10;

/// Where it is done.
#[derive(Debug, Clone)]
pub struct HeavyWork {
    running: Arc<Semaphore>,
    /// Of what runs and what waits.
    places: Arc<Semaphore>,
    retry_after_seconds: u32,
}

impl HeavyWork {
    /// So much at once, and so much waiting; whoever comes beyond is told to come back after so many seconds.
    pub fn new(at_once: usize, waiting: usize, retry_after_seconds: u32) -> Self {
        let places = Arc::new(Semaphore::new(at_once + waiting));
        Self { running: Arc::new(Semaphore::new(at_once)), places, retry_after_seconds }
    }

    /// Does it, and waits for its end; it goes on when the client hangs up, and keeps its place until it is done.
    ///
    /// # Errors
    /// 503 `busy` when all places are taken.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Problem::busy(self.retry_after_seconds))?;
        let permit = Arc::clone(&self.running).acquire_owned().await.map_err(|error| Problem::internal(&error))?;
        let work = move || {
            let done = work();
            drop((permit, place));
            done
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| Problem::internal(&error))
    }
}
