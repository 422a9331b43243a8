//! Slots of unequal length over HTTP: in nights with clock changes, and after a restaurant has changed the length of
//! its slots.

use chrono::{DateTime, Days, NaiveDate, Offset as _, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Europe::Rome;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::TestApp;
use crate::people::{Person, id_of};
use crate::reply::Reply;
use crate::shop::Shop;

async fn orders(person: &Person, shop: &Shop, time: DateTime<Utc>) -> Reply {
    let lines = json!([{ "itemId": shop.any_dish().id, "quantity": 1 }]);
    let body = json!({ "restaurantId": shop.id, "fulfilment": "PICKUP", "lines": lines, "scheduledFor": time });
    person.asks_for_order(&Uuid::new_v4().to_string(), &body).await
}

/// The beginning and end of each slot of a day, and whether it is free.
async fn lists(shop: &Shop, day: NaiveDate) -> Vec<(DateTime<Utc>, DateTime<Utc>, bool)> {
    let listed = shop.owner.get(&shop.path(&format!("/slots?fulfilment=PICKUP&date={day}"))).await.expect(200);
    let instant = |value: &Value| value.as_str().unwrap().parse().unwrap();
    let one = |slot: &Value| (instant(&slot["startsAt"]), instant(&slot["endsAt"]), slot["free"] == true);
    listed["slots"].as_array().unwrap().iter().map(one).collect()
}

/// The first local days from one on of 23 and of 25 hours, with their first instants and their hours.
fn odd_days(from: DateTime<Utc>) -> Vec<(NaiveDate, DateTime<Utc>, i64)> {
    let midnight = |day: NaiveDate| {
        let local = day.and_hms_opt(0, 0, 0).unwrap();
        local.and_utc()
            - TimeDelta::seconds(Rome.offset_from_local_datetime(&local).unwrap().fix().local_minus_utc().into())
    };
    let days = (2..370).map(|days| from.date_naive() + Days::new(days));
    let odd = days.map(|day| (day, midnight(day), (midnight(day + Days::new(1)) - midnight(day)).num_hours()));
    odd.filter(|(_, _, hours)| *hours != 24).collect()
}

#[tokio::test]
async fn in_the_nights_in_which_clocks_change_each_instant_has_one_slot_that_holds_one_order() {
    for minutes in [120, 60, 240] {
        let mut begin = crate::harness_clock::clock().now();
        let mut seen = Vec::new();
        for (day, midnight, hours) in odd_days(begin) {
            // A server for each, because tokens live for half a day only.
            let app = TestApp::start().await;
            app.advance_clock(midnight - TimeDelta::hours(9) - app.clock.now());
            begin = midnight;
            let slots = json!({ "minutes": minutes, "capacity": 1, "daysAhead": 2 });
            let shop = app.restaurant("Nocturne").with("slots", slots).with("alwaysOpen", json!(true)).opens().await;
            let ada = app.customer("Ada").await;
            let listed = lists(&shop, day).await;
            let what = format!("{minutes} minutes on {day} of {hours} hours: {listed:?}");
            assert_eq!(listed[0].0, midnight, "{what}");
            assert_eq!(listed.last().unwrap().1, midnight + TimeDelta::hours(hours), "{what}");
            assert!(listed.windows(2).all(|pair| pair[0].1 == pair[1].0), "a gap or an overlap: {what}");
            assert!(
                listed.iter().all(|(from, to, free)| *free && *to - *from <= TimeDelta::minutes(minutes)),
                "{what}"
            );
            // At every half hour of the night: a slot that is used was listed, and has capacity for one order.
            let mut taken = Vec::new();
            for half_hours in 0..16 {
                let time = midnight + TimeDelta::minutes(30 * half_hours);
                let (from, to, _) = *listed.iter().find(|(from, to, _)| *from <= time && time < *to).unwrap();
                let reply = orders(&ada, &shop, time).await;
                if taken.contains(&from) {
                    reply.refused(409, "slot_full");
                } else {
                    let order = reply.expect(201);
                    assert_eq!(order["scheduledFor"], json!({ "startsAt": from, "endsAt": to }), "{what}");
                    taken.push(from);
                }
            }
            for (from, _, free) in lists(&shop, day).await {
                assert_eq!(free, !taken.contains(&from), "{what}");
            }
            // There are no others: as many slots as orders.
            assert_eq!(
                app.count("select count(*) from slots where taken = 1").await,
                i64::try_from(taken.len()).unwrap()
            );
            orders(&ada, &shop, midnight + TimeDelta::days(3)).await.refused(409, "slot_unavailable");
            seen.push(hours);
        }
        seen.sort_unstable();
        assert_eq!(seen, [23, 25], "from {begin} on");
    }
}

/// Slots of two hours are replaced by slots of a quarter of an hour: an order of an old slot counts in all new ones
/// within it.
#[tokio::test]
async fn orders_of_previous_slots_count_where_they_overlap_current_ones() {
    let app = TestApp::start().await;
    let day = app.clock.now().date_naive() + Days::new(2);
    let at = |hour: u32, minute: u32| day.and_hms_opt(hour, minute, 0).unwrap().and_utc();
    let rules = |minutes: i64| json!({ "slots": { "minutes": minutes, "capacity": 1, "daysAhead": 5 } });
    let shop = app.restaurant("Luigi").with("timezone", json!("UTC")).with("slots", rules(120)["slots"].clone());
    let shop = shop.opens().await;
    let ada = app.customer("Ada").await;
    let dinner = orders(&ada, &shop, at(18, 30)).await.expect(201);
    assert_eq!(dinner["scheduledFor"], json!({ "startsAt": at(18, 0), "endsAt": at(20, 0) }));
    shop.owner.patch(&shop.path(""), &rules(15)).await.expect(200);
    let full: Vec<_> = lists(&shop, day).await.into_iter().filter(|(_, _, free)| !free).map(|slot| slot.0).collect();
    let quarters: Vec<_> = (0..8).map(|quarter| at(18, 0) + TimeDelta::minutes(15 * quarter)).collect();
    assert_eq!(full, quarters);
    for quarter in &quarters {
        let refusal = orders(&ada, &shop, *quarter).await.refused(409, "slot_full");
        assert_eq!(refusal["earliestSlot"]["startsAt"], json!(at(20, 0)));
    }
    let before = orders(&ada, &shop, at(17, 45)).await.expect(201);
    orders(&ada, &shop, at(20, 0)).await.expect(201);
    // The reverse: short old slots within a long new one.
    shop.owner.patch(&shop.path(""), &rules(240)).await.expect(200);
    orders(&ada, &shop, at(16, 0)).await.refused(409, "slot_full");
    shop.owner.patch(&shop.path(""), &rules(15)).await.expect(200);
    ada.cancels(&dinner, "Not hungry").await;
    ada.cancels(&before, "Not hungry").await;
    let late = orders(&ada, &shop, at(19, 45)).await.expect(201);
    assert_eq!(late["scheduledFor"]["startsAt"], json!(at(19, 45)));
    // A slot that is empty again has the length of the next order's slot.
    orders(&ada, &shop, at(18, 0)).await.expect(201);
    orders(&ada, &shop, at(18, 15)).await.expect(201);
    assert_ne!(id_of(&late), id_of(&dinner));
}
