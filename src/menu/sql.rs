//! Every statement on the menu's tables, except the stock that an order takes and returns (`orders/sql/place.rs`); in
//! this file: the menu as a whole and its categories.

use sqlx::types::Json;
use uuid::Uuid;

use super::actions::version_batcher::PublishedVersion;
use super::dayparts::DayPart;
use super::size::{MenuGrowth, MenuSize};
use super::translations::Translations;
use super::{Category, Contents};
use crate::events::{self, Concerns, Event, EventKind};
use crate::ids::{CategoryId, RestaurantId};
use crate::money::Currency;
use crate::problem::{OnConstraint as _, Problem};
use crate::tenancy::RestaurantScope;
use crate::uow::{Database, Tx};

pub mod document;
pub mod groups;
pub mod items;
pub mod stock;

/// The current versions of the menus of these restaurants; those that do not exist are left out. One statement outside
/// any transaction, on data that is public.
pub async fn versions(db: &Database, restaurants: &[Uuid]) -> Result<Vec<(RestaurantId, PublishedVersion)>, Problem> {
    let rows = sqlx::query!(
        r#"select r.id as "id!: RestaurantId", coalesce(m.version, 1) as "version!", m.language as "language?",
                  coalesce(m.languages, '{}') as "languages!"
           from restaurants r left join menus m on m.restaurant_id = r.id where r.id = any($1)"#,
        restaurants,
    )
    .fetch_all(db.pool())
    .await?;
    let published = |version, language, languages| PublishedVersion { version, language, languages };
    Ok(rows.into_iter().map(|row| (row.id, published(row.version, row.language, row.languages))).collect())
}

/// Increments the version of the menu and publishes the event: the last step of every change that customers can see.
/// The menu is locked last, after items.
pub async fn announce(tx: &mut Tx, scope: &RestaurantScope) -> Result<(), Problem> {
    let row = sqlx::query!(
        "insert into menus as m (restaurant_id, version) values ($1, 2)
         on conflict (restaurant_id) do update set version = m.version + 1
         returning version",
        scope.restaurant() as RestaurantId,
    )
    .fetch_one(tx.connection())
    .await
    .on_constraint("menus_restaurant_id_fkey", Problem::not_found)?;
    let about = (scope.restaurant().uuid(), row.version);
    let event = Event::new(EventKind::MenuChanged, about, Concerns::default(), &row.version, &row.version)?;
    events::publish(tx, scope, event).await
}

/// The end of an edit by staff: determines the languages and the size of the menu again, and publishes the change.
/// Returns the size before and after.
pub async fn edited(tx: &mut Tx, scope: &RestaurantScope) -> Result<MenuGrowth, Problem> {
    announce(tx, scope).await?;
    let row = sqlx::query!(
        r#"with entities as (
             select translations, bytes, jsonb_array_length(day_parts) as day_parts from menu_categories
             where restaurant_id = $1 and deleted_at is null
             union all select translations, bytes, jsonb_array_length(day_parts) from menu_items
             where restaurant_id = $1 and deleted_at is null
             union all select translations, bytes, 0 from modifier_groups
             where restaurant_id = $1 and deleted_at is null
             union all select translations, bytes, 0 from modifiers where restaurant_id = $1 and deleted_at is null
         ), translated as (
             select language, count(*) as texts from entities, jsonb_object_keys(translations) as language
             group by language
         ), referred as (
             select count(*) as groups from item_modifier_groups g
             join menu_items i on i.restaurant_id = g.restaurant_id and i.id = g.item_id
             where g.restaurant_id = $1 and i.deleted_at is null
             union all select count(*) from nested_modifier_groups where restaurant_id = $1
         ), size as (
             select coalesce(sum(bytes), 0)::bigint as bytes,
                    coalesce(sum(day_parts), 0)::bigint + coalesce((select sum(texts) from translated), 0)::bigint
                        + (select sum(groups) from referred)::bigint as details
             from entities
         ), before as (
             select bytes, details, cardinality(languages) as languages from menus where restaurant_id = $1
         )
         update menus m set languages = array(select language from translated order by 1), bytes = s.bytes,
             details = s.details
         from size s, before b where m.restaurant_id = $1
         returning b.bytes as "bytes_before!", b.details as "details_before!", b.languages as "languages_before!",
             m.bytes as "bytes!", m.details as "details!", cardinality(m.languages) as "languages!""#,
        scope.restaurant() as RestaurantId,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(MenuGrowth {
        before: MenuSize {
            bytes: row.bytes_before,
            details: row.details_before,
            languages: i64::from(row.languages_before),
        },
        after: MenuSize { bytes: row.bytes, details: row.details, languages: i64::from(row.languages) },
    })
}

