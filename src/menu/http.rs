//! `/api/restaurants/{restaurantId}/menu`: what a guest reads.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Menu, categories, items, published};
use crate::app::App;
use crate::ids::{CategoryId, RestaurantId};
use crate::problem::{Problem, ProblemBody};
use crate::wire::{Path, Query};

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(get_menu)).merge(categories::routes()).merge(items::routes())
}

/// Which part of the menu.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MenuQuery {
    /// Only this category; the whole menu when absent.
    category: Option<CategoryId>,
}

/// Read the menu
///
/// One call, one body. Send the `ETag` back as `If-None-Match`: 304 says that nothing changed. The answer is never older
/// than the request.
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/menu", tag = "menu",
    params(
        ("restaurantId" = RestaurantId, Path),
        MenuQuery,
        ("If-None-Match" = Option<String>, Header, description = "The ETag of the menu one has"),
    ),
    responses(
        (status = 200, description = "The menu; the ETag names these very bytes", body = Menu),
        (status = 304, description = "The one named in If-None-Match still holds"),
        (status = 404, description = "No such restaurant or category", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_menu(
    State(app): State<Arc<App>>,
    Path(id): Path<RestaurantId>,
    Query(query): Query<MenuQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let answer = app.menus.read(id, query.category, app.clock.now()).await?;
    Ok(published::show(&answer, &headers))
}
