//! Opening hours compared with an oracle: a calendar in which every open minute is marked separately.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::{OffsetComponents as _, TZ_VARIANTS, Tz};
use proptest::prelude::*;

use comanda::restaurants::fulfilments::Fulfilments;
use comanda::restaurants::hours::{self, DaySpan, Exception, Schedule, Span};

const DELIVERY: Fulfilments = Fulfilments { delivery: true, pickup: false, dine_in: false };
const PICKUP: Fulfilments = Fulfilments { delivery: false, pickup: true, dine_in: false };

fn day_span(opens: &str, closes: &str, fulfilments: Fulfilments) -> DaySpan {
    DaySpan { opens: opens.parse().unwrap(), closes: closes.parse().unwrap(), fulfilments }
}

fn span(weekday: i16, opens: &str, closes: &str, fulfilments: Fulfilments) -> Span {
    let DaySpan { opens, closes, fulfilments } = day_span(opens, closes, fulfilments);
    Span { weekday, opens, closes, fulfilments }
}

/// The open minutes in local time around a date, computed without arithmetic on spans, by stepping from opening to
/// closing.
fn open_minutes(schedule: &Schedule, around: NaiveDate, days: i64) -> HashMap<NaiveDateTime, Fulfilments> {
    let mut open: HashMap<NaiveDateTime, Fulfilments> = HashMap::new();
    for shift in -days..=days {
        let date = around + TimeDelta::days(shift);
        let exception = schedule.exceptions.iter().find(|exception| exception.date == date);
        let spans: Vec<DaySpan> = match exception {
            Some(exception) => exception.spans.clone(),
            None if schedule.always => vec![day_span("00:00", "24:00", Fulfilments::ALL)],
            None => {
                let weekday = i16::try_from(date.weekday().number_from_monday()).unwrap();
                let today = schedule.weekly.iter().filter(|span| span.weekday == weekday);
                today.map(|span| span.of_day()).collect()
            }
        };
        for span in spans {
            let mut minute = date.and_hms_opt(0, 0, 0).unwrap() + TimeDelta::minutes(span.opens.minutes().into());
            // 24:00 is the midnight at the end of the day, which a clock shows as 00:00.
            let written = span.closes.to_string();
            let closes = if written == "24:00" { "00:00" } else { &written };
            let closes: NaiveTime = format!("{closes}:00").parse().unwrap();
            loop {
                let set = open.entry(minute).or_insert(Fulfilments::NONE);
                *set = set.or(span.fulfilments);
                minute += TimeDelta::minutes(1);
                if minute.time() == closes {
                    break;
                }
            }
        }
    }
    open
}

/// Difficult schedules: past midnight, around the clock, within hours that clocks skip and repeat, by fulfilment.
fn schedules(transition: NaiveDate) -> Vec<Schedule> {
    let night = (1..=7)
        .flat_map(|day| [span(day, "11:30", "14:00", Fulfilments::ALL), span(day, "18:00", "02:30", Fulfilments::ALL)]);
    let small_hours = (1..=7).flat_map(|day| {
        [
            span(day, "00:00", "00:45", DELIVERY),
            span(day, "01:15", "02:15", PICKUP),
            span(day, "02:15", "03:05", DELIVERY),
            span(day, "23:59", "00:00", Fulfilments::ALL),
        ]
    });
    let round_the_clock = (1..=7).map(|day| span(day, "06:00", "06:00", PICKUP));
    let exceptions = vec![
        Exception {
            date: transition - TimeDelta::days(1),
            note: None,
            spans: vec![day_span("20:00", "04:00", DELIVERY)],
        },
        Exception { date: transition, note: None, spans: vec![] },
        Exception {
            date: transition + TimeDelta::days(1),
            note: None,
            spans: vec![day_span("00:00", "24:00", PICKUP)],
        },
    ];
    vec![
        Schedule { always: false, weekly: night.clone().collect(), exceptions: vec![] },
        Schedule { always: false, weekly: small_hours.collect(), exceptions: vec![] },
        Schedule { always: false, weekly: round_the_clock.collect(), exceptions: vec![] },
        Schedule { always: false, weekly: night.collect(), exceptions: exceptions.clone() },
        Schedule { always: false, weekly: vec![], exceptions: exceptions.clone() },
        Schedule { always: true, weekly: vec![], exceptions },
    ]
}

