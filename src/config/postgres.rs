//! Settings of PostgreSQL, its connections and transactions, read and checked. Defaults and descriptions:
//! `variables/postgres.rs`.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::source::Reader;

/// PostgreSQL and its bounds.
#[derive(Debug, Clone)]
pub struct Postgres {
    /// `DATABASE_URL`; `None`: the private PostgreSQL in the data folder.
    pub url: Option<SecretString>,
    /// `POSTGRES_BIN`: folder with initdb and postgres, for the private PostgreSQL. Not set: searched in the usual
    /// places.
    pub bin_dir: Option<PathBuf>,
    /// `DATABASE_POOL`: number of connections to PostgreSQL (2 to 1000).
    pub pool: u32,
    /// `REQUESTS_AT_ONCE`: maximum number of requests processed at once; lists and exports for administrators take at
    /// most half of them, all requests except those on orders and deliveries three quarters, one user a quarter, one
    /// network half. auto: three quarters of `DATABASE_POOL`.
    pub requests_at_once: usize,
    /// `REQUEST_QUEUE_WAIT`: how long a request may wait to be processed. A request that is expected to wait for more
    /// than half of it gets 503 at once; the limit is a quarter for requests that do not concern orders or deliveries,
    /// and an eighth for lists and exports for administrators.
    pub request_queue_wait: Duration,
    /// `DATABASE_ACQUIRE_TIMEOUT`: how long a request waits for a connection before it gets 503.
    pub acquire_timeout: Duration,
    /// `DATABASE_LOCK_TIMEOUT`: how long a statement waits for a row that another transaction is changing.
    pub lock_timeout: Duration,
    /// `DATABASE_UNIT_TIMEOUT`: how long one transaction may take before COMMIT.
    pub unit_timeout: Duration,
    /// `DATABASE_COMMIT_TIMEOUT`: how long COMMIT may take; after it the response is 503 `outcome_unknown`.
    pub commit_timeout: Duration,
}

impl Postgres {
    pub(super) fn gather(reader: &mut Reader<'_>) -> Self {
        let pool = reader.number("DATABASE_POOL", 2, 1_000);
        // The other connections are for work that takes no slot: signing in, whole menus, images, synchronization,
        // jobs.
        let slots = (pool - pool / 4) as usize;
        Self {
            url: reader.secret("DATABASE_URL"),
            bin_dir: reader.text("POSTGRES_BIN").map(PathBuf::from),
            pool,
            requests_at_once: reader.number_or_auto("REQUESTS_AT_ONCE", slots, 1, 100_000),
            request_queue_wait: reader.duration("REQUEST_QUEUE_WAIT"),
            acquire_timeout: reader.duration("DATABASE_ACQUIRE_TIMEOUT"),
            lock_timeout: reader.duration("DATABASE_LOCK_TIMEOUT"),
            unit_timeout: reader.duration("DATABASE_UNIT_TIMEOUT"),
            commit_timeout: reader.duration("DATABASE_COMMIT_TIMEOUT"),
        }
    }
}

/// `REDIS_URL`, in the section of databases; `None`: there is no Redis.
pub(super) fn redis_url(reader: &Reader<'_>) -> Option<SecretString> {
    reader.secret("REDIS_URL")
}
