//! How fast the city lives.

use std::time::Duration;

use chrono::Timelike as _;
use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::clock::Clock;
use crate::demo::dataset::ZONE;
use crate::demo::seed::past_orders::appetite;

/// City minutes from one order to the next when nobody is hungry, and when everybody is.
const BETWEEN_ORDERS: (f64, f64) = (1.6, 1.0);
/// City minutes from one report of a driver's place to the next.
pub const REPORT: f64 = 0.5;
/// Orders and rides that are seen to at once; when there are more, customers wait.
pub const MOST_AT_ONCE: usize = 90;

/// How fast the city lives.
#[derive(Debug, Clone, Copy)]
pub struct SimulationSpeed {
    /// What a minute of the city takes.
    pub minute: Duration,
}

impl Default for SimulationSpeed {
    /// Twelve times as fast as a city: an order takes some two minutes, and somebody orders every five to eight seconds.
    fn default() -> Self {
        Self { minute: Duration::from_secs(5) }
    }
}

impl SimulationSpeed {
    /// Waits for so many minutes of the city.
    pub async fn wait(self, minutes: f64) {
        tokio::time::sleep(self.minute.mul_f64(minutes.max(0.0))).await;
    }
}

/// City minutes until somebody orders: fewer when it is time to eat.
pub fn until_next_order(clock: &Clock, random: &mut StdRng) -> f64 {
    let local = clock.now().with_timezone(&ZONE);
    let minute = i16::try_from(local.num_seconds_from_midnight() / 60).unwrap_or_default();
    let hunger = appetite(minute).min(1.0);
    let (calm, busy) = BETWEEN_ORDERS;
    (calm + (busy - calm) * hunger) * random.random_range(0.5..1.5)
}
