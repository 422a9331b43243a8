//! `/api/restaurants/{restaurantId}/categories`: the categories of the menu.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::input::{present, too_many};
use crate::app::App;
use crate::bounded;
use crate::extract::{Body, Json, Path};
use crate::idempotency::{IdempotentBody, IdempotentResponse};
use crate::ids::{CategoryId, RestaurantId};
use crate::menu::dayparts::DayPart;
use crate::menu::faults::MenuFaults;
use crate::menu::translations::{self, Translations};
use crate::menu::{Category, sql};
use crate::paging::List;
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::access::Staff;
use crate::tenancy::TenancyContext;
use crate::text::SingleLine;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list_categories, create_category)).routes(routes!(
        get_category,
        update_category,
        delete_category
    ))
}

fn check(category: &Category) -> Result<(), Problem> {
    let mut faults = MenuFaults::default();
    faults.day_parts("", &category.day_parts);
    faults.translations("", &category.translations);
    faults.none()
}

/// A category to create.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewCategory {
    /// A key of your own, for `PUT …/menu`.
    #[schema(inline)]
    key: Option<SingleLine<80>>,
    #[schema(inline)]
    name: SingleLine<120>,
    /// The position among the categories; smaller values come first; default: 0.
    #[serde(default)]
    position: i32,
    /// When the category is served; empty or absent: at any time.
    #[serde(default, deserialize_with = "bounded::list::<_, _, 30>")]
    #[schema(max_items = 30)]
    day_parts: Vec<DayPart>,
    #[serde(default, deserialize_with = "translations::map")]
    translations: Translations,
}

