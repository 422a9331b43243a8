//! Scheduled orders: the slot in which an order is due, the capacity of slots, and the nearest alternative.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Days, DurationRound as _, NaiveDate, TimeDelta, TimeZone as _, Utc};
use chrono_tz::{Europe, Pacific, Tz};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::app::TestApp;
use crate::people::{Person, delivery_details, id_of};
use crate::reply::Reply;
use crate::shop::{Shop, ShopBuilder};
use comanda::fulfilment::Fulfilment;
use comanda::restaurants::fulfilments::Fulfilments;
use comanda::restaurants::hours::{DaySpan, Exception, LocalTime, Schedule, Span};
use comanda::restaurants::last_orders::{LastOrder, LeadTimes, OrderTimes};
use comanda::restaurants::slots::{Slot, SlotRules};

/// A server at ten in the morning (UTC) of the day after the real one, and that day.
async fn a_morning() -> (TestApp, NaiveDate) {
    let app = TestApp::start().await;
    let day = app.clock.now().date_naive() + Days::new(1);
    app.advance_clock(at(day, 10, 0) - app.clock.now());
    (app, day)
}

fn at(day: NaiveDate, hour: u32, minute: u32) -> DateTime<Utc> {
    day.and_hms_opt(hour, minute, 0).unwrap().and_utc()
}

fn slot(day: NaiveDate, from: (u32, u32), until: (u32, u32)) -> Value {
    json!({ "startsAt": at(day, from.0, from.1), "endsAt": at(day, until.0, until.1) })
}

