//! Geometries of GeoJSON (RFC 7946), as map programs write them: members in any order, altitudes after longitude and
//! latitude, and other members, which are ignored. Errors are reported with their pointers.
//!
//! `type` may follow `coordinates`, so coordinates are read as nested lists first. Pure.

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::geometry::{Point, Polygon};
use crate::bounded::AtMost;
use crate::place::{InvalidPlace, Place};

/// Longitude and latitude in degrees.
pub type Position = [f64; 2];
/// The rings of a polygon, the outer one first; the last point of each is the first one again.
pub type Rings = Vec<Vec<Position>>;

/// A polygon with its holes, several polygons, or the centre of a circle whose `radiusMetres` is in the properties.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", content = "coordinates")]
pub enum ZoneGeometry {
    /// Rings of [longitude, latitude], the outer one first; the last point of each is the first one again. An altitude
    /// is ignored.
    #[schema(value_type = Vec<Vec<Vec<f64>>>)]
    Polygon(Rings),
    /// Polygons, each with its rings.
    #[schema(value_type = Vec<Vec<Vec<Vec<f64>>>>)]
    MultiPolygon(Vec<Rings>),
    /// [longitude, latitude]. An altitude is ignored.
    #[schema(value_type = Vec<f64>)]
    Point(Position),
}

/// The geometry of a zone, or the error in the form of its coordinates. Whether rings are closed and do not cross is
/// checked later.
pub struct Geometry(pub Result<ZoneGeometry, InvalidGeometry>);

/// An error in a geometry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidGeometry {
    /// The JSON pointer below the geometry.
    pub pointer: String,
    /// What is expected there.
    pub message: String,
}

impl InvalidGeometry {
    fn at(pointer: &str, message: &str) -> Self {
        Self { pointer: pointer.to_owned(), message: message.to_owned() }
    }

    /// The geometry is absent or null, which GeoJSON allows (RFC 7946, section 3.2) and a zone does not.
    pub fn absent() -> Self {
        let message =
            "must not be null: a zone is a Polygon, a MultiPolygon, or a Point with radiusMetres in its properties";
        Self::at("", message)
    }
}

/// A distance from the restaurant, in metres, that no delivery reaches.
const FAR: f64 = 500_000.0;
const NEAR: f64 = 100_000.0;

/// The error in the rings of a polygon; `pointer` is the pointer of the polygon.
fn ring_error(pointer: &str, rings: &[Vec<Position>]) -> Option<InvalidGeometry> {
    let wrong = Polygon::read(rings).err()?;
    let point = wrong.point.map_or_else(String::new, |point| format!("/{point}"));
    Some(InvalidGeometry { pointer: format!("{pointer}/{}{point}", wrong.ring), message: wrong.message })
}

impl ZoneGeometry {
    /// The number of its points.
    pub fn points(&self) -> usize {
        match self {
            Self::Polygon(rings) => rings.iter().map(Vec::len).sum(),
            Self::MultiPolygon(polygons) => polygons.iter().flatten().map(Vec::len).sum(),
            Self::Point(_) => 1,
        }
    }

    fn first(&self) -> Option<Position> {
        match self {
            Self::Polygon(rings) => rings.first()?.first().copied(),
            Self::MultiPolygon(polygons) => polygons.first()?.first()?.first().copied(),
            Self::Point(position) => Some(*position),
        }
    }

    /// Whether it is far away from the restaurant, and would be near it with longitude and latitude exchanged, the most
    /// frequent mistake with GeoJSON.
    pub fn is_exchanged(&self, restaurant: Place) -> bool {
        let metres = |lat, lng| Place::new(lat, lng).ok().map(|place| restaurant.metres_to(place));
        self.first().is_some_and(|[lng, lat]| {
            metres(lat, lng).is_some_and(|as_written| as_written > FAR)
                && metres(lng, lat).is_some_and(|exchanged| exchanged < NEAR)
        })
    }

    /// The errors in its rings, one for each polygon.
    pub fn faults(&self) -> Vec<InvalidGeometry> {
        match self {
            Self::Polygon(rings) => ring_error("/coordinates", rings).into_iter().collect(),
            Self::MultiPolygon(polygons) => {
                let polygons = polygons.iter().enumerate();
                polygons.filter_map(|(index, rings)| ring_error(&format!("/coordinates/{index}"), rings)).collect()
            }
            Self::Point([lng, lat]) => {
                let message = match Place::new(*lat, *lng) {
                    Ok(_) if Point::from_degrees(*lng, *lat).is_some() => return Vec::new(),
                    Err(unknown @ InvalidPlace::Unknown) => unknown.to_string(),
                    Ok(_) | Err(InvalidPlace::Degrees) => "must be [longitude, latitude] on the map".to_owned(),
                };
                vec![InvalidGeometry::at("/coordinates", &message)]
            }
        }
    }
}

