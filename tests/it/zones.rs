//! Delivery zones: valid ones, errors with ring and point, and the fee of an address.

use comanda::money::{Amount, Rounding};
use comanda::place::Place;
use comanda::restaurants::geometry::{Point, Polygon};
use comanda::restaurants::zones::{BoundingBox, FeeRule, Shape};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::shop::Shop;

type Pairs = Vec<[f64; 2]>;

fn polygon(rings: &[&[[f64; 2]]]) -> Result<Polygon, (usize, Option<usize>, String)> {
    let rings: Vec<Pairs> = rings.iter().map(|ring| ring.to_vec()).collect();
    Polygon::read(&rings).map_err(|fault| (fault.ring, fault.point, fault.message))
}

fn has(polygon: &Polygon, lng: f64, lat: f64) -> bool {
    polygon.contains(Point::from_degrees(lng, lat).unwrap())
}

const SQUARE: [[f64; 2]; 5] = [[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0], [0.0, 0.0]];
const HOLE: [[f64; 2]; 5] = [[4.0, 4.0], [4.0, 6.0], [6.0, 6.0], [6.0, 4.0], [4.0, 4.0]];

#[test]
fn edges_belong_to_a_zone_and_holes_do_not() {
    let ring = polygon(&[&SQUARE, &HOLE]).unwrap();
    for (lng, lat, inside) in [
        (1.0, 1.0, true),
        (5.0, 5.0, false),
        (4.0, 5.0, true),
        (0.0, 5.0, true),
        (10.0, 10.0, true),
        (10.000_000_1, 5.0, false),
        (5.0, 4.0, true),
        (5.0, 4.000_000_1, false),
        (-1.0, 5.0, false),
        (12.0, 10.0, false),
        (-5.0, 0.0, false),
    ] {
        assert_eq!(has(&ring, lng, lat), inside, "{lng} {lat}");
    }
}

#[test]
fn invalid_rings_are_refused_by_ring_and_point() {
    let refused = |rings: &[&[[f64; 2]]]| {
        let (ring, point, message) = polygon(rings).unwrap_err();
        (ring, point, message.split([';', ',']).next().unwrap().to_owned())
    };
    let bow = [[0.0, 0.0], [10.0, 10.0], [10.0, 0.0], [0.0, 10.0], [0.0, 0.0]];
    assert_eq!(
        refused(&[&bow]),
        (0, Some(2), "begins an edge that crosses or touches the one beginning at point 0".into())
    );
    assert_eq!(refused(&[&SQUARE[..4]]), (0, Some(3), "must be the first point again".into()));
    assert_eq!(refused(&[&SQUARE[..3]]), (0, None, "must have 4 to 500 points".into()));
    assert_eq!(refused(&[&vec![[0.0, 0.0]; 501]]), (0, None, "must have 4 to 500 points".into()));
    let large = vec![[0.0, 0.0]; 400];
    assert_eq!(refused(&[&large, &large, &large, &large]), (0, None, "must have at most 1500 points".into()));
    let off = [[0.0, 0.0], [181.0, 0.0], [10.0, 10.0], [0.0, 0.0]];
    assert_eq!(refused(&[&off]), (0, Some(1), "must be [longitude".into()));
    assert_eq!(refused(&[&SQUARE, &[[0.0, 0.0], [f64::NAN, 0.0], [10.0, 10.0], [0.0, 0.0]]]).0, 1);
    let twice = [[0.0, 0.0], [0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 0.0]];
    assert!(polygon(&[&twice]).is_ok(), "a point that is written twice in a row is one point");
    let flat = [[0.0, 0.0], [10.0, 0.0], [5.0, 0.0], [0.0, 0.0]];
    assert_eq!(refused(&[&flat]), (0, Some(1), "turns back on the edge before".into()));
    let touching = [[0.0, 0.0], [10.0, 0.0], [5.0, 5.0], [10.0, 10.0], [0.0, 10.0], [5.0, 5.0], [0.0, 0.0]];
    assert_eq!(refused(&[&touching]).0, 0);
    let wide = [[-170.0, 0.0], [170.0, 0.0], [170.0, 10.0], [-170.0, 0.0]];
    assert_eq!(refused(&[&wide]), (0, None, "must not be wider than 180°".into()));
    assert_eq!(refused(&[&HOLE, &SQUARE]), (1, None, "must be inside the outer ring without touching it".into()));
    assert_eq!(refused(&[&SQUARE, &SQUARE]).0, 1);
    let inner = [[4.5, 4.5], [5.5, 4.5], [5.5, 5.5], [4.5, 4.5]];
    assert_eq!(refused(&[&SQUARE, &HOLE, &inner]), (2, None, "must not touch another hole".into()));
    assert_eq!(refused(&[&SQUARE, &inner, &HOLE]), (2, None, "must not touch another hole".into()));
    assert_eq!(refused(&[]), (0, None, "must have 1 to 10 rings".into()));
}

