//! Order numbers in nights with clock changes: they begin at one on each local date of the restaurant, and never twice
//! on the same date.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Offset as _, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use serde_json::json;
use uuid::Uuid;

use crate::app::TestApp;

/// Zones that leave out or repeat the hour around midnight, or change by half an hour or by two.
const ODD_ZONES: [Tz; 8] = [
    Tz::Asia__Beirut,
    Tz::Africa__Cairo,
    Tz::America__Santiago,
    Tz::America__Havana,
    Tz::America__Nuuk,
    Tz::Atlantic__Azores,
    Tz::Australia__Lord_Howe,
    Tz::Antarctica__Troll,
];

/// The offset from UTC in seconds.
fn offset(zone: Tz, at: DateTime<Utc>) -> TimeDelta {
    TimeDelta::seconds(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc().into())
}

/// The local date.
fn date_on_wall(zone: Tz, at: DateTime<Utc>) -> NaiveDate {
    (at + offset(zone, at)).date_naive()
}

/// The first instants after each transition in the thirteen months from an instant on.
fn changes(zone: Tz, from: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let quarter = TimeDelta::minutes(15);
    let mut at = DateTime::from_timestamp(from.timestamp() / 900 * 900, 0).unwrap() + TimeDelta::days(1);
    let end = at + TimeDelta::days(395);
    let mut found = Vec::new();
    while at < end {
        if offset(zone, at) != offset(zone, at - quarter) {
            found.push(at);
        }
        at += quarter;
    }
    found
}

#[tokio::test]
async fn order_numbers_begin_at_one_each_local_date_also_when_midnight_is_skipped_or_repeated() {
    let app = TestApp::start().await;
    let begin = app.clock.now();
    let mut nights: Vec<_> =
        ODD_ZONES.iter().flat_map(|zone| changes(*zone, begin).into_iter().map(|at| (at, *zone))).collect();
    nights.sort_by_key(|(at, _)| *at);
    let (mut left_out, mut repeated) = (0, 0);
    for (change, zone) in nights {
        let go_to = |at: DateTime<Utc>| app.advance_clock((at - app.clock.now()).max(TimeDelta::zero()));
        go_to(change - TimeDelta::minutes(185));
        let named = format!("{zone} {change}").replace([':', '/', '_'], " ");
        let shop = app.restaurant(&named).with("timezone", json!(zone.name())).opens().await;
        let mut last: HashMap<NaiveDate, i64> = HashMap::new();
        // Three hours before and after, each half hour, and the last instant before the transition.
        let mut times: Vec<_> = (-6..=6).map(|halves| change + TimeDelta::minutes(30 * halves)).collect();
        times.push(change - TimeDelta::seconds(20));
        times.sort_unstable();
        for at in times {
            go_to(at);
            let lines = json!([{ "itemId": shop.any_dish().id, "quantity": 1 }]);
            let body = json!({ "restaurantId": shop.id, "fulfilment": "PICKUP", "lines": lines });
            let order = shop.owner.asks_for_order(&Uuid::new_v4().to_string(), &body).await.expect(201);
            let placed: DateTime<Utc> = order["placedAt"].as_str().unwrap().parse().unwrap();
            let number = last.entry(date_on_wall(zone, placed)).or_default();
            *number += 1;
            assert_eq!(order["number"], *number, "{zone} at {placed}, around {change}");
        }
        let (before, after) = (offset(zone, change - TimeDelta::seconds(1)), offset(zone, change));
        let (was, is) = ((change + before).time(), (change + after).time());
        let midnight = chrono::NaiveTime::MIN;
        left_out += i32::from(after > before && was <= midnight && midnight < is);
        repeated += i32::from(after < before && (is <= midnight || is > was) && last.len() == 2);
    }
    assert!(left_out > 0 && repeated > 0, "some nights lack midnight, some have the hour before it twice");
}
