//! Time comes in through here and nowhere else, so that tests can turn it. And times as people write them in
//! configuration: `500ms`, `30s`, `15m`, `12h`, `7d`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Where the program learns what time it is.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// The machine's clock, moved by as many milliseconds as a test says.
    Shifted(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that runs like the machine's until [`Clock::advance`] moves it.
    pub fn shifted() -> Self {
        Self::Shifted(Arc::default())
    }

    /// The instant now, to the microsecond: what PostgreSQL keeps, so that a value survives the way there and back.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn now(&self) -> DateTime<Utc> {
        let now = match self {
            Self::System => Utc::now(),
            Self::Shifted(by) => Utc::now() + TimeDelta::milliseconds(by.load(Ordering::Relaxed)),
        };
        DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
    }

    /// How far a test has moved it on.
    pub fn shift(&self) -> Duration {
        match self {
            Self::System => Duration::ZERO,
            Self::Shifted(by) => Duration::from_millis(by.load(Ordering::Relaxed).try_into().unwrap_or_default()),
        }
    }

    /// The same clock, so much behind.
    #[must_use]
    pub fn behind(&self, by: TimeDelta) -> Self {
        let shift = match self {
            Self::System => 0,
            Self::Shifted(shift) => shift.load(Ordering::Relaxed),
        };
        Self::Shifted(Arc::new(AtomicI64::new(shift - by.num_milliseconds())))
    }

    /// Moves a shifted clock forward; the machine's clock stays what it is.
    pub fn advance(&self, by: TimeDelta) {
        if let Self::Shifted(shift) = self {
            shift.fetch_add(by.num_milliseconds(), Ordering::Relaxed);
        }
    }
}

/// So far may a client's clock be ahead of ours without being noticed.
const UNNOTICED: TimeDelta = TimeDelta::seconds(60);
/// And so far before what it says is refused.
const TOLERATED: TimeDelta = TimeDelta::minutes(5);

/// A client's clock is too far ahead to order its writes by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is more than five minutes ahead of the server's clock")]
pub struct ClockSkew;

/// The instant that a client's write counts as having: its own, ours where its clock is somewhat ahead, none where it
/// is far ahead. So a phone set to 2099 cannot win for ever, and one set to 1970 merely loses.
///
/// # Errors
/// [`ClockSkew`] past the tolerance.
pub fn clamp(at: DateTime<Utc>, now: DateTime<Utc>) -> Result<DateTime<Utc>, ClockSkew> {
    match at - now {
        ahead if ahead <= UNNOTICED => Ok(at),
        ahead if ahead <= TOLERATED => Ok(now),
        _ => Err(ClockSkew),
    }
}

/// Why a text is not a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number and a unit: ms, s, m, h or d, as in 15m, and at most 36500d")]
pub struct InvalidDuration;

/// A hundred years: more cannot be meant, and what is added to an instant must stay one.
const LONGEST_DURATION: Duration = Duration::from_hours(36_500 * 24);

/// Reads a whole number and its unit. A number without a unit is refused: seconds or milliseconds is not ours to guess.
///
/// # Errors
/// [`InvalidDuration`] for anything else, including a number too large to be a time.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| InvalidDuration)?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(InvalidDuration),
    };
    let time = number.checked_mul(milliseconds).map(Duration::from_millis).ok_or(InvalidDuration)?;
    if time <= LONGEST_DURATION { Ok(time) } else { Err(InvalidDuration) }
}
