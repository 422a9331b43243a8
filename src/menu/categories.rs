//! `/api/restaurants/{restaurantId}/categories`: the chapters of the menu.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Category, sql};
use crate::app::App;
use crate::ids::{CategoryId, RestaurantId};
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::staff::Staff;
use crate::wire::{Body, Json, Path, Text};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(create_category)).routes(routes!(update_category, delete_category))
}

/// A chapter to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCategory {
    #[schema(inline)]
    name: Text<1, 120>,
    /// Where it stands; smaller first; 0 when absent.
    #[serde(default)]
    position: i32,
}

/// Add a category
#[utoipa::path(post, path = "/api/restaurants/{restaurantId}/categories", tag = "menu", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path)), request_body = NewCategory,
    responses(
        (status = 201, description = "The category", body = Category),
        (status = 404, description = "Not yours", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn create_category(
    State(app): State<Arc<App>>,
    staff: Staff,
    Body(new): Body<NewCategory>,
) -> Result<(StatusCode, Json<Category>), Problem> {
    let scope = staff.scope;
    let category = Category { id: CategoryId::new(), name: new.name.into_string(), position: new.position };
    let category = app
        .db
        .write(scope, move |tx| {
            Box::pin(async move {
                sql::insert_category(tx, &scope, &category).await?;
                sql::announce(tx, &scope).await?;
                Ok(category)
            })
        })
        .await?;
    Ok((StatusCode::CREATED, Json(category)))
}

/// What may change; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CategoryPatch {
    #[schema(inline)]
    name: Option<Text<1, 120>>,
    position: Option<i32>,
}

/// Change a category
#[utoipa::path(patch, path = "/api/restaurants/{restaurantId}/categories/{categoryId}", tag = "menu",
    security(("token" = [])), params(("restaurantId" = RestaurantId, Path), ("categoryId" = CategoryId, Path)),
    request_body = CategoryPatch,
    responses(
        (status = 200, description = "The category now", body = Category),
        (status = 404, description = "Not there", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn update_category(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, id)): Path<(RestaurantId, CategoryId)>,
    Body(patch): Body<CategoryPatch>,
) -> Result<Json<Category>, Problem> {
    let scope = staff.scope;
    let category = app
        .db
        .write(scope, move |tx| {
            Box::pin(async move {
                let name = patch.name.as_ref().map(Text::as_str);
                let category = sql::update_category(tx, &scope, id, name, patch.position).await?;
                sql::announce(tx, &scope).await?;
                Ok(category)
            })
        })
        .await?;
    Ok(Json(category))
}

/// Remove a category and what stands in it
#[utoipa::path(delete, path = "/api/restaurants/{restaurantId}/categories/{categoryId}", tag = "menu",
    security(("token" = [])), params(("restaurantId" = RestaurantId, Path), ("categoryId" = CategoryId, Path)),
    responses(
        (status = 204, description = "It is gone; past orders keep their items"),
        (status = 404, description = "Not there", body = ProblemBody, content_type = "application/problem+json"),
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
                sql::delete_category(tx, &scope, id).await?;
                sql::announce(tx, &scope).await
            })
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