/// Sets the language of the menu's texts.
pub async fn set_language(tx: &mut Tx, scope: &RestaurantScope, language: Option<&str>) -> Result<(), Problem> {
    sqlx::query!(
        "update menus set language = $2 where restaurant_id = $1",
        scope.restaurant() as RestaurantId,
        language,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Locks the menu until the transaction ends, so that each edit sees the result of the one before. Then locks
/// the stock (`lock_stock`): an edit and an order that both change many items would deadlock.
pub async fn lock_menu(tx: &mut Tx, scope: &RestaurantScope) -> Result<(), Problem> {
    sqlx::query!(
        r#"select pg_advisory_xact_lock(hashtextextended($1::uuid::text, 21)) as "locked!: ()",
               lock_stock($1) as "waited!: ()""#,
        scope.restaurant() as RestaurantId,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(())
}

/// The menu's version.
pub async fn version(tx: &mut Tx, scope: &RestaurantScope) -> Result<i64, Problem> {
    let row = sqlx::query!(
        r#"select coalesce((select m.version from menus m where m.restaurant_id = $1), 1) as "version!""#,
        scope.restaurant() as RestaurantId,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(row.version)
}

/// The whole menu; `None`: there is no such restaurant.
pub async fn contents(tx: &mut Tx, restaurant: RestaurantId) -> Result<Option<Contents>, Problem> {
    let found = sqlx::query!(
        r#"select r.currency, r.timezone, coalesce(m.version, 1) as "version!", m.language as "language?"
           from restaurants r left join menus m on m.restaurant_id = r.id where r.id = $1"#,
        restaurant as RestaurantId,
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(found) = found else { return Ok(None) };
    Ok(Some(Contents {
        version: found.version,
        currency: found.currency,
        timezone: found.timezone,
        language: found.language,
        categories: categories(tx, restaurant).await?,
        items: items::all(tx, restaurant, found.currency).await?,
        groups: groups::all(tx, restaurant).await?,
    }))
}

/// The currency of a restaurant.
pub async fn currency(tx: &mut Tx, restaurant: RestaurantId) -> Result<Currency, Problem> {
    let row = sqlx::query!("select currency from restaurants where id = $1", restaurant as RestaurantId)
        .fetch_optional(tx.connection())
        .await?;
    row.map(|row| row.currency).ok_or_else(Problem::not_found)
}

/// The numbers of categories, items and groups.
pub async fn counts(tx: &mut Tx, scope: &RestaurantScope) -> Result<[i64; 3], Problem> {
    let row = sqlx::query!(
        r#"select (select count(*) from menu_categories where restaurant_id = $1 and deleted_at is null) as
           "categories!",
                  (select count(*) from menu_items where restaurant_id = $1 and deleted_at is null) as "items!",
                  (select count(*) from modifier_groups where restaurant_id = $1 and deleted_at is null) as "groups!""#,
        scope.restaurant() as RestaurantId,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok([row.categories, row.items, row.groups])
}

struct CategoryRow {
    id: CategoryId,
    key: Option<String>,
    name: String,
    position: i32,
    day_parts: Json<Vec<DayPart>>,
    translations: Json<Translations>,
}

impl From<CategoryRow> for Category {
    fn from(row: CategoryRow) -> Self {
        Self {
            id: row.id,
            key: row.key,
            name: row.name,
            position: row.position,
            day_parts: row.day_parts.0,
            translations: row.translations.0,
        }
    }
}

/// The categories, in order.
pub async fn categories(tx: &mut Tx, restaurant: RestaurantId) -> Result<Vec<Category>, Problem> {
    let rows = sqlx::query_as!(
        CategoryRow,
        r#"select id, key, name, position, day_parts as "day_parts: Json<Vec<DayPart>>",
                  translations as "translations: Json<Translations>"
           from menu_categories where restaurant_id = $1 and deleted_at is null order by position, id"#,
        restaurant as RestaurantId,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Reads one category; `None`: the restaurant has none with this id.
pub async fn category(tx: &mut Tx, restaurant: RestaurantId, id: CategoryId) -> Result<Option<Category>, Problem> {
    let row = sqlx::query_as!(
        CategoryRow,
        r#"select id, key, name, position, day_parts as "day_parts: Json<Vec<DayPart>>",
                  translations as "translations: Json<Translations>"
           from menu_categories where restaurant_id = $1 and id = $2 and deleted_at is null"#,
        restaurant as RestaurantId,
        id as CategoryId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(Into::into))
}

/// Writes a new or changed category.
pub async fn save_category(tx: &mut Tx, scope: &RestaurantScope, category: &Category) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "insert into menu_categories
             (restaurant_id, id, key, name, position, day_parts, translations, created_at, updated_at, search_words)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)
         on conflict (restaurant_id, id) do update set key = excluded.key, name = excluded.name,
             position = excluded.position, day_parts = excluded.day_parts, translations = excluded.translations,
             updated_at = excluded.updated_at, search_words = excluded.search_words",
        scope.restaurant() as RestaurantId,
        category.id as CategoryId,
        category.key,
        category.name,
        category.position,
        Json(&category.day_parts) as _,
        Json(&category.translations) as _,
        now,
        &category.search_words(),
    )
    .execute(tx.connection())
    .await
    .on_constraint("menu_categories_key_key", key_taken)?;
    Ok(())
}

/// The refusal of a key that another entity has.
pub(super) fn key_taken() -> Problem {
    Problem::invalid_field("/key", "is already in use")
}

/// Hides a category and its items.
pub async fn delete_category(tx: &mut Tx, scope: &RestaurantScope, id: CategoryId) -> Result<(), Problem> {
    let now = tx.now();
    let hidden = sqlx::query!(
        "with content as materialized (
             select id from menu_items where restaurant_id = $1 and category_id = $2 and deleted_at is null
             order by id for no key update
         ), gone as (
             update menu_items i set deleted_at = $3, available = false, unavailable_until = null, image_id = null
             from content c where i.restaurant_id = $1 and i.id = c.id
         )
         update menu_categories set deleted_at = $3 where restaurant_id = $1 and id = $2 and deleted_at is null",
        scope.restaurant() as RestaurantId,
        id as CategoryId,
        now,
    )
    .execute(tx.connection())
    .await?;
    if hidden.rows_affected() == 1 { Ok(()) } else { Err(Problem::not_found()) }
}