/// A star around the origin: points in the order of their angle, so that it never intersects itself.
fn star() -> impl Strategy<Value = Vec<(i32, i32)>> {
    prop::collection::btree_map(0..64_u32, 20..100_i32, 5..40).prop_map(|corners| {
        let corner = |(step, reach): (u32, i32)| {
            let angle = f64::from(step) * std::f64::consts::TAU / 64.0;
            let (sin, cos) = angle.sin_cos();
            ((cos * f64::from(reach) * 1_000.0) as i32, (sin * f64::from(reach) * 1_000.0) as i32)
        };
        corners.into_iter().map(corner).collect()
    })
}

fn degrees(points: &[(i32, i32)]) -> Pairs {
    let pair = |(x, y): &(i32, i32)| [f64::from(*x) / 1e7, f64::from(*y) / 1e7];
    points.iter().chain(points.first()).map(pair).collect()
}

/// Twice the area, with its sign.
fn turn(a: (i32, i32), b: (i32, i32), c: (i32, i32)) -> i64 {
    let (ax, ay, bx, by) = (i64::from(a.0), i64::from(a.1), i64::from(b.0), i64::from(b.1));
    (bx - ax) * (i64::from(c.1) - ay) - (by - ay) * (i64::from(c.0) - ax)
}

/// Whether it is in the closed triangle of the origin and an edge: three turns to the same side.
fn in_slice(a: (i32, i32), b: (i32, i32), p: (i32, i32)) -> bool {
    let turns = [turn((0, 0), a, p), turn(a, b, p), turn(b, (0, 0), p)];
    turns.iter().all(|turn| *turn >= 0)
}

/// Whether two edges have a common point, by brute force with fractions: solve for both positions on the edges.
fn cross(a: (i32, i32), b: (i32, i32), c: (i32, i32), d: (i32, i32)) -> bool {
    let sides = |from, to, one, other| (turn(from, to, one).signum(), turn(from, to, other).signum());
    let (one, two) = (sides(a, b, c, d), sides(c, d, a, b));
    if one == (0, 0) {
        let apart = |low: (i32, i32), high: (i32, i32), other: (i32, i32), last: (i32, i32)| {
            low.0.max(high.0) < other.0.min(last.0) || low.1.max(high.1) < other.1.min(last.1)
        };
        return !apart(a, b, c, d) && !apart(c, d, a, b);
    }
    one.0 != one.1 && two.0 != two.1 || one.0 * one.1 <= 0 && two.0 * two.1 <= 0
}

