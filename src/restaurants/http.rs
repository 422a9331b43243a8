//! `/api/restaurants` and `/api/restaurants/{restaurantId}`: creates, reads and changes a restaurant with its settings
//! (tax, fees, slots, acceptance of orders). The values are checked in `http/profile_check.rs` and written in
//! `sql/profile.rs`. The other files in `http/` have routes of their own: hours and pauses, zones, members, images.

use std::sync::Arc;

use axum::extract::State;
use chrono_tz::Tz;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Restaurant;
use super::access::Staff;
use super::contact::Contact;
use super::hours::{Span, are_same};
use super::last_orders::LastOrders;
use super::service_fee::ServiceFeeTerms;
use super::slots::SlotRules;
use super::sql::{self, Profile};
use super::tax::{ClassRates, Rate, TaxRoundingLevel, TaxRules};
use crate::accounts::caller::Admin;
use crate::app::App;
use crate::bounded;
use crate::events;
use crate::extract::{Body, IfMatch, Path, Versioned};
use crate::fold;
use crate::idempotency::{IdempotentBody, IdempotentResponse};
use crate::ids::RestaurantId;
use crate::money::{Amount, Currency, Money, Rounding};
use crate::place::Place;
use crate::problem::{Problem, ProblemBody};
use crate::tenancy::TenancyContext;
use crate::text::{MultiLine, SingleLine};
use crate::timestamp::ZoneName;
use crate::uow::Tx;

use profile_check::{Fees, check};

mod hours;
mod image;
mod invitations;
mod members;
mod profile_check;
mod search;
mod security;
mod zones;

/// The routes of this feature.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(create_restaurant))
        .routes(routes!(get_restaurant, update_restaurant))
        .merge(search::routes())
        .merge(members::routes())
        .merge(invitations::routes())
        .merge(hours::routes())
        .merge(zones::routes())
        .merge(security::routes())
        .merge(image::routes())
}

