//! `/api/restaurants/{restaurantId}/items`: what can be ordered.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use chrono::DateTime;
use serde::{Deserialize, Deserializer};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Item;
use super::sql::{self, ItemChange};
use crate::app::App;
use crate::ids::{CategoryId, ItemId, RestaurantId};
use crate::money::{Currency, Money};
use crate::paging::{List, Page};
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::staff::Staff;
use crate::tenancy::{RestaurantScope, Who};
use crate::wire::{Body, Json, Path, Query, Text};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list_items, create_item))
        .routes(routes!(get_item, update_item, delete_item))
        .routes(routes!(set_availability))
}

/// Most portions a stock can count.
const LARGEST_STOCK: i32 = 1_000_000;

/// Portions of a counted stock: 0 to 1,000,000.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(try_from = "i32")]
#[schema(value_type = i32, minimum = 0, maximum = 1_000_000)]
struct Stock(i32);

impl TryFrom<i32> for Stock {
    type Error = &'static str;

    fn try_from(portions: i32) -> Result<Self, &'static str> {
        let in_range = (0..=LARGEST_STOCK).contains(&portions);
        if in_range { Ok(Self(portions)) } else { Err("must be between 0 and 1000000") }
    }
}

/// An item to be.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewItem {
    category_id: CategoryId,
    #[schema(inline)]
    name: Text<1, 120>,
    #[schema(inline)]
    description: Option<Text<1, 2000>>,
    /// What one costs, without tax, in the restaurant's currency.
    price: Money,
    /// Portions left; null or absent: not counted.
    stock: Option<Stock>,
    /// True when absent.
    #[serde(default = "yes")]
    available: bool,
    /// Where it stands; smaller first; 0 when absent.
    #[serde(default)]
    position: i32,
}

const fn yes() -> bool {
    true
}

fn require_currency(price: Option<Money>, currency: Currency) -> Result<(), Problem> {
    if price.is_none_or(|price| price.currency == currency) {
        return Ok(());
    }
    Err(Problem::invalid_field("/price/currency", format!("must be {currency}, the restaurant's currency")))
}

