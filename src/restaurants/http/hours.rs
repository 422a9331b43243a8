//! `/api/restaurants/{restaurantId}/hours` and `…/pause`: sets opening hours, and begins and ends pauses. What a pause
//! does to orders: `OpenNow::of` in `last_orders.rs`, and `orders/availability.rs`.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Days, TimeDelta};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::bounded;
use crate::extract::{Body, IfMatch, Path, Versioned};
use crate::ids::RestaurantId;
use crate::problem::{FieldError, Problem, ProblemBody};
use crate::restaurants::access::Staff;
use crate::restaurants::actions;
use crate::restaurants::fulfilments::Fulfilments;
use crate::restaurants::hours::{self, Exception, HoursFault, Span};
use crate::restaurants::{Pause, Restaurant, sql};
use crate::tenancy::{RestaurantScope, TenancyContext};
use crate::text::MultiLine;
use crate::timestamp::Timestamp;
use crate::uow::Tx;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(get_hours, put_hours)).routes(routes!(put_pause, delete_pause))
}

/// The opening hours of a restaurant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Hours {
    restaurant_id: RestaurantId,
    /// The IANA time zone of all times.
    #[schema(example = "Europe/Rome")]
    timezone: String,
    /// Open around the clock except for `exceptions`; then `weekly` is empty.
    always_open: bool,
    /// Weekly opening hours; empty: closed except for `exceptions`, unless `alwaysOpen` is true.
    #[serde(deserialize_with = "bounded::list::<_, _, 100>")]
    weekly: Vec<Span>,
    /// Dates with other opening hours, from yesterday on.
    #[serde(deserialize_with = "bounded::list::<_, _, 400>")]
    exceptions: Vec<Exception>,
    /// Whether an order would be accepted now.
    open_now: bool,
    /// The fulfilments for which an order would be accepted now.
    #[schema(inline)]
    open_for: Fulfilments,
    /// No orders until then; null: no pause.
    pause: Option<Pause>,
    /// The version of the restaurant, also the `ETag`.
    version: i64,
}

async fn read(tx: &mut Tx, id: RestaurantId) -> Result<Versioned<Hours>, Problem> {
    let restaurant = sql::get(tx, id).await?.ok_or_else(Problem::not_found)?;
    // A span of the previous local day may still be open; two days back in UTC include it.
    let from = tx.now().date_naive() - Days::new(2);
    let hours = Hours {
        restaurant_id: id,
        timezone: restaurant.timezone,
        always_open: restaurant.always_open,
        weekly: restaurant.hours,
        exceptions: sql::hours::exceptions(tx, id, from, None).await?,
        open_now: restaurant.open_now,
        open_for: restaurant.open_for,
        pause: restaurant.pause,
        version: restaurant.version,
    };
    Ok(Versioned { version: hours.version, body: hours })
}

