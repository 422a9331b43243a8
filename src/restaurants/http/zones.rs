//! `/api/restaurants/{restaurantId}/zones`: delivery zones as GeoJSON.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use sqlx::types::Json as Document;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::bounded;
use crate::extract::{Body, IfMatch, Path, Versioned};
use crate::ids::RestaurantId;
use crate::money::{Amount, Currency, Money};
use crate::place::Place;
use crate::problem::{FieldError, Problem, ProblemBody};
use crate::restaurants::access::Staff;
use crate::restaurants::actions;
use crate::restaurants::geojson::{Geometry, InvalidGeometry, ZoneGeometry};
use crate::restaurants::sql;
use crate::restaurants::sql::zones::{self, StoredShape, StoredZone};
use crate::tenancy::TenancyContext;
use crate::text::SingleLine;
use crate::uow::Tx;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(get_zones, put_zones))
}

/// GeoJSON's type of a list of zones.
#[derive(Serialize, Deserialize, ToSchema)]
enum CollectionType {
    FeatureCollection,
}

/// GeoJSON's type of a zone.
#[derive(Serialize, Deserialize, ToSchema)]
enum FeatureType {
    Feature,
}

/// Delivery zones as a GeoJSON `FeatureCollection` (RFC 7946); the first feature that contains the delivery address
/// decides. Other members and properties of GeoJSON, such as `bbox`, `id`, `stroke` or `fill`, are ignored and not
/// stored.
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
    /// A feature without a geometry is refused: it is no zone.
    #[schema(value_type = ZoneGeometry, required)]
    geometry: Option<Geometry>,
    properties: ZoneProperties,
}

/// The terms of a delivery zone. Other properties, which programs that draw zones add, are ignored.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ZoneProperties {
    /// The name of the zone.
    #[schema(inline)]
    name: SingleLine<80>,
    /// The radius of a circle, in metres: 1 to 100,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100_000)]
    radius_metres: Option<f64>,
    fee: ZoneFee,
    /// The least that the lines must cost; null: the restaurant's minimum.
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
    /// The fee for each kilometre of the straight line between restaurant and delivery address, to the metre.
    per_kilometre: Option<Money>,
    /// The delivery is free if the lines cost at least this; null: never.
    free_above: Option<Money>,
}

