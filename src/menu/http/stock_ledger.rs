//! `GET …/stock-ledger`: the changes of counted stock.

use std::sync::Arc;

use axum::extract::State;
use chrono::DateTime;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::extract::{Json, Query};
use crate::ids::{ItemId, ModifierId, OrderId, RestaurantId};
use crate::menu::sql;
use crate::menu::stock::{StockFilter, StockMovement};
use crate::paging::{Cursor, List, Page};
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::access::Staff;

/// The route of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list_stock_ledger))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct LedgerQuery {
    /// Only changes of this item.
    item_id: Option<ItemId>,
    /// Only changes of this modifier.
    modifier_id: Option<ModifierId>,
    /// Only changes by this order.
    order_id: Option<OrderId>,
    /// The maximum number of rows in a page, 1 to 200; default 50.
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
        (status = 200, description = "A page of changes", body = List<StockMovement>),
        (status = 404, description = "The restaurant does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "An id or the cursor is not valid",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_stock_ledger(
    State(app): State<Arc<App>>,
    staff: Staff,
    Query(query): Query<LedgerQuery>,
) -> Result<Json<List<StockMovement>>, Problem> {
    let page = Page::parse(query.limit, query.cursor)?;
    if query.item_id.is_some() && query.modifier_id.is_some() {
        return Err(Problem::invalid_field("?modifierId", "cannot be combined with itemId"));
    }
    let of = StockFilter { item: query.item_id, modifier: query.modifier_id, order: query.order_id };
    let scope = staff.scope;
    let rows = app
        .db
        .read(scope, move |tx| Box::pin(async move { sql::stock::movements(tx, &scope, of, page).await }))
        .await?;
    // The numbers of the ledger are increasing, so the cursor contains only the number.
    let key = |row: &StockMovement| (DateTime::UNIX_EPOCH, Uuid::from_u64_pair(0, row.id.unsigned_abs()));
    Ok(Json(page.cut(rows, key)))
}
