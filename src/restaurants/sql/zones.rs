//! Every statement on delivery zones.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use crate::ids::RestaurantId;
use crate::money::Amount;
use crate::place::Place;
use crate::problem::Problem;
use crate::restaurants::geometry::Polygon;
use crate::restaurants::zones::{BoundingBox, DeliveryZone, FeeRule, Shape};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// The stored form of a shape, with its original coordinates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum StoredShape {
    /// A polygon with holes.
    Polygon {
        /// The outer ring and the holes, as longitude and latitude.
        rings: Vec<Vec<[f64; 2]>>,
    },
    /// Several polygons, as in GeoJSON's `MultiPolygon`.
    Polygons {
        /// The rings of each.
        polygons: Vec<Vec<Vec<[f64; 2]>>>,
    },
    /// A circle around a point.
    Circle {
        /// Longitude and latitude.
        centre: [f64; 2],
        /// The circle's radius in metres.
        radius: f64,
    },
}

impl StoredShape {
    fn is_same(&self, other: &Self) -> bool {
        fn same_point(one: &[f64; 2], other: &[f64; 2]) -> bool {
            one.iter().zip(other).all(|(one, other)| (one - other).abs() < LEAST_DIFFERENCE)
        }
        fn same_rings(one: &[Vec<[f64; 2]>], other: &[Vec<[f64; 2]>]) -> bool {
            let same_ring = |(one, other): (&Vec<[f64; 2]>, &Vec<[f64; 2]>)| {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_point(one, other))
            };
            one.len() == other.len() && one.iter().zip(other).all(same_ring)
        }
        match (self, other) {
            (Self::Polygon { rings: one }, Self::Polygon { rings: other }) => same_rings(one, other),
            (Self::Polygons { polygons: one }, Self::Polygons { polygons: other }) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_rings(one, other))
            }
            (Self::Circle { centre: one, radius: a }, Self::Circle { centre: other, radius: b }) => {
                same_point(one, other) && (a - b).abs() < LEAST_DIFFERENCE
            }
            _ => false,
        }
    }

    fn bounds(&self) -> Result<BoundingBox, Problem> {
        match self {
            Self::Polygon { rings } => Ok(BoundingBox::of_ring(rings.first().map(Vec::as_slice).unwrap_or_default())),
            Self::Polygons { polygons } => {
                let outer: Vec<_> = polygons.iter().filter_map(|rings| rings.first()).flatten().copied().collect();
                Ok(BoundingBox::of_ring(&outer))
            }
            Self::Circle { centre, radius } => Ok(BoundingBox::of_circle(place_of(*centre)?, *radius)),
        }
    }

    fn shape(&self) -> Result<Shape, Problem> {
        match self {
            Self::Polygon { rings } => Ok(Shape::Polygons(vec![from_stored(rings)?])),
            Self::Polygons { polygons } => {
                Ok(Shape::Polygons(polygons.iter().map(|rings| from_stored(rings)).collect::<Result<_, _>>()?))
            }
            Self::Circle { centre, radius } => Ok(Shape::Circle { centre: place_of(*centre)?, radius: *radius }),
        }
    }
}

fn from_stored(rings: &[Vec<[f64; 2]>]) -> Result<Polygon, Problem> {
    Polygon::from_stored(rings).ok_or_else(|| Problem::internal(&"a stored zone is not a polygon"))
}

fn place_of([lng, lat]: [f64; 2]) -> Result<Place, Problem> {
    Place::new(lat, lng).map_err(|error| Problem::internal(&error))
}

/// The stored form of a zone.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct StoredZone {
    /// The name of the zone.
    pub name: String,
    /// The area of the zone.
    pub shape: Json<StoredShape>,
    /// The fixed part of the fee.
    pub fee_base: Amount,
    /// The fee for each kilometre.
    pub fee_per_kilometre: Amount,
    /// The delivery is free if the lines cost at least this; `None`: never.
    pub free_above: Option<Amount>,
    /// The least that the lines must cost; `None`: the restaurant's minimum.
    pub minimum_order: Option<Amount>,
    /// Minutes from ready to the delivery address.
    pub lead_minutes: i16,
}

/// The least difference of two coordinates in degrees, about a tenth of a millimetre, or of two radii in metres. A
/// smaller one is from reading and writing decimal numbers.
const LEAST_DIFFERENCE: f64 = 1e-9;

