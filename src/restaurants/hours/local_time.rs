//! A local time of day.

use serde::{Deserialize, Serialize};

use crate::text;

pub(super) const MINUTES_A_DAY: i16 = 1_440;

/// Minutes after local midnight, written `HH:MM`; `24:00` is the midnight that ends the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalTime(pub(super) i16);

impl LocalTime {
    /// From minutes after midnight, 0 to 1440.
    pub const fn from_minutes(minutes: i16) -> Self {
        Self(minutes)
    }

    /// Minutes after midnight.
    pub const fn minutes(self) -> i16 {
        self.0
    }

    /// Calls `with` with the time as it is written.
    fn written<T>(self, with: impl FnOnce(&str) -> T) -> T {
        let (hours, minutes) = ((self.0 / 60).unsigned_abs().min(99), (self.0 % 60).unsigned_abs());
        let digit = |value: u16| b'0' + u8::try_from(value % 10).unwrap_or_default();
        let text = [digit(hours / 10), digit(hours), b':', digit(minutes / 10), digit(minutes)];
        with(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl std::fmt::Display for LocalTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.written(|text| f.pad(text))
    }
}

impl std::str::FromStr for LocalTime {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let read = || {
            let (hours, minutes) = text.split_once(':')?;
            let two_digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            if !two_digits(hours) || !two_digits(minutes) {
                return None;
            }
            let (hours, minutes): (i16, i16) = (hours.parse().ok()?, minutes.parse().ok()?);
            let total = hours * 60 + minutes;
            (minutes < 60 && total <= MINUTES_A_DAY).then_some(Self(total))
        };
        read().ok_or("must be a time such as 11:30, from 00:00 to 24:00")
    }
}

impl Serialize for LocalTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.written(|text| serializer.serialize_str(text))
    }
}

impl<'de> Deserialize<'de> for LocalTime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::parsed(deserializer)
    }
}
