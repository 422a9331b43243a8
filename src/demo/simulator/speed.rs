//! The speed of the simulation.

use std::time::Duration;

use chrono::Timelike as _;
use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::clock::Clock;
use crate::demo::dataset::ZONE;
use crate::demo::seed::past_orders::demand;

/// Simulated minutes between two orders, at the lowest and at the highest demand.
const BETWEEN_ORDERS: (f64, f64) = (1.6, 1.0);
/// Simulated minutes between two reports of a driver's location.
pub const REPORT: f64 = 0.5;
/// The most orders and deliveries in progress; when there are more, customers wait.
pub const MAX_IN_PROGRESS: usize = 90;

/// The speed of the simulation.
#[derive(Debug, Clone, Copy)]
pub struct SimulationSpeed {
    /// The duration of a simulated minute.
    pub minute: Duration,
}

impl Default for SimulationSpeed {
    /// Twelve times real time: an order takes about two minutes, and there is an order every five to eight seconds.
    fn default() -> Self {
        Self { minute: Duration::from_secs(5) }
    }
}

impl SimulationSpeed {
    /// Waits for simulated minutes.
    pub async fn wait(self, minutes: f64) {
        tokio::time::sleep(self.minute.mul_f64(minutes.max(0.0))).await;
    }
}

/// Simulated minutes until the next order: fewer at meal times.
pub fn until_next_order(clock: &Clock, random: &mut StdRng) -> f64 {
    let local = clock.now().with_timezone(&ZONE);
    let minute = i16::try_from(local.num_seconds_from_midnight() / 60).unwrap_or_default();
    let hunger = demand(minute).min(1.0);
    let (calm, busy) = BETWEEN_ORDERS;
    (calm + (busy - calm) * hunger) * random.random_range(0.5..1.5)
}
