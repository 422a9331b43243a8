//! Checks of reported driver locations: which of two is newer, and whether a vehicle can get from one to the other.
//! Pure.

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::{self, ClockSkew};
use crate::place::Place;

/// The most that two positions of a resting phone differ, in metres.
const INACCURACY: f64 = 1_000.0;

/// A reported location.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReportedLocation {
    /// The place, as the phone reported it.
    pub place: Place,
    /// The time of the report, by the phone's clock.
    pub at: DateTime<Utc>,
}

/// The outcome of a report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Report {
    /// The report is the latest one, and is stored.
    Newest(ReportedLocation),
    /// A later location is known; nothing changes.
    Late,
}

/// Why a report is refused.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum InvalidReport {
    /// The phone's clock is too far ahead.
    #[error(transparent)]
    Clock(#[from] ClockSkew),
    /// No vehicle is that fast.
    #[error(
        "is {kilometres:.0} km from where you were {seconds} s before, and no vehicle gets there so fast; if it is \
         right, say so with PUT /api/drivers/me/availability"
    )]
    Jump {
        /// The distance from the last known location, in metres along the surface of the earth.
        kilometres: f64,
        /// The time since the last known location, by the phone's clock.
        seconds: i64,
    },
}

/// Compares a report with the last known location. `at` is the phone's time of the report; `None`: now.
/// `max_speed` is in metres a second.
///
/// # Errors
/// When the clock is too far ahead or the distance too long. A report that is repeated is `Late`.
pub fn judge(
    last: Option<ReportedLocation>,
    place: Place,
    at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    max_speed: f64,
) -> Result<Report, InvalidReport> {
    let at = at.map_or(Ok(now), |at| clock::clamp(at, now))?.min(now);
    let Some(last) = last else { return Ok(Report::Newest(ReportedLocation { place, at })) };
    if at <= last.at {
        return Ok(Report::Late);
    }
    let (metres, since) = (last.place.metres_to(place), at - last.at);
    if metres > INACCURACY + max_speed * seconds(since) {
        return Err(InvalidReport::Jump { kilometres: metres / 1_000.0, seconds: since.num_seconds() });
    }
    Ok(Report::Newest(ReportedLocation { place, at }))
}

fn seconds(time: TimeDelta) -> f64 {
    time.as_seconds_f64()
}
