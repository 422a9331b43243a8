//! Brings the city to life: people who use the public API as anybody would, and nothing else.
//!
//! Guests order at restaurants that are open ([`customers`]); each restaurant's staff listens to its room and sees every
//! order through, also those that somebody else placed ([`staff`], [`order_tasks`]), and minds the stock ([`stock`]);
//! drivers come on duty and ride ([`drivers`]). A minute of the city passes in five seconds ([`speed`]). Ada orders nothing by
//! herself: she is left to whoever tries the demo. Whatever the server refuses is somebody else's doing, looked at again
//! and gone on from.

mod order_tasks;
mod actors;
mod customers;
mod staff;
pub mod speed;
mod stock;
mod drivers;

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::city::City;
use crate::clock::Clock;
use actors::Actors;
use comanda_client::{BadAddress, CallError, Client};
use drivers::Drivers;
use speed::SimulationSpeed;

/// How long stopping may take; whoever is still in the middle of something is left there.
const FAREWELL: Duration = Duration::from_secs(1);

/// What everybody in the city shares.
struct Simulation {
    city: City,
    client: Client,
    clock: Clock,
    speed: SimulationSpeed,
    actors: Actors,
    drivers: Drivers,
    /// Orders and rides that somebody sees to.
    in_hand: Mutex<HashSet<String>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A city that lives until it is stopped.
pub struct Simulator {
    simulation: Arc<Simulation>,
}

impl Simulator {
    /// Lets everybody in the city go about their business on the server at `url`.
    ///
    /// # Errors
    /// When that is no address.
    pub fn begin(url: &str, city: City, clock: Clock, speed: SimulationSpeed) -> Result<Self, BadAddress> {
        let client = Client::new(url)?;
        let simulation = Arc::new(Simulation {
            actors: Actors::new(&client),
            drivers: Drivers::default(),
            in_hand: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            city,
            client,
            clock,
            speed,
        });
        simulation.spawn(run(Arc::clone(&simulation)));
        Ok(Self { simulation })
    }

    /// Sends everybody home.
    pub async fn stop(self) {
        self.simulation.stop.cancel();
        self.simulation.tasks.close();
        // Every task ends at its next wait, and all they do is wait.
        let _ = tokio::time::timeout(FAREWELL, self.simulation.tasks.wait()).await;
    }
}

impl Simulation {
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
    fn take(self: &Arc<Self>, what: &str) -> Option<TaskClaim> {
        let fresh = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner).insert(what.to_owned());
        fresh.then(|| TaskClaim { simulation: Arc::clone(self), what: what.to_owned() })
    }

    /// How much somebody sees to.
    fn bustle(&self) -> usize {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// An order or a ride that is seen to, until this is dropped.
struct TaskClaim {
    simulation: Arc<Simulation>,
    what: String,
}

impl Drop for TaskClaim {
    fn drop(&mut self) {
        self.simulation.in_hand.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.what);
    }
}

/// Finds the restaurants and lets everybody begin.
async fn run(simulation: Arc<Simulation>) {
    let restaurants = loop {
        match customers::restaurants(&simulation).await {
            Ok(restaurants) => break restaurants,
            Err(error) => note("finding the restaurants", &error),
        }
        simulation.speed.wait(2.0).await;
    };
    drivers::begin(&simulation);
    for restaurant in restaurants {
        staff::begin(&simulation, restaurant);
    }
    customers::order(simulation).await;
}

/// Notes what did not work: a refusal is part of life, silence of the server is not.
fn note(what: &str, error: &CallError) {
    match error {
        CallError::Refused { .. } => tracing::debug!(%error, "simulator: {what}"),
        CallError::Unreachable { .. } | CallError::Unreadable { .. } => tracing::warn!(%error, "simulator: {what}"),
    }
}
