//! `/api/restaurants/{restaurantId}/zones`: where it delivers, as GeoJSON.

use std::sync::Arc;

use axum::extract::State;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use sqlx::types::Json as Document;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::geometry::{Point, Polygon};
use super::opening::{changed, lock_at_version};
use super::sql;
use super::sql::zones::{self, Drawn, StoredZone};
use super::staff::Staff;
use crate::app::App;
use crate::bounded;
use crate::extract::{Body, IfMatch, Path, Versioned};
use crate::ids::RestaurantId;
use crate::money::{Amount, Currency, Money};
use crate::place::Place;
use crate::problem::{FieldError, Problem, ProblemBody};
use crate::tenancy::TenancyContext;
use crate::text::SingleLine;
use crate::uow::Tx;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(get_zones, put_zones))
}

/// What GeoJSON calls a list of zones.
#[derive(Serialize, Deserialize, ToSchema)]
enum CollectionType {
    FeatureCollection,
}

/// What GeoJSON calls a zone.
#[derive(Serialize, Deserialize, ToSchema)]
enum FeatureType {
    Feature,
}

/// Delivery zones as a GeoJSON `FeatureCollection` (RFC 7946); the first feature that has the door decides. Members that
/// GeoJSON allows and that mean nothing here, such as `bbox`, `id` or `name`, are ignored.
#[derive(Serialize, Deserialize, ToSchema)]
struct Zones {
    #[serde(rename = "type")]
    #[schema(inline)]
    kind: CollectionType,
    /// The zones, at most 50; empty: the restaurant delivers within `DELIVERY_MAX_DISTANCE` for its `deliveryFee`.
    #[schema(max_items = 50)]
    #[serde(deserialize_with = "bounded::list::<_, _, 50>")]
    features: Vec<ZoneFeature>,
}

/// One delivery zone.
#[derive(Serialize, Deserialize, ToSchema)]
struct ZoneFeature {
    #[serde(rename = "type")]
    #[schema(inline)]
    kind: FeatureType,
    geometry: ZoneGeometry,
    properties: ZoneProperties,
}

/// A polygon with its holes, several polygons, or the centre of a circle whose `radiusMetres` is in the properties.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", content = "coordinates")]
enum ZoneGeometry {
    /// Rings of [longitude, latitude], the outer one first, each closed by its first point. A height is ignored.
    #[schema(value_type = Vec<Vec<Vec<f64>>>)]
    Polygon(Vec<Vec<Position>>),
    /// Polygons, each with its rings.
    #[schema(value_type = Vec<Vec<Vec<Vec<f64>>>>)]
    MultiPolygon(Vec<Vec<Vec<Position>>>),
    /// [longitude, latitude]. A height is ignored.
    #[schema(value_type = Vec<f64>)]
    Point(Position),
}

/// Farther away from its restaurant than any delivery, in metres; and about as near as a zone begins.
const FAR: f64 = 500_000.0;
const NEAR: f64 = 100_000.0;

impl ZoneGeometry {
    fn first(&self) -> Option<Position> {
        match self {
            Self::Polygon(rings) => rings.first()?.first().copied(),
            Self::MultiPolygon(polygons) => polygons.first()?.first()?.first().copied(),
            Self::Point(position) => Some(*position),
        }
    }

    /// Whether it is far away from the restaurant, and would be around it with longitude and latitude exchanged: the most
    /// frequent mistake with GeoJSON.
    fn is_exchanged(&self, restaurant: Place) -> bool {
        let metres = |lat, lng| Place::new(lat, lng).ok().map(|place| restaurant.metres_to(place));
        self.first().is_some_and(|Position([lng, lat])| {
            metres(lat, lng).is_some_and(|as_written| as_written > FAR)
                && metres(lng, lat).is_some_and(|exchanged| exchanged < NEAR)
        })
    }
}

/// Longitude and latitude. Whatever follows them, which RFC 7946 allows, is not kept.
#[derive(Clone, Copy, Serialize)]
#[serde(transparent)]
struct Position([f64; 2]);

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;

        impl<'de> Visitor<'de> for Numbers {
            type Value = Position;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a sequence")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Position, A::Error> {
                let missing = || A::Error::custom("must be [longitude, latitude]");
                let lng = numbers.next_element()?.ok_or_else(missing)?;
                let lat = numbers.next_element()?.ok_or_else(missing)?;
                while numbers.next_element::<f64>()?.is_some() {}
                Ok(Position([lng, lat]))
            }
        }

        deserializer.deserialize_seq(Numbers)
    }
}

fn pairs(rings: &[Vec<Position>]) -> Vec<Vec<[f64; 2]>> {
    rings.iter().map(|ring| ring.iter().map(|position| position.0).collect()).collect()
}

/// What is wrong with the rings of a polygon, and where: `place` is that of the polygon among the coordinates.
fn misdrawn(place: &str, rings: &[Vec<Position>]) -> Option<(String, String)> {
    let wrong = Polygon::read(&pairs(rings)).err()?;
    let point = wrong.point.map_or_else(String::new, |point| format!("/{point}"));
    Some((format!("/geometry/coordinates{place}/{}{point}", wrong.ring), wrong.message))
}

