//! Opening hours, against a minute by minute model.

use chrono::{DateTime, Datelike as _, TimeDelta, TimeZone as _, Timelike as _, Utc};
use chrono_tz::{Europe, Tz};
use comanda::restaurants::fulfilments::Fulfilments;
use comanda::restaurants::hours::{LocalTime, Schedule, Span, faults_of_week};
use proptest::prelude::*;

fn span(weekday: i16, opens: i16, closes: i16) -> Span {
    let (opens, closes) = (LocalTime::from_minutes(opens), LocalTime::from_minutes(closes));
    Span { weekday, opens, closes, fulfilments: Fulfilments::ALL }
}

fn is_open(spans: &[Span], zone: Tz, at: DateTime<Utc>) -> bool {
    let schedule = Schedule { always: false, weekly: spans.to_vec(), exceptions: Vec::new() };
    !schedule.open_for(zone, at).is_empty()
}

fn at(zone: Tz, day: u32, hour: u32, minute: u32) -> DateTime<Utc> {
    // November 2026 begins on a Sunday; the 2nd is a Monday.
    zone.with_ymd_and_hms(2026, 11, day, hour, minute, 0).unwrap().to_utc()
}

#[test]
fn a_restaurant_without_hours_is_closed_unless_it_says_that_it_is_always_open() {
    let night = at(Europe::Rome, 2, 3, 0);
    assert!(!is_open(&[], Europe::Rome, night));
    let always = Schedule { always: true, ..Schedule::default() };
    assert!(always.open_for(Europe::Rome, night).is_all());
}

#[test]
fn hours_are_half_open_and_may_cross_midnight() {
    let friday_night = [span(5, 18 * 60 + 30, 2 * 60)];
    for (day, hour, minute, open) in [
        (6, 18, 29, false),
        (6, 18, 30, true),
        (6, 23, 59, true),
        (7, 0, 0, true),
        (7, 1, 59, true),
        (7, 2, 0, false),
        (5, 20, 0, false),
        (6, 1, 0, false),
    ] {
        assert_eq!(
            is_open(&friday_night, Europe::Rome, at(Europe::Rome, day, hour, minute)),
            open,
            "{day} {hour}:{minute}"
        );
    }
}

#[test]
fn sunday_night_reaches_into_monday() {
    let sunday_night = [span(7, 22 * 60, 3 * 60)];
    assert!(is_open(&sunday_night, Europe::Rome, at(Europe::Rome, 2, 2, 59)));
    assert!(!is_open(&sunday_night, Europe::Rome, at(Europe::Rome, 2, 3, 0)));
    let faults = faults_of_week(&[span(7, 22 * 60, 3 * 60), span(1, 2 * 60, 4 * 60)]);
    assert_eq!(faults, [("/1".to_owned(), "overlaps /0, Sunday 22:00–03:00".to_owned())]);
}

#[test]
fn hours_from_midnight_to_midnight_cover_the_day() {
    for closes in [0, 1_440] {
        let monday = [span(1, 0, closes)];
        assert!(is_open(&monday, Europe::Rome, at(Europe::Rome, 2, 0, 0)));
        assert!(is_open(&monday, Europe::Rome, at(Europe::Rome, 2, 23, 59)));
        assert!(!is_open(&monday, Europe::Rome, at(Europe::Rome, 3, 0, 0)));
    }
}

#[test]
fn local_times_are_parsed_strictly() {
    for (text, minutes) in [("00:00", 0), ("11:30", 690), ("23:59", 1_439), ("24:00", 1_440)] {
        let time: LocalTime = text.parse().unwrap();
        assert_eq!((time.minutes(), time.to_string()), (minutes, text.to_owned()));
    }
    for text in ["", "1:30", "24:01", "25:00", "12:60", "12.30", "-1:30", "+1:30", "1230", "12:3", "12:30:00", "aa:bb"]
    {
        assert!(text.parse::<LocalTime>().is_err(), "{text}");
    }
}

/// The minutes of the week that a span covers, one by one.
fn minutes_covered(span: Span) -> Vec<bool> {
    const WEEK: usize = 7 * 1_440;
    let mut covered = vec![false; WEEK];
    let (opens, mut minute) = (i32::from(span.opens.minutes()), i32::from(span.opens.minutes()));
    loop {
        let of_week = (i32::from(span.weekday) - 1) * 1_440 + minute;
        covered[usize::try_from(of_week).unwrap() % WEEK] = true;
        minute += 1;
        let reached = minute % 1_440 == i32::from(span.closes.minutes()) % 1_440;
        if reached || minute - opens >= 1_440 {
            return covered;
        }
    }
}

prop_compose! {
    fn any_span()(weekday in 1_i16..=7, opens in 0_i16..1_440, closes in 0_i16..=1_440) -> Span {
        span(weekday, opens, closes)
    }
}

const ZONES: [Tz; 4] = [Europe::Rome, chrono_tz::America::New_York, chrono_tz::Asia::Kathmandu, chrono_tz::UTC];

proptest! {
    #[test]
    fn opening_matches_a_list_of_minutes(
        spans in prop::collection::vec(any_span(), 1..6),
        zone in prop::sample::select(ZONES.to_vec()),
        minute in 0_i64..525_600,
        second in 0_i64..60,
    ) {
        // A whole year, with both clock changes.
        let at = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap() + TimeDelta::minutes(minute) + TimeDelta::seconds(second);
        let local = at.with_timezone(&zone);
        let of_week = local.weekday().num_days_from_monday() * 1_440 + local.num_seconds_from_midnight() / 60;
        let expected = spans.iter().any(|span| minutes_covered(*span)[of_week as usize]);
        prop_assert_eq!(is_open(&spans, zone, at), expected);
    }
}
