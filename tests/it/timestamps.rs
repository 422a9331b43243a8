//! Instants, dates and time zones in requests: which are accepted, and the errors of the others.

use chrono::{Datelike as _, TimeDelta};
use comanda::clock::parse_duration;
use comanda::timestamp::{InvalidTime, LocalDate, Timestamp, ZoneName};
use proptest::prelude::*;

#[test]
fn instants_are_rfc_3339_with_a_zone() {
    for (text, utc) in [
        ("2026-05-01T18:30:00Z", "2026-05-01T18:30:00+00:00"),
        ("2026-05-01t18:30:00.5z", "2026-05-01T18:30:00.500+00:00"),
        ("2026-05-01T20:30:00+02:00", "2026-05-01T18:30:00+00:00"),
        ("2026-05-01T12:45:00-05:45", "2026-05-01T18:30:00+00:00"),
        ("2026-05-01T18:30:00.123456789Z", "2026-05-01T18:30:00.123456+00:00"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00+00:00"),
        ("2199-12-31T23:59:59Z", "2199-12-31T23:59:59+00:00"),
        ("2200-01-01T00:30:00+01:00", "2199-12-31T23:30:00+00:00"),
    ] {
        assert_eq!(text.parse::<Timestamp>().map(|at| at.utc().to_rfc3339()).as_deref(), Ok(utc), "{text}");
    }
}

#[test]
fn invalid_timestamps_are_refused_in_terms_of_the_api() {
    use InvalidTime::{Instant, UnescapedPlus, Years};
    for (text, fault) in [
        ("", Instant),
        ("2026-05-01", Instant),
        ("2026-05-01T18:30:00", Instant),
        ("18:30", Instant),
        ("now", Instant),
        ("1777660200", Instant),
        ("2026-02-30T00:00:00Z", Instant),
        ("2026-05-01T25:00:00Z", Instant),
        ("+262142-12-31T23:59:59Z", Instant),
        ("-9999-01-01T00:00:00Z", Instant),
        ("2026-05-01T20:30:00 02:00", UnescapedPlus),
        ("1969-12-31T23:59:59Z", Years),
        ("0000-01-01T00:00:00Z", Years),
        ("9999-12-31T23:59:59Z", Years),
        ("2200-01-01T00:00:00Z", Years),
        ("2199-12-31T23:59:59-23:59", Years),
    ] {
        assert_eq!(text.parse::<Timestamp>().map(|at| at.utc().to_string()), Err(fault), "{text}");
    }
    assert_eq!("2026-05-01".repeat(100_000).parse::<Timestamp>().err(), Some(Instant));
}

#[test]
fn dates_and_time_zones_are_validated() {
    assert_eq!("2028-02-29".parse::<LocalDate>().map(|date| date.date().to_string()).as_deref(), Ok("2028-02-29"));
    for text in
        ["", "2026-5-1", "01.05.2026", "2026-02-30", "2026-13-01", "+2026-05-1", "-026-05-01", "2026-05-01T00:00Z"]
    {
        assert_eq!(text.parse::<LocalDate>().err(), Some(InvalidTime::Date), "{text}");
    }
    for text in ["1969-12-31", "2200-01-01", "0000-01-01", "9999-12-31"] {
        assert_eq!(text.parse::<LocalDate>().err(), Some(InvalidTime::Years), "{text}");
    }
    assert!("Europe/Rome".parse::<ZoneName>().is_ok());
    for text in ["", "Rome", "Europe/Atlantis", "+02:00", "CEST\0"] {
        assert_eq!(text.parse::<ZoneName>().err(), Some(InvalidTime::Zone), "{text}");
    }
}

proptest! {
    /// A hundred years before and after every accepted timestamp are valid instants: the longest configured duration.
    #[test]
    fn arithmetic_on_accepted_timestamps_stays_in_range(text in "[-+]?[0-9]{4,6}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[-+][0-9]{2}:[0-9]{2})") {
        if let Ok(at) = text.parse::<Timestamp>() {
            prop_assert!((1970..2200).contains(&at.utc().year()));
            let longest = TimeDelta::from_std(parse_duration("36500d").unwrap()).unwrap();
            prop_assert!(at.utc().checked_add_signed(longest).is_some());
            prop_assert!(at.utc().checked_sub_signed(longest).is_some());
        }
    }
}

#[test]
fn no_duration_is_longer_than_a_century() {
    assert!(parse_duration("36500d").is_ok());
    for text in ["36501d", "999999999d", "18446744073709551615ms"] {
        assert!(parse_duration(text).is_err(), "{text}");
    }
}