/// Open every evening from six to ten (UTC); an order takes twenty minutes.
fn evenings(shop: ShopBuilder<'_>) -> ShopBuilder<'_> {
    let hours: Vec<_> = (1..=7).map(|day| json!({ "weekday": day, "opens": "18:00", "closes": "22:00" })).collect();
    shop.with("timezone", json!("UTC")).with("hours", json!(hours)).with("preparationMinutes", json!(20))
}

/// An order of one of the first item, for pickup unless `more` says otherwise.
async fn orders(person: &Person, shop: &Shop, scheduled: Option<DateTime<Utc>>, more: Value) -> Reply {
    let mut body = json!({ "restaurantId": shop.id, "fulfilment": "PICKUP", "scheduledFor": scheduled });
    body["lines"] = json!([{ "itemId": shop.any_dish().id, "quantity": 1 }]);
    for (name, value) in more.as_object().cloned().unwrap_or_default() {
        body[name] = value;
    }
    person.asks_for_order(&Uuid::new_v4().to_string(), &body).await
}

#[tokio::test]
async fn a_restaurant_that_is_closed_takes_orders_for_when_it_opens() {
    let (app, day) = a_morning().await;
    let luigi = evenings(app.restaurant("Luigi")).opens().await;
    let middle = json!({ "type": "Point", "coordinates": [11.3426, 44.4949] });
    let zone = json!({ "name": "Town", "radiusMetres": 5000, "leadMinutes": 30,
                       "fee": { "base": { "amount": 200, "currency": "EUR" } } });
    let zones = json!({ "type": "FeatureCollection",
                        "features": [{ "type": "Feature", "geometry": middle, "properties": zone }] });
    luigi.owner.put(&luigi.path("/zones"), &zones).await.expect(200);
    let ada = app.customer("Ada").await;
    let refusal = orders(&ada, &luigi, None, Value::Null).await.refused(409, "restaurant_closed");
    assert_eq!(refusal["nextOpensAt"], json!(at(day, 18, 0)));
    assert_eq!(refusal["earliestSlot"], slot(day, (18, 15), (18, 30)), "opening, and twenty minutes of cooking");
    let refusal = orders(&ada, &luigi, Some(at(day, 18, 7)), Value::Null).await.refused(409, "slot_unavailable");
    assert_eq!(refusal["earliestSlot"], slot(day, (18, 15), (18, 30)));

    let order = orders(&ada, &luigi, Some(at(day, 18, 17)), Value::Null).await.expect(201);
    assert_eq!(order["scheduledFor"], slot(day, (18, 15), (18, 30)));
    // Nobody can accept it before six.
    assert_eq!((&order["acceptBy"], &order["cancellableUntil"]), (&json!(at(day, 18, 10)), &order["acceptBy"]));
    let order = luigi.owner.moves(&order, "CONFIRMED").await;
    assert_eq!(order["promisedAt"], json!(at(day, 18, 20)), "not before it is cooked");
    assert_eq!(order["cancellableUntil"], json!(at(day, 18, 0)), "until cooking has to begin");
    // At the address half an hour later, at the earliest.
    let refusal =
        orders(&ada, &luigi, Some(at(day, 18, 30)), delivery_details()).await.refused(409, "slot_unavailable");
    assert_eq!(refusal["earliestSlot"], slot(day, (18, 45), (19, 0)));
    let order = orders(&ada, &luigi, Some(at(day, 18, 45)), delivery_details()).await.expect(201);
    let order = luigi.owner.moves(&order, "CONFIRMED").await;
    assert_eq!(order["promisedAt"], json!(at(day, 18, 50)), "opening, cooking, and the way");
    assert_eq!(order["cancellableUntil"], json!(at(day, 18, 0)), "until cooking has to begin");
    let order = orders(&ada, &luigi, Some(at(day, 20, 0)), delivery_details()).await.expect(201);
    assert_eq!(order["leadMinutes"], 30);
    assert_eq!(luigi.owner.moves(&order, "CONFIRMED").await["promisedAt"], json!(at(day, 20, 0)), "at the door");
    // Order numbers belong to the day on which the order is due.
    let tomorrow = day + Days::new(1);
    let order = orders(&ada, &luigi, Some(at(tomorrow, 19, 0)), Value::Null).await.expect(201);
    assert_eq!((&order["number"], &order["scheduledFor"]["startsAt"]), (&json!(1), &json!(at(tomorrow, 19, 0))));

    let quote = json!({ "lines": [{ "itemId": luigi.any_dish().id, "quantity": 1 }], "fulfilment": "PICKUP",
                        "scheduledFor": at(day, 21, 0) });
    let quote = ada.post(&luigi.path("/quotes"), &quote).await.expect(201);
    assert_eq!(quote["scheduledFor"], slot(day, (21, 0), (21, 15)));
    assert_eq!(quote["earliestSlot"], slot(day, (18, 15), (18, 30)));
    let body = json!({ "quoteId": id_of(&quote), "scheduledFor": at(day, 21, 14) });
    let order = ada.asks_for_order("quoted", &body).await.expect(201);
    assert_eq!(order["scheduledFor"], quote["scheduledFor"]);
}

#[tokio::test]
async fn an_impossible_time_is_refused_with_the_nearest_possible_one() {
    let (app, day) = a_morning().await;
    app.advance_clock(TimeDelta::minutes(8 * 60 + 30));
    let luigi = evenings(app.restaurant("Luigi")).opens().await;
    let ada = app.customer("Ada").await;
    let tomorrow = day + Days::new(1);
    let next = slot(day, (18, 45), (19, 0));
    let later = slot(tomorrow, (18, 15), (18, 30));
    for (wanted, code, earliest) in [
        (at(day, 9, 0), "slot_unavailable", &next),
        // Ready at ten to seven: too late for the slot that ends at a quarter to.
        (at(day, 18, 30), "slot_unavailable", &next),
        (at(day + Days::new(8), 19, 0), "slot_unavailable", &next),
        (at(day, 22, 0), "restaurant_closed", &later),
        (at(tomorrow, 17, 59), "restaurant_closed", &later),
    ] {
        let refusal = orders(&ada, &luigi, Some(wanted), Value::Null).await.refused(409, code);
        assert_eq!(&refusal["earliestSlot"], earliest, "{wanted}");
    }
    for wanted in [at(day, 18, 45), at(day, 21, 59), at(day + Days::new(7), 18, 15)] {
        orders(&ada, &luigi, Some(wanted), Value::Null).await.expect(201);
    }
    luigi.owner.patch(&luigi.path(""), &json!({ "slots": { "daysAhead": 0 } })).await.expect(200);
    let refusal = orders(&ada, &luigi, Some(at(day, 20, 0)), Value::Null).await.refused(409, "slot_unavailable");
    assert!(refusal["detail"].as_str().unwrap().contains("does not take scheduled orders"), "{refusal}");
    orders(&ada, &luigi, None, Value::Null).await.expect(201);
    luigi.owner.patch(&luigi.path(""), &json!({ "accepting": false })).await.expect(200);
    let refusal = orders(&ada, &luigi, Some(at(day, 20, 0)), Value::Null).await;
    assert_eq!(refusal.json()["earliestSlot"], Value::Null, "{}", refusal.text());
    for (slots, pointer) in [
        (json!({ "minutes": 7 }), "/slots/minutes"),
        (json!({ "minutes": 300 }), "/slots/minutes"),
        (json!({ "capacity": 0 }), "/slots/capacity"),
        (json!({ "daysAhead": 31 }), "/slots/daysAhead"),
        (json!({ "hours": 1 }), "/slots/hours"),
    ] {
        let refusal =
            luigi.owner.patch(&luigi.path(""), &json!({ "slots": slots })).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], pointer, "{slots}");
    }
}

