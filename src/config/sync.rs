//! Settings of offline synchronisation, read and checked. Defaults and descriptions: `variables/sync.rs`.

use std::time::Duration;

use super::source::Reader;

/// Limits and times of offline synchronisation.
#[derive(Debug, Clone, Copy)]
pub struct Sync {
    /// `SYNC_MAX_OPS`: maximum number of operations in one batch (1 to 1000).
    pub max_ops: usize,
    /// `SYNC_MAX_WAITING`: maximum number of operations of one device that wait, for an earlier one or for a retry (1
    /// to 100000).
    pub max_waiting: i64,
    /// `SYNC_MAX_DEVICES`: maximum number of devices of one user that synchronise (1 to 1000).
    pub max_devices: i64,
    /// `SYNC_DEVICES_AT_ONCE`: devices whose operations a node works on at once, a quarter of them of one user and half
    /// of one network (1 to 1000).
    pub devices_at_once: usize,
    /// `SYNC_OPERATIONS_PER_TURN`: operations of a device that are run before other devices have their turn (1 to
    /// 1000).
    pub operations_per_turn: usize,
    /// `SYNC_LEASE`: how long the lease of a worker lasts; after it another worker continues (1s to 20s).
    pub lease: Duration,
    /// `SYNC_POLL_INTERVAL`: how often each node checks for operations without a worker (10ms to 5s).
    pub poll_interval: Duration,
    /// `SYNC_ATTEMPTS`: number of failed attempts after which an operation is abandoned until an operator retries it (1
    /// to 100).
    pub attempts: i32,
    /// `SYNC_RETRY_AFTER`: wait before a failed operation is retried, doubled each time up to a minute (10ms to 1m).
    pub retry_after: Duration,
}

impl Sync {
    pub(super) fn gather(reader: &mut Reader<'_>) -> Self {
        let (least, second) = (Duration::from_millis(10), Duration::from_secs(1));
        Self {
            max_ops: reader.number("SYNC_MAX_OPS", 1, 1_000),
            max_waiting: reader.number("SYNC_MAX_WAITING", 1, 100_000),
            max_devices: reader.number("SYNC_MAX_DEVICES", 1, 1_000),
            devices_at_once: reader.number("SYNC_DEVICES_AT_ONCE", 1, 1_000),
            operations_per_turn: reader.number("SYNC_OPERATIONS_PER_TURN", 1, 1_000),
            // Together less than the thirty seconds within which a batch of a dead worker continues.
            lease: reader.duration_between("SYNC_LEASE", second, second * 20),
            poll_interval: reader.duration_between("SYNC_POLL_INTERVAL", least, second * 5),
            attempts: reader.number("SYNC_ATTEMPTS", 1, 100),
            retry_after: reader.duration_between("SYNC_RETRY_AFTER", least, second * 60),
        }
    }
}
