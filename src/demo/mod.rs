//! The demo city, and days that really happened.

pub mod client;
pub mod replay;

/// Stops what was begun.
pub struct Simulator;

impl Simulator {
    /// Stops it.
    pub async fn stop(self) {}
}

/// Begins.
pub async fn begin(_running: &crate::serve::Running) -> Result<Simulator, String> {
    Ok(Simulator)
}

/// Logins.
pub fn logins() -> String {
    String::new()
}
