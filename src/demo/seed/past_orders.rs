//! The times of past orders: three weeks, at meal times and while the restaurants are open.

use std::ops::Range;

use chrono::{DateTime, Datelike as _, Days, NaiveDate, TimeDelta, TimeZone as _, Utc};
use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::demo::chance;
use crate::demo::city::RestaurantDocument;
use crate::demo::dataset::{DemoData, ZONE};

/// The number of days with past orders.
const DAYS: u64 = 21;
/// The share of a restaurant's daily orders that is generated.
const SHARE: f64 = 0.4;
/// The last orders are accepted this many minutes before closing.
const LAST_ORDERS: i16 = 10;

/// The time and place of a past order.
pub struct PastOrderSeed {
    /// The index of the restaurant.
    pub kitchen: usize,
    /// When the order is placed.
    pub at: DateTime<Utc>,
    /// The local day.
    pub day: NaiveDate,
    /// The random numbers for everything else.
    pub random: StdRng,
}

/// The orders of the last weeks before `until`, earliest first.
pub fn past_orders(data: &DemoData, until: DateTime<Utc>) -> Vec<PastOrderSeed> {
    let today = until.with_timezone(&ZONE).date_naive();
    let days = (0..=DAYS).rev().filter_map(|ago| today.checked_sub_days(Days::new(ago)));
    let mut past_orders = Vec::new();
    for day in days {
        for (kitchen, place) in data.restaurants.iter().enumerate() {
            past_orders.extend(day_of(kitchen, &place.document, day));
        }
    }
    past_orders.retain(|seed| seed.at < until);
    past_orders.sort_by_key(|seed| (seed.at, seed.kitchen));
    past_orders
}

/// The orders of a restaurant on one day.
fn day_of(kitchen: usize, restaurant: &RestaurantDocument, day: NaiveDate) -> Vec<PastOrderSeed> {
    let name = format!("{}/{day}", restaurant.slug);
    let mut random = chance::of(&name);
    let spans = open_minutes(restaurant, day);
    if spans.is_empty() {
        return Vec::new();
    }
    let count = f64::from(restaurant.orders_per_day) * SHARE * day_factor(day) * random.random_range(0.85..1.15);
    let mut past_orders = Vec::new();
    let count = count.round();
    for number in (0_u32..).take_while(|&number| f64::from(number) < count) {
        let minute = random_minute(&spans, &mut random);
        let second = random.random_range(0..60_000);
        let local =
            day.and_time(chrono::NaiveTime::MIN) + TimeDelta::minutes(minute.into()) + TimeDelta::milliseconds(second);
        // Local times that daylight saving time skips have no orders.
        if let Some(at) = ZONE.from_local_datetime(&local).earliest() {
            let random = chance::of(&format!("{name}/{number}"));
            past_orders.push(PastOrderSeed { kitchen, at: at.to_utc(), day: local.date(), random });
        }
    }
    past_orders
}

/// The minutes after midnight in which the restaurant accepts orders; they may go past the next midnight.
fn open_minutes(restaurant: &RestaurantDocument, day: NaiveDate) -> Vec<Range<i16>> {
    if restaurant.hours.is_empty() {
        return std::iter::once(0..1440).collect();
    }
    let weekday = i16::try_from(day.weekday().number_from_monday()).unwrap_or_default();
    let of_day = restaurant.hours.iter().filter(|span| span.weekday == weekday);
    of_day.map(|span| span.opens.minutes()..span.of_day().closes_after() - LAST_ORDERS).collect()
}

/// The ratio of a day's orders to the mean.
fn day_factor(day: NaiveDate) -> f64 {
    match day.weekday() {
        chrono::Weekday::Mon => 0.75,
        chrono::Weekday::Fri => 1.25,
        chrono::Weekday::Sat => 1.35,
        chrono::Weekday::Sun => 1.1,
        _ => 0.9,
    }
}

/// A random minute of the spans, weighted by demand.
fn random_minute(spans: &[Range<i16>], random: &mut StdRng) -> i16 {
    let total: i16 = spans.iter().map(|span| span.end - span.start).sum();
    loop {
        let mut left = random.random_range(0..total);
        let mut minute = 0;
        for span in spans {
            let length = span.end - span.start;
            if left < length {
                minute = span.start + left;
                break;
            }
            left -= length;
        }
        if random.random_range(0.0..1.7) < demand(minute) {
            return minute;
        }
    }
}

/// The demand at a minute of the day: breakfast, lunch, evening, and a little at night.
pub fn demand(minute: i16) -> f64 {
    let minute = f64::from(minute % 1440);
    let peak = |at: f64, width: f64, height: f64| height * (-((minute - at) / width).powi(2) / 2.0).exp();
    0.06 + peak(510.0, 60.0, 0.4) + peak(785.0, 50.0, 1.0) + peak(1220.0, 65.0, 1.55) + peak(60.0, 60.0, 0.3)
}
