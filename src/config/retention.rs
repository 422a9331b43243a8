//! How long what grows by being used is kept.

use std::time::Duration;

use super::source::Reader;

/// How long what grows by being used is kept, and how often somebody looks.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// `RETENTION_INTERVAL`.
    pub interval: Duration,
    /// `IDEMPOTENCY_KEY_RETENTION`.
    pub idempotency_keys: Duration,
    /// `SYNC_RETENTION`.
    pub sync_operations: Duration,
    /// `SYNC_DEVICE_RETENTION`.
    pub sync_devices: Duration,
    /// `SESSION_RETENTION`.
    pub sessions: Duration,
    /// `NOTIFICATION_RETENTION`.
    pub notifications: Duration,
}

impl Retention {
    pub(super) fn gather(reader: &mut Reader<'_>) -> Self {
        let day = Duration::from_hours(24);
        Self {
            interval: reader.duration_between("RETENTION_INTERVAL", Duration::from_secs(1), day),
            idempotency_keys: reader.duration_between("IDEMPOTENCY_KEY_RETENTION", day, day * 3_650),
            sync_operations: reader.duration_between("SYNC_RETENTION", day, day * 3_650),
            sync_devices: reader.duration_between("SYNC_DEVICE_RETENTION", day, day * 3_650),
            sessions: reader.duration_between("SESSION_RETENTION", day, day * 3_650),
            notifications: reader.duration_between("NOTIFICATION_RETENTION", day, day * 3_650),
        }
    }
}
