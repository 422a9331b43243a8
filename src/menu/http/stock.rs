//! `PUT …/stock` of items and modifiers: sets or changes counted stock. Orders take stock in `place_order`
//! (`migrations/0110_place_order.sql`); a cancelled one returns it in `orders/sql/status.rs` (`give_back`).

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::input::present;
use crate::app::App;
use crate::extract::{Body, Json, Path};
use crate::ids::{ItemId, ModifierGroupId, ModifierId, RestaurantId};
use crate::menu::actions::stock::finish_change;
use crate::menu::groups::ModifierGroup;
use crate::menu::stock::{PortionCount, StockChange};
use crate::menu::{Item, sql};
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::access::Staff;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(set_stock)).routes(routes!(set_modifier_stock))
}

/// The new count, or a change; one of the two.
#[derive(Deserialize, ToSchema)]
#[expect(clippy::option_option, reason = "stock: absent is one thing, null another")]
#[serde(deny_unknown_fields)]
struct StockUpdate {
    /// The number of portions left; null: not counted any more.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<PortionCount>)]
    stock: Option<Option<PortionCount>>,
    /// The change, positive or negative, relative to the current stock.
    #[schema(minimum = -1_000_000, maximum = 1_000_000)]
    change: Option<i32>,
}

impl StockUpdate {
    fn read(&self) -> Result<StockChange, Problem> {
        match (self.stock, self.change) {
            (Some(stock), None) => Ok(StockChange::To(stock.map(|stock| stock.0))),
            (None, Some(change)) if change.unsigned_abs() <= 1_000_000 => Ok(StockChange::By(change)),
            (None, Some(_)) => Err(Problem::invalid_field("/change", "must be between -1000000 and 1000000")),
            _ => Err(Problem::invalid_field("", "must contain exactly one of stock and change")),
        }
    }
}

/// Set the stock of an item
///
/// Sets the number of portions, or changes it by a number; both are recorded in the stock ledger.
#[utoipa::path(put, path = "/api/restaurants/{restaurantId}/items/{itemId}/stock", tag = "menu",
    security(("token" = [])), params(("restaurantId" = RestaurantId, Path), ("itemId" = ItemId, Path)),
    request_body = StockUpdate,
    responses(
        (status = 200, description = "The item after the change", body = Item),
        (status = 404, description = "Resource not found",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The stock is lower than the change, or is not counted",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Invalid request, or the stock would be more than 1,000,000",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn set_stock(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, id)): Path<(RestaurantId, ItemId)>,
    Body(update): Body<StockUpdate>,
) -> Result<Json<Item>, Problem> {
    let (scope, change) = (staff.scope, update.read()?);
    let item = app
        .db
        .write(scope, move |tx| {
            Box::pin(async move {
                let counted = sql::stock::of_item(tx, &scope, id, change).await?;
                finish_change(tx, &scope, counted).await?;
                sql::items::get(tx, scope.restaurant(), id).await?.ok_or_else(Problem::not_found)
            })
        })
        .await?;
    Ok(Json(item))
}

/// Set the stock of a modifier
#[utoipa::path(put,
    path = "/api/restaurants/{restaurantId}/modifier-groups/{groupId}/modifiers/{modifierId}/stock", tag = "menu",
    security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), ("groupId" = ModifierGroupId, Path),
        ("modifierId" = ModifierId, Path)),
    request_body = StockUpdate,
    responses(
        (status = 200, description = "The modifier group after the change", body = ModifierGroup),
        (status = 404, description = "Resource not found",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The stock is lower than the change, or is not counted",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Invalid request, or the stock would be more than 1,000,000",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn set_modifier_stock(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, group, id)): Path<(RestaurantId, ModifierGroupId, ModifierId)>,
    Body(update): Body<StockUpdate>,
) -> Result<Json<ModifierGroup>, Problem> {
    let (scope, change) = (staff.scope, update.read()?);
    let body = app
        .db
        .write(scope, move |tx| {
            Box::pin(async move {
                super::groups::require(tx, &scope, group, id).await?;
                let counted = sql::stock::of_modifier(tx, &scope, id, change).await?;
                finish_change(tx, &scope, counted).await?;
                super::groups::body(tx, &scope, group).await
            })
        })
        .await?;
    Ok(Json(body))
}
