//! PostgreSQL and its bounds.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::source::Reader;

/// PostgreSQL and its bounds.
#[derive(Debug, Clone)]
pub struct Postgres {
    /// `DATABASE_URL`; `None`: the private PostgreSQL in the data folder.
    pub url: Option<SecretString>,
    /// `POSTGRES_BIN`.
    pub bin_dir: Option<PathBuf>,
    /// `DATABASE_POOL`.
    pub pool: u32,
    /// `REQUESTS_AT_ONCE`.
    pub requests_at_once: usize,
    /// `REQUEST_QUEUE_WAIT`.
    pub request_queue_wait: Duration,
    /// `DATABASE_ACQUIRE_TIMEOUT`.
    pub acquire_timeout: Duration,
    /// `DATABASE_LOCK_TIMEOUT`.
    pub lock_timeout: Duration,
    /// `DATABASE_UNIT_TIMEOUT`.
    pub unit_timeout: Duration,
    /// `DATABASE_COMMIT_TIMEOUT`.
    pub commit_timeout: Duration,
}

impl Postgres {
    pub(super) fn gather(reader: &mut Reader<'_>) -> Self {
        let pool = reader.number("DATABASE_POOL", 2, 1_000);
        Self {
            url: reader.secret("DATABASE_URL"),
            bin_dir: reader.text("POSTGRES_BIN").map(PathBuf::from),
            pool,
            requests_at_once: reader.number_or_auto("REQUESTS_AT_ONCE", pool as usize, 1, 100_000),
            request_queue_wait: reader.duration("REQUEST_QUEUE_WAIT"),
            acquire_timeout: reader.duration("DATABASE_ACQUIRE_TIMEOUT"),
            lock_timeout: reader.duration("DATABASE_LOCK_TIMEOUT"),
            unit_timeout: reader.duration("DATABASE_UNIT_TIMEOUT"),
            commit_timeout: reader.duration("DATABASE_COMMIT_TIMEOUT"),
        }
    }
}