#[tokio::test]
async fn an_order_during_a_pause_is_for_after_it() {
    let (app, day) = a_morning().await;
    app.advance_clock(TimeDelta::minutes(8 * 60 + 30));
    let luigi = evenings(app.restaurant("Luigi")).opens().await;
    let ada = app.customer("Ada").await;
    let pause = json!({ "until": at(day, 19, 10), "reason": "The oven is being repaired" });
    luigi.owner.put(&luigi.path("/pause"), &pause).await.expect(200);
    for wanted in [None, Some(at(day, 19, 0))] {
        let refusal = orders(&ada, &luigi, wanted, Value::Null).await.refused(409, "restaurant_paused");
        assert_eq!(refusal["pausedUntil"], json!(at(day, 19, 10)));
        assert_eq!(refusal["nextOpensAt"], json!(at(day, 19, 10)));
        assert_eq!(refusal["earliestSlot"], slot(day, (19, 15), (19, 30)));
    }
    orders(&ada, &luigi, Some(at(day, 19, 15)), Value::Null).await.expect(201);
}

#[tokio::test]
async fn a_full_slot_names_the_next_and_a_cancellation_frees_capacity() {
    let (app, day) = a_morning().await;
    app.advance_clock(TimeDelta::minutes(8 * 60 + 30));
    let luigi = evenings(app.restaurant("Luigi")).with("slots", json!({ "minutes": 30, "capacity": 2 })).opens().await;
    let ada = app.customer("Ada").await;
    // Orders without a time, which will be ready at ten to seven, use the slot like scheduled orders.
    let first = orders(&ada, &luigi, None, Value::Null).await.expect(201);
    assert_eq!(first["scheduledFor"], Value::Null);
    orders(&ada, &luigi, Some(at(day, 18, 30)), Value::Null).await.expect(201);
    let refusal = orders(&ada, &luigi, None, Value::Null).await.refused(409, "slot_full");
    assert_eq!(refusal["slot"], slot(day, (18, 30), (19, 0)));
    assert_eq!(refusal["earliestSlot"], slot(day, (19, 0), (19, 30)));
    for _ in 0..2 {
        orders(&ada, &luigi, Some(at(day, 19, 15)), Value::Null).await.expect(201);
    }
    let refusal = orders(&ada, &luigi, Some(at(day, 19, 29)), Value::Null).await.refused(409, "slot_full");
    assert_eq!(refusal["earliestSlot"], slot(day, (19, 30), (20, 0)));
    ada.cancels(&first, "I am not hungry any more").await;
    orders(&ada, &luigi, None, Value::Null).await.expect(201);
    orders(&ada, &luigi, None, Value::Null).await.refused(409, "slot_full");
    // Orders in slots of the old length count in slots of the new length.
    luigi.owner.patch(&luigi.path(""), &json!({ "slots": { "minutes": 60, "capacity": 3 } })).await.expect(200);
    orders(&ada, &luigi, Some(at(day, 19, 45)), Value::Null).await.expect(201);
    orders(&ada, &luigi, Some(at(day, 19, 0)), Value::Null).await.refused(409, "slot_full");
    // Without a capacity nothing is counted, and nobody waits.
    luigi.owner.patch(&luigi.path(""), &json!({ "slots": { "capacity": null } })).await.expect(200);
    let taken = app.count("select sum(taken) from slots").await;
    let order = orders(&ada, &luigi, None, Value::Null).await.expect(201);
    ada.cancels(&order, "I am not hungry any more").await;
    assert_eq!(app.count("select sum(taken) from slots").await, taken);
}

#[tokio::test]
async fn a_postponed_order_counts_for_the_slot_of_its_promise_only() {
    let (app, day) = a_morning().await;
    app.advance_clock(TimeDelta::hours(8));
    let luigi = evenings(app.restaurant("Luigi")).with("slots", json!({ "minutes": 30, "capacity": 1 })).opens().await;
    let ada = app.customer("Ada").await;
    let promises = async |order: &Value, at: DateTime<Utc>| {
        let path = format!("/api/orders/{}/promise", id_of(order));
        luigi.owner.patch(&path, &json!({ "promisedAt": at })).await.expect(200)
    };
    let scheduled = orders(&ada, &luigi, Some(at(day, 19, 0)), Value::Null).await.expect(201);
    luigi.owner.moves(&scheduled, "CONFIRMED").await;
    // Within its slot it stays.
    promises(&scheduled, at(day, 19, 29)).await;
    orders(&ada, &luigi, Some(at(day, 19, 0)), Value::Null).await.refused(409, "slot_full");
    let other = orders(&ada, &luigi, Some(at(day, 19, 30)), Value::Null).await.expect(201);
    // Staff may promise it for a slot that is full: it is counted there, and no longer in its own.
    let later = promises(&scheduled, at(day, 19, 40)).await;
    assert_eq!(later["scheduledFor"], slot(day, (19, 0), (19, 30)), "what the customer asked for");
    let taken = "select max(taken)::bigint from slots";
    assert_eq!(app.count(taken).await, 2);
    let next = orders(&ada, &luigi, Some(at(day, 19, 0)), Value::Null).await.expect(201);
    ada.cancels(&other, "I am not hungry any more").await;
    orders(&ada, &luigi, Some(at(day, 19, 30)), Value::Null).await.refused(409, "slot_full");
    // A cancellation releases the slot in which it is counted now.
    luigi.owner.cancels(&scheduled, "sold out").await;
    orders(&ada, &luigi, Some(at(day, 19, 30)), Value::Null).await.expect(201);
    orders(&ada, &luigi, Some(at(day, 19, 0)), Value::Null).await.refused(409, "slot_full");
    // So does one as soon as possible, and one of a restaurant whose slots have another length now.
    luigi.owner.patch(&luigi.path(""), &json!({ "slots": { "minutes": 60, "capacity": 9 } })).await.expect(200);
    luigi.owner.moves(&next, "CONFIRMED").await;
    promises(&next, at(day, 20, 10)).await;
    assert_eq!(app.count("select sum(taken) from slots").await, 2);
    // An order that is not counted for a slot is not counted after it is postponed either.
    luigi.owner.patch(&luigi.path(""), &json!({ "slots": { "capacity": null } })).await.expect(200);
    let free = orders(&ada, &luigi, Some(at(day, 19, 0)), Value::Null).await.expect(201);
    luigi.owner.moves(&free, "CONFIRMED").await;
    promises(&free, at(day, 20, 40)).await;
    assert_eq!(app.count("select sum(taken) from slots").await, 2);
}