fn offset(zone: Tz, at: DateTime<Utc>) -> TimeDelta {
    let offset = zone.offset_from_utc_datetime(&at.naive_utc());
    offset.base_utc_offset() + offset.dst_offset()
}

/// Every transition of the zone from 2024 to 2034, found by bisection.
fn transitions(zone: Tz) -> Vec<DateTime<Utc>> {
    let begin = Utc.with_ymd_and_hms(2024, 1, 1, 0, 0, 0).unwrap();
    // No zone has two transitions within four days.
    let step = TimeDelta::days(4);
    let days = (0..1_005).map(|steps| begin + step * steps);
    let changed = days.filter(|day| offset(zone, *day) != offset(zone, *day + step));
    changed
        .map(|day| {
            let (mut before, mut after) = (day, day + step);
            while after - before > TimeDelta::minutes(1) {
                let middle = before + TimeDelta::minutes((after - before).num_minutes() / 2);
                if offset(zone, middle) == offset(zone, day) { before = middle } else { after = middle }
            }
            after
        })
        .collect()
}

/// The tested minutes, relative to a transition: each within half an hour of it, then those around the times at which
/// the schedules open and close, then every 121st for two days.
fn minutes_to_ask() -> Vec<i64> {
    let near = -32..=32;
    let corners = (-27..=27_i64).flat_map(|hour| [-1, 0, 15].map(|minute| hour * 60 + minute));
    let minutes: HashSet<i64> = near.chain(corners).chain((-2_880..=2_880).step_by(121)).collect();
    minutes.into_iter().collect()
}

#[test]
fn hours_agree_with_a_calendar_of_minutes_in_every_zone() {
    let minutes = minutes_to_ask();
    // Zones with the same transitions are one zone with several names.
    let mut clocks: HashMap<Vec<(DateTime<Utc>, TimeDelta, TimeDelta)>, Tz> = HashMap::new();
    let still = Utc.with_ymd_and_hms(2029, 6, 3, 12, 0, 0).unwrap();
    for zone in TZ_VARIANTS {
        let mut changes = transitions(zone);
        if changes.is_empty() {
            changes.push(still);
        }
        let key = changes.iter().map(|at| (*at, offset(zone, *at - TimeDelta::minutes(1)), offset(zone, *at)));
        clocks.entry(key.collect()).or_insert(zone);
    }
    let (mut asked, mut calendars) = (0_u32, HashMap::new());
    for (changes, zone) in &clocks {
        for (at, _, after) in changes {
            let date = (at.naive_utc() + *after).date();
            let around = (*at - TimeDelta::days(3), *at + TimeDelta::days(3));
            let known = calendars.entry(date).or_insert_with(|| {
                let oracle = |schedule: Schedule| (open_minutes(&schedule, date, 4), schedule);
                schedules(date).into_iter().map(oracle).collect::<Vec<_>>()
            });
            let between = |schedule: &Schedule| {
                Fulfilments::ALL
                    .iter()
                    .map(|one| (one, schedule.open_between(*zone, one, around.0, around.1)))
                    .collect()
            };
            let intervals: Vec<Vec<_>> = known.iter().map(|(_, schedule)| between(schedule)).collect();
            for minute in &minutes {
                let instant = *at + TimeDelta::minutes(*minute);
                let local = instant.naive_utc() + offset(*zone, instant);
                for ((open, schedule), intervals) in known.iter().zip(&intervals) {
                    let expected = open.get(&local).copied().unwrap_or(Fulfilments::NONE);
                    assert_eq!(schedule.open_for(*zone, instant), expected, "{zone} at {instant}, {local} on the wall");
                    for (fulfilment, open) in intervals {
                        let is_open = open.contains(instant);
                        assert_eq!(is_open, expected.contains(*fulfilment), "{zone} at {instant}, from edge to edge");
                    }
                    asked += 1;
                }
            }
        }
    }
    assert!(TZ_VARIANTS.len() > 500 && clocks.len() > 60, "{} zones, {} clocks", TZ_VARIANTS.len(), clocks.len());
    assert!(asked > 500_000, "{asked} answers compared");
}