impl Serialize for Geometry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Ok(geometry) => geometry.serialize(serializer),
            Err(misshapen) => Err(serde::ser::Error::custom(&misshapen.message)),
        }
    }
}

/// The types of geometry of a zone.
#[derive(Deserialize)]
enum GeometryType {
    Polygon,
    MultiPolygon,
    Point,
}

impl<'de> Deserialize<'de> for Geometry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Members {
            #[serde(rename = "type")]
            kind: GeometryType,
            coordinates: Coordinates,
        }

        let Members { kind, coordinates } = Members::deserialize(deserializer)?;
        let pointer = "/coordinates";
        Ok(Self(match kind {
            GeometryType::Polygon => coordinates.rings(pointer).map(ZoneGeometry::Polygon),
            GeometryType::MultiPolygon => coordinates
                .list(pointer, "must be a list of polygons, at least one", Coordinates::rings)
                .map(ZoneGeometry::MultiPolygon),
            GeometryType::Point => coordinates.position(pointer).map(ZoneGeometry::Point),
        }))
    }
}

/// The most elements of a list of coordinates: the limit on points of all zones of a restaurant.
const MAX_ELEMENTS: usize = 5_000;

/// A number, or a list of coordinates.
enum Coordinates {
    Number(f64),
    List(Vec<Self>),
}

impl<'de> Deserialize<'de> for Coordinates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrList;

        impl<'de> Visitor<'de> for NumberOrList {
            type Value = Coordinates;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number or a list")
            }

            fn visit_f64<E>(self, number: f64) -> Result<Coordinates, E> {
                Ok(Coordinates::Number(number))
            }

            #[expect(
                clippy::cast_precision_loss,
                reason = "degrees are small; larger numbers are on no map either way"
            )]
            fn visit_i64<E>(self, number: i64) -> Result<Coordinates, E> {
                Ok(Coordinates::Number(number as f64))
            }

            #[expect(clippy::cast_precision_loss, reason = "as above")]
            fn visit_u64<E>(self, number: u64) -> Result<Coordinates, E> {
                Ok(Coordinates::Number(number as f64))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<Coordinates, A::Error> {
                AtMost::new(MAX_ELEMENTS).visit_seq(elements).map(Coordinates::List)
            }
        }

        deserializer.deserialize_any(NumberOrList)
    }
}

impl Coordinates {
    /// Reads each element of a non-empty list, with its pointer.
    fn list<T>(
        &self,
        pointer: &str,
        message: &str,
        read: impl Fn(&Self, &str) -> Result<T, InvalidGeometry>,
    ) -> Result<Vec<T>, InvalidGeometry> {
        let elements = match self {
            Self::List(elements) if !elements.is_empty() => elements,
            Self::List(_) | Self::Number(_) => return Err(InvalidGeometry::at(pointer, message)),
        };
        elements.iter().enumerate().map(|(index, element)| read(element, &format!("{pointer}/{index}"))).collect()
    }

    fn rings(&self, pointer: &str) -> Result<Rings, InvalidGeometry> {
        self.list(pointer, "must be a list of rings, the outer one first", |ring, pointer| {
            ring.list(pointer, "must be a ring: a list of positions [longitude, latitude]", Self::position)
        })
    }

    /// Values after longitude and latitude, which RFC 7946 allows, must be numbers, and are ignored.
    fn position(&self, pointer: &str) -> Result<Position, InvalidGeometry> {
        let numbers = |elements: &[Self]| {
            let number = |element: &Self| match element {
                Self::Number(number) => Some(*number),
                Self::List(_) => None,
            };
            let numbers = elements.iter().map(number).collect::<Option<Vec<_>>>()?;
            Some([*numbers.first()?, *numbers.get(1)?])
        };
        let position = match self {
            Self::List(elements) => numbers(elements),
            Self::Number(_) => None,
        };
        position.ok_or_else(|| InvalidGeometry::at(pointer, "must be [longitude, latitude]"))
    }
}