/// Add an item
#[utoipa::path(post, path = "/api/restaurants/{restaurantId}/items", tag = "menu", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path)), request_body = NewItem,
    responses(
        (status = 201, description = "The item", body = Item),
        (status = 404, description = "Not yours", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Something is not valid", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn create_item(
    State(app): State<Arc<App>>,
    staff: Staff,
    Body(new): Body<NewItem>,
) -> Result<(StatusCode, Json<Item>), Problem> {
    let scope = staff.scope;
    let item = Item {
        id: ItemId::new(),
        category_id: new.category_id,
        name: new.name.into_string(),
        description: new.description.map(Text::into_string),
        price: new.price,
        available: new.available,
        stock: new.stock.map(|stock| stock.0),
        position: new.position,
    };
    let item = app
        .db
        .write(scope, move |tx| {
            Box::pin(async move {
                require_currency(Some(item.price), sql::currency(tx, &scope).await?)?;
                sql::require_category(tx, &scope, item.category_id).await?;
                sql::insert_item(tx, &scope, &item).await?;
                sql::announce(tx, &scope).await?;
                Ok(item)
            })
        })
        .await?;
    Ok((StatusCode::CREATED, Json(item)))
}

/// Which items.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ItemQuery {
    /// Of this category only.
    category: Option<CategoryId>,
    /// Rows a page, 1 to 200; 50 unless told.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// List items as staff see them
///
/// With the portions left at this moment, which the menu does not show.
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/items", tag = "menu", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), ItemQuery),
    responses(
        (status = 200, description = "A page of items, the oldest first", body = List<Item>),
        (status = 404, description = "Not yours", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_items(
    State(app): State<Arc<App>>,
    staff: Staff,
    Query(query): Query<ItemQuery>,
) -> Result<Json<List<Item>>, Problem> {
    let page = Page::parse(query.limit, query.cursor.as_deref())?;
    let scope = staff.scope;
    let rows = app
        .db
        .read(scope, move |tx| Box::pin(async move { sql::items(tx, &scope, query.category, page).await }))
        .await?;
    Ok(Json(page.cut(rows, |item| (DateTime::UNIX_EPOCH, item.id.uuid()))))
}

/// Read one item
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/items/{itemId}", tag = "menu",
    params(("restaurantId" = RestaurantId, Path), ("itemId" = ItemId, Path)),
    responses(
        (status = 200, description = "The item", body = Item),
        (status = 404, description = "Not there", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_item(
    State(app): State<Arc<App>>,
    Path((restaurant, id)): Path<(RestaurantId, ItemId)>,
) -> Result<Json<Item>, Problem> {
    let item =
        app.db.read(Who::nobody(), move |tx| Box::pin(async move { sql::item(tx, restaurant, id).await })).await?;
    item.map(Json).ok_or_else(Problem::not_found)
}

/// Tells a field that is null from one that is absent.
#[expect(clippy::option_option, reason = "absent, null and a value are three things in a patch")]
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// What may change; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[expect(clippy::option_option, reason = "stock: absent stays, null stops the count")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ItemPatch {
    category_id: Option<CategoryId>,
    #[schema(inline)]
    name: Option<Text<1, 120>>,
    #[schema(inline)]
    description: Option<Text<1, 2000>>,
    price: Option<Money>,
    /// Null: not counted any more.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Stock>)]
    stock: Option<Option<Stock>>,
    available: Option<bool>,
    position: Option<i32>,
}

/// Changes an item, gives the menu its next version, and answers the item.
async fn change(app: &App, scope: RestaurantScope, id: ItemId, change: ItemChange) -> Result<Json<Item>, Problem> {
    app.db
        .write(scope, move |tx| {
            Box::pin(async move {
                if let Some(category) = change.category_id {
                    sql::require_category(tx, &scope, category).await?;
                }
                sql::update_item(tx, &scope, id, &change).await?;
                sql::announce(tx, &scope).await?;
                sql::item(tx, scope.restaurant(), id).await?.map(Json).ok_or_else(Problem::not_found)
            })
        })
        .await
}

/// Change an item
#[utoipa::path(patch, path = "/api/restaurants/{restaurantId}/items/{itemId}", tag = "menu", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), ("itemId" = ItemId, Path)), request_body = ItemPatch,
    responses(
        (status = 200, description = "The item now", body = Item),
        (status = 404, description = "Not there", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Something is not valid", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn update_item(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, id)): Path<(RestaurantId, ItemId)>,
    Body(patch): Body<ItemPatch>,
) -> Result<Json<Item>, Problem> {
    let scope = staff.scope;
    let currency = app.db.read(scope, move |tx| Box::pin(async move { sql::currency(tx, &scope).await })).await?;
    require_currency(patch.price, currency)?;
    let wanted = ItemChange {
        category_id: patch.category_id,
        name: patch.name.map(Text::into_string),
        description: patch.description.map(Text::into_string),
        price: patch.price.map(|price| price.amount),
        available: patch.available,
        stock: patch.stock.map(|stock| stock.map(|stock| stock.0)),
        position: patch.position,
    };
    change(&app, scope, id, wanted).await
}

/// Remove an item
#[utoipa::path(delete, path = "/api/restaurants/{restaurantId}/items/{itemId}", tag = "menu", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), ("itemId" = ItemId, Path)),
    responses(
        (status = 204, description = "It is gone; past orders keep it"),
        (status = 404, description = "Not there", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn delete_item(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, id)): Path<(RestaurantId, ItemId)>,
) -> Result<StatusCode, Problem> {
    let scope = staff.scope;
    app.db
        .write(scope, move |tx| {
            Box::pin(async move {
                sql::delete_item(tx, &scope, id).await?;
                sql::announce(tx, &scope).await
            })
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// On or off.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Availability {
    available: bool,
}

/// Switch an item on or off
#[utoipa::path(put, path = "/api/restaurants/{restaurantId}/items/{itemId}/availability", tag = "menu",
    security(("token" = [])), params(("restaurantId" = RestaurantId, Path), ("itemId" = ItemId, Path)),
    request_body = Availability,
    responses(
        (status = 200, description = "The item now", body = Item),
        (status = 404, description = "Not there", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn set_availability(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, id)): Path<(RestaurantId, ItemId)>,
    Body(wanted): Body<Availability>,
) -> Result<Json<Item>, Problem> {
    change(&app, staff.scope, id, ItemChange { available: Some(wanted.available), ..ItemChange::default() }).await
}