prop_compose! {
    fn any_span()(weekday in 1..=7_i16, opens in 0..1_440_i16, closes in 0..=1_440_i16, which in 1..8_u8) -> Span {
        let time = hours::LocalTime::from_minutes;
        let fulfilments = Fulfilments { delivery: which & 1 > 0, pickup: which & 2 > 0, dine_in: which & 4 > 0 };
        Span { weekday, opens: time(opens), closes: time(closes), fulfilments }
    }
}

/// The minutes of a week that a span covers, for each fulfilment.
fn minutes_of(span: &Span) -> HashSet<(i32, comanda::fulfilment::Fulfilment)> {
    let begin = (i32::from(span.weekday) - 1) * 1_440 + i32::from(span.opens.minutes());
    let end = begin + i32::from(span.of_day().closes_after() - span.opens.minutes());
    let minutes = (begin..end).map(|minute| minute.rem_euclid(7 * 1_440));
    minutes.flat_map(|minute| span.fulfilments.iter().map(move |fulfilment| (minute, fulfilment))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn overlaps_are_found_exactly_where_a_minute_is_covered_twice(spans in prop::collection::vec(any_span(), 1..5)) {
        let covered: Vec<_> = spans.iter().map(minutes_of).collect();
        let expected: Vec<_> = (0..spans.len())
            .filter(|&index| covered[..index].iter().any(|earlier| !earlier.is_disjoint(&covered[index])))
            .map(|index| format!("/{index}"))
            .collect();
        let found: Vec<_> = hours::faults_of_week(&spans).into_iter().map(|(place, _)| place).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_time_survives_writing_and_reading(minutes in 0..=1_440_i16) {
        let time = hours::LocalTime::from_minutes(minutes);
        prop_assert_eq!(time.to_string().parse(), Ok(time));
    }
}

#[test]
fn contradicting_exceptions_are_refused() {
    let on = |date: &str, spans: Vec<DaySpan>| Exception { date: date.parse().unwrap(), note: None, spans };
    let all = Fulfilments::ALL;
    let faults = hours::faults_of_exceptions(&[
        on("2026-12-31", vec![day_span("18:00", "04:00", all), day_span("20:00", "21:00", DELIVERY)]),
        on("2027-01-01", vec![day_span("03:00", "05:00", all), day_span("04:00", "04:30", PICKUP)]),
    ]);
    assert_eq!(
        faults,
        [
            ("/0/spans/1".to_owned(), "overlaps /0/spans/0, 2026-12-31 18:00–04:00".to_owned()),
            ("/1/spans/0".to_owned(), "overlaps /0/spans/0, 2026-12-31 18:00–04:00".to_owned()),
            ("/1/spans/1".to_owned(), "overlaps /1/spans/0, 2027-01-01 03:00–05:00".to_owned()),
        ]
    );
    let twice = hours::faults_of_exceptions(&[on("2026-12-25", vec![]), on("2026-12-25", vec![])]);
    assert_eq!(twice, [("/1/date".to_owned(), "is already the date of /0".to_owned())]);
    let apart = [
        on("2026-12-31", vec![day_span("18:00", "04:00", DELIVERY)]),
        on("2027-01-01", vec![day_span("03:00", "05:00", PICKUP)]),
    ];
    assert!(hours::faults_of_exceptions(&apart).is_empty());
}
