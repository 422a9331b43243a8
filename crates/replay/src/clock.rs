//! The clock of the day: real time, multiplied.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The current minute of the day.
#[derive(Clone)]
pub struct DayClock {
    began: Instant,
    first_minute: f64,
    /// How many minutes of the day pass in a real minute.
    speed: f64,
    /// Minutes of the day.
    worst_lag: Arc<Mutex<f64>>,
}

impl DayClock {
    /// A clock that shows `first_minute` now.
    pub fn start(first_minute: f64, speed: f64) -> Self {
        Self { began: Instant::now(), first_minute, speed, worst_lag: Arc::default() }
    }

    /// The current minute of the day.
    pub fn now(&self) -> f64 {
        self.first_minute + self.began.elapsed().as_secs_f64() / 60.0 * self.speed
    }

    /// Waits until `minute`; returns at once if it has passed.
    pub async fn until(&self, minute: f64) {
        let seconds = (minute - self.first_minute).max(0.0) * 60.0 / self.speed;
        tokio::time::sleep_until(self.began + Duration::from_secs_f64(seconds)).await;
    }

    /// Records that an action planned for `minute` is done now.
    pub fn note_lag(&self, minute: f64) {
        let late = self.now() - minute;
        let mut worst = self.worst_lag.lock().unwrap_or_else(PoisonError::into_inner);
        *worst = worst.max(late);
    }

    /// The largest delay of a planned action, in minutes of the day.
    pub fn worst_lag(&self) -> f64 {
        *self.worst_lag.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
