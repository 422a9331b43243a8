//! Storing an uploaded image.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use comanda_providers::images::StoreError;

use crate::app::App;
use crate::ids::ImageId;
use crate::images::http::Upload;
use crate::images::{Image, sql};
use crate::problem::{Code, Problem};
use crate::row_limit::{self, RowLimit};
use crate::tenancy::RestaurantScope;

/// Stores an image of a restaurant: encodes it again, writes its row, stores the files, and then completes the row.
/// After a failure in between, the row says which files the next deletion of unused images has to delete.
///
/// # Errors
/// 409 `too_many` (`IMAGE_MAX_STORED`), 415 `unsupported_image`, 422 `unacceptable_image`, or 503 while too many are
/// being decoded or the provider does not answer.
pub async fn store_image(app: &App, scope: RestaurantScope, Upload(file): Upload) -> Result<ImageId, Problem> {
    let image = app.images.decode(scope, file).await?;
    let id = ImageId::new();
    let store = Arc::clone(&app.images.current);
    let key = format!("{}/{id}", scope.restaurant());
    let (provider, name) = (store.provider(), key.clone());
    let max = app.config.images.max_stored;
    app.db
        .write(scope, move |tx| {
            Box::pin(async move {
                row_limit::check(tx, RowLimit::Images, scope.restaurant().uuid(), max).await?;
                sql::insert(tx, &scope, id, provider, &name).await
            })
        })
        .await?;
    let at = store.put(&key, &image).await.map_err(|error| refused(&error))?;
    let (width, height) = (image.width, image.height);
    let thumbhash = Some(STANDARD.encode(&image.thumbhash));
    let shown = Image { thumb: at.thumb, card: at.card, detail: at.detail, hero: at.hero, width, height, thumbhash };
    let stored =
        app.db.write(scope, move |tx| Box::pin(async move { sql::stored(tx, &scope, id, &shown).await })).await?;
    if stored { Ok(id) } else { Err(later()) }
}

/// Logs the error of a store; the response says whether to try again.
fn refused(error: &StoreError) -> Problem {
    tracing::error!(%error, "an image could not be stored");
    later()
}

fn later() -> Problem {
    Problem::new(Code::ImagesUnavailable, "The image was not stored. Send it again later.").retry_after(30)
}
