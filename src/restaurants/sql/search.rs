//! Statements that find candidates for a search by location and words; pure rules decide on the rest.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::ids::RestaurantId;
use crate::paging::Page;
use crate::place::Place;
use crate::problem::Problem;
use crate::restaurants::zones::BoundingBox;
use crate::uow::Tx;

/// The area of a search.
#[derive(Debug, Clone, Copy)]
pub struct Around {
    /// The middle of the circle searched.
    pub middle: Place,
    /// The circle's radius in metres.
    pub radius: f64,
}

/// A restaurant that may match a search.
#[derive(Debug, Clone, Copy)]
pub struct RestaurantCandidate {
    /// The id of the restaurant found.
    pub id: RestaurantId,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// The straight-line distance from the location of the search, in metres.
    pub metres: Option<f64>,
}

/// Restaurants around a location, nearest first, after a given distance; with each word, and with a zone whose bounding
/// box contains the delivery address, or without zones.
pub async fn nearest(
    tx: &mut Tx,
    around: Around,
    after: Option<(f64, Uuid)>,
    words: Option<&[String]>,
    delivers_to: Option<Place>,
    limit: i64,
) -> Result<Vec<RestaurantCandidate>, Problem> {
    let BoundingBox { west, south, east, north } = BoundingBox::of_circle(around.middle, around.radius);
    let candidates = sqlx::query_as!(
        RestaurantCandidate,
        r#"select id as "id: _", created_at, metres from (
               select r.id, r.created_at, 2 * 6371008.8 * asin(least(1, sqrt(
                   sin(radians(r.latitude - $2) / 2) ^ 2
                   + cos(radians($2)) * cos(radians(r.latitude)) * sin(radians(r.longitude - $1) / 2) ^ 2))) as metres
               from restaurants r
               where point(r.longitude, r.latitude) <@ box(point($3, $4), point($5, $6))
                 and ($7::text[] is null or r.id in (select restaurants_matching($7)))
                 and ($8::float8 is null
                      or exists (select from delivery_zones z where z.restaurant_id = r.id
                                 and $8 between z.west and z.east and $9 between z.south and z.north)
                      or not exists (select from delivery_zones z where z.restaurant_id = r.id))
           ) near
           where metres <= $10 and ($11::float8 is null or (metres, id) > ($11, $12))
           order by metres, id limit $13"#,
        around.middle.lng(),
        around.middle.lat(),
        west,
        south,
        east,
        north,
        words,
        delivers_to.map(Place::lng),
        delivers_to.map(Place::lat),
        around.radius,
        after.map(|(metres, _)| metres),
        after.map(|(_, id)| id),
        limit,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(candidates)
}

/// All restaurants, newest first.
pub async fn newest(tx: &mut Tx, page: Page, limit: i64) -> Result<Vec<RestaurantCandidate>, Problem> {
    let candidates = sqlx::query_as!(
        RestaurantCandidate,
        r#"select id, created_at, null::float8 as metres from restaurants
           where $1::timestamptz is null or (created_at, id) < ($1, $2) order by created_at desc, id desc limit $3"#,
        page.after_time(),
        page.after_id(),
        limit,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(candidates)
}

/// Restaurants with each word, newest first.
pub async fn newest_matching(
    tx: &mut Tx,
    words: &[String],
    page: Page,
    limit: i64,
) -> Result<Vec<RestaurantCandidate>, Problem> {
    let candidates = sqlx::query_as!(
        RestaurantCandidate,
        r#"select r.id, r.created_at, null::float8 as metres
           from restaurants_matching($1) as found join restaurants r on r.id = found
           where $2::timestamptz is null or (r.created_at, r.id) < ($2, $3)
           order by r.created_at desc, r.id desc limit $4"#,
        words,
        page.after_time(),
        page.after_id(),
        limit,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(candidates)
}
