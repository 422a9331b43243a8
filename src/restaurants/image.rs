//! `/api/restaurants/{restaurantId}/image`: the restaurant's picture.

use std::sync::Arc;

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::opening::changed;
use super::staff::Staff;
use super::{Restaurant, sql};
use crate::app::App;
use crate::ids::{ImageId, RestaurantId};
use crate::pictures::{self, Upload};
use crate::problem::{Problem, ProblemBody};
use crate::tenancy::RestaurantScope;
use crate::wire::Versioned;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(set_image, remove_image))
}

async fn show(app: &App, scope: RestaurantScope, image: Option<ImageId>) -> Result<Versioned<Restaurant>, Problem> {
    let body = app
        .db
        .write(scope, move |tx| {
            Box::pin(async move {
                sql::lock(tx, &scope).await?;
                sql::images::show(tx, &scope, image).await?;
                changed(tx, &scope).await
            })
        })
        .await?;
    Ok(Versioned { version: body.version, body })
}

/// Set the restaurant's picture
///
/// The body is the picture itself, or a form with one file. It is made anew: what it says of places and people is gone.
#[utoipa::path(post, path = "/api/restaurants/{restaurantId}/image", tag = "restaurants", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path)),
    request_body(content(
        (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"), (Vec<u8> = "image/webp"), (Vec<u8> = "multipart/form-data"),
    ), description = "A JPEG, PNG or WebP of at most IMAGE_MAX_BYTES"),
    responses(
        (status = 200, description = "The restaurant with its picture", body = Restaurant),
        (status = 404, description = "Not yours", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "No JPEG, PNG or WebP", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Too many pixels, damaged, or more than a picture", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Image storage unavailable", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn set_image(
    State(app): State<Arc<App>>,
    staff: Staff,
    upload: Upload,
) -> Result<Versioned<Restaurant>, Problem> {
    let image = pictures::keep(&app, staff.scope, upload).await?;
    show(&app, staff.scope, Some(image)).await
}

/// Remove the restaurant's picture
#[utoipa::path(delete, path = "/api/restaurants/{restaurantId}/image", tag = "restaurants", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path)),
    responses(
        (status = 200, description = "The restaurant without a picture", body = Restaurant),
        (status = 404, description = "Not yours", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn remove_image(State(app): State<Arc<App>>, staff: Staff) -> Result<Versioned<Restaurant>, Problem> {
    show(&app, staff.scope, None).await
}
