//! Variables of operations from offline devices.

use super::{Variable, plain};

const SYNC: &str = "Offline synchronisation";

pub(super) const TABLE: &[Variable] = &[
    plain(SYNC, "SYNC_MAX_OPS", "200", "Maximum number of operations in one batch (1 to 1000)."),
    plain(
        SYNC,
        "SYNC_MAX_WAITING",
        "1000",
        "Maximum number of operations of one device that wait, for an earlier one or for a retry (1 to 100000).",
    ),
    plain(SYNC, "SYNC_MAX_DEVICES", "20", "Maximum number of devices of one user that synchronise (1 to 1000)."),
    plain(
        SYNC,
        "SYNC_DEVICES_AT_ONCE",
        "4",
        "Devices whose operations a node works on at once: a quarter of them, but at least one, of one user, and half \
         of one network (1 to 1000). Other devices wait for five seconds; what is stored then is done later.",
    ),
    plain(
        SYNC,
        "SYNC_OPERATIONS_PER_TURN",
        "20",
        "Operations of a device that are run before other devices have their turn (1 to 1000).",
    ),
    plain(
        SYNC,
        "SYNC_LEASE",
        "15s",
        "How long the lease of a worker lasts; after it another worker continues (1s to 20s).",
    ),
    plain(SYNC, "SYNC_POLL_INTERVAL", "2s", "How often each node checks for operations without a worker (10ms to 5s)."),
    plain(
        SYNC,
        "SYNC_ATTEMPTS",
        "5",
        "Number of failed attempts after which an operation is abandoned until an operator retries it (1 to 100).",
    ),
    plain(
        SYNC,
        "SYNC_RETRY_AFTER",
        "1s",
        "Wait before a failed operation is retried, doubled each time up to a minute (10ms to 1m).",
    ),
];
