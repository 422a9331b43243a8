//! Deletes images that are not in use.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::sql;
use crate::app::App;
use crate::problem::Problem;
use crate::tenancy::PlatformScope;

/// The number of images in a batch.
const BATCH: i64 = 20;

/// Deletes images that have not been in use for a while. No transaction is open during requests to the provider,
/// deleting twice is harmless, and a row is deleted after its files.
///
/// # Errors
/// When the database does not answer; the remaining images are deleted next time.
pub async fn collect(app: &App) -> Result<usize, Problem> {
    let platform = PlatformScope::proven_by("the collector of pictures that nothing shows", None);
    let before = app.clock.now() - app.pictures.grace;
    let at_hand = app.pictures.providers();
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
        let Some(store) = app.pictures.store(&image.provider) else { continue };
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
pub async fn keep_collecting(app: Arc<App>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(app.pictures.collect_every) => {}
        }
        // While batches are full, because images must not be uploaded faster than they are deleted.
        loop {
            match collect(&app).await {
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
