//! Deletes images that are not in use.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::images::sql;
use crate::problem::Problem;
use crate::tenancy::PlatformScope;

/// The number of images in a batch.
const BATCH: i64 = 20;

/// Deletes images that have not been in use for a while. No transaction is open during requests to the provider,
/// deleting twice is harmless, and a row is deleted after its files.
///
/// # Errors
/// When the database does not answer; the remaining images are deleted next time.
pub async fn delete_unused(app: &App) -> Result<usize, Problem> {
    let platform = PlatformScope::proven_by("deletion of unused images", None);
    let before = app.clock.now() - app.images.grace;
    let at_hand = app.images.providers();
    let idle = app
        .db
        .write(platform, move |tx| {
            Box::pin(async move {
                sql::mark_idle(tx).await?;
                sql::idle(tx, before, &at_hand, BATCH).await
            })
        })
        .await?;
    let mut removed = 0;
    for image in idle {
        let Some(store) = app.images.store(&image.provider) else { continue };
        let scope = platform.restaurant(image.restaurant_id);
        if let Err(error) = store.remove(&image.key).await {
            tracing::warn!(%error, key = image.key, "an image could not be deleted; it is retried later");
            app.db.write(scope, move |tx| Box::pin(async move { sql::postpone(tx, &scope, image.id).await })).await?;
            continue;
        }
        app.db.write(scope, move |tx| Box::pin(async move { sql::delete(tx, &scope, image.id).await })).await?;
        removed += 1;
    }
    Ok(removed)
}

/// Deletes unused images at intervals until the server stops.
pub async fn watch(app: Arc<App>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(app.images.delete_unused_every) => {}
        }
        // While batches are full, because images must not be uploaded faster than they are deleted.
        loop {
            match delete_unused(&app).await {
                Ok(removed) if i64::try_from(removed).is_ok_and(|removed| removed >= BATCH) && !stop.is_cancelled() => {
                }
                Ok(_) => break,
                Err(problem) => {
                    tracing::warn!(%problem, "unused images were not deleted; they are retried later");
                    break;
                }
            }
        }
    }
}