/// Create a category
#[utoipa::path(post, path = "/api/restaurants/{restaurantId}/categories", tag = "menu", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path),
        ("Idempotency-Key" = Option<String>, Header,
            description = "A new random key; repeat the request with the same key")),
    request_body = NewCategory,
    responses(
        (status = 201, description = "The category", body = Category),
        (status = 404, description = "The restaurant does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Invalid request, or the limit is reached",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn create_category(
    State(app): State<Arc<App>>,
    staff: Staff,
    IdempotentBody { value: new, key }: IdempotentBody<NewCategory>,
) -> Result<IdempotentResponse, Problem> {
    let (scope, bounds) = (staff.scope, app.config.menus);
    let max = bounds.max_categories;
    let category = Category {
        id: CategoryId::new(),
        key: new.key.map(String::from),
        name: new.name.into_string(),
        position: new.position,
        day_parts: new.day_parts,
        translations: new.translations,
    };
    check(&category)?;
    key.create(&app.db, scope, move |tx| {
        Box::pin(async move {
            sql::lock_menu(tx, &scope).await?;
            sql::save_category(tx, &scope, &category).await?;
            if sql::counts(tx, &scope).await?[0] > i64::try_from(max).unwrap_or(i64::MAX) {
                return Err(too_many("categories", max, "MENU_MAX_CATEGORIES"));
            }
            sql::edited(tx, &scope).await?.check(bounds)?;
            Ok(category)
        })
    })
    .await
}

/// List categories
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/categories", tag = "menu",
    params(("restaurantId" = RestaurantId, Path)),
    responses(
        (status = 200, description = "All entries in menu order; `nextCursor` is always null", body = List<Category>),
        (status = 404, description = "The restaurant does not exist",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_categories(
    State(app): State<Arc<App>>,
    Path(restaurant): Path<RestaurantId>,
) -> Result<Json<List<Category>>, Problem> {
    let data = app
        .db
        .read(TenancyContext::anonymous(), move |tx| {
            Box::pin(async move {
                sql::currency(tx, restaurant).await?;
                sql::categories(tx, restaurant).await
            })
        })
        .await?;
    Ok(Json(List { data, next_cursor: None }))
}

/// Get a category
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/categories/{categoryId}", tag = "menu",
    params(("restaurantId" = RestaurantId, Path), ("categoryId" = CategoryId, Path)),
    responses(
        (status = 200, description = "The category", body = Category),
        (status = 404, description = "Resource not found",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_category(
    State(app): State<Arc<App>>,
    Path((restaurant, id)): Path<(RestaurantId, CategoryId)>,
) -> Result<Json<Category>, Problem> {
    let found = app
        .db
        .read(TenancyContext::anonymous(), move |tx| Box::pin(async move { sql::category(tx, restaurant, id).await }))
        .await?;
    found.map(Json).ok_or_else(Problem::not_found)
}

/// The changes of a category; absent fields stay unchanged.
#[derive(Deserialize, ToSchema)]
#[expect(clippy::option_option, reason = "key: absent stays, null takes it away")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CategoryPatch {
    /// Null removes the key.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    key: Option<Option<SingleLine<80>>>,
    #[schema(inline)]
    name: Option<SingleLine<120>>,
    position: Option<i32>,
    /// Replaces all day-parts; empty: served at any time.
    #[schema(max_items = 30)]
    #[serde(default, deserialize_with = "bounded::some_list::<_, _, 30>")]
    day_parts: Option<Vec<DayPart>>,
    /// All translations by language tag; they replace those before.
    #[serde(default, deserialize_with = "translations::some_map")]
    translations: Option<Translations>,
}

impl CategoryPatch {
    fn apply(self, category: &mut Category) {
        if let Some(key) = self.key {
            category.key = key.map(String::from);
        }
        if let Some(name) = self.name {
            category.name = name.into_string();
        }
        category.position = self.position.unwrap_or(category.position);
        if let Some(day_parts) = self.day_parts {
            category.day_parts = day_parts;
        }
        if let Some(translations) = self.translations {
            category.translations = translations;
        }
    }
}

/// Update a category
#[utoipa::path(patch, path = "/api/restaurants/{restaurantId}/categories/{categoryId}", tag = "menu",
    security(("token" = [])), params(("restaurantId" = RestaurantId, Path), ("categoryId" = CategoryId, Path)),
    request_body = CategoryPatch,
    responses(
        (status = 200, description = "The category after the change", body = Category),
        (status = 404, description = "Resource not found",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn update_category(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, id)): Path<(RestaurantId, CategoryId)>,
    Body(patch): Body<CategoryPatch>,
) -> Result<Json<Category>, Problem> {
    let (scope, bounds) = (staff.scope, app.config.menus);
    let category = app
        .db
        .write(scope, move |tx| {
            Box::pin(async move {
                sql::lock_menu(tx, &scope).await?;
                let found = sql::category(tx, scope.restaurant(), id).await?;
                let mut category = found.ok_or_else(Problem::not_found)?;
                let before = category.clone();
                patch.apply(&mut category);
                if category == before {
                    return Ok(category);
                }
                check(&category)?;
                sql::save_category(tx, &scope, &category).await?;
                sql::edited(tx, &scope).await?.check(bounds)?;
                Ok(category)
            })
        })
        .await?;
    Ok(Json(category))
}

/// Delete a category and its items
#[utoipa::path(delete, path = "/api/restaurants/{restaurantId}/categories/{categoryId}", tag = "menu",
    security(("token" = [])), params(("restaurantId" = RestaurantId, Path), ("categoryId" = CategoryId, Path)),
    responses(
        (status = 204, description = "Deleted; past orders keep their items"),
        (status = 404, description = "Resource not found",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn delete_category(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, id)): Path<(RestaurantId, CategoryId)>,
) -> Result<StatusCode, Problem> {
    let scope = staff.scope;
    app.db
        .write(scope, move |tx| {
            Box::pin(async move {
                sql::lock_menu(tx, &scope).await?;
                sql::delete_category(tx, &scope, id).await?;
                sql::edited(tx, &scope).await.map(|_| ())
            })
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