#[tokio::test]
async fn an_order_is_postponed_within_the_last_hand_over() {
    let (app, day) = a_morning().await;
    app.advance_clock(TimeDelta::hours(11));
    let luigi = evenings(app.restaurant("Luigi")).opens().await;
    let ada = app.customer("Ada").await;
    let order = orders(&ada, &luigi, None, Value::Null).await.expect(201);
    luigi.owner.moves(&order, "CONFIRMED").await;
    let path = format!("/api/orders/{}/promise", id_of(&order));
    let promises = async |at: DateTime<Utc>| luigi.owner.patch(&path, &json!({ "promisedAt": at })).await;
    let refusal = promises(at(day, 22, 1)).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"][0]["pointer"], "/promisedAt");
    assert_eq!(refusal["latest"], json!(at(day, 22, 0)));
    promises(at(day, 22, 0)).await.expect(200);
    // A kitchen that is later than that says so.
    app.advance_clock(TimeDelta::minutes(61));
    promises(at(day, 22, 15)).await.expect(200);
}

/// An instant without its seconds: time passes while a test runs.
fn minute_of(instant: &Value) -> DateTime<Utc> {
    let instant: DateTime<Utc> = instant.as_str().unwrap().parse().unwrap();
    instant.duration_trunc(TimeDelta::minutes(1)).unwrap()
}

#[tokio::test]
async fn an_order_that_is_confirmed_late_counts_for_the_slot_of_its_promise() {
    let (app, day) = a_morning().await;
    app.advance_clock(TimeDelta::hours(8));
    let luigi = evenings(app.restaurant("Luigi")).with("slots", json!({ "minutes": 30, "capacity": 1 }));
    let luigi = luigi.with("acceptMinutes", json!(60)).opens().await;
    let ada = app.customer("Ada").await;
    let minute_of_the_slot = "select sum(60 * extract(hour from starts_at at time zone 'UTC')
        + extract(minute from starts_at))::bigint from slots where taken > 0";
    let order = orders(&ada, &luigi, None, Value::Null).await.expect(201);
    assert_eq!(app.count(minute_of_the_slot).await, 18 * 60);
    app.advance_clock(TimeDelta::minutes(25));
    let order = luigi.owner.moves(&order, "CONFIRMED").await;
    assert_eq!(minute_of(&order["promisedAt"]), at(day, 18, 45));
    assert_eq!(app.count(minute_of_the_slot).await, 18 * 60 + 30);
    orders(&ada, &luigi, None, Value::Null).await.refused(409, "slot_full");
    orders(&ada, &luigi, Some(at(day, 18, 50)), Value::Null).await.refused(409, "slot_full");
    ada.cancels(&order, "It takes too long").await;
    orders(&ada, &luigi, None, Value::Null).await.expect(201);
    // One for later, too.
    let later = orders(&ada, &luigi, Some(at(day, 19, 0)), Value::Null).await.expect(201);
    app.advance_clock(TimeDelta::minutes(55));
    let later = luigi.owner.moves(&later, "CONFIRMED").await;
    assert_eq!(minute_of(&later["promisedAt"]), at(day, 19, 40));
    orders(&ada, &luigi, Some(at(day, 19, 50)), Value::Null).await.refused(409, "slot_full");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_buyers_of_a_slot_for_seven_get_seven() {
    let (app, day) = a_morning().await;
    let luigi = evenings(app.restaurant("Luigi")).with("slots", json!({ "capacity": 7 })).opens().await;
    let (luigi, buyers) = (Arc::new(luigi), app.crowd(30).await);
    let start = Arc::new(Barrier::new(buyers.len()));
    let mut all = JoinSet::new();
    for (index, buyer) in buyers.into_iter().enumerate() {
        let (luigi, start) = (Arc::clone(&luigi), Arc::clone(&start));
        all.spawn(async move {
            start.wait().await;
            let reply = orders(&buyer, &luigi, Some(at(day, 19, 0)), Value::Null).await;
            if reply.status != 201 {
                let refusal = reply.refused(409, "slot_full");
                assert_eq!(refusal["earliestSlot"]["startsAt"], json!(at(day, 19, 15)), "{refusal}");
                return None;
            }
            // Some are cancelled while others are still being placed.
            if index % 10 == 0 {
                buyer.cancels(&reply.json(), "changed my mind").await;
                return None;
            }
            Some(())
        });
    }
    let kept = all.join_all().await.into_iter().flatten().count();
    assert!(kept <= 7, "{kept}");
    let kept = i64::try_from(kept).unwrap();
    assert_eq!(app.count("select coalesce(sum(taken), 0) from slots").await, kept);
    assert_eq!(app.count("select count(*) from orders where status <> 'CANCELLED'").await, kept);
    // A freed slot can be used again, up to the capacity.
    let ada = app.customer("Ada").await;
    for _ in kept..7 {
        orders(&ada, &luigi, Some(at(day, 19, 0)), Value::Null).await.expect(201);
    }
    orders(&ada, &luigi, Some(at(day, 19, 0)), Value::Null).await.refused(409, "slot_full");
}

