//! Where a restaurant delivers, and what that costs: shapes, fee rules, and which zone a door lies in. Pure.

use super::geometry::{Point, Polygon};
use crate::money::{Amount, Overflow, Rounding};
use crate::place::Place;

/// Where a zone is.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Inside the outer ring of one of them and outside its holes.
    Polygons(Vec<Polygon>),
    /// So many metres around a place, as the crow flies.
    Circle {
        /// The circle's centre.
        centre: Place,
        /// The circle's radius in metres.
        radius: f64,
    },
}

impl Shape {
    /// Whether a place lies in it; its edge belongs to it.
    pub fn contains(&self, place: Place) -> bool {
        match self {
            Self::Polygons(polygons) => Point::from_degrees(place.lng(), place.lat())
                .is_some_and(|point| polygons.iter().any(|polygon| polygon.contains(point))),
            Self::Circle { centre, radius } => centre.metres_to(place) <= *radius,
        }
    }
}

/// What bringing it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeRule {
    /// In any case.
    pub base: Amount,
    /// For each kilometre from the restaurant, as the crow flies, begun ones in part.
    pub per_kilometre: Amount,
    /// Nothing, if the lines come to this at least.
    pub free_above: Option<Amount>,
}

impl FeeRule {
    /// The fee for so many metres and lines of so much.
    ///
    /// # Errors
    /// When the fee leaves the range of 64 bits.
    pub fn fee(self, metres: f64, items: Amount, rounding: Rounding) -> Result<Amount, Overflow> {
        if self.free_above.is_some_and(|enough| items >= enough) {
            return Ok(Amount::ZERO);
        }
        // Metres are whole before money is touched.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 20,100,000 on the earth")]
        let metres = metres.round().max(0.0) as u32;
        self.base.plus(self.per_kilometre.share(metres, 1_000, rounding)?)
    }
}

/// A delivery zone: where it applies and what delivery there costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// What the restaurant calls it.
    pub name: String,
    /// Where it is.
    pub shape: Shape,
    /// What bringing costs there.
    pub fee: FeeRule,
    /// Lines must come to this at least; `None`: as everywhere.
    pub minimum_order: Option<Amount>,
    /// From ready to the door, in minutes.
    pub lead_minutes: i16,
}

/// What holds for one door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The zone it lies in; `None`: the restaurant has no zones.
    pub zone: Option<String>,
    /// For bringing it.
    pub fee: Amount,
    /// Lines must come to this at least.
    pub minimum_order: Amount,
    /// From ready to the door, in minutes.
    pub lead_minutes: i16,
}

/// Why there are no terms for a door.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum NotDelivered {
    /// No zone has it.
    #[error("the address lies in no delivery zone")]
    OutsideEveryZone,
    /// There are no zones, and it is farther than this many metres.
    #[error("the address is farther away than {0} metres")]
    TooFar(f64),
    /// The fee leaves the range of 64 bits.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

/// The restaurant's own terms, which hold where no zone says otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Usual {
    /// Where it is.
    pub place: Place,
    /// For bringing it anywhere, without zones.
    pub delivery_fee: Amount,
    /// Lines must come to this at least.
    pub minimum_order: Amount,
    /// Which way half a minor unit of a distance fee goes.
    pub rounding: Rounding,
    /// How far it delivers without zones, in metres as the crow flies (`DELIVERY_MAX_DISTANCE`).
    pub max_distance: f64,
}

/// What holds for a door, at lines of so much. Zones are looked at in their order; the first that has the door decides.
/// Without zones (`None`) the restaurant delivers at its usual fee, as far as that goes.
///
/// # Errors
/// [`NotDelivered`].
pub fn terms(zones: Option<&[Zone]>, usual: Usual, door: Place, items: Amount) -> Result<Terms, NotDelivered> {
    let Some(zones) = zones else {
        let Usual { place, delivery_fee: fee, minimum_order, max_distance, .. } = usual;
        if place.metres_to(door) > max_distance {
            return Err(NotDelivered::TooFar(max_distance));
        }
        return Ok(Terms { zone: None, fee, minimum_order, lead_minutes: 0 });
    };
    let zone = zones.iter().find(|zone| zone.shape.contains(door)).ok_or(NotDelivered::OutsideEveryZone)?;
    Ok(Terms {
        zone: Some(zone.name.clone()),
        fee: zone.fee.fee(usual.place.metres_to(door), items, usual.rounding)?,
        minimum_order: zone.minimum_order.unwrap_or(usual.minimum_order),
        lead_minutes: zone.lead_minutes,
    })
}

/// A box around a shape that certainly holds all of it, in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The smallest longitude in degrees.
    pub west: f64,
    /// The smallest latitude in degrees.
    pub south: f64,
    /// The largest longitude in degrees.
    pub east: f64,
    /// The largest latitude in degrees.
    pub north: f64,
}

/// A degree of latitude is nowhere shorter than this on the sphere that distances are measured on.
const METRES_A_DEGREE: f64 = 111_000.0;

impl Bounds {
    /// Around these pairs of longitude and latitude, with a hair's breadth on each side for rounding.
    pub fn of_ring(pairs: &[[f64; 2]]) -> Self {
        const HAIR: f64 = 1e-6;
        let nothing = Self { west: 180.0, south: 90.0, east: -180.0, north: -90.0 };
        pairs.iter().fold(nothing, |bounds, [lng, lat]| Self {
            west: bounds.west.min(lng - HAIR),
            south: bounds.south.min(lat - HAIR),
            east: bounds.east.max(lng + HAIR),
            north: bounds.north.max(lat + HAIR),
        })
    }

    /// Around a circle. One that reaches a pole or the antimeridian is given the whole round of the earth.
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
