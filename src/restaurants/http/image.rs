//! `/api/restaurants/{restaurantId}/image`: sets and removes the restaurant's image. How an image is read, resized and
//! stored: `images/actions/upload.rs`.

use std::sync::Arc;

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::extract::Versioned;
use crate::ids::{ImageId, RestaurantId};
use crate::images::actions::upload::store_image;
use crate::images::http::Upload;
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::access::Staff;
use crate::restaurants::actions;
use crate::restaurants::{Restaurant, sql};
use crate::tenancy::RestaurantScope;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(set_image, remove_image))
}

async fn save_image(
    app: &App,
    scope: RestaurantScope,
    image: Option<ImageId>,
) -> Result<Versioned<Restaurant>, Problem> {
    let body = app
        .db
        .write(scope, move |tx| {
            Box::pin(async move {
                sql::lock(tx, &scope).await?;
                if sql::profile::set_image(tx, &scope, image).await? {
                    return actions::publish_changed(tx, &scope).await;
                }
                sql::get(tx, scope.restaurant()).await?.ok_or_else(Problem::not_found)
            })
        })
        .await?;
    Ok(Versioned { version: body.version, body })
}

/// Upload the image of a restaurant
///
/// The body is the image itself, or a multipart form with one file. The image is encoded again, and metadata about
/// places and people is removed.
#[utoipa::path(post, path = "/api/restaurants/{restaurantId}/image", tag = "restaurants", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path)),
    request_body(content(
        (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"), (Vec<u8> = "image/webp"), (Vec<u8> = "multipart/form-data"),
    ), description = "A JPEG, PNG or WebP of at most IMAGE_MAX_BYTES"),
    responses(
        (status = 200, description = "The restaurant with the image", body = Restaurant),
        (status = 404, description = "The restaurant does not exist, or the caller has no access to it",
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
async fn set_image(
    State(app): State<Arc<App>>,
    staff: Staff,
    upload: Upload,
) -> Result<Versioned<Restaurant>, Problem> {
    let image = store_image(&app, staff.scope, upload).await?;
    save_image(&app, staff.scope, Some(image)).await
}

/// Delete the image of a restaurant
#[utoipa::path(delete, path = "/api/restaurants/{restaurantId}/image", tag = "restaurants", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path)),
    responses(
        (status = 200, description = "The restaurant without the image", body = Restaurant),
        (status = 404, description = "The restaurant does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn remove_image(State(app): State<Arc<App>>, staff: Staff) -> Result<Versioned<Restaurant>, Problem> {
    save_image(&app, staff.scope, None).await
}
