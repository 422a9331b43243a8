//! `/api/restaurants/{restaurantId}/items`: the items of the menu.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use chrono::DateTime;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::input::{Availability, default_true, present, too_many};
use crate::app::App;
use crate::bounded;
use crate::extract::{Body, Json, Path, Query};
use crate::idempotency::{IdempotentBody, IdempotentResponse};
use crate::ids::{CategoryId, ItemId, ModifierGroupId, RestaurantId};
use crate::menu::actions::items;
use crate::menu::allergens::{Declared, Diet};
use crate::menu::dayparts::DayPart;
use crate::menu::stock::{PortionCount, StockChange};
use crate::menu::translations::{self, Translations};
use crate::menu::{Item, sql};
use crate::money::Money;
use crate::paging::{Cursor, List, Page};
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::access::Staff;
use crate::restaurants::tax::TaxClass;
use crate::text::{MultiLine, SingleLine};
use crate::timestamp::Timestamp;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list_items, create_item))
        .routes(routes!(get_item, update_item, delete_item))
        .routes(routes!(set_availability))
}

/// An item to create.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewItem {
    /// A key of your own, for `PUT …/menu`.
    #[schema(inline)]
    key: Option<SingleLine<80>>,
    category_id: CategoryId,
    #[schema(inline)]
    name: SingleLine<120>,
    #[schema(inline)]
    description: Option<MultiLine<2000>>,
    /// The price of one, without modifiers, in the restaurant's currency; with tax, if `pricesIncludeTax` of the
    /// restaurant is true.
    price: Money,
    /// One of the restaurant's `taxClasses`; null or absent: the standard tax.
    #[schema(inline)]
    tax_class: Option<TaxClass>,
    /// Portions left; null or absent: not counted.
    stock: Option<PortionCount>,
    /// Whether it is switched on; default: true.
    #[serde(default = "default_true")]
    available: bool,
    /// The position within the category; smaller values come first; default: 0.
    #[serde(default)]
    position: i32,
    /// When the item is served; empty or absent: whenever its category is.
    #[serde(default, deserialize_with = "bounded::list::<_, _, 30>")]
    #[schema(max_items = 30)]
    day_parts: Vec<DayPart>,
    /// The allergens; null or absent: not declared.
    #[serde(default, deserialize_with = "bounded::some_list::<_, _, 14>")]
    allergens: Option<Vec<Declared>>,
    /// The diets for which it is suitable.
    #[serde(default, deserialize_with = "bounded::list::<_, _, 7>")]
    diets: Vec<Diet>,
    /// Ids of the modifier groups of the item, in order.
    #[serde(default, deserialize_with = "bounded::list::<_, _, 20>")]
    #[schema(max_items = 20)]
    modifier_groups: Vec<ModifierGroupId>,
    #[serde(default, deserialize_with = "translations::map")]
    translations: Translations,
}

impl NewItem {
    fn into_item(self) -> Item {
        Item {
            id: ItemId::new(),
            key: self.key.map(String::from),
            category_id: self.category_id,
            name: self.name.into_string(),
            description: self.description.map(String::from),
            price: self.price,
            tax_class: self.tax_class,
            available: self.available,
            unavailable_until: None,
            stock: self.stock.map(|stock| stock.0),
            position: self.position,
            image: None,
            day_parts: self.day_parts,
            allergens: self.allergens,
            diets: self.diets,
            modifier_groups: self.modifier_groups,
            translations: self.translations,
        }
    }
}

