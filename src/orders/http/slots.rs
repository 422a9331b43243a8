//! `GET /api/restaurants/{restaurantId}/slots`: the slots for which an order can be placed, by the rules for orders
//! (`orders/availability.rs`).

use std::sync::Arc;

use axum::extract::State;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::config;
use crate::extract::{Json, Path, Query};
use crate::fulfilment::Fulfilment;
use crate::ids::RestaurantId;
use crate::money::Amount;
use crate::orders::context::OrderContext;
use crate::place::LatLng;
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::slots::Slot;
use crate::tenancy::RestaurantScope;
use crate::timestamp::LocalDate;
use crate::uow::Tx;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list_slots))
}

/// The query parameters of the list of slots.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct SlotQuery {
    /// The fulfilment of the order.
    fulfilment: Fulfilment,
    /// The restaurant's local date; today when absent.
    #[param(inline)]
    date: Option<LocalDate>,
    /// The delivery address as latitude and longitude, for a delivery. Without it the travel time is not taken into
    /// account.
    #[param(value_type = Option<String>, example = "44.4938,11.3430")]
    delivers_to: Option<LatLng>,
}

/// A slot for which an order can be placed, unless it is full.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TimeSlot)]
struct ListedSlot {
    #[serde(flatten)]
    slot: Slot,
    /// Whether the slot has capacity left: send any instant of it as `scheduledFor`.
    free: bool,
}

/// The slots of a local day.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SlotsOfDay {
    /// The local date.
    #[schema(value_type = String, format = Date, example = "2026-05-01")]
    date: NaiveDate,
    /// The IANA time zone of the restaurant.
    #[schema(example = "Europe/Rome")]
    timezone: String,
    /// The available slots in order; empty if the restaurant is closed or paused, or it is too late.
    slots: Vec<ListedSlot>,
    /// The first slot of any day that is not full; null: there is none as far ahead as orders are taken.
    earliest_slot: Option<Slot>,
}

/// List the time slots of a day
///
/// Slots for which an order can be placed now: the restaurant takes orders then, and an order started now would be
/// ready in time. Full slots are listed with `free: false`. Listing reserves nothing; availability of items at that
/// time is shown by the menu.
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/slots", tag = "orders",
    params(("restaurantId" = RestaurantId, Path), SlotQuery),
    responses(
        (status = 200, description = "The slots", body = SlotsOfDay),
        (status = 404, description = "The restaurant does not exist",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Outside the delivery zone",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is not valid",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_slots(
    State(app): State<Arc<App>>,
    Path(restaurant): Path<RestaurantId>,
    Query(query): Query<SlotQuery>,
) -> Result<Json<SlotsOfDay>, Problem> {
    let scope = RestaurantScope::visitor("anybody may see when orders are taken", restaurant);
    let rules = app.config.orders;
    let slots = app.db.read(scope, move |tx| Box::pin(async move { read(tx, &scope, query, rules).await })).await?;
    Ok(Json(slots))
}

async fn read(
    tx: &mut Tx,
    scope: &RestaurantScope,
    query: SlotQuery,
    rules: config::Orders,
) -> Result<SlotsOfDay, Problem> {
    let place = query.delivers_to.map(|point| point.0);
    let context = OrderContext::load(tx, scope, query.fulfilment, place, rules).await?;
    // Refuses an address that is not delivered to.
    context.terms(Amount::ZERO)?;
    let availability = context.availability();
    let today = context.now.with_timezone(&context.zone).date_naive();
    let date = query.date.map_or(today, LocalDate::date);
    let due = context.due_orders(tx, scope).await?;
    let listed = |slot| ListedSlot { slot, free: !availability.is_full(slot, &due) };
    Ok(SlotsOfDay {
        date,
        timezone: context.restaurant.timezone.clone(),
        slots: availability.slots_of_day(date).into_iter().map(listed).collect(),
        earliest_slot: availability.earliest_slot(context.now, &due),
    })
}