#[tokio::test]
async fn day_parts_are_checked_at_the_time_the_order_is_for() {
    let (app, day) = a_morning().await;
    app.advance_clock(TimeDelta::minutes(8 * 60 + 30));
    let luigi = evenings(app.restaurant("Luigi")).opens().await;
    let ada = app.customer("Ada").await;
    let item = luigi.path(&format!("/items/{}", luigi.any_dish().id));
    let parts = json!([{ "days": [1, 2, 3, 4, 5, 6, 7], "from": "18:00", "to": "19:00" }]);
    luigi.owner.patch(&item, &json!({ "dayParts": parts })).await.expect(200);
    orders(&ada, &luigi, None, Value::Null).await.expect(201);
    let refusal = orders(&ada, &luigi, Some(at(day, 19, 30)), Value::Null).await.refused(409, "item_unavailable");
    let again = at(day + Days::new(1), 18, 0);
    let cooked = again + TimeDelta::minutes(20);
    assert_eq!(refusal["items"][0]["reason"], "not_now");
    assert_eq!(refusal["items"][0]["availableFrom"], json!(again));
    orders(&ada, &luigi, Some(cooked), Value::Null).await.expect(201);
    // Switched off until half past seven: it can be ordered for later only.
    luigi.owner.patch(&item, &json!({ "dayParts": [] })).await.expect(200);
    let off = json!({ "available": false, "until": at(day, 19, 30) });
    luigi.owner.put(&format!("{item}/availability"), &off).await.expect(200);
    for wanted in [None, Some(at(day, 19, 15))] {
        let refusal = orders(&ada, &luigi, wanted, Value::Null).await.refused(409, "item_unavailable");
        assert_eq!(refusal["items"][0]["availableFrom"], json!(at(day, 19, 30)));
    }
    orders(&ada, &luigi, Some(at(day, 19, 30)), Value::Null).await.expect(201);
}

const ZONES: [Tz; 11] = [
    Europe::Rome,
    Pacific::Apia,
    chrono_tz::Australia::Lord_Howe,
    chrono_tz::America::Santiago,
    chrono_tz::Asia::Beirut,
    chrono_tz::UTC,
    chrono_tz::America::New_York,
    chrono_tz::America::Havana,
    chrono_tz::Africa::Casablanca,
    chrono_tz::Africa::Cairo,
    chrono_tz::Asia::Gaza,
];

/// Around nights with clock changes.
fn any_instant() -> impl Strategy<Value = DateTime<Utc>> {
    let nights = [
        "2026-03-28T12:00:00Z",
        "2026-10-24T12:00:00Z",
        "2026-04-04T03:00:00Z",
        "2026-10-03T03:00:00Z",
        "2026-09-05T12:00:00Z",
        // New York's and Havana's, the days before and after Casablanca's Ramadan, Cairo's at midnight.
        "2026-03-07T12:00:00Z",
        "2026-10-31T12:00:00Z",
        "2026-02-14T12:00:00Z",
        "2026-03-21T12:00:00Z",
        "2026-04-23T12:00:00Z",
        "2026-10-29T12:00:00Z",
        // The date that Samoa skipped.
        "2011-12-29T08:00:00Z",
    ];
    let night = prop::sample::select(nights.map(|night| night.parse::<DateTime<Utc>>().unwrap()).to_vec());
    (night, 0_i64..2 * 1440).prop_map(|(night, minutes)| night + TimeDelta::minutes(minutes))
}

