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
        "Folder with initdb and postgres, for the private PostgreSQL. Not set: looked for.",
    ),
    plain(DATABASE, "DATABASE_POOL", "16", "Connections to PostgreSQL (2 to 1000)."),
    plain(
        DATABASE,
        "REQUESTS_AT_ONCE",
        "auto",
        "Requests worked on at once; lists and exports for administrators take at most half of them, all but orders and deliveries three quarters; one user a quarter, one network half. auto: DATABASE_POOL.",
    ),
    plain(
        DATABASE,
        "REQUEST_QUEUE_WAIT",
        "250ms",
        "How long a request may wait for its turn. Who is expected to wait for more than half of that gets 503 at once; a quarter where it is not about an order or a delivery, an eighth for lists and exports for administrators.",
    ),
    plain(
        DATABASE,
        "DATABASE_ACQUIRE_TIMEOUT",
        "500ms",
        "How long a request waits for a connection before it gets 503.",
    ),
    plain(DATABASE, "DATABASE_LOCK_TIMEOUT", "2s", "How long a statement waits for a row somebody else is changing."),
    plain(DATABASE, "DATABASE_UNIT_TIMEOUT", "5s", "How long one transaction may take before COMMIT."),
    plain(
        DATABASE,
        "DATABASE_COMMIT_TIMEOUT",
        "5s",
        "How long COMMIT may take; past it the answer is 503 outcome_unknown.",
    ),
    secret(
        DATABASE,
        "REDIS_URL",
        "redis://host:6379",
        "Redis 7 or newer, for several nodes: they wake each other through it. Not set: through PostgreSQL.",
    ),
];
