//! The traffic simulator: customers, staff and drivers who use only the public API.
//!
//! Customers order at open restaurants ([`customers`]). The staff of each restaurant listen to its room, process every
//! order, also those of other customers ([`staff`], [`order_tasks`]), and change the stock ([`stock`]). Drivers go on
//! duty and deliver ([`drivers`]). A simulated minute takes five seconds ([`speed`]). The customer Ada places no
//! orders: she is reserved for people who try the demo. After a refusal of the server, for example because a person was
//! faster, the state is read again.

mod actors;
mod customers;
mod drivers;
mod order_tasks;
pub mod speed;
mod staff;
mod stock;

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

/// The longest wait for tasks when the simulator stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// The shared state of the simulation.
struct Simulation {
    city: City,
    client: Client,
    clock: Clock,
    speed: SimulationSpeed,
    actors: Actors,
    drivers: Drivers,
    /// Orders and deliveries that have a task.
    claimed: Mutex<HashSet<String>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A running simulator.
pub struct Simulator {
    simulation: Arc<Simulation>,
}

impl Simulator {
    /// Starts the simulation on the server at `url`.
    ///
    /// # Errors
    /// When the URL is not valid.
    pub fn begin(url: &str, city: City, clock: Clock, speed: SimulationSpeed) -> Result<Self, BadAddress> {
        let client = Client::new(url)?;
        let simulation = Arc::new(Simulation {
            actors: Actors::new(&client),
            drivers: Drivers::default(),
            claimed: Mutex::default(),
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

    /// Stops the simulation.
    pub async fn stop(self) {
        self.simulation.stop.cancel();
        self.simulation.tasks.close();
        // Every task ends at its next wait.
        let _ = tokio::time::timeout(STOP_TIMEOUT, self.simulation.tasks.wait()).await;
    }
}

impl Simulation {
    /// Runs a task until it ends or the simulation is stopped.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = work => {}
            }
        });
    }

    /// Claims an order or a delivery; `None`: it already has a task.
    fn take(self: &Arc<Self>, what: &str) -> Option<TaskClaim> {
        let fresh = self.claimed.lock().unwrap_or_else(PoisonError::into_inner).insert(what.to_owned());
        fresh.then(|| TaskClaim { simulation: Arc::clone(self), what: what.to_owned() })
    }

    /// The number of orders and deliveries with a task.
    fn task_count(&self) -> usize {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// The claim on an order or a delivery, released when dropped.
struct TaskClaim {
    simulation: Arc<Simulation>,
    what: String,
}

impl Drop for TaskClaim {
    fn drop(&mut self) {
        self.simulation.claimed.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.what);
    }
}

/// Reads the restaurants and starts all tasks.
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

/// Logs a failure: refusals are expected, a server that does not answer is a warning.
fn note(what: &str, error: &CallError) {
    match error {
        CallError::Refused { .. } => tracing::debug!(%error, "simulator: {what}"),
        CallError::Unreachable { .. } | CallError::Unreadable { .. } => tracing::warn!(%error, "simulator: {what}"),
    }
}
