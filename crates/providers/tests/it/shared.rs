//! Official descriptions and vectors of providers, from the folder beside the repository; and times of tests.

use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use comanda_providers::TimeSource;
use serde_json::Value;

/// A file of the shared folder; `None` if it does not exist, with a message that is shown for tests that pass, too.
pub fn shared(name: &str) -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/providers").join(name);
    match std::fs::read(&path) {
        Ok(text) => Some(serde_json::from_slice(&text).unwrap()),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "NOT CHECKED against {}: {error}", path.display());
            None
        }
    }
}

/// The instant at which tests begin: 2026-12-01T12:00:00Z.
pub fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(498_924)
}

/// Lets the time limit of a request pass, once the fake holds the request: from then on tokio's time passes whenever
/// nothing else happens.
pub async fn given_up<T>(send: impl Future<Output = T>, is_held: impl Future<Output = ()>) -> T {
    let held = async {
        is_held.await;
        tokio::time::pause();
    };
    let (outcome, ()) = tokio::join!(send, held);
    tokio::time::resume();
    outcome
}

/// A clock that stands still until a test moves it.
#[derive(Clone)]
pub struct TestTime(Arc<Mutex<SystemTime>>);

impl TestTime {
    pub fn at_noon() -> Self {
        Self(Arc::new(Mutex::new(noon())))
    }

    pub fn source(&self) -> TimeSource {
        let time = self.clone();
        TimeSource::new(move || time.now())
    }

    pub fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }

    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }

    pub fn set_back(&self, by: Duration) {
        *self.0.lock().unwrap() -= by;
    }
}