prop_compose! {
    fn any_schedule()(
        spans in prop::collection::vec((1_i16..=7, 0_i16..1440, 1_i16..=1440, 0_u8..8), 0..6),
        exception in prop::option::of((0_i64..4, prop::collection::vec((0_i16..1440, 1_i16..=1440), 0..3))),
    ) -> Schedule {
        let time = LocalTime::from_minutes;
        let set = |bits: u8| match bits {
            0 => Fulfilments::ALL,
            bits => Fulfilments { delivery: bits & 1 > 0, pickup: bits & 2 > 0, dine_in: bits & 4 > 0 },
        };
        let weekly = spans.into_iter().map(|(weekday, opens, closes, bits)| {
            Span { weekday, opens: time(opens), closes: time(closes), fulfilments: set(bits) }
        }).collect();
        let first = NaiveDate::from_ymd_opt(2026, 3, 28).unwrap();
        let exceptions = exception.into_iter().map(|(shift, spans)| Exception {
            date: first + TimeDelta::days(shift), note: None,
            spans: spans.into_iter().map(|(opens, closes)| {
                DaySpan { opens: time(opens), closes: time(closes), fulfilments: Fulfilments::ALL }
            }).collect(),
        }).collect();
        Schedule { always: false, weekly, exceptions }
    }
}

/// Rome sets its clocks back at 3:00 on 25 October 2026: a restaurant that was closed at 2:26 is open again from 2:00
/// on.
#[test]
fn opening_hours_apply_twice_when_clocks_are_set_back() {
    let span = |opens, closes| Span {
        weekday: 6,
        opens: LocalTime::from_minutes(opens),
        closes: LocalTime::from_minutes(closes),
        fulfilments: Fulfilments::ALL,
    };
    let utc = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    for (opens, closes, again) in
        [(20 * 60, 2 * 60 + 26, "2026-10-25T01:00:00Z"), (2 * 60 + 30, 2 * 60 + 45, "2026-10-25T01:30:00Z")]
    {
        let weekday = if opens < closes { 7 } else { 6 };
        let schedule =
            Schedule { always: false, weekly: vec![Span { weekday, ..span(opens, closes) }], exceptions: vec![] };
        let from = utc("2026-10-25T00:50:30Z");
        assert_eq!(opens_next(&schedule, Europe::Rome, from), Some(utc(again)));
    }
}