proptest! {
    #[test]
    fn a_star_polygon_contains_the_points_of_its_parts(corners in star(), x in -100_000..100_000_i32, y in -100_000..100_000_i32) {
        let gap = |index: usize| {
            let (a, b) = (corners[index], corners[(index + 1) % corners.len()]);
            turn((0, 0), a, b) <= 0
        };
        // A star whose points leave out half a turn does not contain the origin.
        prop_assume!(!(0..corners.len()).any(gap));
        let star = polygon(&[&degrees(&corners)]);
        prop_assert!(star.is_ok(), "{star:?}");
        let slices = |p| (0..corners.len()).any(|index| in_slice(corners[index], corners[(index + 1) % corners.len()], p));
        let star = star.unwrap();
        let found = star.contains(Point::from_degrees(f64::from(x) / 1e7, f64::from(y) / 1e7).unwrap());
        prop_assert_eq!(found, slices((x, y)));
        for corner in &corners {
            prop_assert!(star.contains(Point::from_degrees(f64::from(corner.0) / 1e7, f64::from(corner.1) / 1e7).unwrap()));
        }
    }

    #[test]
    fn a_ring_is_refused_exactly_if_two_edges_meet(drawn in prop::collection::vec((0..12_i32, 0..12_i32), 3..8)) {
        // A point that occurs twice in a row, the closing one included, is one point.
        let mut points = drawn.clone();
        points.dedup();
        if points.len() > 1 && points.first() == points.last() {
            points.pop();
        }
        let count = points.len();
        if count < 3 {
            prop_assert!(polygon(&[&degrees(&drawn)]).is_err());
            return Ok(());
        }
        let edge = |index: usize| (points[index % count], points[(index + 1) % count]);
        let mut meets = false;
        for one in 0..count {
            let ((a, b), (_, c)) = (edge(one), edge(one + 1));
            // Adjacent edges share a point; they intersect elsewhere only if one lies on the other.
            let back = turn(a, b, c) == 0 && {
                let along = |from: (i32, i32), to: (i32, i32)| (to.0 - from.0, to.1 - from.1);
                let (first, second) = (along(a, b), along(b, c));
                first.0 * second.0 + first.1 * second.1 <= 0
            };
            let others = (one + 2..count).filter(|other| !(one == 0 && *other == count - 1));
            meets |= back || others.into_iter().any(|other| cross(a, b, edge(other).0, edge(other).1));
        }
        prop_assert_eq!(polygon(&[&degrees(&drawn)]).is_err(), meets);
    }

    #[test]
    fn the_bounding_box_of_a_circle_contains_it(lat in -89.0..89.0_f64, lng in -180.0..180.0_f64, radius in 1.0..100_000.0_f64, angle in 0.0..std::f64::consts::TAU, part in 0.0..1.2_f64) {
        let centre = Place::new(lat, lng).unwrap();
        let up = radius * part / 111_195.0;
        let (sin, cos) = angle.sin_cos();
        let far = (lng + up * cos / lat.to_radians().cos() + 540.0).rem_euclid(360.0) - 180.0;
        let Ok(endpoint) = Place::new(lat + up * sin, far) else { return Ok(()) };
        if (Shape::Circle { centre, radius }).contains(endpoint) {
            let bounds = BoundingBox::of_circle(centre, radius);
            prop_assert!((bounds.west..=bounds.east).contains(&endpoint.lng()), "{bounds:?} {endpoint:?}");
            prop_assert!((bounds.south..=bounds.north).contains(&endpoint.lat()), "{bounds:?} {endpoint:?}");
        }
    }

    #[test]
    fn a_fee_is_the_base_plus_the_distance(base in 0..10_000_i64, rate in 0..10_000_i64, metres in 0..40_000_u32, items in 0..10_000_i64, free in prop::option::of(0..10_000_i64)) {
        let rule = FeeRule { base: Amount::minor(base), per_kilometre: Amount::minor(rate), free_above: free.map(Amount::minor) };
        let fee = rule.fee(f64::from(metres), Amount::minor(items), Rounding::HalfUp).unwrap().units();
        if free.is_some_and(|free| items >= free) {
            prop_assert_eq!(fee, 0);
        } else {
            // Half a unit is rounded up.
            prop_assert_eq!(fee - base, (rate * i64::from(metres) + 500) / 1_000);
        }
    }
}

fn euros(amount: i64) -> Value {
    json!({ "amount": amount, "currency": "EUR" })
}

fn feature(geometry: &Value, properties: &Value) -> Value {
    json!({ "type": "Feature", "geometry": geometry, "properties": properties })
}

fn collection(features: &[Value]) -> Value {
    json!({ "type": "FeatureCollection", "features": features })
}

/// The centre of Bologna as a square around the restaurant, for 2.00, and free from 30.00 on; and 3 km around it for
/// 1.00 and 0.50 a kilometre.
pub fn bologna() -> Value {
    let ring = json!([[11.33, 44.485], [11.355, 44.485], [11.355, 44.505], [11.33, 44.505], [11.33, 44.485]]);
    collection(&[
        feature(
            &json!({ "type": "Polygon", "coordinates": [ring] }),
            &json!({ "name": "Centre", "fee": { "base": euros(200), "perKilometre": null, "freeAbove": euros(3000) },
                     "minimumOrder": null, "leadMinutes": 10 }),
        ),
        feature(
            &json!({ "type": "Point", "coordinates": [11.3426, 44.4949] }),
            &json!({ "name": "Around", "radiusMetres": 3000.0,
                     "fee": { "base": euros(100), "perKilometre": euros(50), "freeAbove": null },
                     "minimumOrder": euros(1500), "leadMinutes": 25 }),
        ),
    ])
}

pub async fn puts_zones(shop: &Shop, zones: &Value) -> Value {
    shop.owner.put(&shop.path("/zones"), zones).await.expect(200)
}

fn to(lat: f64, lng: f64) -> Value {
    json!({ "fulfilment": "DELIVERY", "address": "Via 1", "place": { "lat": lat, "lng": lng } })
}

