//! When a driver had a delivery, from its history. Pure.

use chrono::{DateTime, TimeDelta, Utc};

/// How far a driver's clock may be behind the server's. A driver cannot take a step before the delivery is theirs, so a
/// step that seems to be earlier comes from a clock that is behind.
const SLOW_CLOCK: TimeDelta = TimeDelta::minutes(5);

/// A time during which a driver had a delivery, and which has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastAssignment {
    /// When the driver got it.
    pub from: DateTime<Utc>,
    /// When they lost it.
    pub until: DateTime<Utc>,
    /// Whether a person ended it: the driver handed it back, or staff took it away. Otherwise it was taken back because
    /// the driver was absent, which a driver who was offline does not know.
    pub is_ended_by_person: bool,
}

/// Whether a step that a driver took at this time counts, although they have lost the delivery since: they had it at
/// that time, and no person has ended that afterwards. The phone tells the time, and that must not undo a decision of
/// the staff.
pub fn counts(assignments: &[PastAssignment], at: DateTime<Utc>) -> bool {
    let was_theirs = assignments.iter().any(|past| past.from - SLOW_CLOCK <= at && at < past.until);
    was_theirs && !assignments.iter().any(|past| past.is_ended_by_person && at < past.until)
}