fn positions(rings: Vec<Vec<[f64; 2]>>) -> Vec<Vec<Position>> {
    rings.into_iter().map(|ring| ring.into_iter().map(Position).collect()).collect()
}

/// The terms of a delivery zone.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ZoneProperties {
    /// The name of the zone.
    #[schema(inline)]
    name: SingleLine<80>,
    /// The radius of a circle, in metres: 1 to 100,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100_000)]
    radius_metres: Option<f64>,
    fee: ZoneFee,
    /// Lines must come to this at least; null: the restaurant's minimum.
    minimum_order: Option<Money>,
    /// Travel time in minutes, from ready to the address, 0 to 480.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 480)]
    lead_minutes: i16,
}

/// The delivery fee: a base and an amount for each kilometre; free from a value of the order on.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ZoneFee {
    /// The base fee, whatever the distance.
    base: Money,
    /// For each kilometre between restaurant and door, as the crow flies, to the metre.
    per_kilometre: Option<Money>,
    /// Free if the lines come to this at least.
    free_above: Option<Money>,
}

impl ZoneFeature {
    fn from_stored(zone: StoredZone, currency: Currency) -> Result<Self, Problem> {
        let (geometry, radius_metres) = match zone.shape.0 {
            Drawn::Polygon { rings } => (ZoneGeometry::Polygon(positions(rings)), None),
            Drawn::Polygons { polygons } => {
                (ZoneGeometry::MultiPolygon(polygons.into_iter().map(positions).collect()), None)
            }
            Drawn::Circle { centre, radius } => (ZoneGeometry::Point(Position(centre)), Some(radius)),
        };
        let of = |amount: Amount| amount.of(currency);
        let some = |amount: Amount| (amount != Amount::ZERO).then(|| of(amount));
        Ok(Self {
            kind: FeatureType::Feature,
            geometry,
            properties: ZoneProperties {
                name: SingleLine::try_from(zone.name).map_err(|error| Problem::internal(&error))?,
                radius_metres,
                fee: ZoneFee {
                    base: of(zone.fee_base),
                    per_kilometre: some(zone.fee_per_kilometre),
                    free_above: zone.free_above.map(of),
                },
                minimum_order: zone.minimum_order.map(of),
                lead_minutes: zone.lead_minutes,
            },
        })
    }

    /// What is wrong with it, named by where it stands in the body.
    fn faults(&self, index: usize, currency: Currency) -> Vec<FieldError> {
        let mut faults = Vec::new();
        let mut fault = |place: &str, message: String| {
            faults.push(FieldError::invalid(format!("/features/{index}{place}"), message));
        };
        let ZoneProperties { radius_metres, fee, minimum_order, lead_minutes, .. } = &self.properties;
        match (&self.geometry, radius_metres) {
            (ZoneGeometry::Polygon(_) | ZoneGeometry::MultiPolygon(_), Some(_)) => {
                fault("/properties/radiusMetres", "has no place beside a polygon".into());
            }
            (ZoneGeometry::Polygon(rings), None) => {
                if let Some((place, message)) = misdrawn("", rings) {
                    fault(&place, message);
                }
            }
            (ZoneGeometry::MultiPolygon(polygons), None) if polygons.is_empty() => {
                fault("/geometry/coordinates", "must have a polygon".into());
            }
            (ZoneGeometry::MultiPolygon(polygons), None) => {
                for (place, rings) in polygons.iter().enumerate() {
                    if let Some((place, message)) = misdrawn(&format!("/{place}"), rings) {
                        fault(&place, message);
                    }
                }
            }
            (ZoneGeometry::Point(Position([lng, lat])), radius) => {
                if Point::from_degrees(*lng, *lat).is_none() {
                    fault("/geometry/coordinates", "must be [longitude, latitude] on the map".into());
                }
                if !radius.is_some_and(|radius| (1.0..=100_000.0).contains(&radius)) {
                    fault("/properties/radiusMetres", "must be between 1 and 100000 metres around a point".into());
                }
            }
        }
        let amounts = [
            ("/properties/fee/base", Some(fee.base)),
            ("/properties/fee/perKilometre", fee.per_kilometre),
            ("/properties/fee/freeAbove", fee.free_above),
            ("/properties/minimumOrder", *minimum_order),
        ];
        for (place, amount) in amounts {
            if amount.is_some_and(|amount| amount.currency != currency) {
                fault(&format!("{place}/currency"), format!("must be {currency}, the restaurant's currency"));
            }
        }
        if !(0..=480).contains(lead_minutes) {
            fault("/properties/leadMinutes", "must be between 0 and 480".into());
        }
        faults
    }

