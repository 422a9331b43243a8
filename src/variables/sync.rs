//! Variables of operations from offline devices.

use super::{Variable, plain};

const SYNC: &str = "Phones that were offline";

pub(super) const TABLE: &[Variable] = &[
    plain(SYNC, "SYNC_MAX_OPS", "200", "Most operations of one batch (1 to 1000)."),
    plain(
        SYNC,
        "SYNC_MAX_WAITING",
        "1000",
        "Most operations of one device that wait, for an earlier one or to be tried again (1 to 100000).",
    ),
    plain(SYNC, "SYNC_MAX_DEVICES", "20", "Most devices of one user that synchronise (1 to 1000)."),
    plain(
        SYNC,
        "SYNC_DEVICES_AT_ONCE",
        "4",
        "Devices whose operations a node works on at once, a quarter of them, but at least one, of one user (1 to 1000). Other devices wait for their turn for five seconds; what is stored then is done later.",
    ),
    plain(
        SYNC,
        "SYNC_LEASE",
        "15s",
        "A worker that has not been heard of for so long is taken for dead, and another goes on (1s to 20s).",
    ),
    plain(
        SYNC,
        "SYNC_POLL_INTERVAL",
        "2s",
        "How often each node looks for operations that nobody works on (10ms to 5s).",
    ),
    plain(SYNC, "SYNC_ATTEMPTS", "5", "An operation that broke so often waits for an operator (1 to 100)."),
    plain(
        SYNC,
        "SYNC_RETRY_AFTER",
        "1s",
        "Rest before a failed operation is tried again, doubled each time up to a minute (10ms to 1m).",
    ),
];
