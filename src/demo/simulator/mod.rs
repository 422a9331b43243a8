//! Brings the city to life.

use super::city::City;
use super::client::BadAddress;

/// The city's people at work.
pub struct Simulator;

impl Simulator {
    /// Lets them begin.
    pub fn begin(_url: &str, _city: City) -> Result<Self, BadAddress> {
        Ok(Self)
    }

    /// Sends them home.
    pub async fn stop(self) {
        tokio::task::yield_now().await;
    }
}