#[tokio::test]
async fn the_delivery_fee_is_that_of_the_zone_of_the_address() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").with("deliveryFee", euros(900)).opens().await;
    let ada = app.customer("Ada").await;
    let pizza = luigi.any_dish();
    assert_eq!(ada.get(&luigi.path("/zones")).await.expect(200), collection(&[]));
    assert_eq!(puts_zones(&luigi, &bologna()).await, bologna());
    assert_eq!(ada.get(&luigi.path("/zones")).await.expect(200), bologna());

    let cart = ada.puts_in_cart(&luigi, &[(pizza, 1)]).await;
    let order = ada.orders_cart(&cart, &to(44.4965, 11.334)).await.expect(201);
    assert_eq!((&order["deliveryZone"], &order["leadMinutes"]), (&json!("Centre"), &json!(10)));
    assert_eq!((&order["totals"]["deliveryFee"], &order["totals"]["total"]), (&euros(200), &euros(1050)));
    let cart = ada.puts_in_cart(&luigi, &[(pizza, 4)]).await;
    let order = ada.orders_cart(&cart, &to(44.4965, 11.334)).await.expect(201);
    assert_eq!(order["totals"]["deliveryFee"], euros(0));

    // Two kilometres to the north: 1.00 and 0.50 for each of them.
    let north = 44.4949 + 2_000.0 / 111_195.08;
    let cart = ada.puts_in_cart(&luigi, &[(pizza, 1)]).await;
    let refusal = ada.orders_cart(&cart, &to(north, 11.3426)).await.refused(409, "below_minimum");
    assert_eq!(refusal["minimumOrder"], euros(1500));
    let cart = ada.puts_in_cart(&luigi, &[(pizza, 2)]).await;
    let order = ada.orders_cart(&cart, &to(north, 11.3426)).await.expect(201);
    assert_eq!((&order["deliveryZone"], &order["totals"]["deliveryFee"]), (&json!("Around"), &euros(200)));
}

#[tokio::test]
async fn an_address_outside_every_zone_is_refused_and_a_pickup_is_not() {
    let app = TestApp::start().await;
    let (luigi, ada) = (app.restaurant("Luigi").opens().await, app.customer("Ada").await);
    puts_zones(&luigi, &bologna()).await;
    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 2)]).await;
    for (lat, lng) in [(44.53, 11.3426), (0.0, 11.3426), (-44.4949, 11.3426)] {
        ada.orders_cart(&cart, &to(lat, lng)).await.refused(409, "outside_delivery_zone");
    }
    ada.orders_cart(&cart, &Value::Null).await.expect(201);
    // Without zones it delivers within the largest distance.
    puts_zones(&luigi, &collection(&[])).await;
    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 2)]).await;
    let order = ada.orders_cart(&cart, &to(44.53, 11.3426)).await.expect(201);
    assert_eq!((&order["deliveryZone"], &order["leadMinutes"]), (&Value::Null, &json!(0)));
}

#[tokio::test]
async fn invalid_zones_are_refused_by_field_and_nothing_changes() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    puts_zones(&luigi, &bologna()).await;
    let changed = |pointer: &str, value: Value| {
        let mut zones = bologna();
        *zones.pointer_mut(pointer).unwrap() = value;
        zones
    };
    let bow = json!([[[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]]);
    let cases = [
        (changed("/features/0/geometry/coordinates", bow), "/features/0/geometry/coordinates/0/2"),
        (
            changed("/features/0/geometry/coordinates/0/4", json!([11.33, 44.4851])),
            "/features/0/geometry/coordinates/0/4",
        ),
        (changed("/features/0/geometry/coordinates/0/1", json!([11.33, 91])), "/features/0/geometry/coordinates/0/1"),
        (changed("/features/0/geometry/coordinates", json!([])), "/features/0/geometry/coordinates"),
        (changed("/features/1/properties/radiusMetres", json!(0)), "/features/1/properties/radiusMetres"),
        (changed("/features/1/properties/radiusMetres", Value::Null), "/features/1/properties/radiusMetres"),
        (changed("/features/1/geometry/coordinates", json!([0, 99])), "/features/1/geometry/coordinates"),
        (changed("/features/0/properties/leadMinutes", json!(481)), "/features/0/properties/leadMinutes"),
        (changed("/features/0/properties/fee/base/currency", json!("USD")), "/features/0/properties/fee/base/currency"),
        (json!({ "type": "FeatureCollection", "features": vec![bologna()["features"][0].clone(); 51] }), "/features"),
    ];
    for (zones, pointer) in cases {
        let refusal = luigi.owner.put(&luigi.path("/zones"), &zones).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], pointer, "{refusal}");
    }
    for zones in [
        changed("/type", json!("Feature")),
        changed("/features/0/geometry/type", json!("MultiPolygon")),
        changed("/features/0/properties/name", json!("")),
        changed("/features/0/properties/fee/base/amount", json!(-1)),
        changed("/features/0/properties", json!({ "name": "x" })),
    ] {
        luigi.owner.put(&luigi.path("/zones"), &zones).await.refused(422, "invalid_request");
    }
    assert_eq!(luigi.owner.get(&luigi.path("/zones")).await.expect(200), bologna());
    app.staff_of(&luigi).await.put(&luigi.path("/zones"), &bologna()).await.refused(403, "forbidden");
    app.customer("Ada").await.put(&luigi.path("/zones"), &bologna()).await.refused(404, "not_found");
}

