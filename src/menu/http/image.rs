//! `/api/restaurants/{restaurantId}/items/{itemId}/image`: the image of an item.

use std::sync::Arc;

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::extract::{Json, Path};
use crate::ids::{ImageId, ItemId, RestaurantId};
use crate::images::actions::upload::store_image;
use crate::images::http::Upload;
use crate::menu::{Item, sql};
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::access::Staff;
use crate::tenancy::RestaurantScope;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(set_item_image, remove_item_image))
}

async fn save_image(
    app: &App,
    scope: RestaurantScope,
    item: ItemId,
    image: Option<ImageId>,
) -> Result<Json<Item>, Problem> {
    app.db
        .write(scope, move |tx| {
            Box::pin(async move {
                let before = sql::items::lock(tx, &scope, item).await?;
                if image.is_none() && before.image.is_none() {
                    return Ok(Json(before));
                }
                sql::items::set_image(tx, &scope, item, image).await?;
                sql::announce(tx, &scope).await?;
                sql::items::get(tx, scope.restaurant(), item).await?.map(Json).ok_or_else(Problem::not_found)
            })
        })
        .await
}

/// Upload the image of an item
///
/// The body is the image itself, or a multipart form with one file. The image is encoded again, and metadata about
/// places and people is removed.
#[utoipa::path(post, path = "/api/restaurants/{restaurantId}/items/{itemId}/image", tag = "menu",
    security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), ("itemId" = ItemId, Path)),
    request_body(content(
        (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"), (Vec<u8> = "image/webp"), (Vec<u8> = "multipart/form-data"),
    ), description = "A JPEG, PNG or WebP of at most IMAGE_MAX_BYTES"),
    responses(
        (status = 200, description = "The item with the image", body = Item),
        (status = 404, description = "Resource not found, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Limit reached: `IMAGE_MAX_STORED` images are stored",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "Request body too large",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "The image is not JPEG, PNG or WebP",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The image is damaged, has too many pixels, or the file contains more than an \
                                      image", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Image storage unavailable",
            body = ProblemBody, content_type = "application/problem+json"),
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
    let image = store_image(&app, scope, upload).await?;
    save_image(&app, scope, item, Some(image)).await
}

/// Delete the image of an item
#[utoipa::path(delete, path = "/api/restaurants/{restaurantId}/items/{itemId}/image", tag = "menu",
    security(("token" = [])), params(("restaurantId" = RestaurantId, Path), ("itemId" = ItemId, Path)),
    responses(
        (status = 200, description = "The item without the image", body = Item),
        (status = 404, description = "Resource not found, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn remove_item_image(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, item)): Path<(RestaurantId, ItemId)>,
) -> Result<Json<Item>, Problem> {
    save_image(&app, staff.scope, item, None).await
}
