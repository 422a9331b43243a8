//! The day's plane, laid on the earth.

use crate::day::Point;
use comanda_client::Place;

/// Where the plane's zero lies: Denver, flat land on all sides and far from the demo city.
const ORIGIN: Place = Place { lat: 39.7392, lng: -104.9903 };
/// Metres of one degree of latitude on a sphere of the earth's mean radius.
const METRES_PER_DEGREE: f64 = 6_371_008.8 * std::f64::consts::PI / 180.0;

/// Where a point of the plane lies on earth.
pub fn to_coordinates(point: Point) -> Place {
    Place {
        lat: ORIGIN.lat + point.y / METRES_PER_DEGREE,
        lng: ORIGIN.lng + point.x / (METRES_PER_DEGREE * ORIGIN.lat.to_radians().cos()),
    }
}

/// Which point of the plane a place on earth is.
pub fn to_point(place: Place) -> Point {
    Point {
        x: (place.lng - ORIGIN.lng) * METRES_PER_DEGREE * ORIGIN.lat.to_radians().cos(),
        y: (place.lat - ORIGIN.lat) * METRES_PER_DEGREE,
    }
}
