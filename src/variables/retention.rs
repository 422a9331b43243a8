//! Variables of how long rows are kept. The tables, and those whose time is fixed, are in `retention.rs`.

use super::{Variable, plain};

const RETENTION: &str = "Retention";

pub(super) const TABLE: &[Variable] = &[
    plain(
        RETENTION,
        "RETENTION_INTERVAL",
        "10m",
        "How often each node deletes expired rows (1s to 24h). A lock allows only one node to delete at a time.",
    ),
    plain(
        RETENTION,
        "IDEMPOTENCY_KEY_RETENTION",
        "30d",
        "How long responses under an Idempotency-Key are kept, to be repeated (1d to 3650d).",
    ),
    plain(
        RETENTION,
        "STORED_RESPONSES_MAX",
        "10000",
        "Maximum number of stored responses of one user, and separately of stored results of the user's offline \
         operations (10 to 1000000); the oldest ones beyond it are deleted early.",
    ),
    plain(
        RETENTION,
        "STORED_RESPONSES_MAX_BYTES",
        "67108864",
        "Maximum total size of the stored responses of one user, and separately of the stored results of the user's \
         offline operations, in bytes (65536 to 1099511627776).",
    ),
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
        "How long after its last batch the sequence numbers of a device are kept (1d to 3650d).",
    ),
    plain(RETENTION, "SESSION_RETENTION", "180d", "How long a session is kept after it expired (1d to 3650d)."),
    plain(
        RETENTION,
        "NOTIFICATION_RETENTION",
        "30d",
        "How long notifications and their deliveries are kept (1d to 3650d).",
    ),
];
