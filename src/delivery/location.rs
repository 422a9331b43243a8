//! What a report of a driver's place is worth: which of two is newer, and whether a vehicle gets from one to the other.
//! Pure.

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::{self, ClockSkew};
use crate::place::Place;

/// So far off may two positions of a phone that stands still be, in metres.
const INACCURACY: f64 = 1_000.0;

/// Somebody was somewhere at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sighting {
    /// The place, as the phone reported it.
    pub place: Place,
    /// When, by the phone's own clock.
    pub at: DateTime<Utc>,
}

/// What becomes of a report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Report {
    /// The driver is there now.
    Newest(Sighting),
    /// A later place is known already; nothing changes.
    Late,
}

/// Why a report is not taken.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum InvalidReport {
    /// The phone's clock is too far ahead.
    #[error(transparent)]
    Clock(#[from] ClockSkew),
    /// No vehicle gets there so fast.
    #[error(
        "is {kilometres:.0} km from where you were {seconds} s before, and no vehicle gets there so fast; if it is right, say so with PUT /api/drivers/me/availability"
    )]
    Jump {
        /// Distance from the last known place, as the crow flies.
        kilometres: f64,
        /// Time since the last known place, by the phone's clock.
        seconds: i64,
    },
}

/// Holds a report against the last place that is known. `at` is the phone's own time of it; without one it is now.
/// `max_speed` is in metres a second.
///
/// # Errors
/// When the clock is too far ahead or the way too long. A report that was taken once is Late when it comes again.
pub fn judge(
    last: Option<Sighting>,
    place: Place,
    at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    max_speed: f64,
) -> Result<Report, InvalidReport> {
    let at = at.map_or(Ok(now), |at| clock::clamp(at, now))?.min(now);
    let Some(last) = last else { return Ok(Report::Newest(Sighting { place, at })) };
    if at <= last.at {
        return Ok(Report::Late);
    }
    let (metres, since) = (last.place.metres_to(place), at - last.at);
    if metres > INACCURACY + max_speed * seconds(since) {
        return Err(InvalidReport::Jump { kilometres: metres / 1_000.0, seconds: since.num_seconds() });
    }
    Ok(Report::Newest(Sighting { place, at }))
}

fn seconds(time: TimeDelta) -> f64 {
    time.as_seconds_f64()
}
