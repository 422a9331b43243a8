//! The list of slots: exactly the slots that are listed as free can be ordered.

use std::collections::BTreeSet;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::TestApp;
use crate::people::{Person, delivery_details};
use crate::reply::Reply;
use crate::shop::Shop;

async fn lists(person: &Person, shop: &Shop, more: &str) -> Value {
    person.get(&shop.path(&format!("/slots?{more}"))).await.expect(200)
}

async fn orders(person: &Person, shop: &Shop, fulfilment: &str, time: DateTime<Utc>) -> Reply {
    let lines = json!([{ "itemId": shop.any_dish().id, "quantity": 1 }]);
    let mut body = json!({ "restaurantId": shop.id, "fulfilment": fulfilment, "lines": lines, "scheduledFor": time });
    if fulfilment == "DELIVERY" {
        body["address"] = delivery_details()["address"].clone();
        body["place"] = delivery_details()["place"].clone();
    }
    person.asks_for_order(&Uuid::new_v4().to_string(), &body).await
}

fn starts(listed: &Value) -> Vec<(DateTime<Utc>, bool)> {
    let slot = |slot: &Value| (slot["startsAt"].as_str().unwrap().parse().unwrap(), slot["free"].as_bool().unwrap());
    listed["slots"].as_array().unwrap().iter().map(slot).collect()
}

/// A zone around the town, half an hour away.
async fn draws_zone(shop: &Shop) {
    let middle = json!({ "type": "Point", "coordinates": [11.3426, 44.4949] });
    let zone = json!({ "name": "Town", "radiusMetres": 5000, "leadMinutes": 30,
                       "fee": { "base": { "amount": 200, "currency": "EUR" } } });
    let zones = json!({ "type": "FeatureCollection",
                        "features": [{ "type": "Feature", "geometry": middle, "properties": zone }] });
    shop.owner.put(&shop.path("/zones"), &zones).await.expect(200);
}

