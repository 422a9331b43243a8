//! Settings of the times and numbers in which rows are kept. Defaults: `variables/retention.rs`; tables:
//! `retention.rs`.

use std::time::Duration;

use super::source::Reader;

/// How long rows are kept, and how often expired ones are deleted.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// `RETENTION_INTERVAL`: how often each node deletes expired rows (1s to 24h). A lock allows only one node to
    /// delete at a time.
    pub interval: Duration,
    /// `IDEMPOTENCY_KEY_RETENTION`: how long responses under an Idempotency-Key are kept, to be repeated (1d to 3650d).
    pub idempotency_keys: Duration,
    /// Of one user: `STORED_RESPONSES_MAX`, `STORED_RESPONSES_MAX_BYTES`.
    pub stored_responses: StoredResponsesLimit,
    /// `SYNC_RETENTION`: how long the results of finished offline operations are kept (1d to 3650d).
    pub sync_operations: Duration,
    /// `SYNC_DEVICE_RETENTION`: how long after its last batch the sequence numbers of a device are kept (1d to 3650d).
    pub sync_devices: Duration,
    /// `SESSION_RETENTION`: how long a session is kept after it expired (1d to 3650d).
    pub sessions: Duration,
    /// `NOTIFICATION_RETENTION`: how long notifications and their deliveries are kept (1d to 3650d).
    pub notifications: Duration,
}

/// Limits for one user, for responses under an `Idempotency-Key` and for results of offline operations.
#[derive(Debug, Clone, Copy)]
pub struct StoredResponsesLimit {
    /// Maximum number of rows (`STORED_RESPONSES_MAX`).
    pub rows: i64,
    /// Maximum size in bytes (`STORED_RESPONSES_MAX_BYTES`).
    pub bytes: i64,
}

impl Retention {
    pub(super) fn gather(reader: &mut Reader<'_>) -> Self {
        let day = Duration::from_hours(24);
        Self {
            interval: reader.duration_between("RETENTION_INTERVAL", Duration::from_secs(1), day),
            idempotency_keys: reader.duration_between("IDEMPOTENCY_KEY_RETENTION", day, day * 3_650),
            stored_responses: StoredResponsesLimit {
                rows: reader.number("STORED_RESPONSES_MAX", 10, 1_000_000),
                bytes: reader.number("STORED_RESPONSES_MAX_BYTES", 1 << 16, 1 << 40),
            },
            sync_operations: reader.duration_between("SYNC_RETENTION", day, day * 3_650),
            sync_devices: reader.duration_between("SYNC_DEVICE_RETENTION", day, day * 3_650),
            sessions: reader.duration_between("SESSION_RETENTION", day, day * 3_650),
            notifications: reader.duration_between("NOTIFICATION_RETENTION", day, day * 3_650),
        }
    }
}