/// Get the opening hours
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/hours", tag = "restaurants",
    params(("restaurantId" = RestaurantId, Path)),
    responses(
        (status = 200, description = "The hours; the restaurant's version is the ETag", body = Hours),
        (status = 404, description = "The restaurant does not exist",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_hours(State(app): State<Arc<App>>, Path(id): Path<RestaurantId>) -> Result<Versioned<Hours>, Problem> {
    app.db.read(TenancyContext::anonymous(), move |tx| Box::pin(async move { read(tx, id).await })).await
}

/// The new opening hours.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewHours {
    /// Open around the clock except for `exceptions`; default: false.
    #[serde(default)]
    always_open: bool,
    /// Weekly opening hours; empty: closed except for `exceptions`. May be absent only with `alwaysOpen`.
    #[schema(max_items = 100)]
    #[serde(default, deserialize_with = "bounded::some_list::<_, _, 100>")]
    weekly: Option<Vec<Span>>,
    /// Dates with other opening hours; replaces all exceptions.
    #[serde(default, deserialize_with = "bounded::list::<_, _, 400>")]
    #[schema(max_items = 400)]
    exceptions: Vec<Exception>,
}

/// Errors of a list, with the pointer of the list in the body.
pub(in crate::restaurants) fn named(list: &str, faults: Vec<HoursFault>) -> impl Iterator<Item = FieldError> {
    faults.into_iter().map(move |(pointer, message)| FieldError::invalid(format!("{list}{pointer}"), message))
}

/// The error of weekly hours together with `alwaysOpen`.
pub(in crate::restaurants) fn contradicts(always_open: bool, list: &str, weekly: &[Span]) -> Option<FieldError> {
    let message = "must be empty with alwaysOpen: true";
    (always_open && !weekly.is_empty()).then(|| FieldError::invalid(list, message))
}

/// Replace the opening hours
///
/// Without weekly hours the restaurant is closed, unless `alwaysOpen` is true. A span belongs to the day on which it
/// starts; an exception replaces the spans of its date, and a span of the evening before runs to its end.
#[utoipa::path(put, path = "/api/restaurants/{restaurantId}/hours", tag = "restaurants", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path),
        ("If-Match" = Option<String>, Header,
            description = "The expected version of the restaurant, in quotes as in ETag")),
    request_body = NewHours,
    responses(
        (status = 200, description = "The opening hours after the change", body = Hours),
        (status = 404, description = "The restaurant does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "Version conflict", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Spans overlap, or a value is out of range; see `errors`",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn put_hours(
    State(app): State<Arc<App>>,
    staff: Staff,
    if_match: IfMatch,
    Body(new): Body<NewHours>,
) -> Result<Versioned<Hours>, Problem> {
    if new.weekly.is_none() && !new.always_open {
        return Err(Problem::invalid_field("/weekly", "is required unless alwaysOpen is true; empty means closed"));
    }
    let weekly = new.weekly.unwrap_or_default();
    let faults: Vec<_> = named("/weekly", hours::faults_of_week(&weekly))
        .chain(contradicts(new.always_open, "/weekly", &weekly))
        .chain(named("/exceptions", hours::faults_of_exceptions(&new.exceptions)))
        .collect();
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let scope = staff.scope;
    app.db
        .write(scope, move |tx| {
            Box::pin(async move {
                let current = actions::lock_at_version(tx, &scope, if_match).await?;
                if current.always_open == new.always_open && hours::are_same(&weekly, &current.hours) {
                    let exceptions =
                        sql::hours::exceptions(tx, scope.restaurant(), DateTime::UNIX_EPOCH.date_naive(), None).await?;
                    if hours::are_same_exceptions(&new.exceptions, &exceptions) {
                        return read(tx, scope.restaurant()).await;
                    }
                }
                sql::hours::set_week(tx, &scope, &weekly).await?;
                sql::hours::set_always(tx, &scope, new.always_open).await?;
                sql::hours::set_exceptions(tx, &scope, &new.exceptions).await?;
                sql::next_version(tx, &scope).await?;
                actions::publish_changed(tx, &scope).await?;
                read(tx, scope.restaurant()).await
            })
        })
        .await
}

/// The longest pause; for longer closures the hours are changed.
const LONGEST_PAUSE: TimeDelta = TimeDelta::days(7);

/// The pause to start.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPause {
    /// When the pause ends: in the future, within 7 days.
    until: Timestamp,
    /// A reason for customers.
    #[schema(inline)]
    reason: MultiLine<200>,
}

/// Pause a restaurant
///
/// Orders are refused with `restaurant_paused` until the given time. A pause always ends; a new one replaces it.
#[utoipa::path(put, path = "/api/restaurants/{restaurantId}/pause", tag = "restaurants", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path)), request_body = NewPause,
    responses(
        (status = 200, description = "The restaurant after the change", body = Restaurant),
        (status = 404, description = "The restaurant does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The end is in the past or too far ahead",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn put_pause(
    State(app): State<Arc<App>>,
    staff: Staff,
    Body(new): Body<NewPause>,
) -> Result<Versioned<Restaurant>, Problem> {
    let (now, until) = (app.clock.now(), new.until.utc());
    if until <= now || until > now + LONGEST_PAUSE {
        return Err(Problem::invalid_field("/until", "must be in the future, within 7 days"));
    }
    let pause = Pause { until, reason: new.reason.into_string() };
    set_pause(&app, staff.scope, Some(pause)).await
}

/// End a pause
#[utoipa::path(delete, path = "/api/restaurants/{restaurantId}/pause", tag = "restaurants", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path)),
    responses(
        (status = 200, description = "The restaurant, not paused", body = Restaurant),
        (status = 404, description = "The restaurant does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn delete_pause(State(app): State<Arc<App>>, staff: Staff) -> Result<Versioned<Restaurant>, Problem> {
    set_pause(&app, staff.scope, None).await
}

async fn set_pause(app: &App, scope: RestaurantScope, pause: Option<Pause>) -> Result<Versioned<Restaurant>, Problem> {
    let body = app
        .db
        .write(scope, move |tx| {
            Box::pin(async move {
                sql::lock(tx, &scope).await?;
                if sql::set_pause(tx, &scope, pause.as_ref()).await? {
                    return actions::publish_changed(tx, &scope).await;
                }
                sql::get(tx, scope.restaurant()).await?.ok_or_else(Problem::not_found)
            })
        })
        .await?;
    Ok(Versioned { version: body.version, body })
}
