//! How long what grows by being used is kept.

use std::time::Duration;

use super::source::Reader;

/// How long what grows by being used is kept, and how often somebody looks.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// `RETENTION_INTERVAL`: how often each node looks for rows that are too old; one at a time removes them (1s to
    /// 24h).
    pub interval: Duration,
    /// `IDEMPOTENCY_KEY_RETENTION`: how long a repeated Idempotency-Key is answered with the stored answer (1d to
    /// 3650d).
    pub idempotency_keys: Duration,
    /// Of one user: `STORED_ANSWERS_MAX`, `STORED_ANSWERS_MAX_BYTES`.
    pub stored_answers: StoredAnswersLimit,
    /// `SYNC_RETENTION`: how long the results of finished offline operations are kept (1d to 3650d).
    pub sync_operations: Duration,
    /// `SYNC_DEVICE_RETENTION`: how long after its last batch the numbers of a device's operations stay known (1d to
    /// 3650d).
    pub sync_devices: Duration,
    /// `SESSION_RETENTION`: how long a session is kept after it expired (1d to 3650d).
    pub sessions: Duration,
    /// `NOTIFICATION_RETENTION`: how long notifications and their deliveries are kept (1d to 3650d).
    pub notifications: Duration,
}

/// Most that is kept of one user in each store: answers under an `Idempotency-Key`, and results of offline operations.
#[derive(Debug, Clone, Copy)]
pub struct StoredAnswersLimit {
    /// Most answers kept of one user (`STORED_ANSWERS_MAX`).
    pub rows: i64,
    /// Their bytes (`STORED_ANSWERS_MAX_BYTES`).
    pub bytes: i64,
}

impl Retention {
    pub(super) fn gather(reader: &mut Reader<'_>) -> Self {
        let day = Duration::from_hours(24);
        Self {
            interval: reader.duration_between("RETENTION_INTERVAL", Duration::from_secs(1), day),
            idempotency_keys: reader.duration_between("IDEMPOTENCY_KEY_RETENTION", day, day * 3_650),
            stored_answers: StoredAnswersLimit {
                rows: reader.number("STORED_ANSWERS_MAX", 10, 1_000_000),
                bytes: reader.number("STORED_ANSWERS_MAX_BYTES", 1 << 16, 1 << 40),
            },
            sync_operations: reader.duration_between("SYNC_RETENTION", day, day * 3_650),
            sync_devices: reader.duration_between("SYNC_DEVICE_RETENTION", day, day * 3_650),
            sessions: reader.duration_between("SESSION_RETENTION", day, day * 3_650),
            notifications: reader.duration_between("NOTIFICATION_RETENTION", day, day * 3_650),
        }
    }
}