fn opens_next(schedule: &Schedule, zone: Tz, from: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let lead_times = LeadTimes::of(20, 0, LastOrder::default());
    OrderTimes::of(schedule, zone, Fulfilment::Pickup, lead_times, (from, from + TimeDelta::days(31))).opens_next(from)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The next opening is the first minute that the calendar shows as open, found by checking each minute.
    #[test]
    fn the_next_opening_is_the_first_open_minute(
        schedule in any_schedule(), from in any_instant(), zone in prop::sample::select(ZONES.to_vec()),
    ) {
        let is_open = |at: DateTime<Utc>| schedule.open_for(zone, at).contains(Fulfilment::Pickup);
        let mut minutes = (0..9 * 1440).map(|minute| from + TimeDelta::minutes(minute));
        let first = minutes.find(|minute| is_open(*minute));
        match opens_next(&schedule, zone, from) {
            Some(opens) if first.is_some() => prop_assert_eq!(Some(opens), first),
            Some(opens) => prop_assert!(opens >= from + TimeDelta::days(9)),
            None => prop_assert_eq!(first, None),
        }
    }

    /// Open periods contain exactly the open minutes, and do not overlap.
    #[test]
    fn periods_are_the_open_minutes(
        schedule in any_schedule(), from in any_instant(), zone in prop::sample::select(ZONES.to_vec()),
    ) {
        let until = from + TimeDelta::days(3);
        let periods = schedule.open_between(zone, Fulfilment::Pickup, from, until).periods().collect::<Vec<_>>();
        prop_assert!(periods.windows(2).all(|two| two[0].until < two[1].from));
        for minute in 0..3 * 1440 {
            let at = from + TimeDelta::minutes(minute);
            let is_open = schedule.open_for(zone, at).contains(Fulfilment::Pickup);
            prop_assert_eq!(periods.iter().any(|period| period.contains(at)), is_open, "{}", at);
        }
    }

    /// Slots cover the time without gap or overlap: each instant is in one slot, the next slot begins at its end, none
    /// is longer than the limit, and a day lists exactly the slots that begin on it, also in nights with clock changes.
    #[test]
    fn slots_tile_the_local_day(
        from in any_instant(), zone in prop::sample::select(ZONES.to_vec()),
        minutes in prop::sample::select(vec![5_i16, 15, 30, 45, 60, 96, 120, 240]),
    ) {
        let rules = SlotRules { minutes, capacity: None, days_ahead: 7 };
        let date = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive();
        let mut slot = rules.slot_of(zone, from);
        prop_assert!(slot.starts_at <= from && from < slot.ends_at);
        let mut listed: BTreeSet<(DateTime<Utc>, DateTime<Utc>)> = BTreeSet::new();
        let mut day = date(from);
        for _ in 0..4 {
            let slots = rules.of_day(zone, day);
            prop_assert!(slots.iter().all(|slot| date(slot.starts_at) == day));
            prop_assert!(slots.windows(2).all(|two| two[0].ends_at == two[1].starts_at));
            listed.extend(slots.into_iter().map(|slot| (slot.starts_at, slot.ends_at)));
            day = day.succ_opt().unwrap();
        }
        let length = TimeDelta::minutes(minutes.into());
        while slot.starts_at < from + TimeDelta::days(2) {
            prop_assert!(slot.ends_at - slot.starts_at <= length);
            prop_assert_eq!(rules.slot_of(zone, slot.starts_at), slot);
            prop_assert_eq!(rules.slot_of(zone, slot.ends_at - TimeDelta::milliseconds(1)), slot);
            prop_assert!(date(slot.starts_at) < date(from) || listed.contains(&(slot.starts_at, slot.ends_at)));
            let next = rules.slot_of(zone, slot.ends_at);
            prop_assert_eq!(next.starts_at, slot.ends_at);
            slot = next;
        }
    }

    /// A slot can be ordered exactly if some minute of it is possible: preparation begins while the restaurant is
    /// open and before the last order, and the order is handed over by the last hand-over; an order for now is
    /// possible exactly if that holds for the current minute.
    #[test]
    fn promised_times_are_within_opening_hours(
        schedule in any_schedule(), from in any_instant(), zone in prop::sample::select(ZONES.to_vec()),
        minutes in prop::sample::select(vec![15_i16, 60, 120]), preparation in 1_i16..90, way in 0_i16..60,
        cut_off in prop::option::of(0_i16..120), hand_over in 0_i16..60,
    ) {
        let from = from - TimeDelta::seconds(from.timestamp() % 60);
        let minute = TimeDelta::minutes(1);
        let lead_times = LeadTimes::of(preparation, way, LastOrder { cut_off_minutes: cut_off, hand_over_minutes: hand_over });
        let times = OrderTimes::of(&schedule, zone, Fulfilment::Pickup, lead_times, (from, from + TimeDelta::days(3)));
        let is_open = |at: DateTime<Utc>| schedule.open_for(zone, at).contains(Fulfilment::Pickup);
        // The open period of the minute, found minute by minute.
        let closes = |begun: DateTime<Utc>| {
            let mut at = begun;
            while is_open(at) && at < begun + TimeDelta::days(2) {
                at += minute;
            }
            at
        };
        let whole = TimeDelta::minutes((preparation + way).into());
        let may_begin = |begun: DateTime<Utc>| {
            let closes = closes(begun);
            is_open(begun)
                && begun < closes - TimeDelta::minutes(cut_off.unwrap_or(preparation).into())
                && begun + whole < closes + TimeDelta::minutes(hand_over.into())
        };
        prop_assert_eq!(times.now(from).is_some(), may_begin(from));
        if let Some(promise) = times.now(from) {
            prop_assert_eq!(promise.arrives_at, from + whole);
        }
        let rules = SlotRules { minutes, capacity: None, days_ahead: 7 };
        let mut slot = rules.slot_of(zone, from);
        for _ in 0..6 {
            let first = first_minute(slot, from, whole, may_begin);
            prop_assert_eq!(times.within(slot, from).ok().map(|promise| promise.arrives_at), first, "{:?}", slot);
            slot = rules.slot_of(zone, slot.ends_at);
        }
    }
}

/// The first minute of a slot for which preparation can begin now or later.
fn first_minute(
    slot: Slot,
    now: DateTime<Utc>,
    whole: TimeDelta,
    may_begin: impl Fn(DateTime<Utc>) -> bool,
) -> Option<DateTime<Utc>> {
    let minutes =
        (0..(slot.ends_at - slot.starts_at).num_minutes()).map(|minute| slot.starts_at + TimeDelta::minutes(minute));
    minutes.into_iter().find(|arrives_at| *arrives_at - whole >= now && may_begin(*arrives_at - whole))
}

#[test]
fn an_opening_in_a_skipped_hour_is_after_the_change_of_the_clock() {
    let span = Span {
        weekday: 7,
        opens: "02:15".parse().unwrap(),
        closes: "04:00".parse().unwrap(),
        fulfilments: Fulfilments::ALL,
    };
    let schedule = Schedule { always: false, weekly: vec![span], exceptions: Vec::new() };
    let from = Europe::Rome.with_ymd_and_hms(2026, 3, 28, 12, 0, 0).unwrap().to_utc();
    let jump = Europe::Rome.with_ymd_and_hms(2026, 3, 29, 3, 0, 0).unwrap().to_utc();
    assert_eq!(opens_next(&schedule, Europe::Rome, from), Some(jump));
}

