//! Zones as GeoJSON: what the standard allows, as tools write it, and what is wrong with the rest.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::zones::{bologna, puts_zones};

/// What RFC 7946 allows is taken, and the rest is refused by name and never as a fault of syntax.
#[tokio::test]
async fn odd_geojson_is_taken_where_the_standard_allows_it_and_refused_by_name() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let with = |geometry: Value| {
        let mut zones = bologna();
        zones["features"][0]["geometry"] = geometry;
        zones
    };
    let polygon = |rings: Value| with(json!({ "type": "Polygon", "coordinates": rings }));
    let ring = json!([[11.33, 44.485], [11.355, 44.485], [11.355, 44.505], [11.33, 44.505], [11.33, 44.485]]);
    let reversed = |ring: &Value| Value::Array(ring.as_array().unwrap().iter().rev().cloned().collect());
    let hole = json!([[11.34, 44.49], [11.34, 44.495], [11.345, 44.495], [11.345, 44.49], [11.34, 44.49]]);
    let far = json!([[12.33, 44.485], [12.355, 44.485], [12.355, 44.505], [12.33, 44.485]]);
    // Fiji: cut at the antimeridian, as section 3.1.9 asks for.
    let fiji = json!([
        [[[179.9, -17.0], [180.0, -17.0], [180.0, -16.9], [179.9, -16.9], [179.9, -17.0]]],
        [[[-180.0, -17.0], [-179.9, -17.0], [-179.9, -16.9], [-180.0, -16.9], [-180.0, -17.0]]]
    ]);
    let polygons = |coordinates: Value| with(json!({ "type": "MultiPolygon", "coordinates": coordinates }));
    for taken in [
        polygon(json!([ring])),
        polygon(json!([reversed(&ring)])),
        polygon(json!([ring, hole])),
        polygon(json!([ring, reversed(&hole)])),
        polygon(json!([reversed(&ring), hole])),
        polygons(json!([[ring, hole], [far]])),
        polygons(json!([[ring]])),
        polygons(fiji),
        with(json!({ "type": "Polygon", "coordinates": [ring], "bbox": null, "crs": null, "title": { "any": [1] } })),
        with(json!({ "coordinates": [ring], "type": "Polygon" })),
    ] {
        puts_zones(&luigi, &taken).await;
    }
    let point = |index: usize, value: Value| {
        let mut ring = ring.clone();
        ring[index] = value;
        polygon(json!([ring]))
    };
    let first = "/features/0/geometry";
    let only = |features: Value| json!({ "type": "FeatureCollection", "features": features });
    let swapped = json!([[[44.485, 111.33], [44.485, 111.355], [44.505, 111.355], [44.485, 111.33]]]);
    let exchanged = json!([[[44.485, 11.33], [44.485, 11.355], [44.505, 11.355], [44.485, 11.33]]]);
    let (feature, lines) = (bologna()["features"][0].clone(), json!([[11.33, 44.485], [11.355, 44.485]]));
    for (refused, pointer) in [
        // Not closed, closed almost, repeated points, an edge there and back, a bow.
        (polygon(json!([[ring[0], ring[1], ring[2], ring[3]]])), first),
        (point(4, json!([11.33, 44.485_000_1])), first),
        (point(1, json!([11.33, 44.485])), first),
        (point(2, json!([11.33, 44.485])), first),
        (polygon(json!([[ring[0], ring[2], ring[1], ring[3], ring[0]]])), first),
        // Empty coordinates, in each depth.
        (polygon(json!([])), first),
        (polygon(json!([[]])), first),
        (polygon(json!([ring, []])), first),
        (polygons(json!([])), first),
        (polygons(json!([[]])), first),
        (polygons(json!([[ring], []])), first),
        // A hole outside, a hole that touches, one polygon of several that is wrong.
        (polygon(json!([ring, far])), first),
        (polygon(json!([ring, ring])), first),
        (polygons(json!([[ring], [[far[0], far[1], far[2]]]])), "/features/0/geometry/coordinates/1/0"),
        // Texts, nulls, objects and single numbers in place of positions.
        (point(1, json!(["11.355", "44.485"])), first),
        (point(1, json!([null, 44.485])), first),
        (point(1, json!({ "lng": 11.355, "lat": 44.485 })), first),
        (point(1, json!("11.355,44.485")), first),
        (point(1, json!([11.355])), first),
        (point(1, json!([])), first),
        // Beyond the world; latitude and longitude swapped, where that can be seen.
        (point(1, json!([181.0, 44.485])), "/features/0/geometry/coordinates/0/1"),
        (point(1, json!([11.355, 90.1])), "/features/0/geometry/coordinates/0/1"),
        (point(1, json!([1_113_000.0, 5_540_000.0])), "/features/0/geometry/coordinates/0/1"),
        (polygon(swapped), "/features/0/geometry/coordinates/0/0"),
        (polygon(exchanged), "/features/0/geometry/coordinates"),
        (with(json!({ "type": "Point", "coordinates": [44.49, 11.34] })), "/features/0"),
        // Wider than half the world: drawn over the antimeridian without a cut.
        (polygon(json!([[[179.9, 1.0], [-179.9, 1.0], [-179.9, 2.0], [179.9, 1.0]]])), first),
        // Other geometries, none, and other objects of GeoJSON.
        (with(Value::Null), first),
        (with(json!({ "type": "LineString", "coordinates": lines })), first),
        (with(json!({ "type": "MultiPoint", "coordinates": lines })), first),
        (with(json!({ "type": "GeometryCollection", "geometries": [] })), first),
        (with(json!({ "type": "polygon", "coordinates": [ring] })), first),
        (with(json!({ "type": "Polygon" })), first),
        (with(json!({ "coordinates": [ring] })), first),
        (with(json!([])), first),
        (feature.clone(), ""),
        (json!({ "type": "Polygon", "coordinates": [ring] }), ""),
        (json!([feature]), ""),
        (json!({ "type": "FeatureCollection" }), ""),
        (json!({ "features": [] }), ""),
        (only(Value::Null), "/features"),
        (only(json!({ "0": feature })), "/features"),
        (only(json!([null])), "/features/0"),
        (only(json!([bologna()])), "/features/0"),
        (only(json!([{ "type": "Feature", "geometry": feature["geometry"], "properties": null }])), "/features/0"),
        (only(json!([{ "type": "Feature", "geometry": feature["geometry"] }])), "/features/0"),
    ] {
        let refusal = luigi.owner.put(&luigi.path("/zones"), &refused).await.refused(422, "invalid_request");
        let told = refusal["errors"][0]["pointer"].as_str().unwrap();
        assert!(told.starts_with(pointer), "{refused} told at {told}: {refusal}");
        let message = refusal["errors"][0]["message"].as_str().unwrap();
        assert!(!message.is_empty() && !message.contains("variant") && !message.contains("struct"), "{refusal}");
    }
}
