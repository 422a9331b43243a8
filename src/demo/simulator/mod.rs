//! Brings the city to life: people who use the public API as anybody would, and nothing else.
//!
//! Guests order at restaurants that are open ([`guests`]); each restaurant's staff listens to its room and sees every
//! order through, also those that somebody else placed ([`kitchens`], [`care`]), and minds the pantry ([`pantry`]);
//! drivers come on duty and ride ([`riders`]). A minute of the city passes in five seconds ([`pace`]). Ada orders nothing by
//! herself: she is left to whoever tries the demo. Whatever the server refuses is somebody else's doing, looked at again
//! and gone on from.

mod care;
mod cast;
mod guests;
mod kitchens;
pub mod pace;
mod pantry;
mod riders;

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::city::City;
use crate::clock::Clock;
use cast::Cast;
use comanda_client::{BadAddress, CallError, Client};
use pace::Pace;
use riders::Riders;

/// How long stopping may take; whoever is still in the middle of something is left there.
const FAREWELL: Duration = Duration::from_secs(1);

/// What everybody in the city shares.
struct World {
    city: City,
    client: Client,
    clock: Clock,
    pace: Pace,
    cast: Cast,
    riders: Riders,
    /// Orders and rides that somebody sees to.
    in_hand: Mutex<HashSet<String>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A city that lives until it is stopped.
pub struct Simulator {
    world: Arc<World>,
}

impl Simulator {
    /// Lets everybody in the city go about their business on the server at `url`.
    ///
    /// # Errors
    /// When that is no address.
    pub fn begin(url: &str, city: City, clock: Clock, pace: Pace) -> Result<Self, BadAddress> {
        let client = Client::new(url)?;
        let world = Arc::new(World {
            cast: Cast::new(&client),
            riders: Riders::default(),
            in_hand: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            city,
            client,
            clock,
            pace,
        });
        world.spawn(run(Arc::clone(&world)));
        Ok(Self { world })
    }

    /// Sends everybody home.
    pub async fn stop(self) {
        self.world.stop.cancel();
        self.world.tasks.close();
        // Every task ends at its next wait, and all they do is wait.
        let _ = tokio::time::timeout(FAREWELL, self.world.tasks.wait()).await;
    }
}

impl World {
    /// Runs until it ends or the city is stopped.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = work => {}
            }
        });
    }

    /// Takes something in hand; `None`: somebody has it.
    fn take(self: &Arc<Self>, what: &str) -> Option<InHand> {
        let fresh = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner).insert(what.to_owned());
        fresh.then(|| InHand { world: Arc::clone(self), what: what.to_owned() })
    }

    /// How much somebody sees to.
    fn bustle(&self) -> usize {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// An order or a ride that is seen to, until this is dropped.
struct InHand {
    world: Arc<World>,
    what: String,
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.world.in_hand.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.what);
    }
}

/// Finds the restaurants and lets everybody begin.
async fn run(world: Arc<World>) {
    let restaurants = loop {
        match guests::restaurants(&world).await {
            Ok(restaurants) => break restaurants,
            Err(error) => note("finding the restaurants", &error),
        }
        world.pace.wait(2.0).await;
    };
    riders::begin(&world);
    for restaurant in restaurants {
        kitchens::begin(&world, restaurant);
    }
    guests::order(world).await;
}

/// Notes what did not work: a refusal is part of life, silence of the server is not.
fn note(what: &str, error: &CallError) {
    match error {
        CallError::Refused { .. } => tracing::debug!(%error, "simulator: {what}"),
        CallError::Unreachable { .. } | CallError::Unreadable { .. } => tracing::warn!(%error, "simulator: {what}"),
    }
}
