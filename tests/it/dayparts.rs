//! Day-parts compared with an oracle without weeks, which checks local time minute by minute.

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, TimeDelta, TimeZone as _, Timelike as _, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use comanda::menu::dayparts::{DayPart, TimeSpan, Week, Weekdays, check, next_change, served};
use comanda::restaurants::hours::LocalTime;
use proptest::prelude::*;

fn window(days: &[u8], from: i16, to: i16) -> DayPart {
    DayPart { days: Weekdays::of(days), from: LocalTime::from_minutes(from), to: LocalTime::from_minutes(to) }
}

/// Every local minute that the windows cover around a date, as a set.
fn covered_minutes(windows: &[DayPart], around: NaiveDate) -> Vec<NaiveDateTime> {
    let mut covered = Vec::new();
    for day in -2..=2 {
        let date = around + TimeDelta::days(day);
        let weekday = u8::try_from(date.weekday().number_from_monday()).unwrap();
        for window in windows.iter().filter(|window| window.days.as_slice().contains(&weekday)) {
            let mut minute = i64::from(window.from.minutes());
            let midnight = date.and_hms_opt(0, 0, 0).unwrap();
            loop {
                covered.push(midnight + TimeDelta::minutes(minute));
                minute += 1;
                if minute.rem_euclid(1440) == i64::from(window.to.minutes()).rem_euclid(1440) {
                    break;
                }
            }
        }
    }
    covered
}

/// Whether the local minute is in the set.
fn oracle(windows: &[DayPart], zone: Tz, at: DateTime<Utc>) -> bool {
    if windows.is_empty() {
        return true;
    }
    let local = zone.from_utc_datetime(&at.naive_utc()).naive_local();
    let local = local.with_second(0).unwrap().with_nanosecond(0).unwrap();
    covered_minutes(windows, local.date()).contains(&local)
}

/// The first transition of a zone after an instant, found by bisection; `None`: there is none within 400 days.
fn transition(zone: Tz, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let offset = |at: DateTime<Utc>| zone.from_utc_datetime(&at.naive_utc()).naive_local() - at.naive_utc();
    let (mut low, mut high) = (after, after);
    for _ in 0..400 {
        high += TimeDelta::days(1);
        if offset(high) != offset(low) {
            while high - low > TimeDelta::minutes(1) {
                let middle = low + TimeDelta::minutes((high - low).num_minutes() / 2);
                if offset(middle) == offset(low) { low = middle } else { high = middle }
            }
            return Some(high);
        }
        low = high;
    }
    None
}

fn windows() -> impl Strategy<Value = Vec<DayPart>> {
    let days = proptest::sample::subsequence((1..=7).collect::<Vec<u8>>(), 1..=7);
    let one = (days, 0..1440_i16, 0..=1440_i16).prop_map(|(days, from, to)| window(&days, from, to));
    proptest::collection::vec(one, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn an_item_is_served_in_the_listed_minutes(
        windows in windows(), zone in proptest::sample::select(&TZ_VARIANTS[..]), start in
        1_600_000_000..2_000_000_000_i64,
    ) {
        prop_assert!(check(&windows).is_ok());
        let start = DateTime::from_timestamp(start, 0).unwrap();
        // Around the next transition, where errors are most likely.
        let middle = transition(zone, start).unwrap_or(start);
        for step in -40..40 {
            let at = middle + TimeDelta::minutes(step * 7);
            prop_assert_eq!(served(&windows, zone, at), oracle(&windows, zone, at), "{} {}", zone, at);
        }
    }

    #[test]
    fn nothing_changes_before_the_next_change(
        windows in windows(), zone in proptest::sample::select(&TZ_VARIANTS[..]), start in
        1_600_000_000..2_000_000_000_i64,
    ) {
        let start = DateTime::from_timestamp(start, 0).unwrap();
        let at = transition(zone, start).unwrap_or(start) - TimeDelta::seconds(start.timestamp() % 5_000);
        let end = at + TimeDelta::hours(3);
        let change = next_change(&windows, zone, at, end);
        prop_assert!(change > at && change <= end);
        let mut moment = at;
        while moment < change {
            prop_assert_eq!(served(&windows, zone, moment), served(&windows, zone, at));
            moment += TimeDelta::seconds(20);
        }
        prop_assert!(change == end || served(&windows, zone, change) != served(&windows, zone, at));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// An item in a category is served in the minutes of both, and next at the first of these minutes: found by
    /// checking each minute of eight days, across a transition where there is one.
    #[test]
    fn the_next_serving_is_the_first_minute_of_category_and_item(
        item in windows(), category in windows(),
        zone in proptest::sample::select(&TZ_VARIANTS[..]), start in 1_600_000_000..2_000_000_000_i64,
    ) {
        let start = DateTime::from_timestamp(start, 0).unwrap();
        let at = transition(zone, start).unwrap_or(start) - TimeDelta::seconds(start.timestamp() % 400_000);
        let week = Week::of(&item).and(&Week::of(&category));
        let both = |at| served(&item, zone, at) && served(&category, zone, at);
        prop_assert_eq!(week.serves(zone, at), both(at));
        let begin = at - TimeDelta::seconds(at.timestamp().rem_euclid(60));
        let minutes = (1..8 * 1440).map(|minute| begin + TimeDelta::minutes(minute));
        let expected = minutes.into_iter().find(|minute| both(*minute) != both(at));
        let found = week.next_change(&TimeSpan::longest_wait(zone, at));
        prop_assert!(found == expected || expected.is_none() && found.is_some_and(|found| found > at + TimeDelta::days(7)));
    }
}

/// A year in every zone, a quarter of an hour on each side of each transition.
#[test]
fn every_transition_of_every_zone() {
    let windows = [window(&[7], 90, 180), window(&[1, 2, 3, 4, 5, 6], 1320, 150), window(&[6], 0, 1440)];
    let mut seen = 0;
    for zone in TZ_VARIANTS {
        let mut after = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap();
        while let Some(moment) = transition(zone, after).filter(|moment| moment.year() < 2027) {
            for minutes in [-90, -61, -60, -59, -31, -30, -1, 0, 1, 29, 30, 59, 60, 61, 90] {
                let at = moment + TimeDelta::minutes(minutes);
                assert_eq!(served(&windows, zone, at), oracle(&windows, zone, at), "{zone} {at}");
            }
            seen += 1;
            after = moment + TimeDelta::hours(1);
        }
    }
    assert!(seen > 200, "{seen} transitions");
}

#[test]
fn a_skipped_hour_has_no_instant_and_a_repeated_one_has_two() {
    let rome = chrono_tz::Europe::Rome;
    let night = [window(&[7], 120, 180)];
    let minutes_served = |day: u32, month: u32| {
        let midnight = Utc.with_ymd_and_hms(2026, month, day, 0, 0, 0).unwrap() - TimeDelta::hours(2);
        (0..360).filter(|minute| served(&night, rome, midnight + TimeDelta::minutes(*minute))).count()
    };
    assert_eq!(minutes_served(29, 3), 0, "02:00 to 03:00 does not exist");
    assert_eq!(minutes_served(25, 10), 120, "02:00 to 03:00 happens twice");
    assert_eq!(minutes_served(5, 7), 60);
}