    fn into_stored(self) -> StoredZone {
        let ZoneProperties { name, radius_metres, fee, minimum_order, lead_minutes } = self.properties;
        let shape = match self.geometry {
            ZoneGeometry::Polygon(rings) => Drawn::Polygon { rings: pairs(&rings) },
            ZoneGeometry::MultiPolygon(polygons) => {
                Drawn::Polygons { polygons: polygons.iter().map(|rings| pairs(rings)).collect() }
            }
            ZoneGeometry::Point(Position(centre)) => {
                Drawn::Circle { centre, radius: radius_metres.unwrap_or_default() }
            }
        };
        let amount = |money: Money| money.amount;
        StoredZone {
            name: name.into_string(),
            shape: Document(shape),
            fee_base: fee.base.amount,
            fee_per_kilometre: fee.per_kilometre.map_or(Amount::ZERO, amount),
            free_above: fee.free_above.map(amount),
            minimum_order: minimum_order.map(amount),
            lead_minutes,
        }
    }
}

/// Most zones, and most points of all of them together.
const MOST_ZONES: usize = 50;
const MOST_POINTS: usize = 5_000;

impl Zones {
    fn check(&self, currency: Currency, restaurant: Place) -> Result<(), Problem> {
        let points = |feature: &ZoneFeature| match &feature.geometry {
            ZoneGeometry::Polygon(rings) => rings.iter().map(Vec::len).sum(),
            ZoneGeometry::MultiPolygon(polygons) => polygons.iter().flatten().map(|ring| ring.len().max(1)).sum(),
            ZoneGeometry::Point(_) => 1,
        };
        if self.features.len() > MOST_ZONES || self.features.iter().map(points).sum::<usize>() > MOST_POINTS {
            let message = format!("must be at most {MOST_ZONES} zones of {MOST_POINTS} points together");
            return Err(Problem::invalid_field("/features", message));
        }
        let features = self.features.iter().enumerate();
        let faults = features.flat_map(|(index, feature)| {
            let mut faults = feature.faults(index, currency);
            if faults.is_empty() && feature.geometry.is_exchanged(restaurant) {
                let pointer = format!("/features/{index}/geometry/coordinates");
                let message = "is far away from the restaurant; with longitude and latitude exchanged it would be around it. \
                    GeoJSON has [longitude, latitude]";
                faults.push(FieldError::invalid(pointer, message));
            }
            faults
        });
        let faults: Vec<_> = faults.collect();
        if faults.is_empty() { Ok(()) } else { Err(Problem::invalid(faults)) }
    }
}

async fn read(tx: &mut Tx, id: RestaurantId) -> Result<Versioned<Zones>, Problem> {
    let restaurant = sql::get(tx, id).await?.ok_or_else(Problem::not_found)?;
    let stored = zones::list(tx, id).await?;
    let feature = |zone| ZoneFeature::from_stored(zone, restaurant.currency);
    let features = stored.into_iter().map(feature).collect::<Result<_, _>>()?;
    Ok(Versioned { version: restaurant.version, body: Zones { kind: CollectionType::FeatureCollection, features } })
}

/// Get the delivery zones
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/zones", tag = "restaurants",
    params(("restaurantId" = RestaurantId, Path)),
    responses(
        (status = 200, description = "The zones; the restaurant's version is the ETag", body = Zones),
        (status = 404, description = "The restaurant does not exist", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_zones(State(app): State<Arc<App>>, Path(id): Path<RestaurantId>) -> Result<Versioned<Zones>, Problem> {
    app.db.read(TenancyContext::nobody(), move |tx| Box::pin(async move { read(tx, id).await })).await
}

/// Replace the delivery zones
///
/// A delivery to an address outside every zone is refused with `outside_delivery_zone`.
#[utoipa::path(put, path = "/api/restaurants/{restaurantId}/zones", tag = "restaurants", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), ("If-Match" = Option<String>, Header, description = "The expected version of the restaurant, in quotes as in ETag")),
    request_body = Zones,
    responses(
        (status = 200, description = "The delivery zones after the change", body = Zones),
        (status = 404, description = "The restaurant does not exist, or the caller has no access to it", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "Version conflict", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "A ring crosses itself, is not closed or lies off the map; ring and point are named", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn put_zones(
    State(app): State<Arc<App>>,
    staff: Staff,
    if_match: IfMatch,
    Body(new): Body<Zones>,
) -> Result<Versioned<Zones>, Problem> {
    let scope = staff.scope;
    let restaurant = app
        .db
        .read(scope, move |tx| Box::pin(async move { sql::get(tx, scope.restaurant()).await }))
        .await?
        .ok_or_else(Problem::not_found)?;
    let (currency, place) = (restaurant.currency, restaurant.place);
    // Each edge is held against each other one.
    let work = move || {
        new.check(currency, place)?;
        Ok::<_, Problem>(new.features.into_iter().map(ZoneFeature::into_stored).collect::<Vec<_>>())
    };
    let stored = app.heavy.run(scope.into(), work).await??;
    app.db
        .write(scope, move |tx| {
            Box::pin(async move {
                lock_at_version(tx, &scope, if_match).await?;
                zones::set(tx, &scope, &stored).await?;
                sql::next_version(tx, &scope).await?;
                changed(tx, &scope).await?;
                read(tx, scope.restaurant()).await
            })
        })
        .await
}