impl ZoneFeature {
    fn from_stored(zone: StoredZone, currency: Currency) -> Result<Self, Problem> {
        let (geometry, radius_metres) = match zone.shape.0 {
            StoredShape::Polygon { rings } => (ZoneGeometry::Polygon(rings), None),
            StoredShape::Polygons { polygons } => (ZoneGeometry::MultiPolygon(polygons), None),
            StoredShape::Circle { centre, radius } => (ZoneGeometry::Point(centre), Some(radius)),
        };
        let of = |amount: Amount| amount.of(currency);
        let some = |amount: Amount| (amount != Amount::ZERO).then(|| of(amount));
        Ok(Self {
            kind: FeatureType::Feature,
            geometry: Some(Geometry(Ok(geometry))),
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

    fn drawn(&self) -> Result<&ZoneGeometry, InvalidGeometry> {
        match &self.geometry {
            Some(Geometry(geometry)) => geometry.as_ref().map_err(Clone::clone),
            None => Err(InvalidGeometry::absent()),
        }
    }

    /// The errors of the zone, with pointers into the body.
    fn faults(&self, index: usize, currency: Currency) -> Vec<FieldError> {
        let mut faults = Vec::new();
        let mut fault = |pointer: &str, message: String| {
            faults.push(FieldError::invalid(format!("/features/{index}{pointer}"), message));
        };
        let ZoneProperties { radius_metres, fee, minimum_order, lead_minutes, .. } = &self.properties;
        match self.drawn() {
            Err(InvalidGeometry { pointer, message }) => fault(&format!("/geometry{pointer}"), message),
            Ok(geometry) => {
                for InvalidGeometry { pointer, message } in geometry.faults() {
                    fault(&format!("/geometry{pointer}"), message);
                }
                let is_centre = matches!(geometry, ZoneGeometry::Point(_));
                if !is_centre && radius_metres.is_some() {
                    fault("/properties/radiusMetres", "is not allowed with a polygon".into());
                }
                if is_centre && !radius_metres.is_some_and(|radius| (1.0..=100_000.0).contains(&radius)) {
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
        for (pointer, amount) in amounts {
            if amount.is_some_and(|amount| amount.currency != currency) {
                fault(&format!("{pointer}/currency"), format!("must be {currency}, the restaurant's currency"));
            }
        }
        if !(0..=480).contains(lead_minutes) {
            fault("/properties/leadMinutes", "must be between 0 and 480".into());
        }
        faults
    }

    fn into_stored(self) -> Result<StoredZone, InvalidGeometry> {
        let ZoneProperties { name, radius_metres, fee, minimum_order, lead_minutes } = self.properties;
        let shape = match self.geometry.ok_or_else(InvalidGeometry::absent)?.0? {
            ZoneGeometry::Polygon(rings) => StoredShape::Polygon { rings },
            ZoneGeometry::MultiPolygon(polygons) => StoredShape::Polygons { polygons },
            ZoneGeometry::Point(centre) => StoredShape::Circle { centre, radius: radius_metres.unwrap_or_default() },
        };
        let amount = |money: Money| money.amount;
        Ok(StoredZone {
            name: name.into_string(),
            shape: Document(shape),
            fee_base: fee.base.amount,
            fee_per_kilometre: fee.per_kilometre.map_or(Amount::ZERO, amount),
            free_above: fee.free_above.map(amount),
            minimum_order: minimum_order.map(amount),
            lead_minutes,
        })
    }
}

/// The most zones, and the most points of all zones together.
const MAX_ZONES: usize = 50;
const MAX_POINTS: usize = 5_000;

impl Zones {
    fn check(&self, currency: Currency, restaurant: Place) -> Result<(), Problem> {
        let points = |feature: &ZoneFeature| feature.drawn().map_or(0, ZoneGeometry::points);
        if self.features.len() > MAX_ZONES || self.features.iter().map(points).sum::<usize>() > MAX_POINTS {
            let message = format!("must be at most {MAX_ZONES} zones of {MAX_POINTS} points together");
            return Err(Problem::invalid_field("/features", message));
        }
        let features = self.features.iter().enumerate();
        let faults = features.flat_map(|(index, feature)| {
            let mut faults = feature.faults(index, currency);
            if faults.is_empty() && feature.drawn().is_ok_and(|geometry| geometry.is_exchanged(restaurant)) {
                let pointer = format!("/features/{index}/geometry/coordinates");
                let message = "is far away from the restaurant; with longitude and latitude exchanged it would be near \
                    it. GeoJSON has [longitude, latitude]";
                faults.push(FieldError::invalid(pointer, message));
            }
            faults
        });
        let faults: Vec<_> = faults.collect();
        if faults.is_empty() { Ok(()) } else { Err(Problem::invalid(faults)) }
    }

    fn into_stored(self) -> Result<Vec<StoredZone>, Problem> {
        let misshapen = |index: usize, InvalidGeometry { pointer, message }: InvalidGeometry| {
            Problem::invalid_field(format!("/features/{index}/geometry{pointer}"), message)
        };
        let zones = self.features.into_iter().enumerate();
        zones.map(|(index, zone)| zone.into_stored().map_err(|fault| misshapen(index, fault))).collect()
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
        (status = 404, description = "The restaurant does not exist",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_zones(State(app): State<Arc<App>>, Path(id): Path<RestaurantId>) -> Result<Versioned<Zones>, Problem> {
    app.db.read(TenancyContext::anonymous(), move |tx| Box::pin(async move { read(tx, id).await })).await
}

/// Replace the delivery zones
///
/// A delivery to an address outside every zone is refused with `outside_delivery_zone`.
#[utoipa::path(put, path = "/api/restaurants/{restaurantId}/zones", tag = "restaurants", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path),
        ("If-Match" = Option<String>, Header,
            description = "The expected version of the restaurant, in quotes as in ETag")),
    request_body = Zones,
    responses(
        (status = 200, description = "The delivery zones after the change", body = Zones),
        (status = 404, description = "The restaurant does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "Version conflict", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "A ring crosses itself, is not closed or lies off the map; ring and point are \
                                      named", body = ProblemBody, content_type = "application/problem+json"),
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
    // Every edge is compared with every other, which takes processor time.
    let work = move || {
        new.check(currency, place)?;
        new.into_stored()
    };
    let stored = app.heavy.run(scope.into(), work).await??;
    app.db
        .write(scope, move |tx| {
            Box::pin(async move {
                actions::lock_at_version(tx, &scope, if_match).await?;
                if zones::are_same(&zones::list(tx, scope.restaurant()).await?, &stored) {
                    return read(tx, scope.restaurant()).await;
                }
                zones::set(tx, &scope, &stored).await?;
                sql::next_version(tx, &scope).await?;
                actions::publish_changed(tx, &scope).await?;
                read(tx, scope.restaurant()).await
            })
        })
        .await
}
