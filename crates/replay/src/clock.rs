//! The day's clock: real time, multiplied.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Tells the minutes of the day.
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

    /// What it shows, in minutes.
    pub fn now(&self) -> f64 {
        self.first_minute + self.began.elapsed().as_secs_f64() / 60.0 * self.speed
    }

    /// Waits until it shows `minute`; at once if that has passed.
    pub async fn until(&self, minute: f64) {
        let seconds = (minute - self.first_minute).max(0.0) * 60.0 / self.speed;
        tokio::time::sleep_until(self.began + Duration::from_secs_f64(seconds)).await;
    }

    /// Notes that something planned for `minute` has been done only now.
    pub fn note_lag(&self, minute: f64) {
        let late = self.now() - minute;
        let mut worst = self.worst_lag.lock().unwrap_or_else(PoisonError::into_inner);
        *worst = worst.max(late);
    }

    /// By how many minutes of the day something came too late at worst.
    pub fn worst_lag(&self) -> f64 {
        *self.worst_lag.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