#[tokio::test]
async fn a_customer_orders_for_a_free_slot() {
    let app = TestApp::start().await;
    let day = app.clock.now().date_naive() + Days::new(1);
    let at = |hour: u32, minute: u32| day.and_hms_opt(hour, minute, 0).unwrap().and_utc();
    app.advance_clock(at(18, 20) - app.clock.now());
    let hours: Vec<_> = (1..=7).map(|day| json!({ "weekday": day, "opens": "18:00", "closes": "20:00" })).collect();
    let shop = app.restaurant("Luigi").with("timezone", json!("UTC")).with("hours", json!(hours));
    let shop = shop
        .with("preparationMinutes", json!(20))
        .with("slots", json!({ "minutes": 30, "capacity": 1, "daysAhead": 1 }));
    let luigi = shop.opens().await;
    draws_zone(&luigi).await;
    let (ada, anybody) = (app.customer("Ada").await, app.stranger());
    let listed = lists(&anybody, &luigi, "fulfilment=PICKUP").await;
    assert_eq!((&listed["date"], &listed["timezone"]), (&json!(day), &json!("UTC")));
    assert_eq!(listed["slots"][0], json!({ "startsAt": at(18, 30), "endsAt": at(19, 0), "free": true }));
    assert_eq!(starts(&listed), [(at(18, 30), true), (at(19, 0), true), (at(19, 30), true)]);
    assert_eq!(listed["earliestSlot"]["startsAt"], json!(at(18, 30)));
    // At the address it is half an hour later.
    let endpoint = "fulfilment=DELIVERY&deliversTo=44.4965,11.3340";
    assert_eq!(starts(&lists(&anybody, &luigi, endpoint).await)[0].0, at(19, 0));
    assert_eq!(starts(&lists(&anybody, &luigi, "fulfilment=DELIVERY").await)[0].0, at(18, 30), "no way, none counted");
    let far = anybody.get(&luigi.path("/slots?fulfilment=DELIVERY&deliversTo=45.4642,9.19")).await;
    far.refused(409, "outside_delivery_zone");

    orders(&ada, &luigi, "PICKUP", at(18, 45)).await.expect(201);
    let listed = lists(&anybody, &luigi, "fulfilment=PICKUP").await;
    assert_eq!(starts(&listed), [(at(18, 30), false), (at(19, 0), true), (at(19, 30), true)]);
    assert_eq!(listed["earliestSlot"]["startsAt"], json!(at(19, 0)));
    let tomorrow = day + Days::new(1);
    let listed = lists(&anybody, &luigi, &format!("fulfilment=PICKUP&date={tomorrow}")).await;
    assert_eq!(starts(&listed).len(), 1, "as far ahead as orders are taken: {listed}");
    for date in
        [day - Days::new(1), day + Days::new(2), NaiveDate::default(), NaiveDate::from_ymd_opt(2199, 12, 31).unwrap()]
    {
        let listed = lists(&anybody, &luigi, &format!("fulfilment=PICKUP&date={date}")).await;
        assert_eq!((&listed["slots"], &listed["earliestSlot"]["startsAt"]), (&json!([]), &json!(at(19, 0))));
    }
    let pause = json!({ "until": at(19, 10), "reason": "The oven is being repaired" });
    luigi.owner.put(&luigi.path("/pause"), &pause).await.expect(200);
    assert_eq!(starts(&lists(&anybody, &luigi, "fulfilment=PICKUP").await), [(at(19, 30), true)]);
    luigi.owner.patch(&luigi.path(""), &json!({ "accepting": false })).await.expect(200);
    let listed = lists(&anybody, &luigi, "fulfilment=PICKUP").await;
    assert_eq!((&listed["slots"], &listed["earliestSlot"]), (&json!([]), &Value::Null));

    for (query, pointer) in [
        ("", "?fulfilment"),
        ("fulfilment=SOON", "?fulfilment"),
        ("fulfilment=PICKUP&date=soon", "?date"),
        ("fulfilment=PICKUP&date=2026-13-01", "?date"),
        ("fulfilment=PICKUP&date=%2B99999-1-1", "?date"),
        ("fulfilment=DELIVERY&deliversTo=91,0", "?deliversTo"),
        ("fulfilment=PICKUP&x=1", "?x"),
    ] {
        let refusal = anybody.get(&luigi.path(&format!("/slots?{query}"))).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], pointer, "{refusal}");
    }
    let refusal = anybody.get(&luigi.path("/slots?fulfilment=PICKUP&date=2026-02-30")).await.json();
    assert_eq!(refusal["errors"][0]["message"], "must be a date such as 2026-05-01");
    anybody
        .get("/api/restaurants/rst_01h455vb4pex5vsknk084sn02q/slots?fulfilment=PICKUP")
        .await
        .refused(404, "not_found");
}

/// A random restaurant.
async fn any_restaurant(app: &TestApp, chance: &mut StdRng) -> (Shop, Tz) {
    let zones = [chrono_tz::UTC, chrono_tz::Europe::Rome, chrono_tz::Pacific::Apia, chrono_tz::America::St_Johns];
    let zone = *zones.choose(chance).unwrap();
    let clock = |minute: i64| format!("{:02}:{:02}", minute / 60, minute % 60);
    let mut hours = Vec::new();
    for weekday in 1..=7 {
        if chance.random_bool(0.85) {
            // Possibly into the night, but not into the hours of the next day.
            let opens = chance.random_range(44..92) * 15;
            let lasts = chance.random_range(1..=72).min((96 - opens / 15) + 40);
            let closes = (opens + lasts * 15 - 1) % 1440 + 1;
            hours.push(json!({ "weekday": weekday, "opens": clock(opens), "closes": clock(closes) }));
        }
    }
    let capacity = [json!(null), json!(1), json!(2)].choose(chance).unwrap().clone();
    let minutes = [15, 30, 60, 240].choose(chance).copied();
    let slots = json!({ "minutes": minutes, "capacity": capacity, "daysAhead": chance.random_range(0..4) });
    let shop =
        app.restaurant("Any").with("timezone", json!(zone.name())).with("hours", json!(hours)).with("slots", slots);
    let shop = shop.with("preparationMinutes", json!([1, 20, 90].choose(chance))).opens().await;
    draws_zone(&shop).await;
    if chance.random_bool(0.3) {
        let until = app.clock.now() + TimeDelta::minutes(chance.random_range(1..2_000));
        shop.owner.put(&shop.path("/pause"), &json!({ "until": until, "reason": "A break" })).await.expect(200);
    }
    (shop, zone)
}

