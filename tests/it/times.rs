//! Durations in the configuration, and the clock that tests set.

use std::time::Duration;

use chrono::TimeDelta;
use comanda::clock::{Clock, parse_duration};
use proptest::prelude::*;

#[test]
fn a_time_is_a_whole_number_and_a_unit() {
    for (text, milliseconds) in
        [("500ms", 500), ("30s", 30_000), ("15m", 900_000), ("12h", 43_200_000), ("7d", 604_800_000), ("0s", 0)]
    {
        assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
    }
    let bad = ["", "15", "m", "-5m", "+5m", "1.5h", "15 m", " 15m", "15M", "15min", "1h30m", "ms", "٣s", "1_000ms"];
    for text in bad.into_iter().chain(["18446744073709551616ms", "18446744073709551615s", "213503982335d"]) {
        assert!(parse_duration(text).is_err(), "{text}");
    }
}

#[test]
fn an_advanced_clock_keeps_microseconds() {
    let clock = Clock::shifted();
    let before = clock.now();
    clock.clone().advance(TimeDelta::hours(3));
    let ahead = clock.now() - before;
    assert!(ahead >= TimeDelta::hours(3) && ahead < TimeDelta::hours(3) + TimeDelta::seconds(20), "{ahead}");
    assert_eq!(clock.now().timestamp_subsec_nanos() % 1_000, 0);
}

proptest! {
    #[test]
    fn every_number_is_read_or_refused_never_wrapped(number: u64, unit in prop::sample::select(vec![
        ("ms", 1_u128), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
    ])) {
        let exact = u128::from(number) * unit.1;
        let read = parse_duration(&format!("{number}{}", unit.0));
        let century = 36_500 * 86_400_000;
        prop_assert_eq!(read.ok().map(|time| time.as_millis()), (exact <= century).then_some(exact));
    }

    #[test]
    fn arbitrary_texts_are_parsed_as_durations_or_refused(text in "\\PC{0,24}") {
        let _ = parse_duration(&text);
    }
}
