//! `/api/restaurants/{restaurantId}/items/{itemId}/image`: the picture of a dish.

use std::sync::Arc;

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Item, sql};
use crate::app::App;
use crate::ids::{ImageId, ItemId, RestaurantId};
use crate::pictures::{self, Upload};
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::staff::Staff;
use crate::tenancy::RestaurantScope;
use crate::wire::{Json, Path};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(set_item_image, remove_item_image))
}

async fn show(app: &App, scope: RestaurantScope, item: ItemId, image: Option<ImageId>) -> Result<Json<Item>, Problem> {
    app.db
        .write(scope, move |tx| {
            Box::pin(async move {
                sql::items::lock(tx, &scope, item).await?;
                sql::items::show_image(tx, &scope, item, image).await?;
                sql::announce(tx, &scope).await?;
                sql::items::get(tx, scope.restaurant(), item).await?.map(Json).ok_or_else(Problem::not_found)
            })
        })
        .await
}

/// Set the picture of an item
///
/// The body is the picture itself, or a form with one file. It is made anew: what it says of places and people is gone.
#[utoipa::path(post, path = "/api/restaurants/{restaurantId}/items/{itemId}/image", tag = "menu", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), ("itemId" = ItemId, Path)),
    request_body(content(
        (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"), (Vec<u8> = "image/webp"), (Vec<u8> = "multipart/form-data"),
    ), description = "A JPEG, PNG or WebP of at most IMAGE_MAX_BYTES"),
    responses(
        (status = 200, description = "The item with its picture", body = Item),
        (status = 404, description = "Not there, or not yours", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "No JPEG, PNG or WebP", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Too many pixels, damaged, or more than a picture", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Image storage unavailable", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn set_item_image(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, item)): Path<(RestaurantId, ItemId)>,
    upload: Upload,
) -> Result<Json<Item>, Problem> {
    let scope = staff.scope;
    let found = app
        .db
        .read(scope, move |tx| Box::pin(async move { sql::items::get(tx, scope.restaurant(), item).await }))
        .await?;
    found.ok_or_else(Problem::not_found)?;
    let image = pictures::keep(&app, scope, upload).await?;
    show(&app, scope, item, Some(image)).await
}

/// Remove the picture of an item
#[utoipa::path(delete, path = "/api/restaurants/{restaurantId}/items/{itemId}/image", tag = "menu",
    security(("token" = [])), params(("restaurantId" = RestaurantId, Path), ("itemId" = ItemId, Path)),
    responses(
        (status = 200, description = "The item without a picture", body = Item),
        (status = 404, description = "Not there, or not yours", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn remove_item_image(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, item)): Path<(RestaurantId, ItemId)>,
) -> Result<Json<Item>, Problem> {
    show(&app, staff.scope, item, None).await
}
