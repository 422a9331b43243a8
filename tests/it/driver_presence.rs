//! Absent drivers, reported locations, and the limit on delivery distances.

use chrono::{DateTime, TimeDelta, Utc};
use comanda::delivery::actions::presence;
use comanda::delivery::location::{self, InvalidReport, LastLocation, Report, ReportedLocation};
use comanda::place::Place;
use serde_json::{Value, json};

use crate::app::eventually;
use crate::delivery_life::Scene;
use crate::people::{delivery_details, id_of};

#[tokio::test]
async fn an_absent_driver_is_assigned_nothing_and_then_set_off_duty() {
    let scene = Scene::set().await;
    let (_, delivery) = scene.confirmed().await;
    scene.app.advance_clock(TimeDelta::minutes(4));
    scene.luigi.owner.assigns(&delivery, None).await.refused(409, "no_driver_available");
    scene.luigi.owner.assigns(&delivery, Some(&scene.profile)).await.refused(422, "invalid_request");
    assert_eq!(scene.status_of(&scene.mario).await, "OFFLINE");
    // A report makes them present again, until they have been absent for too long.
    scene.sends((44.4960, 11.3401), None).await.expect(204);
    assert_eq!(scene.status_of(&scene.mario).await, "AVAILABLE");
    scene.luigi.owner.assigns(&delivery, None).await.expect(200);
    scene.app.advance_clock(TimeDelta::minutes(16));
    eventually("they are off duty", async || scene.app.count("select count(*) from drivers where online").await == 0)
        .await;
    // Deliveries that they had not picked up wait for another driver.
    let path = format!("/api/deliveries/{}", id_of(&delivery));
    eventually("the delivery waits again", async || {
        scene.luigi.owner.get(&path).await.expect(200)["status"] == "WAITING"
    })
    .await;
    scene.sends((44.4960, 11.3402), None).await.expect(204);
    assert_eq!(scene.status_of(&scene.mario).await, "OFFLINE");
}

#[tokio::test]
async fn a_driver_on_the_way_keeps_the_delivery_without_a_sign_of_life() {
    let scene = Scene::set().await;
    let (order, delivery) = scene.carried().await;
    scene.luigi.owner.makes_steps(&order, &["PREPARING", "READY"]).await;
    scene.mario.brings(&delivery, "PICKED_UP").await;
    scene.app.advance_clock(TimeDelta::hours(1));
    assert_eq!(presence::set_absent_drivers_off_duty(&scene.app.running().app).await.unwrap(), 0);
    scene.mario.brings(&delivery, "DELIVERED").await;
}