/// Closing at two in the night with 45 minutes of preparation: the last order is before 1:15, on the day of opening
/// and after midnight, and in nights without two o'clock or with two of them.
#[test]
fn last_orders_work_across_midnight_and_clock_changes() {
    let time = LocalTime::from_minutes;
    let saturday = Span { weekday: 6, opens: time(18 * 60), closes: time(2 * 60), fulfilments: Fulfilments::ALL };
    let schedule = Schedule { always: false, weekly: vec![saturday], exceptions: vec![] };
    let utc = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    for (zone, last) in [
        (Europe::Rome, "2026-06-06T23:15:00Z"),
        // Back from 3:00 to 2:00: closed at the first two o'clock, and also at the second one.
        (Europe::Rome, "2026-10-24T23:15:00Z"),
        // Forward from 2:00 to 3:00, which is closing time.
        (Europe::Rome, "2026-03-29T00:15:00Z"),
        // Back from 2:00 to 1:00: open for one hour more, and the last order is one hour later.
        (chrono_tz::America::New_York, "2026-11-01T06:15:00Z"),
        (chrono_tz::America::New_York, "2026-03-08T06:15:00Z"),
        // No midnight: forward from 24:00 to 1:00. And a repeated one.
        (chrono_tz::America::Santiago, "2026-09-06T04:15:00Z"),
        (chrono_tz::America::Santiago, "2026-04-05T05:15:00Z"),
        // Half an hour back at 2:00, and half an hour forward.
        (chrono_tz::Australia::Lord_Howe, "2026-04-04T14:45:00Z"),
        (chrono_tz::Australia::Lord_Howe, "2026-10-03T14:45:00Z"),
    ] {
        let last = utc(last);
        let lead_times = LeadTimes::of(45, 0, LastOrder::default());
        let around = (last - TimeDelta::days(1), last + TimeDelta::days(1));
        let times = OrderTimes::of(&schedule, zone, Fulfilment::Pickup, lead_times, around);
        let second = TimeDelta::seconds(1);
        assert!(times.now(last - second).is_some(), "{zone} {last}");
        assert!(times.now(last).is_none(), "{zone} {last}");
        let promise = times.now(last - second).unwrap();
        assert_eq!(promise.arrives_at, last - second + TimeDelta::minutes(45));
        let closes = last + TimeDelta::minutes(45);
        assert!(schedule.open_for(zone, closes - second).contains(Fulfilment::Pickup), "{zone} {closes}");
        assert!(!schedule.open_for(zone, closes).contains(Fulfilment::Pickup), "{zone} {closes}");
    }
}

/// A query with an address includes the travel time in the last order.
#[tokio::test]
async fn a_restaurant_past_its_last_order_to_the_address_is_not_found_as_open() {
    let (app, day) = a_morning().await;
    let luigi =
        evenings(app.restaurant("Luigi")).with("place", json!({ "lat": 44.4949, "lng": 11.3426 })).opens().await;
    let zone = json!({ "name": "Town", "radiusMetres": 5000, "leadMinutes": 30,
                       "fee": { "base": { "amount": 200, "currency": "EUR" } } });
    let middle = json!({ "type": "Point", "coordinates": [11.3426, 44.4949] });
    let zones = json!({ "type": "FeatureCollection",
                        "features": [{ "type": "Feature", "geometry": middle, "properties": zone }] });
    luigi.owner.put(&luigi.path("/zones"), &zones).await.expect(200);
    let ada = app.customer("Ada").await;
    // Open until ten; twenty minutes of preparation and thirty of travel.
    for (hour, minute, is_taken) in [(21, 5, true), (21, 15, false)] {
        app.advance_clock(at(day, hour, minute) - app.clock.now());
        let placed = orders(&ada, &luigi, None, delivery_details()).await;
        assert_eq!(placed.status == 201, is_taken, "{hour}:{minute}");
        let here = "/api/restaurants?deliversTo=44.4938,11.343";
        let open = app.stranger().get(&format!("{here}&openNow=true")).await.expect(200);
        assert_eq!(open["data"].as_array().unwrap().len(), usize::from(is_taken), "{open}");
        let found = app.stranger().get(here).await.expect(200);
        let open_for = found["data"][0]["openFor"].as_array().unwrap().contains(&json!("DELIVERY"));
        assert_eq!(open_for, is_taken, "{found}");
        // Without an address the travel time is unknown: it is in time for pickup.
        let pickup = app.stranger().get("/api/restaurants?openNow=true&fulfilment=PICKUP").await.expect(200);
        assert_eq!(pickup["data"].as_array().unwrap().len(), 1);
    }
}
