//! Coordinates: latitude and longitude.

use std::str::FromStr as _;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The earth's mean radius in metres (IUGG).
const EARTH_RADIUS_METRES: f64 = 6_371_008.8;

/// Latitude and longitude in degrees, WGS 84.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "RawPlace")]
pub struct Place {
    /// Latitude in degrees, −90 to 90.
    #[schema(minimum = -90, maximum = 90, example = 44.4938)]
    lat: f64,
    /// Longitude in degrees, −180 to 180.
    #[schema(minimum = -180, maximum = 180, example = 11.343)]
    lng: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPlace {
    lat: f64,
    lng: f64,
}

/// Why two numbers are not coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPlace {
    /// Degrees out of range.
    #[error("lat must be between -90 and 90, lng between -180 and 180")]
    Degrees,
    /// Near 0, 0, which devices and forms send when the location is unknown; it is in the ocean.
    #[error("must not be 0, 0, which devices report when they do not know their location")]
    Unknown,
}

/// The distance from 0, 0, in degrees, within which coordinates count as unknown: about a hundred metres.
const UNKNOWN_WITHIN: f64 = 0.001;

impl TryFrom<RawPlace> for Place {
    type Error = InvalidPlace;

    fn try_from(raw: RawPlace) -> Result<Self, InvalidPlace> {
        Self::new(raw.lat, raw.lng)
    }
}

impl Place {
    /// Coordinates in range that are not near 0, 0.
    ///
    /// # Errors
    /// [`InvalidPlace`].
    pub fn new(lat: f64, lng: f64) -> Result<Self, InvalidPlace> {
        let on_the_map = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lng);
        if !on_the_map {
            return Err(InvalidPlace::Degrees);
        }
        if lat.abs() < UNKNOWN_WITHIN && lng.abs() < UNKNOWN_WITHIN {
            return Err(InvalidPlace::Unknown);
        }
        Ok(Self { lat, lng })
    }

    /// From two nullable columns, which are both null or both set.
    pub fn from_columns(lat: Option<f64>, lng: Option<f64>) -> Option<Self> {
        Self::new(lat?, lng?).ok()
    }

    /// Latitude in degrees, north is positive.
    pub const fn lat(self) -> f64 {
        self.lat
    }

    /// Longitude in degrees, east is positive.
    pub const fn lng(self) -> f64 {
        self.lng
    }

    /// Great-circle distance in metres (haversine).
    pub fn metres_to(self, other: Self) -> f64 {
        let (from, to) = (self.lat.to_radians(), other.lat.to_radians());
        let half_lat = ((to - from) / 2.0).sin();
        let half_lng = ((other.lng - self.lng).to_radians() / 2.0).sin();
        let chord = half_lat.powi(2) + from.cos() * to.cos() * half_lng.powi(2);
        2.0 * EARTH_RADIUS_METRES * chord.sqrt().min(1.0).asin()
    }
}

/// Coordinates in a query parameter, as latitude and longitude: `44.4938,11.3430`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub struct LatLng(pub Place);

impl TryFrom<String> for LatLng {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let read = || {
            let (lat, lng) = text.split_once(',')?;
            let degrees = |text: &str| f64::from_str(text.trim()).ok().filter(|degrees| degrees.is_finite());
            Some((degrees(lat)?, degrees(lng)?))
        };
        let (lat, lng) = read().ok_or("must be latitude and longitude such as 44.4938,11.3430")?;
        Place::new(lat, lng).map(Self).map_err(|error| error.to_string())
    }
}
