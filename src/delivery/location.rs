//! Checks of reported driver locations: which of two is newer, and whether a vehicle can get from one to the other.
//! Pure. They are reported in `http/drivers.rs`; who sees them is decided in `disclosure.rs`.

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::{self, ClockSkew};
use crate::place::Place;

/// The largest distance between two positions of a phone that does not move, in metres.
const INACCURACY: f64 = 1_000.0;

/// The last known location of a driver.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LastLocation {
    /// The place, as the phone reported it.
    pub place: Place,
    /// When it was measured, by the server's clock.
    pub located_at: DateTime<Utc>,
    /// When it was measured, by the phone's clock; `None`: the phone did not say so.
    pub reported_at: Option<DateTime<Utc>>,
    /// Since when, by the server's clock, each report was older; `None`: the last report was the newest.
    pub late_since: Option<DateTime<Utc>>,
}

/// A reported location.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReportedLocation {
    /// The place, as the phone reported it.
    pub place: Place,
    /// When it was measured, by the server's clock: the phone's time, corrected by how far its clock is behind or ahead
    /// at most.
    pub located_at: DateTime<Utc>,
    /// When it was measured, by the phone's clock.
    pub reported_at: DateTime<Utc>,
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
        /// The distance from the last known location, in kilometres along the surface of the earth.
        kilometres: f64,
        /// The time since the last known location.
        seconds: i64,
    },
}

/// After this time in which each report was older than the last known location, the phone's clock has been set back: a
/// phone with a correct clock sends a newer one every minute.
const SET_BACK: TimeDelta = TimeDelta::minutes(5);

/// Compares a report with the last known location: the phone's times with each other, and the server's with each other.
/// `at` is the phone's time of the report; `None`: now. `max_speed` is in metres a second.
///
/// # Errors
/// When the clock is too far ahead or the distance too long. A report that is repeated is `Late`.
pub fn check_report(
    last: Option<LastLocation>,
    place: Place,
    at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    max_speed: f64,
) -> Result<Report, InvalidReport> {
    if let Some(at) = at {
        clock::clamp(at, now)?;
    }
    // How far the phone's clock is behind, plus how long its fastest report took.
    let lag = last.and_then(|last| Some(last.located_at - last.reported_at?));
    let reported_at = at.unwrap_or(now - lag.unwrap_or_default());
    let newest =
        |lag: TimeDelta| Report::Newest(ReportedLocation { place, located_at: reported_at + lag, reported_at });
    let Some(last) = last else { return Ok(newest(now - reported_at)) };
    let is_older = at.is_some_and(|at| last.reported_at.is_some_and(|last| at <= last));
    if is_older && last.late_since.is_none_or(|since| now - since < SET_BACK) {
        return Ok(Report::Late);
    }
    let before = last.reported_at.filter(|_| !is_older);
    let since = before.map_or(now - last.located_at, |before| reported_at - before);
    let metres = last.place.metres_to(place);
    if metres > INACCURACY + max_speed * since.as_seconds_f64() {
        return Err(InvalidReport::Jump { kilometres: metres / 1_000.0, seconds: since.num_seconds() });
    }
    let lag = lag.filter(|_| !is_older).map_or(now - reported_at, |lag| lag.min(now - reported_at));
    Ok(newest(lag))
}
