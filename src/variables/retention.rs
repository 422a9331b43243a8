//! Variables of how long rows are kept.

use super::{Variable, plain};

const RETENTION: &str = "What is not kept for ever";

pub(super) const TABLE: &[Variable] = &[
    plain(
        RETENTION,
        "RETENTION_INTERVAL",
        "10m",
        "How often each node looks for rows that are too old; one at a time removes them (1s to 24h).",
    ),
    plain(
        RETENTION,
        "IDEMPOTENCY_KEY_RETENTION",
        "30d",
        "How long a repeated Idempotency-Key is answered with the stored answer (1d to 3650d).",
    ),
    plain(
        RETENTION,
        "STORED_ANSWERS_MAX",
        "10000",
        "Most stored answers of one user, and as many results of offline operations (10 to 1000000); the oldest beyond are deleted before their time.",
    ),
    plain(RETENTION, "STORED_ANSWERS_MAX_BYTES", "67108864", "Most bytes of them, of each (65536 to 1099511627776)."),
    plain(
        RETENTION,
        "SYNC_RETENTION",
        "30d",
        "How long the results of finished offline operations are kept (1d to 3650d).",
    ),
    plain(
        RETENTION,
        "SYNC_DEVICE_RETENTION",
        "400d",
        "How long after its last batch the numbers of a device's operations stay known (1d to 3650d).",
    ),
    plain(RETENTION, "SESSION_RETENTION", "180d", "How long a session is kept after it expired (1d to 3650d)."),
    plain(
        RETENTION,
        "NOTIFICATION_RETENTION",
        "30d",
        "How long notifications and their deliveries are kept (1d to 3650d).",
    ),
];