/// Every slot listed for a day from yesterday on, as far as any could be.
async fn lists_all(
    person: &Person,
    shop: &Shop,
    query: &str,
    today: NaiveDate,
) -> (Vec<(DateTime<Utc>, DateTime<Utc>, bool)>, Value) {
    let (mut all, mut earliest) = (Vec::new(), Value::Null);
    for shift in 0..7 {
        let day = today - Days::new(1) + Days::new(shift);
        let listed = lists(person, shop, &format!("{query}&date={day}")).await;
        let instant = |value: &Value| value.as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
        let slots = listed["slots"].as_array().unwrap().iter();
        all.extend(slots.map(|slot| (instant(&slot["startsAt"]), instant(&slot["endsAt"]), slot["free"] == true)));
        earliest = listed["earliestSlot"].clone();
    }
    (all, earliest)
}

#[tokio::test]
async fn exactly_the_free_slots_can_be_ordered() {
    let app = TestApp::with(&[("ORDER_MAX_SCHEDULED", "500")]).await;
    let mut chance = StdRng::seed_from_u64(20_231);
    let (ada, mut seen) = (app.customer("Ada").await, BTreeSet::new());
    for round in 0..12 {
        app.advance_clock(TimeDelta::minutes(chance.random_range(0..40)));
        let (shop, zone) = any_restaurant(&app, &mut chance).await;
        for _ in 0..14 {
            let fulfilment = *["PICKUP", "DELIVERY"].choose(&mut chance).unwrap();
            let query = format!("fulfilment={fulfilment}&deliversTo=44.4965,11.3340");
            let now = app.clock.now();
            let (listed, earliest) = lists_all(&ada, &shop, &query, now.with_timezone(&zone).date_naive()).await;
            let first = listed.iter().find(|(_, _, free)| *free).map(|(starts, ..)| json!(starts));
            assert_eq!(first.unwrap_or_default(), earliest["startsAt"], "{round}: {listed:?}");
            let near = listed.choose(&mut chance).copied().filter(|_| chance.random_bool(0.6));
            let wanted = if let Some((starts, ends, _)) = near {
                starts + TimeDelta::seconds(chance.random_range(0..(ends - starts).num_seconds()))
            } else {
                let days = if chance.random_bool(0.5) { 1 } else { 6 };
                now + TimeDelta::minutes(chance.random_range(-300..days * 1440))
            };
            let holds = listed.iter().find(|(starts, ends, _)| (*starts..*ends).contains(&wanted));
            let reply = orders(&ada, &shop, fulfilment, wanted).await;
            let what = format!("{round}: {wanted} in {holds:?} answered {}", reply.text());
            let code = reply.json()["code"].as_str().map(ToOwned::to_owned);
            match (holds, code.as_deref()) {
                (Some((.., true)), None) => assert_eq!(reply.status, 201, "{what}"),
                (Some((.., false)), Some("slot_full"))
                | (None, Some("slot_unavailable" | "restaurant_closed" | "restaurant_paused")) => {}
                _ => panic!("{what}"),
            }
            seen.insert(code);
        }
    }
    assert_eq!(seen.len(), 5, "the test has teeth: {seen:?}");
}