/// Whether two lists are the same zones.
pub fn are_same(one: &[StoredZone], other: &[StoredZone]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| {
            let alike = StoredZone { shape: Json(one.shape.0.clone()), ..other.clone() };
            *one == alike && one.shape.0.is_same(&other.shape.0)
        })
}

impl StoredZone {
    pub(super) fn into_zone(self) -> Result<DeliveryZone, Problem> {
        Ok(DeliveryZone {
            shape: self.shape.0.shape()?,
            name: self.name,
            fee: FeeRule { base: self.fee_base, per_kilometre: self.fee_per_kilometre, free_above: self.free_above },
            minimum_order: self.minimum_order,
            lead_minutes: self.lead_minutes,
        })
    }

    pub(super) fn into_bounded_zone(self) -> Result<(BoundingBox, DeliveryZone), Problem> {
        Ok((self.shape.0.bounds()?, self.into_zone()?))
    }
}

/// The zones in their order.
pub async fn list(tx: &mut Tx, restaurant: RestaurantId) -> Result<Vec<StoredZone>, Problem> {
    let zones = sqlx::query_as!(
        StoredZone,
        r#"select name, shape as "shape: _", fee_base, fee_per_kilometre, free_above, minimum_order, lead_minutes
           from delivery_zones where restaurant_id = $1 order by position"#,
        restaurant as RestaurantId,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(zones)
}

/// The zones of many restaurants whose bounding box contains a delivery address. Restaurants without zones are left
/// out.
pub async fn of_restaurants_near(
    tx: &mut Tx,
    restaurants: &[Uuid],
    delivers_to: Place,
) -> Result<HashMap<RestaurantId, Vec<DeliveryZone>>, Problem> {
    let with_any = sqlx::query_scalar!(
        r#"select distinct restaurant_id as "id!: RestaurantId" from delivery_zones where restaurant_id = any($1)"#,
        restaurants,
    )
    .fetch_all(tx.connection())
    .await?;
    let mut zones: HashMap<_, _> = with_any.into_iter().map(|restaurant| (restaurant, Vec::new())).collect();
    let near = sqlx::query!(
        r#"select restaurant_id, name, shape as "shape: Json<StoredShape>", fee_base, fee_per_kilometre, free_above,
                  minimum_order, lead_minutes
           from delivery_zones
           where restaurant_id = any($1) and $2 between west and east and $3 between south and north
           order by restaurant_id, position"#,
        restaurants,
        delivers_to.lng(),
        delivers_to.lat(),
    )
    .fetch_all(tx.connection())
    .await?;
    for row in near {
        let zone = StoredZone {
            name: row.name,
            shape: row.shape,
            fee_base: row.fee_base,
            fee_per_kilometre: row.fee_per_kilometre,
            free_above: row.free_above,
            minimum_order: row.minimum_order,
            lead_minutes: row.lead_minutes,
        };
        zones.entry(row.restaurant_id).or_default().push(zone.into_zone()?);
    }
    Ok(zones)
}

/// Replaces the zones.
pub async fn set(tx: &mut Tx, scope: &RestaurantScope, zones: &[StoredZone]) -> Result<(), Problem> {
    sqlx::query!("delete from delivery_zones where restaurant_id = $1", scope.restaurant() as RestaurantId)
        .execute(tx.connection())
        .await?;
    for (position, zone) in zones.iter().enumerate() {
        let bounds = zone.shape.0.bounds()?;
        sqlx::query!(
            "insert into delivery_zones (restaurant_id, position, name, shape, west, south, east, north, fee_base,
                 fee_per_kilometre, free_above, minimum_order, lead_minutes)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            scope.restaurant() as RestaurantId,
            i16::try_from(position).map_err(|error| Problem::internal(&error))?,
            zone.name,
            &zone.shape as _,
            bounds.west,
            bounds.south,
            bounds.east,
            bounds.north,
            zone.fee_base as Amount,
            zone.fee_per_kilometre as Amount,
            zone.free_above as Option<Amount>,
            zone.minimum_order as Option<Amount>,
            zone.lead_minutes,
        )
        .execute(tx.connection())
        .await?;
    }
    Ok(())
}
