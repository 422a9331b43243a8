//! Every statement on images. Which restaurant or item uses an image is written by the statements of those features.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::Image;
use crate::ids::{ImageId, RestaurantId};
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// Writes the row of an image that is about to be stored.
pub async fn insert(
    tx: &mut Tx,
    scope: &RestaurantScope,
    id: ImageId,
    provider: &str,
    key: &str,
) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "insert into images (restaurant_id, id, provider, key, created_at) values ($1, $2, $3, $4, $5)",
        scope.restaurant() as RestaurantId,
        id as ImageId,
        provider,
        key,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Completes the row of a stored image with its URLs. `false`: storing took so long that the row was deleted as unused.
pub async fn stored(tx: &mut Tx, scope: &RestaurantScope, id: ImageId, shown: &Image) -> Result<bool, Problem> {
    let kept = sqlx::query!(
        "update images set shown = $3, idle_since = null where restaurant_id = $1 and id = $2",
        scope.restaurant() as RestaurantId,
        id as ImageId,
        Json(shown) as _,
    )
    .execute(tx.connection())
    .await?;
    Ok(kept.rows_affected() == 1)
}

/// An image that is not in use.
#[derive(Debug)]
pub struct UnusedImage {
    /// The restaurant that the image belongs to.
    pub restaurant_id: RestaurantId,
    /// The image's id.
    pub id: ImageId,
    /// The provider that stores it.
    pub provider: String,
    /// Its key at the provider.
    pub key: String,
}

/// Marks images that no restaurant and no item uses, of all restaurants.
pub async fn mark_idle(tx: &mut Tx) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "update images i set idle_since = $1
         where idle_since is null
           and not exists (select from restaurants r where r.id = i.restaurant_id and r.image_id = i.id)
           and not exists (select from menu_items m where m.restaurant_id = i.restaurant_id and m.image_id = i.id)",
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Images that have not been in use since a time, of all restaurants and at these providers, longest unused first.
pub async fn idle(
    tx: &mut Tx,
    since: DateTime<Utc>,
    providers: &[String],
    limit: i64,
) -> Result<Vec<UnusedImage>, Problem> {
    let idle = sqlx::query_as!(
        UnusedImage,
        "select i.restaurant_id, i.id, i.provider, i.key from images i
         where i.idle_since <= $1 and i.provider = any($2)
           and not exists (select from restaurants r where r.id = i.restaurant_id and r.image_id = i.id)
           and not exists (select from menu_items m where m.restaurant_id = i.restaurant_id and m.image_id = i.id)
         order by i.idle_since limit $3",
        since,
        providers,
        limit,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(idle)
}

/// Postpones an image that could not be deleted, so that others come first.
pub async fn postpone(tx: &mut Tx, scope: &RestaurantScope, id: ImageId) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "update images set idle_since = $3 where restaurant_id = $1 and id = $2",
        scope.restaurant() as RestaurantId,
        id as ImageId,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Deletes the row of an image whose files are deleted.
pub async fn delete(tx: &mut Tx, scope: &RestaurantScope, id: ImageId) -> Result<(), Problem> {
    sqlx::query!(
        "delete from images where restaurant_id = $1 and id = $2",
        scope.restaurant() as RestaurantId,
        id as ImageId,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
