//! Settings of drivers and deliveries, read and checked. Defaults and descriptions: `variables/delivery.rs`.

use std::time::Duration;

use chrono::TimeDelta;

use super::source::Reader;

/// Drivers and their bounds.
#[derive(Debug, Clone, Copy)]
pub struct DeliverySettings {
    /// `DRIVER_SEARCH_RADIUS`, in metres.
    pub search_radius: f64,
    /// `DRIVER_PRESENCE`: A driver on duty without activity (a location report, PUT availability, a step of a delivery)
    /// for this time gets no deliveries (30s to 24h).
    pub presence: TimeDelta,
    /// `DRIVER_OFF_DUTY_AFTER`: A driver on duty without activity for this time is set off duty; deliveries not picked
    /// up are waiting again (1m to 24h, at least `DRIVER_PRESENCE`).
    pub off_duty_after: TimeDelta,
    /// `DRIVER_CHECK_INTERVAL`: how often each node checks for absent drivers (10ms to 1m); disabled drivers are
    /// checked at once, too.
    pub check_interval: Duration,
    /// `DRIVER_MAX_SPEED`, in metres a second.
    pub max_speed: f64,
}

impl DeliverySettings {
    pub(super) fn gather(reader: &mut Reader<'_>) -> Self {
        let (second, minute, hour) = (Duration::from_secs(1), Duration::from_mins(1), Duration::from_hours(1));
        let mut time =
            |name, min, max| TimeDelta::from_std(reader.duration_between(name, min, max)).unwrap_or(TimeDelta::MAX);
        let presence = time("DRIVER_PRESENCE", second * 30, hour * 24);
        let off_duty_after = time("DRIVER_OFF_DUTY_AFTER", minute, hour * 24);
        Self {
            search_radius: f64::from(reader.number("DRIVER_SEARCH_RADIUS", 100_u32, 500_000)),
            presence,
            off_duty_after: off_duty_after.max(presence),
            check_interval: reader.duration_between("DRIVER_CHECK_INTERVAL", Duration::from_millis(10), minute),
            max_speed: f64::from(reader.number("DRIVER_MAX_SPEED", 10_u32, 100_000)) / 3.6,
        }
    }
}