/// GeoJSON as geojson.io, QGIS and OpenStreetMap's tools write it: names, bounding boxes, ids, altitudes, and several
/// polygons in one feature.
#[tokio::test]
async fn geojson_is_read_as_tools_write_it() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let mut zones = bologna();
    zones["name"] = json!("zones");
    zones["bbox"] = json!([11.0, 44.0, 12.0, 45.0]);
    zones["crs"] = json!({ "type": "name", "properties": { "name": "urn:ogc:def:crs:OGC:1.3:CRS84" } });
    zones["features"][0]["id"] = json!(7);
    zones["features"][0]["bbox"] = json!([11.33, 44.485, 11.355, 44.505]);
    zones["features"][0]["geometry"]["bbox"] = json!([11.33, 44.485, 0, 11.355, 44.505, 100]);
    for point in zones["features"][0]["geometry"]["coordinates"][0].as_array_mut().unwrap() {
        point.as_array_mut().unwrap().push(json!(54.25));
    }
    zones["features"][1]["geometry"]["coordinates"] = json!([11.3426, 44.4949, 54.25, 1_700_000_000]);
    assert_eq!(puts_zones(&luigi, &zones).await, bologna(), "what means something is kept");

    let square = |lng: f64, lat: f64| {
        json!([[[lng, lat], [lng + 0.01, lat], [lng + 0.01, lat + 0.01], [lng, lat + 0.01], [lng, lat]]])
    };
    let mut islands = bologna();
    islands["features"][0]["geometry"] =
        json!({ "type": "MultiPolygon", "coordinates": [square(11.33, 44.49), square(11.40, 44.49)] });
    assert_eq!(puts_zones(&luigi, &islands).await, islands);
    let ada = app.customer("Ada").await;
    for (lng, zone) in [(11.335, json!("Centre")), (11.405, json!("Centre")), (11.36, json!("Around"))] {
        let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 4)]).await;
        let order = ada.orders_cart(&cart, &to(44.495, lng)).await.expect(201);
        assert_eq!(order["deliveryZone"], zone, "{lng}");
    }

    // Invalid input gives an error with a pointer, and never a syntax error.
    let mut torn = islands.clone();
    torn["features"][0]["geometry"]["coordinates"][1][0][2] = json!([11.40, 44.49]);
    let refusal = luigi.owner.put(&luigi.path("/zones"), &torn).await.refused(422, "invalid_request");
    let pointer = refusal["errors"][0]["pointer"].as_str().unwrap();
    assert!(pointer.starts_with("/features/0/geometry/coordinates/1/0"), "{refusal}");
    for coordinates in
        [json!([11.34]), json!([]), json!(["a", "b"]), json!([11.34, 44.49, "high"]), json!(null), json!([[1]])]
    {
        let mut bad = bologna();
        bad["features"][1]["geometry"]["coordinates"] = coordinates;
        let refusal = luigi.owner.put(&luigi.path("/zones"), &bad).await.refused(422, "invalid_request");
        assert!(refusal["errors"][0]["pointer"].as_str().unwrap().starts_with("/features/1/geometry"), "{refusal}");
    }
}

/// Half a cent for half a kilometre, computed by hand: 0.5, 1.5, 2.5 cents, and a little more than a half.
#[test]
fn half_cents_of_a_distance_fee_round_up_or_to_even() {
    for (metres, per_kilometre, up, even) in
        [(500.0, 1, 1, 0), (500.0, 3, 2, 2), (500.0, 5, 3, 2), (501.0, 5, 3, 3), (499.0, 5, 2, 2), (250.0, 2, 1, 0)]
    {
        let rule = FeeRule { base: Amount::minor(100), per_kilometre: Amount::minor(per_kilometre), free_above: None };
        let fee = |rounding| rule.fee(metres, Amount::ZERO, rounding).unwrap().units() - 100;
        assert_eq!((fee(Rounding::HalfUp), fee(Rounding::HalfEven)), (up, even), "{metres} at {per_kilometre}");
    }
}