/// Get a restaurant
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}", tag = "restaurants",
    params(("restaurantId" = RestaurantId, Path)),
    responses(
        (status = 200, description = "The restaurant; its version is the ETag", body = Restaurant),
        (status = 404, description = "The restaurant does not exist",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_restaurant(
    State(app): State<Arc<App>>,
    Path(id): Path<RestaurantId>,
) -> Result<Versioned<Restaurant>, Problem> {
    let found =
        app.db.read(TenancyContext::anonymous(), move |tx| Box::pin(async move { sql::get(tx, id).await })).await?;
    let body = found.ok_or_else(Problem::not_found)?;
    Ok(Versioned { version: body.version, body })
}

/// A restaurant to create.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewRestaurant {
    #[schema(inline)]
    name: SingleLine<120>,
    /// The name in URLs; made from the name if absent, with a number if another restaurant has it already.
    #[schema(inline)]
    slug: Option<SingleLine<80>>,
    #[schema(inline)]
    description: Option<MultiLine<2000>>,
    #[serde(default, deserialize_with = "bounded::list::<_, _, 20>")]
    #[schema(inline, max_items = 20)]
    cuisines: Vec<SingleLine<60>>,
    /// How customers reach the restaurant.
    #[serde(default)]
    contact: Contact,
    #[schema(inline)]
    address: MultiLine<300>,
    place: Place,
    /// The IANA time zone.
    timezone: ZoneName,
    currency: Currency,
    /// Whether prices and fees include tax; default: false, tax is added to them.
    #[serde(default)]
    prices_include_tax: bool,
    /// The standard tax rate, in hundredths of a percent; default: 0.
    #[serde(default)]
    #[schema(inline)]
    tax_basis_points: Rate,
    /// Tax classes with other rates.
    #[serde(default, deserialize_with = "bounded::list::<_, _, 7>")]
    #[schema(max_items = 7)]
    tax_classes: Vec<ClassRates>,
    /// How half a minor unit of tax, service fee, coupon and distance fee is rounded; default: `HALF_UP`.
    #[serde(default)]
    tax_rounding: Rounding,
    /// Whether tax is rounded for each line and fee, or for the whole order; default: `LINE`.
    #[serde(default)]
    tax_rounding_level: TaxRoundingLevel,
    delivery_fee: Option<Money>,
    /// The service fee; absent: none is charged.
    service_fee: Option<ServiceFeeTerms>,
    minimum_order: Option<Money>,
    #[serde(default)]
    auto_accept: bool,
    /// How many minutes an order may wait to be accepted before the system cancels it, 1 to 120; absent:
    /// `ORDER_ACCEPT_WITHIN`.
    #[schema(minimum = 1, maximum = 120)]
    accept_minutes: Option<i16>,
    /// Preparation time in minutes, from confirmation to ready, 1 to 480; default: 20.
    #[schema(minimum = 1, maximum = 480)]
    preparation_minutes: Option<i16>,
    /// The slots of scheduled orders; absent: slots of 15 minutes with unlimited capacity, up to 7 days ahead.
    #[serde(default)]
    slots: SlotRules,
    /// Open around the clock; default: true if `hours` is absent.
    always_open: Option<bool>,
    /// Weekly opening hours; empty: closed until some are set. Absent, without `alwaysOpen`: always open.
    #[serde(default, deserialize_with = "bounded::some_list::<_, _, 100>")]
    #[schema(max_items = 100)]
    hours: Option<Vec<Span>>,
    /// By fulfilment: until when before closing orders are accepted, and until when after closing they are handed over.
    /// Absent: until the preparation time before closing, and not after closing.
    #[serde(default)]
    last_orders: LastOrders,
}

impl NewRestaurant {
    fn into_profile(self) -> Profile {
        let slug = self.slug.map_or_else(|| fold::slug(self.name.as_str()), String::from);
        let units = |money: Option<Money>| money.map_or(Amount::ZERO, |money| money.amount);
        let timezone = self.timezone.into();
        Profile {
            slug,
            name: self.name.into_string(),
            description: self.description.map(String::from),
            cuisines: self.cuisines.into_iter().map(String::from).collect(),
            contact: self.contact.normalised(timezone),
            address: self.address.into_string(),
            place: self.place,
            timezone,
            tax: TaxRules {
                included: self.prices_include_tax,
                rounding: self.tax_rounding,
                level: self.tax_rounding_level,
                standard: self.tax_basis_points,
                classes: self.tax_classes,
            },
            delivery_fee: units(self.delivery_fee),
            service_fee: self.service_fee.unwrap_or_default().into(),
            minimum_order: units(self.minimum_order),
            auto_accept: self.auto_accept,
            accept_minutes: self.accept_minutes,
            preparation_minutes: self.preparation_minutes.unwrap_or(20),
            slots: self.slots,
            always_open: self.always_open.unwrap_or(self.hours.is_none()),
            last_orders: self.last_orders,
            accepting: true,
        }
    }
}

/// Create a restaurant
#[utoipa::path(post, path = "/api/restaurants", tag = "restaurants", security(("token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "A new random key; repeat the request with the \
                                                                       same key")),
    request_body = NewRestaurant,
    responses(
        (status = 201, description = "The restaurant", body = Restaurant),
        (status = 403, description = "Requires the role ADMIN",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Another restaurant has this slug",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Invalid request", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn create_restaurant(
    State(app): State<Arc<App>>,
    admin: Admin,
    IdempotentBody { value: new, key }: IdempotentBody<NewRestaurant>,
) -> Result<IdempotentResponse, Problem> {
    let currency = new.currency;
    let fees = Fees {
        delivery_fee: new.delivery_fee,
        minimum_order: new.minimum_order,
        service: new.service_fee.unwrap_or_default(),
    };
    let spans = new.hours.clone().unwrap_or_default();
    let has_slug = new.slug.is_some();
    let mut profile = new.into_profile();
    check(&profile, currency, fees, &spans)?;
    let scope = admin.scope.restaurant(RestaurantId::new());
    key.create(&app.db, scope, move |tx| {
        Box::pin(async move {
            if !has_slug {
                profile.slug = sql::profile::free_slug(tx, profile.slug).await?;
            }
            sql::insert(tx, &scope, currency, &profile).await?;
            sql::hours::set_week(tx, &scope, &spans).await?;
            sql::get(tx, scope.restaurant()).await?.ok_or_else(Problem::not_found)
        })
    })
    .await
}

/// Distinguishes a field that is null from one that is absent.
fn present<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The changes of a restaurant; absent fields stay unchanged. The currency cannot be changed.
#[derive(Default, Deserialize, ToSchema)]
#[expect(clippy::option_option, reason = "absent stays, null takes away")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RestaurantPatch {
    #[schema(inline)]
    name: Option<SingleLine<120>>,
    #[schema(inline)]
    slug: Option<SingleLine<80>>,
    /// Null removes the description.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<MultiLine<2000>>>,
    #[schema(inline, max_items = 20)]
    #[serde(default, deserialize_with = "bounded::some_list::<_, _, 20>")]
    cuisines: Option<Vec<SingleLine<60>>>,
    /// All of it.
    contact: Option<Contact>,
    #[schema(inline)]
    address: Option<MultiLine<300>>,
    place: Option<Place>,
    #[schema(value_type = Option<String>)]
    timezone: Option<ZoneName>,
    prices_include_tax: Option<bool>,
    #[schema(inline)]
    tax_basis_points: Option<Rate>,
    /// Replaces all tax classes. A class that is used on the menu cannot be removed.
    #[schema(max_items = 7)]
    #[serde(default, deserialize_with = "bounded::some_list::<_, _, 7>")]
    tax_classes: Option<Vec<ClassRates>>,
    tax_rounding: Option<Rounding>,
    tax_rounding_level: Option<TaxRoundingLevel>,
    delivery_fee: Option<Money>,
    /// All of it.
    service_fee: Option<ServiceFeeTerms>,
    minimum_order: Option<Money>,
    auto_accept: Option<bool>,
    /// Minutes to accept an order within; null: `ORDER_ACCEPT_WITHIN`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i16>, minimum = 1, maximum = 120)]
    accept_minutes: Option<Option<i16>>,
    #[schema(minimum = 1, maximum = 480)]
    preparation_minutes: Option<i16>,
    /// All of them. Orders that were placed for a slot keep it.
    slots: Option<SlotRules>,
    /// False: no orders are accepted for now.
    accepting: Option<bool>,
    /// True: open around the clock, and the weekly hours are deleted. False: open by its weekly hours.
    always_open: Option<bool>,
    /// Replaces the weekly hours; empty: closed. Sets `alwaysOpen` to false if any are given.
    #[schema(max_items = 100)]
    #[serde(default, deserialize_with = "bounded::some_list::<_, _, 100>")]
    hours: Option<Vec<Span>>,
    /// All of them.
    last_orders: Option<LastOrders>,
}

impl RestaurantPatch {
    fn apply(self, current: &Restaurant) -> Result<(Profile, Option<Vec<Span>>), Problem> {
        let kept = current.timezone.parse().map_err(|error| Problem::internal(&error))?;
        let timezone = self.timezone.map_or(kept, Tz::from);
        let units = |money: Option<Money>, current: Money| money.unwrap_or(current).amount;
        let profile = Profile {
            slug: self.slug.map_or_else(|| current.slug.clone(), String::from),
            name: self.name.map_or_else(|| current.name.clone(), String::from),
            description: self.description.map_or_else(|| current.description.clone(), |text| text.map(String::from)),
            cuisines: self
                .cuisines
                .map_or_else(|| current.cuisines.clone(), |cuisines| cuisines.into_iter().map(String::from).collect()),
            contact: self.contact.map_or_else(|| current.contact.clone(), |contact| contact.normalised(timezone)),
            address: self.address.map_or_else(|| current.address.clone(), String::from),
            place: self.place.unwrap_or(current.place),
            timezone,
            tax: TaxRules {
                included: self.prices_include_tax.unwrap_or(current.prices_include_tax),
                rounding: self.tax_rounding.unwrap_or(current.tax_rounding),
                level: self.tax_rounding_level.unwrap_or(current.tax_rounding_level),
                standard: self.tax_basis_points.unwrap_or(current.tax_basis_points),
                classes: self.tax_classes.unwrap_or_else(|| current.tax_classes.clone()),
            },
            delivery_fee: units(self.delivery_fee, current.delivery_fee),
            service_fee: self.service_fee.unwrap_or(current.service_fee).into(),
            minimum_order: units(self.minimum_order, current.minimum_order),
            auto_accept: self.auto_accept.unwrap_or(current.auto_accept),
            accept_minutes: self.accept_minutes.unwrap_or(current.accept_minutes),
            preparation_minutes: self.preparation_minutes.unwrap_or(current.preparation_minutes),
            slots: self.slots.unwrap_or(current.slots),
            always_open: self.always_open.unwrap_or(current.always_open && self.hours.is_none()),
            last_orders: self.last_orders.unwrap_or(current.last_orders),
            accepting: self.accepting.unwrap_or(current.accepting),
        };
        let fees = Fees {
            delivery_fee: self.delivery_fee,
            minimum_order: self.minimum_order,
            service: self.service_fee.unwrap_or_default(),
        };
        check(&profile, current.currency, fees, self.hours.as_deref().unwrap_or_default())?;
        let hours = self.hours.or_else(|| profile.always_open.then(Vec::new));
        Ok((profile, hours))
    }
}

/// Update a restaurant
#[utoipa::path(patch, path = "/api/restaurants/{restaurantId}", tag = "restaurants", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path),
        ("If-Match" = Option<String>, Header, description = "The expected version, in quotes as in ETag")),
    request_body = RestaurantPatch,
    responses(
        (status = 200, description = "The restaurant after the change", body = Restaurant),
        (status = 412, description = "Version conflict", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Invalid request", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn update_restaurant(
    State(app): State<Arc<App>>,
    staff: Staff,
    if_match: IfMatch,
    Body(patch): Body<RestaurantPatch>,
) -> Result<Versioned<Restaurant>, Problem> {
    let scope = staff.scope;
    let body = app
        .db
        .write(scope, move |tx: &mut Tx| {
            Box::pin(async move {
                sql::lock(tx, &scope).await?;
                let current = sql::get(tx, scope.restaurant()).await?.ok_or_else(Problem::not_found)?;
                if_match.check(current.version, &current)?;
                let (profile, spans) = patch.apply(&current)?;
                let has_these_hours = spans.as_deref().is_none_or(|spans| are_same(spans, &current.hours));
                if has_these_hours && RestaurantPatch::default().apply(&current)?.0 == profile {
                    return Ok(current);
                }
                sql::update(tx, &scope, &profile).await?;
                if let Some(spans) = spans {
                    sql::hours::set_week(tx, &scope, &spans).await?;
                }
                let changed = sql::get(tx, scope.restaurant()).await?.ok_or_else(Problem::not_found)?;
                events::publish(tx, &scope, changed.changed_event()?).await?;
                Ok(changed)
            })
        })
        .await?;
    Ok(Versioned { version: body.version, body })
}
