//! The clock: the only place that reads the time, so that tests can move it. And durations as they are written in the
//! configuration: `500ms`, `30s`, `15m`, `12h`, `7d`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// The source of the current time.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// The machine's clock plus a number of milliseconds that a test sets.
    Shifted(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that runs like the machine's until [`Clock::advance`] moves it.
    pub fn shifted() -> Self {
        Self::Shifted(Arc::default())
    }

    /// The current instant, in the precision of PostgreSQL (microseconds), so that a value does not change when it is
    /// stored.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn now(&self) -> DateTime<Utc> {
        let now = match self {
            Self::System => Utc::now(),
            Self::Shifted(by) => Utc::now() + TimeDelta::milliseconds(by.load(Ordering::Relaxed)),
        };
        DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
    }

    /// How far a test has moved it forward.
    pub fn shift(&self) -> Duration {
        match self {
            Self::System => Duration::ZERO,
            Self::Shifted(by) => Duration::from_millis(by.load(Ordering::Relaxed).try_into().unwrap_or_default()),
        }
    }

    /// The same clock, behind by `by`.
    #[must_use]
    pub fn behind(&self, by: TimeDelta) -> Self {
        let shift = match self {
            Self::System => 0,
            Self::Shifted(shift) => shift.load(Ordering::Relaxed),
        };
        Self::Shifted(Arc::new(AtomicI64::new(shift - by.num_milliseconds())))
    }

    /// Moves a shifted clock forward; does nothing for the machine's clock.
    pub fn advance(&self, by: TimeDelta) {
        if let Self::Shifted(shift) = self {
            shift.fetch_add(by.num_milliseconds(), Ordering::Relaxed);
        }
    }
}

/// How far a client's clock may be ahead of the server's without effect.
const UNNOTICED: TimeDelta = TimeDelta::seconds(60);
/// How far a client's clock may be ahead before its writes are refused.
const TOLERATED: TimeDelta = TimeDelta::minutes(5);

/// A client's clock is too far ahead to order its writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is more than five minutes ahead of the server's clock")]
pub struct ClockSkew;

/// The effective instant of a client's write: the client's own, or the server's if the client's clock is slightly
/// ahead; far ahead, the write is refused. So the writes of a phone set to 2099 do not win for ever, and those of one
/// set to 1970 lose.
///
/// # Errors
/// [`ClockSkew`] beyond the tolerance.
pub fn clamp(at: DateTime<Utc>, now: DateTime<Utc>) -> Result<DateTime<Utc>, ClockSkew> {
    match at - now {
        ahead if ahead <= UNNOTICED => Ok(at),
        ahead if ahead <= TOLERATED => Ok(now),
        _ => Err(ClockSkew),
    }
}

/// The text is not a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number and a unit: ms, s, m, h or d, as in 15m, and at most 36500d")]
pub struct InvalidDuration;

/// A hundred years, so that a duration can be added to any instant without overflow.
const LONGEST_DURATION: Duration = Duration::from_hours(36_500 * 24);

/// Reads a whole number and its unit. A number without a unit is refused, because it could be seconds or milliseconds.
///
/// # Errors
/// [`InvalidDuration`] for anything else, and for more than [`LONGEST_DURATION`].
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
