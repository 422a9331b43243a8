//! Zones as GeoJSON: everything that the standard allows, the output of common tools, and the errors of everything
//! else.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::zones::{bologna, puts_zones};

/// Everything that RFC 7946 allows is accepted; other input is refused with its pointer, and never as a syntax error.
#[tokio::test]
async fn unusual_geojson_is_accepted_where_rfc_7946_allows_it() {
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
    // Fiji: cut at the antimeridian, as section 3.1.9 requires.
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
        with(json!({ "coordinates": [[ring], [far]], "bbox": [11.3, 44.4, 12.4, 44.6], "type": "MultiPolygon" })),
        polygon(json!([ring.as_array().unwrap().iter().map(|p| json!([p[0], p[1], 0, 7.5])).collect::<Vec<_>>()])),
        // Points that occur twice in a row, the closing one among them.
        polygon(json!([ring.as_array().unwrap().iter().flat_map(|p| [p.clone(), p.clone()]).collect::<Vec<_>>()])),
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
        // Not closed, almost closed, an edge there and back, a self-intersection.
        (polygon(json!([[ring[0], ring[1], ring[2], ring[3]]])), first),
        (point(4, json!([11.33, 44.485_000_1])), first),
        (point(2, json!([11.33, 44.485])), first),
        (polygon(json!([[ring[0], ring[2], ring[1], ring[3], ring[0]]])), first),
        // Empty coordinates, in each depth.
        (polygon(json!([])), "/features/0/geometry/coordinates"),
        (polygon(json!([[]])), "/features/0/geometry/coordinates/0"),
        (polygon(json!([ring, []])), "/features/0/geometry/coordinates/1"),
        (polygons(json!([])), "/features/0/geometry/coordinates"),
        (polygons(json!([[]])), "/features/0/geometry/coordinates/0"),
        (polygons(json!([[ring], []])), "/features/0/geometry/coordinates/1"),
        (polygons(json!([[ring], [ring, []]])), "/features/0/geometry/coordinates/1/1"),
        (with(json!({ "type": "Point", "coordinates": [] })), "/features/0/geometry/coordinates"),
        // The depth of another type, in either order of the members.
        (polygon(json!([[ring]])), "/features/0/geometry/coordinates/0/0"),
        (polygons(json!([ring])), "/features/0/geometry/coordinates/0/0/0"),
        (polygon(json!([11.33, 44.485])), "/features/0/geometry/coordinates/0"),
        (with(json!({ "coordinates": ring, "type": "Point" })), "/features/0/geometry/coordinates"),
        (with(json!({ "coordinates": 7, "type": "Polygon" })), "/features/0/geometry/coordinates"),
        // A hole outside, a hole that touches, one invalid polygon among several.
        (polygon(json!([ring, far])), first),
        (polygon(json!([ring, ring])), first),
        (polygons(json!([[ring], [[far[0], far[1], far[2]]]])), "/features/0/geometry/coordinates/1/0"),
        // Texts, nulls, objects and single numbers in place of positions.
        (point(1, json!(["11.355", "44.485"])), "/features/0/geometry/coordinates/0/1/0"),
        (point(1, json!([null, 44.485])), "/features/0/geometry/coordinates/0/1/0"),
        (point(1, json!({ "lng": 11.355, "lat": 44.485 })), "/features/0/geometry/coordinates/0/1"),
        (point(1, json!("11.355,44.485")), "/features/0/geometry/coordinates/0/1"),
        (point(1, json!([11.355])), "/features/0/geometry/coordinates/0/1"),
        (point(1, json!([])), "/features/0/geometry/coordinates/0/1"),
        (point(1, json!([11.355, 44.485, [3]])), "/features/0/geometry/coordinates/0/1"),
        // Out of range; latitude and longitude exchanged, where that can be detected.
        (point(1, json!([181.0, 44.485])), "/features/0/geometry/coordinates/0/1"),
        (point(1, json!([11.355, 90.1])), "/features/0/geometry/coordinates/0/1"),
        (point(1, json!([1_113_000.0, 5_540_000.0])), "/features/0/geometry/coordinates/0/1"),
        (polygon(swapped), "/features/0/geometry/coordinates/0/0"),
        (polygon(exchanged), "/features/0/geometry/coordinates"),
        (with(json!({ "type": "Point", "coordinates": [44.49, 11.34] })), "/features/0"),
        // Wider than half the world: drawn across the antimeridian without a cut.
        (polygon(json!([[[179.9, 1.0], [-179.9, 1.0], [-179.9, 2.0], [179.9, 1.0]]])), first),
        // Other geometries, none, and other objects of GeoJSON.
        (with(Value::Null), "/features/0/geometry"),
        (only(json!([{ "type": "Feature", "properties": feature["properties"] }])), first),
        (with(json!({ "type": null, "coordinates": [] })), "/features/0/geometry/type"),
        (with(json!({ "type": "Polygon", "coordinates": null })), "/features/0/geometry/coordinates"),
        (with(json!({ "type": "LineString", "coordinates": lines })), first),
        (with(json!({ "type": "MultiPoint", "coordinates": lines })), first),
        (with(json!({ "type": "GeometryCollection", "geometries": [] })), first),
        (with(json!({ "type": "polygon", "coordinates": [ring] })), first),
        (with(json!({ "type": "Polygon" })), "/features/0/geometry/coordinates"),
        (with(json!({ "coordinates": [ring] })), "/features/0/geometry/type"),
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
        let found = refusal["errors"][0]["pointer"].as_str().unwrap();
        assert!(found.starts_with(pointer), "{refused} found at {found}: {refusal}");
        let message = refusal["errors"][0]["message"].as_str().unwrap();
        if refused.pointer("/features/0/geometry") == Some(&Value::Null) {
            assert!(message.starts_with("must not be null"), "{refusal}");
        }
        assert!(!message.is_empty() && !message.contains("variant") && !message.contains("struct"), "{refusal}");
    }
}

