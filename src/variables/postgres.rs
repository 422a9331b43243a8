//! Variables of PostgreSQL and Redis.

use super::{Variable, optional, plain, secret};

const DATABASE: &str = "PostgreSQL and Redis";

pub(super) const TABLE: &[Variable] = &[
    secret(
        DATABASE,
        "DATABASE_URL",
        "postgres://user:password@host:5432/comanda",
        "PostgreSQL 15 or newer. Not set: a private one in DATA_DIR.",
    ),
    optional(
        DATABASE,
        "POSTGRES_BIN",
        "/usr/lib/postgresql/15/bin",
        "Folder with initdb and postgres, for the private PostgreSQL. Not set: searched in the usual places.",
    ),
    plain(DATABASE, "DATABASE_POOL", "16", "Number of connections to PostgreSQL (2 to 1000)."),
    plain(
        DATABASE,
        "REQUESTS_AT_ONCE",
        "auto",
        "Maximum number of requests processed at once; lists and exports for administrators take at most half of them, \
         all requests except those on orders and deliveries three quarters, one user a quarter, one network half. \
         auto: three quarters of DATABASE_POOL.",
    ),
    plain(
        DATABASE,
        "REQUEST_QUEUE_WAIT",
        "250ms",
        "How long a request may wait to be processed. A request that is expected to wait for more than half of it gets \
         503 at once; the limit is a quarter for requests that do not concern orders or deliveries, and an eighth for \
         lists and exports for administrators.",
    ),
    plain(
        DATABASE,
        "DATABASE_ACQUIRE_TIMEOUT",
        "500ms",
        "How long a request waits for a connection before it gets 503.",
    ),
    plain(
        DATABASE,
        "DATABASE_LOCK_TIMEOUT",
        "2s",
        "How long a statement waits for a row that another transaction is changing.",
    ),
    plain(DATABASE, "DATABASE_UNIT_TIMEOUT", "5s", "How long one transaction may take before COMMIT."),
    plain(
        DATABASE,
        "DATABASE_COMMIT_TIMEOUT",
        "5s",
        "How long COMMIT may take; after it the response is 503 outcome_unknown.",
    ),
    secret(
        DATABASE,
        "REDIS_URL",
        "redis://host:6379",
        "Redis 7 or newer, for several nodes: notifications of events, shared rate limits and the menu cache. Not set: \
         nodes notify each other through PostgreSQL.",
    ),
];
