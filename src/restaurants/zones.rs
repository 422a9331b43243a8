//! Delivery zones: their shapes and fees, and the zone of a delivery address. Pure. `orders/context.rs` uses them for
//! an order, and `orders/priced_order.rs` refuses one below the minimum.

use super::geometry::{Point, Polygon};
use crate::money::{Amount, Overflow, Rounding};
use crate::place::Place;

/// The shape of a zone.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Polygons; a location is in one if it is inside the outer ring and outside its holes.
    Polygons(Vec<Polygon>),
    /// A circle on the surface of the earth.
    Circle {
        /// The circle's centre.
        centre: Place,
        /// The circle's radius in metres.
        radius: f64,
    },
}

impl Shape {
    /// Whether it contains a location; its edge belongs to it.
    pub fn contains(&self, place: Place) -> bool {
        match self {
            Self::Polygons(polygons) => Point::from_degrees(place.lng(), place.lat())
                .is_some_and(|point| polygons.iter().any(|polygon| polygon.contains(point))),
            Self::Circle { centre, radius } => centre.metres_to(place) <= *radius,
        }
    }
}

/// The delivery fee of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeRule {
    /// The fixed part of the fee.
    pub base: Amount,
    /// The fee per kilometre of distance from the restaurant, in proportion for parts of a kilometre.
    pub per_kilometre: Amount,
    /// The delivery is free if the lines cost this or more; `None`: never.
    pub free_above: Option<Amount>,
}

impl FeeRule {
    /// The fee for a distance in metres, and lines that cost `items`.
    ///
    /// # Errors
    /// When the fee leaves the range of 64 bits.
    pub fn fee(self, metres: f64, items: Amount, rounding: Rounding) -> Result<Amount, Overflow> {
        if self.free_above.is_some_and(|enough| items >= enough) {
            return Ok(Amount::ZERO);
        }
        // The distance is rounded to whole metres before the fee is computed.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 20,100,000 on the earth")]
        let metres = metres.round().max(0.0) as u32;
        self.base.plus(self.per_kilometre.share(metres, 1_000, rounding)?)
    }
}

/// A delivery zone: where it applies and what delivery there costs.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryZone {
    /// The name of the zone.
    pub name: String,
    /// The area of the zone.
    pub shape: Shape,
    /// The delivery fee in the zone.
    pub fee: FeeRule,
    /// The least that the lines must cost; `None`: the restaurant's minimum.
    pub minimum_order: Option<Amount>,
    /// Travel time to the delivery address, in minutes, once the order is ready.
    pub lead_minutes: i16,
}

/// The terms of a delivery to one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The name of the zone; `None`: the restaurant has no zones.
    pub zone: Option<String>,
    /// The delivery fee.
    pub fee: Amount,
    /// The least that the lines must cost.
    pub minimum_order: Amount,
    /// Travel time to the delivery address, in minutes, once the order is ready.
    pub lead_minutes: i16,
}

/// Why there are no terms for a delivery address.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum NotDelivered {
    /// The address is in no zone.
    #[error("the address lies in no delivery zone")]
    OutsideEveryZone,
    /// There are no zones, and the address is farther away than this, in metres.
    #[error("the address is farther away than {0} metres")]
    TooFar(f64),
    /// The fee leaves the range of 64 bits.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

/// The terms of the restaurant. They apply if it has no zones, and where a zone does not set a term.
#[derive(Debug, Clone, Copy)]
pub struct UsualTerms {
    /// The location of the restaurant.
    pub place: Place,
    /// The delivery fee without zones.
    pub delivery_fee: Amount,
    /// The least that the lines must cost.
    pub minimum_order: Amount,
    /// How half a minor unit of a distance fee is rounded.
    pub rounding: Rounding,
    /// The longest straight-line distance without zones, in metres (`DELIVERY_MAX_DISTANCE`).
    pub max_distance: f64,
}

/// The terms of a delivery to an address, for lines that cost `items`. The first zone that contains the address
/// decides. Without zones (`None`) the restaurant delivers at its usual fee, up to the longest distance.
///
/// # Errors
/// [`NotDelivered`].
pub fn terms(
    zones: Option<&[DeliveryZone]>,
    usual: UsualTerms,
    delivers_to: Place,
    items: Amount,
) -> Result<Terms, NotDelivered> {
    let Some(zones) = zones else {
        let UsualTerms { place, delivery_fee: fee, minimum_order, max_distance, .. } = usual;
        if place.metres_to(delivers_to) > max_distance {
            return Err(NotDelivered::TooFar(max_distance));
        }
        return Ok(Terms { zone: None, fee, minimum_order, lead_minutes: 0 });
    };
    let zone = zones.iter().find(|zone| zone.shape.contains(delivers_to)).ok_or(NotDelivered::OutsideEveryZone)?;
    Ok(Terms {
        zone: Some(zone.name.clone()),
        fee: zone.fee.fee(usual.place.metres_to(delivers_to), items, usual.rounding)?,
        minimum_order: zone.minimum_order.unwrap_or(usual.minimum_order),
        lead_minutes: zone.lead_minutes,
    })
}

/// A bounding box of a shape, in degrees, slightly larger than the shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundingBox {
    /// The smallest longitude in degrees.
    pub west: f64,
    /// The smallest latitude in degrees.
    pub south: f64,
    /// The largest longitude in degrees.
    pub east: f64,
    /// The largest latitude in degrees.
    pub north: f64,
}

/// A lower bound of the length of a degree of latitude, in metres, on the sphere used for distances.
const METRES_A_DEGREE: f64 = 111_000.0;

impl BoundingBox {
    /// Whether it contains a location; its edge belongs to it.
    pub fn contains(&self, place: Place) -> bool {
        (self.west..=self.east).contains(&place.lng()) && (self.south..=self.north).contains(&place.lat())
    }

    /// The box around pairs of longitude and latitude, with a margin for rounding.
    pub fn of_ring(pairs: &[[f64; 2]]) -> Self {
        const ROUNDING_MARGIN: f64 = 1e-6;
        let nothing = Self { west: 180.0, south: 90.0, east: -180.0, north: -90.0 };
        pairs.iter().fold(nothing, |bounds, [lng, lat]| Self {
            west: bounds.west.min(lng - ROUNDING_MARGIN),
            south: bounds.south.min(lat - ROUNDING_MARGIN),
            east: bounds.east.max(lng + ROUNDING_MARGIN),
            north: bounds.north.max(lat + ROUNDING_MARGIN),
        })
    }

    /// The box around a circle. If it reaches a pole or the antimeridian, the box includes all longitudes.
    pub fn of_circle(centre: Place, radius: f64) -> Self {
        let up = radius / METRES_A_DEGREE;
        let (south, north) = (centre.lat() - up, centre.lat() + up);
        let narrowest = south.to_radians().cos().min(north.to_radians().cos());
        let aside = if narrowest > 0.0 { up / narrowest } else { 360.0 };
        let (west, east) = (centre.lng() - aside, centre.lng() + aside);
        let whole = west < -180.0 || east > 180.0 || south < -89.0 || north > 89.0;
        if whole { Self { west: -180.0, south, east: 180.0, north } } else { Self { west, south, east, north } }
    }
}