/// Other members that geojson.io, QGIS, Overpass and KML converters write are ignored and not stored, and do not hide
/// that a member is missing.
#[tokio::test]
async fn properties_of_programs_that_draw_zones_are_ignored() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let plain = puts_zones(&luigi, &bologna()).await;
    for properties in [
        json!({ "stroke": "#ff2600", "stroke-width": 2, "stroke-opacity": 1, "fill": "#ff2600", "fill-opacity": 0.5 }),
        json!({ "marker-color": "#7e7e7e", "marker-size": "medium", "marker-symbol": "", "title": null }),
        json!({ "fid": 7, "layer": null, "area_m2": 12.5, "begin": "2026-01-01T00:00:00", "visibility": -1 }),
        json!({ "@id": "relation/43172", "boundary": "administrative", "name:it": "Bologna", "@geometry": [[[]]] }),
        json!({ "styleUrl": "#poly-0288D1", "styleHash": "6d08", "description": "a\r\nb\u{200b}", "icon": {} }),
    ] {
        let mut zones = bologna();
        let of_zone = zones["features"][0]["properties"].as_object_mut().unwrap();
        of_zone.extend(properties.as_object().unwrap().clone());
        assert_eq!(puts_zones(&luigi, &zones).await["features"], plain["features"], "{properties}");
        let of_zone = zones["features"][0]["properties"].as_object_mut().unwrap();
        of_zone.remove("fee");
        let refusal = luigi.owner.put(&luigi.path("/zones"), &zones).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], "/features/0/properties/fee", "{refusal}");
    }
}

/// GeoJSON with its own media type, after a byte order mark; and a circle around the point that devices without a GPS
/// fix report.
#[tokio::test]
async fn geojson_has_its_own_media_type_and_a_circle_without_centre_is_refused() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let puts = |media_type: &'static str, body: String| {
        let request = luigi.owner.request(reqwest::Method::PUT, &luigi.path("/zones"));
        luigi.owner.send(request.header("content-type", media_type).body(body))
    };
    puts("application/geo+json", bologna().to_string()).await.expect(200);
    puts("application/geo+json; charset=utf-8", format!("\u{feff}{}", bologna())).await.expect(200);
    puts("application/vnd.geo+json", bologna().to_string()).await.refused(415, "unsupported_media_type");
    for centre in [json!([0, 0]), json!([0.00001, -0.00001])] {
        let mut zones = bologna();
        zones["features"][0]["geometry"] = json!({ "type": "Point", "coordinates": centre });
        zones["features"][0]["properties"]["radiusMetres"] = json!(1000);
        let refusal = puts("application/json", zones.to_string()).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], "/features/0/geometry/coordinates", "{refusal}");
    }
}