/// Create an item
#[utoipa::path(post, path = "/api/restaurants/{restaurantId}/items", tag = "menu", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path),
        ("Idempotency-Key" = Option<String>, Header,
            description = "A new random key; repeat the request with the same key")),
    request_body = NewItem,
    responses(
        (status = 201, description = "The item", body = Item),
        (status = 404, description = "The restaurant does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Invalid request, or the limit is reached",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn create_item(
    State(app): State<Arc<App>>,
    staff: Staff,
    IdempotentBody { value: new, key }: IdempotentBody<NewItem>,
) -> Result<IdempotentResponse, Problem> {
    let (scope, bounds) = (staff.scope, app.config.menus);
    let max = bounds.max_items;
    let item = new.into_item();
    key.create(&app.db, scope, move |tx| {
        Box::pin(async move {
            sql::lock_menu(tx, &scope).await?;
            items::check(tx, &scope, &item).await?;
            sql::items::save(tx, &scope, &item).await?;
            sql::stock::of_item(tx, &scope, item.id, StockChange::To(item.stock)).await?;
            if sql::counts(tx, &scope).await?[1] > i64::try_from(max).unwrap_or(i64::MAX) {
                return Err(too_many("items", max, "MENU_MAX_ITEMS"));
            }
            sql::edited(tx, &scope).await?.check(bounds)?;
            Ok(item)
        })
    })
    .await
}

/// The query parameters of the list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ItemQuery {
    /// Only items of this category.
    category: Option<CategoryId>,
    /// The maximum number of rows in a page, 1 to 200; default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `nextCursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

/// List items for staff
///
/// With the current stock, which the menu does not show.
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/items", tag = "menu", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), ItemQuery),
    responses(
        (status = 200, description = "A page of items, oldest first", body = List<Item>),
        (status = 404, description = "The restaurant does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_items(
    State(app): State<Arc<App>>,
    staff: Staff,
    Query(query): Query<ItemQuery>,
) -> Result<Json<List<Item>>, Problem> {
    let page = Page::parse(query.limit, query.cursor)?;
    let scope = staff.scope;
    let rows = app
        .db
        .read(scope, move |tx| Box::pin(async move { sql::items::page(tx, &scope, query.category, page).await }))
        .await?;
    Ok(Json(page.cut(rows, |item| (DateTime::UNIX_EPOCH, item.id.uuid()))))
}

/// Get an item for staff
///
/// With the current stock, which the menu does not show.
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/items/{itemId}", tag = "menu", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), ("itemId" = ItemId, Path)),
    responses(
        (status = 200, description = "The item", body = Item),
        (status = 404, description = "Resource not found",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_item(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, id)): Path<(RestaurantId, ItemId)>,
) -> Result<Json<Item>, Problem> {
    let scope = staff.scope;
    let item = app
        .db
        .read(scope, move |tx| Box::pin(async move { sql::items::get(tx, scope.restaurant(), id).await }))
        .await?;
    item.map(Json).ok_or_else(Problem::not_found)
}

/// The changes of an item; absent fields stay unchanged.
#[derive(Deserialize, ToSchema)]
#[expect(clippy::option_option, reason = "absent stays, null takes away")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ItemPatch {
    /// Null removes the key.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    key: Option<Option<SingleLine<80>>>,
    category_id: Option<CategoryId>,
    #[schema(inline)]
    name: Option<SingleLine<120>>,
    /// Null removes the description.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<MultiLine<2000>>>,
    price: Option<Money>,
    /// Null: the standard tax.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    tax_class: Option<Option<TaxClass>>,
    /// Null: not counted any more.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<PortionCount>)]
    stock: Option<Option<PortionCount>>,
    available: Option<bool>,
    position: Option<i32>,
    /// Replaces all day-parts; empty: served whenever its category is.
    #[schema(max_items = 30)]
    #[serde(default, deserialize_with = "bounded::some_list::<_, _, 30>")]
    day_parts: Option<Vec<DayPart>>,
    /// Null removes the declaration.
    #[serde(default, deserialize_with = "bounded::present_list::<_, _, 14>")]
    #[schema(value_type = Option<Vec<Declared>>)]
    allergens: Option<Option<Vec<Declared>>>,
    #[serde(default, deserialize_with = "bounded::some_list::<_, _, 7>")]
    diets: Option<Vec<Diet>>,
    /// Replaces all modifier groups, in order.
    #[schema(max_items = 20)]
    #[serde(default, deserialize_with = "bounded::some_list::<_, _, 20>")]
    modifier_groups: Option<Vec<ModifierGroupId>>,
    /// All translations by language tag; they replace those before.
    #[serde(default, deserialize_with = "translations::some_map")]
    translations: Option<Translations>,
}

impl ItemPatch {
    fn apply(self, item: &mut Item) {
        fn set<T>(place: &mut T, requested: Option<T>) {
            if let Some(value) = requested {
                *place = value;
            }
        }
        set(&mut item.key, self.key.map(|key| key.map(String::from)));
        set(&mut item.category_id, self.category_id);
        set(&mut item.name, self.name.map(String::from));
        set(&mut item.description, self.description.map(|text| text.map(String::from)));
        set(&mut item.price, self.price);
        set(&mut item.tax_class, self.tax_class);
        if let Some(available) = self.available {
            (item.available, item.unavailable_until) = (available, None);
        }
        set(&mut item.position, self.position);
        set(&mut item.day_parts, self.day_parts);
        set(&mut item.allergens, self.allergens);
        set(&mut item.diets, self.diets);
        set(&mut item.modifier_groups, self.modifier_groups);
        set(&mut item.translations, self.translations);
    }
}

/// Update an item
#[utoipa::path(patch, path = "/api/restaurants/{restaurantId}/items/{itemId}", tag = "menu", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), ("itemId" = ItemId, Path)), request_body = ItemPatch,
    responses(
        (status = 200, description = "The item after the change", body = Item),
        (status = 404, description = "Resource not found",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Invalid request", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn update_item(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, id)): Path<(RestaurantId, ItemId)>,
    Body(patch): Body<ItemPatch>,
) -> Result<Json<Item>, Problem> {
    let (scope, bounds) = (staff.scope, app.config.menus);
    let item = app
        .db
        .write(scope, move |tx| {
            Box::pin(async move {
                sql::lock_menu(tx, &scope).await?;
                let mut item = sql::items::lock(tx, &scope, id).await?;
                let stock = patch.stock.map(|stock| stock.map(|stock| stock.0));
                let before = item.clone();
                patch.apply(&mut item);
                if item == before && stock.is_none_or(|stock| stock == before.stock) {
                    return Ok(item);
                }
                items::check(tx, &scope, &item).await?;
                sql::items::save(tx, &scope, &item).await?;
                if let Some(stock) = stock {
                    sql::stock::of_item(tx, &scope, id, StockChange::To(stock)).await?;
                    item.stock = stock;
                }
                sql::edited(tx, &scope).await?.check(bounds)?;
                Ok(item)
            })
        })
        .await?;
    Ok(Json(item))
}

/// Delete an item
#[utoipa::path(delete, path = "/api/restaurants/{restaurantId}/items/{itemId}", tag = "menu", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), ("itemId" = ItemId, Path)),
    responses(
        (status = 204, description = "Deleted; past orders keep it"),
        (status = 404, description = "Resource not found",
            body = ProblemBody, content_type = "application/problem+json"),
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
                sql::lock_menu(tx, &scope).await?;
                sql::items::delete(tx, &scope, id).await?;
                sql::edited(tx, &scope).await.map(|_| ())
            })
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Set the availability of an item
///
/// With `until`, the item becomes available again at that time.
#[utoipa::path(put, path = "/api/restaurants/{restaurantId}/items/{itemId}/availability", tag = "menu",
    security(("token" = [])), params(("restaurantId" = RestaurantId, Path), ("itemId" = ItemId, Path)),
    request_body = Availability,
    responses(
        (status = 200, description = "The item after the change", body = Item),
        (status = 404, description = "Resource not found",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The end is not in the future",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn set_availability(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, id)): Path<(RestaurantId, ItemId)>,
    Body(requested): Body<Availability>,
) -> Result<Json<Item>, Problem> {
    let scope = staff.scope;
    let requested = requested.check(app.clock.now())?;
    let item = app
        .db
        .write(scope, move |tx| {
            Box::pin(async move {
                let mut item = sql::items::lock(tx, &scope, id).await?;
                let new = (requested.available, requested.until.map(Timestamp::utc));
                if (item.available, item.unavailable_until) == new {
                    return Ok(item);
                }
                (item.available, item.unavailable_until) = new;
                sql::items::save(tx, &scope, &item).await?;
                sql::announce(tx, &scope).await?;
                Ok(item)
            })
        })
        .await?;
    Ok(Json(item))
}
