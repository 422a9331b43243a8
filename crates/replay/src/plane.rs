//! Converts the positions of the day to coordinates.

use crate::day::Point;
use comanda_client::Place;

/// The origin of the plane: Denver, flat land on all sides and far from the demo city.
const ORIGIN: Place = Place { lat: 39.7392, lng: -104.9903 };
/// The metres of one degree of latitude on a sphere with the earth's mean radius.
const METRES_PER_DEGREE: f64 = 6_371_008.8 * std::f64::consts::PI / 180.0;

/// The coordinates of a point of the plane.
pub fn to_coordinates(point: Point) -> Place {
    Place {
        lat: ORIGIN.lat + point.y / METRES_PER_DEGREE,
        lng: ORIGIN.lng + point.x / (METRES_PER_DEGREE * ORIGIN.lat.to_radians().cos()),
    }
}

/// The point of the plane with these coordinates.
pub fn to_point(place: Place) -> Point {
    Point {
        x: (place.lng - ORIGIN.lng) * METRES_PER_DEGREE * ORIGIN.lat.to_radians().cos(),
        y: (place.lat - ORIGIN.lat) * METRES_PER_DEGREE,
    }
}