#[tokio::test]
async fn every_step_of_a_driver_is_activity_also_one_of_the_order() {
    let scene = Scene::set().await;
    let (order, delivery) = scene.carried().await;
    scene.luigi.owner.makes_steps(&order, &["PREPARING", "READY"]).await;
    let seen_at = async || {
        let me = scene.mario.get("/api/me").await.expect(200);
        me["driver"]["seenAt"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap()
    };
    let before = seen_at().await;
    scene.app.advance_clock(TimeDelta::minutes(4));
    assert_eq!(seen_at().await, before, "reading is no activity");
    let begun = scene.app.clock.now();
    scene.mario.moves(&order, "ON_THE_WAY").await;
    assert!(seen_at().await >= begun);
    scene.app.advance_clock(TimeDelta::minutes(4));
    let begun = scene.app.clock.now();
    scene.mario.brings(&delivery, "PICKED_UP").await;
    assert!(seen_at().await >= begun, "a repeated one, too");
    // Those of the restaurant are not.
    let before = seen_at().await;
    scene.app.advance_clock(TimeDelta::minutes(4));
    scene.luigi.owner.moves(&order, "DELIVERED").await;
    assert_eq!(seen_at().await, before);
}

#[tokio::test]
async fn a_disabled_driver_gets_no_orders_and_deliveries_before_pickup_wait_again() {
    assert_gets_no_orders_after(json!({ "disabled": true })).await;
}

#[tokio::test]
async fn a_user_who_is_no_driver_any_more_gets_no_orders() {
    assert_gets_no_orders_after(json!({ "role": "CUSTOMER" })).await;
}

async fn assert_gets_no_orders_after(change: Value) {
    let scene = Scene::set().await;
    let (order, delivery) = scene.carried().await;
    let admin = scene.app.admin().await;
    let (_, next) = scene.confirmed().await;
    let (_, third) = scene.confirmed().await;
    let lucia = scene.app.driver("Lucia").await;
    let theirs = lucia.goes_online(44.4949, 11.3426).await;
    for driver in [&scene.mario, &lucia] {
        admin.patch(&format!("/api/admin/users/{}", driver.id), &change).await.expect(200);
    }
    scene.luigi.owner.assigns(&next, Some(&theirs)).await.refused(422, "invalid_request");
    scene.luigi.owner.assigns(&third, None).await.refused(409, "no_driver_available");
    let path = format!("/api/deliveries/{}", id_of(&delivery));
    eventually("the delivery waits again", async || {
        scene.luigi.owner.get(&path).await.expect(200)["status"] == "WAITING"
    })
    .await;
    assert_eq!(scene.ada.reads_order(&order).await["status"], "CONFIRMED");
}

#[tokio::test]
async fn a_driver_who_signed_out_everywhere_gets_no_orders() {
    let scene = Scene::set().await;
    let (_, delivery) = scene.confirmed().await;
    scene.mario.post("/api/auth/logout-all", &Value::Null).await.expect(204);
    scene.luigi.owner.assigns(&delivery, None).await.refused(409, "no_driver_available");
    scene.luigi.owner.assigns(&delivery, Some(&scene.profile)).await.refused(422, "invalid_request");
}

#[tokio::test]
async fn reports_are_ordered_by_the_phone_s_own_time() {
    let scene = Scene::set().await;
    scene.app.advance_clock(TimeDelta::minutes(10));
    let now = scene.app.clock.now();
    let place = async || scene.mario.get("/api/me").await.expect(200)["driver"]["place"].clone();
    scene.sends((44.5010, 11.3410), Some(now - TimeDelta::minutes(1))).await.expect(204);
    // Late reports change nothing.
    for minutes in [2, 5, 9] {
        scene.sends((44.4980, 11.3390), Some(now - TimeDelta::minutes(minutes))).await.expect(204);
        assert_eq!(place().await, json!({ "lat": 44.501, "lng": 11.341 }));
    }
    scene.sends((44.5020, 11.3420), Some(now)).await.expect(204);
    assert_eq!(place().await, json!({ "lat": 44.502, "lng": 11.342 }));
    // A clock that is slightly ahead counts as the server's; one that is far ahead is refused and blocks nobody.
    scene.sends((44.5030, 11.3430), Some(now + TimeDelta::minutes(2))).await.expect(204);
    let refusal = scene.sends((44.5040, 11.3440), Some(now + TimeDelta::minutes(9))).await;
    assert_eq!(refusal.refused(422, "invalid_request")["errors"][0]["pointer"], "/at");
    scene.app.advance_clock(TimeDelta::seconds(30));
    scene.sends((44.5050, 11.3450), None).await.expect(204);
    assert_eq!(place().await, json!({ "lat": 44.505, "lng": 11.345 }));
    // Rome cannot be reached in half a minute.
    let refusal = scene.sends((41.8931, 12.4828), None).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"][0]["pointer"], "/place");
    assert_eq!(place().await, json!({ "lat": 44.505, "lng": 11.345 }));
    // A position that is set explicitly is accepted.
    scene.mario.goes_online(41.8931, 12.4828).await;
    assert_eq!(place().await, json!({ "lat": 41.8931, "lng": 12.4828 }));
}

#[tokio::test]
async fn reports_of_a_slow_clock_count_at_once() {
    for slow in [TimeDelta::minutes(10), TimeDelta::hours(13), TimeDelta::days(20_000)] {
        let scene = Scene::set().await;
        let phone = || scene.app.clock.now() - slow;
        let place = async || scene.mario.get("/api/me").await.expect(200)["driver"]["place"].clone();
        scene.sends((44.4970, 11.3410), Some(phone())).await.expect(204);
        assert_eq!(place().await, json!({ "lat": 44.497, "lng": 11.341 }), "{slow}");
        let (order, delivery) = scene.carried().await;
        scene.luigi.owner.makes_steps(&order, &["PREPARING", "READY"]).await;
        scene.mario.brings(&delivery, "PICKED_UP").await;
        scene.app.advance_clock(TimeDelta::minutes(1));
        let measured = phone();
        scene.sends((44.4980, 11.3420), Some(measured)).await.expect(204);
        let seen = scene.ada.get(&format!("/api/deliveries/{}", id_of(&delivery))).await.expect(200);
        assert_eq!(seen["driver"]["place"], json!({ "lat": 44.498, "lng": 11.342 }), "{slow}");
        // Late reports change nothing.
        for minutes in [0, 1, 5] {
            scene.sends((44.4990, 11.3430), Some(measured - TimeDelta::minutes(minutes))).await.expect(204);
        }
        assert_eq!(place().await, json!({ "lat": 44.498, "lng": 11.342 }), "{slow}");
        let located = scene.mario.get("/api/me").await.expect(200)["driver"]["locatedAt"].clone();
        let located: DateTime<Utc> = serde_json::from_value(located).unwrap();
        let since = scene.app.clock.now() - located;
        assert!(since >= TimeDelta::zero() && since < TimeDelta::minutes(1), "{slow}: {since}");
        // The clock is corrected, and set back again: within five minutes its reports count as late.
        scene.sends((44.4990, 11.3430), Some(scene.app.clock.now())).await.expect(204);
        assert_eq!(place().await, json!({ "lat": 44.499, "lng": 11.343 }), "{slow}");
        for is_known in [false, false, true, true] {
            scene.app.advance_clock(TimeDelta::minutes(3));
            scene.sends((44.5000, 11.3440), Some(phone())).await.expect(204);
            let expected = if is_known { json!(44.5) } else { json!(44.499) };
            assert_eq!(place().await["lat"], expected, "{slow}");
        }
    }
}

#[tokio::test]
async fn reports_from_before_the_time_of_going_on_duty_change_nothing() {
    let scene = Scene::set().await;
    let slow = TimeDelta::minutes(30);
    let phone = scene.app.clock.now() - slow;
    let on_duty = |at: DateTime<Utc>| {
        let place = json!({ "lat": 44.4960, "lng": 11.3400 });
        json!({ "status": "AVAILABLE", "place": place, "at": at })
    };
    scene.mario.put("/api/drivers/me/availability", &on_duty(phone)).await.expect(200);
    let place = async || scene.mario.get("/api/me").await.expect(200)["driver"]["place"]["lat"].clone();
    scene.sends((44.4970, 11.3410), Some(phone - TimeDelta::minutes(2))).await.expect(204);
    assert_eq!(place().await, 44.496);
    scene.sends((44.4970, 11.3410), Some(phone + TimeDelta::seconds(1))).await.expect(204);
    assert_eq!(place().await, 44.497);
    let ahead = on_duty(scene.app.clock.now() + TimeDelta::minutes(6));
    let refusal = scene.mario.put("/api/drivers/me/availability", &ahead).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"][0]["pointer"], "/at");
}

#[tokio::test]
async fn no_location_is_stored_for_a_driver_off_duty_without_a_delivery() {
    let scene = Scene::set().await;
    let (mario, owner) = (&scene.mario, &scene.luigi.owner);
    let stored = async || {
        let located =
            "select count(*) from drivers where coalesce(latitude, longitude) is not null or located_at is not null";
        scene.app.count(located).await == 1
    };
    let goes_off = async || {
        let off = mario.put("/api/drivers/me/availability", &json!({ "status": "OFFLINE" })).await.expect(200);
        off["place"].is_null()
    };
    let comes = async || mario.goes_online(44.4960, 11.3400).await;
    assert!(stored().await);
    assert!(goes_off().await && !stored().await);
    // Late reports, and a location sent with going off duty, do not store it again.
    let now = scene.app.clock.now();
    for at in [None, Some(now), Some(now - TimeDelta::minutes(1)), Some(now + TimeDelta::minutes(1))] {
        scene.sends((44.4970, 11.3410), at).await.expect(204);
        assert!(!stored().await, "{at:?}");
    }
    let farewell = json!({ "status": "OFFLINE", "place": { "lat": 44.4960, "lng": 11.3400 } });
    mario.put("/api/drivers/me/availability", &farewell).await.expect(200);
    assert!(!stored().await);
    // A driver who goes off duty during a delivery is located until its end, however it ends.
    for end in ["DELIVERED", "FAILED", "CANCELLED", "WAITING", "another driver"] {
        comes().await;
        let (order, delivery) = scene.carried().await;
        owner.makes_steps(&order, &["PREPARING", "READY"]).await;
        assert!(!goes_off().await && stored().await, "{end}");
        scene.sends((44.4970, 11.3410), None).await.expect(204);
        let cancel = json!({ "status": "CANCELLED", "reason": "Closed." });
        match end {
            "DELIVERED" => {
                mario.brings(&delivery, "PICKED_UP").await;
                assert!(stored().await);
                mario.brings(&delivery, "DELIVERED").await;
            }
            "FAILED" => {
                mario.brings(&delivery, "PICKED_UP").await;
                owner.patch(&format!("/api/orders/{}/status", id_of(&order)), &cancel).await.expect(200);
            }
            "CANCELLED" => {
                owner.patch(&format!("/api/orders/{}/status", id_of(&order)), &cancel).await.expect(200);
            }
            "WAITING" => {
                mario.brings(&delivery, "WAITING").await;
            }
            _ => {
                let other = scene.app.driver("Other").await.goes_online(44.4960, 11.3400).await;
                owner.assigns(&delivery, Some(&other)).await.expect(200);
                let located = scene.app.count("select count(*) from drivers where latitude is not null").await;
                assert_eq!(located, 1, "the other's");
                break;
            }
        }
        assert!(!stored().await, "{end}");
        scene.sends((44.4970, 11.3410), None).await.expect(204);
        assert!(!stored().await, "{end}");
    }
}

#[tokio::test]
async fn the_location_of_an_absent_driver_is_deleted_in_every_race() {
    let scene = Scene::set().await;
    let (mario, owner) = (&scene.mario, &scene.luigi.owner);
    let located = async || scene.app.count("select count(*) from drivers where latitude is not null").await;
    scene.app.advance_clock(TimeDelta::hours(3));
    eventually("who has not been heard of for hours is nowhere", async || located().await == 0).await;
    let off = json!({ "status": "OFFLINE" });
    for round in 0..12 {
        mario.goes_online(44.4960, 11.3400).await;
        let (order, delivery) = scene.carried().await;
        owner.makes_steps(&order, &["PREPARING", "READY"]).await;
        mario.brings(&delivery, "PICKED_UP").await;
        let done = json!({ "status": "DELIVERED" });
        let path = format!("/api/deliveries/{}/status", id_of(&delivery));
        let carrier = if round % 2 == 0 { mario } else { owner };
        let (end, left, reported) = tokio::join!(
            carrier.patch(&path, &done),
            mario.put("/api/drivers/me/availability", &off),
            scene.sends((44.4970, 11.3410), None)
        );
        end.expect(200);
        left.expect(200);
        reported.expect(204);
        assert_eq!(located().await, 0, "round {round}");
    }
}

#[tokio::test]
async fn coordinates_at_zero_or_out_of_range_are_refused() {
    let scene = Scene::set().await;
    let admin = scene.app.admin().await;
    let restaurant = scene.luigi.path("");
    for (lat, lng) in [(0.0, 0.0), (-0.0, 0.0), (0.0004, -0.0004), (90.1, 0.0), (44.0, 180.5), (-91.0, 11.0)] {
        let place = json!({ "lat": lat, "lng": lng });
        let refused = |reply: crate::reply::Reply| {
            reply.refused(422, "invalid_request");
        };
        refused(scene.sends((lat, lng), None).await);
        refused(
            scene.mario.put("/api/drivers/me/availability", &json!({ "status": "AVAILABLE", "place": place })).await,
        );
        let address = json!({ "label": "Home", "address": "Via X 1", "place": place });
        refused(scene.ada.post("/api/me/addresses", &address).await);
        refused(admin.patch(&restaurant, &json!({ "place": place })).await);
        let cart = scene.ada.puts_in_cart(&scene.luigi, &[(scene.luigi.any_dish(), 1)]).await;
        let mut endpoint = delivery_details();
        endpoint["place"] = place;
        refused(scene.ada.orders_cart(&cart, &endpoint).await);
    }
}

#[tokio::test]
async fn a_restaurant_without_zones_delivers_up_to_a_maximum_distance() {
    let scene = Scene::set().await;
    let asks = async |lat: f64, lng: f64| {
        let line = json!([{ "itemId": scene.luigi.any_dish().id, "quantity": 1 }]);
        let mut request_body = delivery_details();
        request_body["place"] = json!({ "lat": lat, "lng": lng });
        request_body["lines"] = line;
        let quote = json!({ "fulfilment": "DELIVERY", "place": request_body["place"], "lines": request_body["lines"] });
        request_body["restaurantId"] = json!(scene.luigi.id);
        let order = scene.ada.asks_for_order(&uuid::Uuid::new_v4().to_string(), &request_body).await;
        let quote = scene.ada.post(&scene.luigi.path("/quotes"), &quote).await;
        let slots = format!("/slots?fulfilment=DELIVERY&deliversTo={lat},{lng}");
        let slots = scene.ada.get(&scene.luigi.path(&slots)).await;
        let found = format!("/api/restaurants?deliversTo={lat},{lng}&radius=50000");
        let found = scene.ada.get(&found).await.expect(200)["data"].as_array().map_or(0, Vec::len);
        ([order.status, quote.status, slots.status], found, order)
    };
    // About 28 km to the north, and about 33.
    let (statuses, found, _) = asks(44.745, 11.3426).await;
    assert_eq!((statuses, found), ([201, 201, 200], 1));
    let (statuses, found, order) = asks(44.795, 11.3426).await;
    assert_eq!((statuses, found), ([409, 409, 409], 0));
    order.refused(409, "outside_delivery_zone");
    // The other side of the world.
    assert_eq!(asks(-33.86, 151.2).await.0, [409, 409, 409]);
}

#[test]
fn a_location_report_is_checked_by_time_and_distance() {
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let at = |ahead: i64| now + TimeDelta::seconds(ahead);
    let place = |lat, lng| Place::new(lat, lng).unwrap();
    let bologna = place(44.4949, 11.3426);
    let last = |located: i64, reported: Option<i64>| LastLocation {
        place: bologna,
        located_at: at(located),
        reported_at: reported.map(at),
        late_since: None,
    };
    let judge = |last: Option<LastLocation>, to: Place, reported: Option<i64>| {
        location::check_report(last, to, reported.map(at), now, 250.0 / 3.6)
    };
    let newest = |to, located: i64, reported: i64| {
        Ok(Report::Newest(ReportedLocation { place: to, located_at: at(located), reported_at: at(reported) }))
    };
    assert_eq!(judge(None, bologna, None), newest(bologna, 0, 0));
    assert_eq!(judge(None, bologna, Some(-86_400)), newest(bologna, 0, -86_400));
    // A phone with a correct clock, one that is an hour slow, and one that is four minutes ahead.
    for skew in [0, -3_600, 240] {
        let last = Some(last(-10, Some(-10 + skew)));
        assert_eq!(judge(last, bologna, Some(-10 + skew)), Ok(Report::Late), "{skew}");
        assert_eq!(judge(last, bologna, Some(-11 + skew)), Ok(Report::Late), "{skew}");
        assert_eq!(judge(last, bologna, Some(-9 + skew)), newest(bologna, -9, -9 + skew), "{skew}");
        assert_eq!(judge(last, bologna, Some(skew)), newest(bologna, 0, skew), "{skew}");
        assert_eq!(judge(last, bologna, None), newest(bologna, 0, skew), "{skew}");
    }
    // No time is in the future, and a corrected clock counts at once.
    assert_eq!(judge(Some(last(-10, Some(-3_610))), bologna, Some(0)), newest(bologna, 0, 0));
    for ahead in [1, 60, 61, 300] {
        assert_eq!(judge(Some(last(-10, Some(-10))), bologna, Some(ahead)), newest(bologna, 0, ahead), "{ahead}");
    }
    assert!(matches!(judge(Some(last(-10, Some(-10))), bologna, Some(301)), Err(InvalidReport::Clock(_))));
    // The driver went on duty without the phone's time: every report is newer.
    for reported in [-10, -3_600, -1_700_000_000] {
        assert_eq!(judge(Some(last(-10, None)), bologna, Some(reported)), newest(bologna, 0, reported));
    }
    // A clock that was set back by an hour: reports count again after five minutes.
    let set_back = |since: i64| LastLocation { late_since: Some(at(since)), ..last(-400, Some(-400)) };
    assert_eq!(judge(Some(set_back(-299)), bologna, Some(-3_600)), Ok(Report::Late));
    assert_eq!(judge(Some(set_back(-300)), bologna, Some(-3_600)), newest(bologna, 0, -3_600));
    // A tunnel, a train, a flight; and a phone with an inaccurate location.
    let (near, florence) = (place(44.5020, 11.3426), place(43.7696, 11.2558));
    for reported in [None, Some(-1), Some(-3_601)] {
        assert_eq!(judge(Some(last(-1, reported)), near, None), newest(near, 0, reported.map_or(0, |ago| ago + 1)));
        let hour = reported.map(|ago| ago - 3_599);
        assert!(matches!(judge(Some(last(-3_600, hour)), florence, None), Ok(Report::Newest(_))), "{reported:?}");
        let minute = reported.map(|ago| ago - 59);
        let jump = judge(Some(last(-60, minute)), florence, None);
        assert!(matches!(jump, Err(InvalidReport::Jump { seconds: 60, .. })), "{reported:?}: {jump:?}");
    }
}
