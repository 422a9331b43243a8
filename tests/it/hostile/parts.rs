//! The parts of expensive restaurants.

use serde_json::{Value, json};

/// Every allergen there is.
pub const ALLERGENS: [&str; 14] = [
    "GLUTEN",
    "CRUSTACEANS",
    "EGGS",
    "FISH",
    "PEANUTS",
    "SOYBEANS",
    "MILK",
    "NUTS",
    "CELERY",
    "MUSTARD",
    "SESAME",
    "SULPHITES",
    "LUPIN",
    "MOLLUSCS",
];

/// Every diet there is.
pub const DIETS: [&str; 7] = ["VEGAN", "VEGETARIAN", "PESCATARIAN", "HALAL", "KOSHER", "GLUTEN_FREE", "LACTOSE_FREE"];

/// The name of a tax class.
pub fn class(number: usize) -> String {
    ["standard", "fees", "food", "drinks", "spirits", "books", "gifts"][number].to_owned()
}

/// A time of day.
pub fn time(minute: usize) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// An amount in cents.
pub fn euros(amount: i64) -> Value {
    json!({ "amount": amount, "currency": "EUR" })
}

/// A circle of so many points, the closing one included.
pub fn ring(points: u32, lng: f64, lat: f64, radius: f64) -> Vec<[f64; 2]> {
    let point = |n: u32| {
        let angle = f64::from(n % (points - 1)) / f64::from(points - 1) * std::f64::consts::TAU;
        [lng + radius * angle.cos(), lat + radius * angle.sin()]
    };
    (0..points).map(point).collect()
}

/// A ring of long edges up and down, whose bounding boxes overlap although they do not intersect.
pub fn zigzag(points: u32, lng: f64, lat: f64, size: f64) -> Vec<[f64; 2]> {
    let teeth = points - 2;
    let tooth = |n: u32| {
        let along = size * f64::from(n) / f64::from(teeth);
        // Slanted, so that the bounding box of an edge contains those of the edges beside it.
        let up = if n.is_multiple_of(2) { 0.0 } else { size };
        [lng + along / 2.0 + up / 2.0, lat + up]
    };
    let mut ring: Vec<_> = (0..teeth).map(tooth).collect();
    ring.push([lng + size, lat - size / 10.0]);
    ring.push(ring[0]);
    ring
}
