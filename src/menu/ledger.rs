//! `GET …/stock-ledger`: where counted portions went.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::sql;
use crate::app::App;
use crate::extract::{Json, Query};
use crate::ids::{ItemId, ModifierId, OrderId, RestaurantId};
use crate::paging::{Cursor, List, Page};
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::staff::Staff;

/// The route of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list_stock_ledger))
}

/// Why stock changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = StockChangeReason)]
pub enum Reason {
    /// Counted or corrected by hand, by a document, or no longer counted.
    Set,
    /// An order took it.
    Sold,
    /// A cancelled order gave it back.
    Returned,
}

/// One change of a counted stock.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StockChange)]
pub struct Movement {
    /// The item that is counted; null: a modifier is.
    pub item_id: Option<ItemId>,
    /// The modifier that is counted; null: an item is.
    pub modifier_id: Option<ModifierId>,
    /// The order that took it or gave it back; null where somebody counted.
    pub order_id: Option<OrderId>,
    /// The change, positive or negative. The sum of all changes is the stock.
    pub change: i32,
    /// The reason of the change.
    pub reason: Reason,
    /// When the stock changed.
    pub at: DateTime<Utc>,
    #[serde(skip)]
    pub(super) id: i64,
}

/// Whose stock changes are listed.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct Of {
    /// Of this item only.
    pub item: Option<ItemId>,
    /// Of this modifier only.
    pub modifier: Option<ModifierId>,
    /// By this order only.
    pub order: Option<OrderId>,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct LedgerQuery {
    /// Of this item only.
    item_id: Option<ItemId>,
    /// Of this modifier only.
    modifier_id: Option<ModifierId>,
    /// By this order only.
    order_id: Option<OrderId>,
    /// Rows a page, 1 to 200; 50 unless told.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `nextCursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

/// List stock changes
///
/// Every change of a counted stock, latest first: counts by staff, stock taken by orders, stock returned by cancelled
/// orders.
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/stock-ledger", tag = "menu", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), LedgerQuery),
    responses(
        (status = 200, description = "A page of changes", body = List<Movement>),
        (status = 404, description = "The restaurant does not exist, or the caller has no access to it", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "An id or the cursor is not valid", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_stock_ledger(
    State(app): State<Arc<App>>,
    staff: Staff,
    Query(query): Query<LedgerQuery>,
) -> Result<Json<List<Movement>>, Problem> {
    let page = Page::parse(query.limit, query.cursor)?;
    if query.item_id.is_some() && query.modifier_id.is_some() {
        return Err(Problem::invalid_field("?modifierId", "cannot be combined with itemId"));
    }
    let of = Of { item: query.item_id, modifier: query.modifier_id, order: query.order_id };
    let scope = staff.scope;
    let rows = app
        .db
        .read(scope, move |tx| Box::pin(async move { sql::stock::movements(tx, &scope, of, page).await }))
        .await?;
    // Numbers of the ledger grow by themselves; only they are in the cursor.
    let key = |row: &Movement| (DateTime::UNIX_EPOCH, Uuid::from_u64_pair(0, row.id.unsigned_abs()));
    Ok(Json(page.cut(rows, key)))
}
