//! Writes a whole menu: one statement for each kind of entity.

use std::collections::HashMap;

use sqlx::types::Json;
use uuid::Uuid;

use super::key_taken;
use crate::ids::RestaurantId;
use crate::problem::{OnConstraint as _, Problem};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

mod prepared;

pub use prepared::PreparedRows;

/// Replaces the modifier groups of items or modifiers in `$table`, whose column `$owner` has the id of the item or
/// modifier. A macro, because the names of a checked statement's tables and columns are part of its text.
macro_rules! replace_links {
    ($tx:ident, $scope:ident, $links:expr, $table:tt, $owner:tt) => {
        if !$links.outdated.is_empty() {
            sqlx::query!(
                "delete from " + $table + " where restaurant_id = $1 and " + $owner + " = any($2)",
                $scope.restaurant() as RestaurantId,
                &$links.outdated,
            )
            .execute($tx.connection())
            .await?;
        }
        if !$links.owners.is_empty() {
            sqlx::query!(
                "insert into "
                    + $table
                    + " (restaurant_id, "
                    + $owner
                    + ", group_id, position)
                 select $1, owner_id, group_id, position
                 from unnest($2::uuid[], $3::uuid[], $4::smallint[]) as link(owner_id, group_id, position)",
                $scope.restaurant() as RestaurantId,
                &$links.owners,
                &$links.groups,
                &$links.positions,
            )
            .execute($tx.connection())
            .await?;
        }
    };
}

/// Locks all items and modifiers, so that nobody changes their stock or availability. The menu must be locked.
pub async fn lock(tx: &mut Tx, scope: &RestaurantScope) -> Result<(), Problem> {
    sqlx::query!(
        "select id from menu_items where restaurant_id = $1 and deleted_at is null order by id for no key update",
        scope.restaurant() as RestaurantId,
    )
    .fetch_all(tx.connection())
    .await?;
    sqlx::query!(
        "select id from modifiers where restaurant_id = $1 and deleted_at is null order by id for no key update",
        scope.restaurant() as RestaurantId,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(())
}

/// Writes categories, new or changed.
pub async fn save_categories(tx: &mut Tx, scope: &RestaurantScope, rows: &PreparedRows) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "insert into menu_categories
             (restaurant_id, id, key, name, position, day_parts, translations, search_words, created_at, updated_at)
         select $1, id, key, name, position, day_parts, translations, search_words, $3, $3
         from jsonb_to_recordset($2) as c(id uuid, key text, name text, position int, day_parts jsonb,
             translations jsonb, search_words text[])
         on conflict (restaurant_id, id) do update set key = excluded.key, name = excluded.name,
             position = excluded.position, day_parts = excluded.day_parts, translations = excluded.translations,
             search_words = excluded.search_words, updated_at = excluded.updated_at",
        scope.restaurant() as RestaurantId,
        Json(&rows.json) as _,
        now,
    )
    .execute(tx.connection())
    .await
    .on_constraint("menu_categories_key_key", key_taken)?;
    Ok(())
}

/// Writes items, new or changed, each with its search words, and the modifier groups of items whose groups change; not
/// their stock (`count`).
pub async fn save_items(tx: &mut Tx, scope: &RestaurantScope, rows: &PreparedRows) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "insert into menu_items (restaurant_id, id, key, category_id, name, description, price, available,
             unavailable_until, position, day_parts, allergens, diets, translations, tax_class,
             search_words, created_at, updated_at)
         select $1, id, key, category_id, name, description, price, available, unavailable_until, position, day_parts,
             nullif(allergens, 'null'), diets, translations, tax_class, search_words, $3, $3
         from jsonb_to_recordset($2) as i(id uuid, key text, category_id uuid, name text, description text,
             price bigint, available boolean, unavailable_until timestamptz, position int, day_parts jsonb,
             allergens jsonb, diets jsonb, translations jsonb, tax_class text, search_words text[])
         on conflict (restaurant_id, id) do update set key = excluded.key, category_id = excluded.category_id,
             name = excluded.name, description = excluded.description, price = excluded.price,
             available = excluded.available, unavailable_until = excluded.unavailable_until,
             position = excluded.position, day_parts = excluded.day_parts, allergens = excluded.allergens,
             diets = excluded.diets, translations = excluded.translations, tax_class = excluded.tax_class,
             search_words = excluded.search_words, updated_at = excluded.updated_at",
        scope.restaurant() as RestaurantId,
        Json(&rows.json) as _,
        now,
    )
    .execute(tx.connection())
    .await
    .on_constraint("menu_items_key_key", key_taken)?;
    replace_links!(tx, scope, rows.links, "item_modifier_groups", "item_id");
    Ok(())
}

/// Writes groups, new or changed, without their modifiers.
pub async fn save_groups(tx: &mut Tx, scope: &RestaurantScope, rows: &PreparedRows) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "insert into modifier_groups
             (restaurant_id, id, key, name, min_choices, max_choices, translations, created_at, updated_at)
         select $1, id, key, name, min, max, translations, $3, $3
         from jsonb_to_recordset($2) as g(id uuid, key text, name text, min smallint, max smallint, translations jsonb)
         on conflict (restaurant_id, id) do update set key = excluded.key, name = excluded.name,
             min_choices = excluded.min_choices, max_choices = excluded.max_choices,
             translations = excluded.translations, updated_at = excluded.updated_at",
        scope.restaurant() as RestaurantId,
        Json(&rows.json) as _,
        now,
    )
    .execute(tx.connection())
    .await
    .on_constraint("modifier_groups_key_key", key_taken)?;
    Ok(())
}

/// Writes new or changed modifiers of groups that exist already, but not their stock (`count`). Modifiers that were
/// removed from their group are not changed (`hide`).
pub async fn save_modifiers(tx: &mut Tx, scope: &RestaurantScope, rows: &PreparedRows) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "insert into modifiers (restaurant_id, id, group_id, key, name, price, available, unavailable_until, position,
             allergens, diets, translations, tax_class, created_at, updated_at)
         select $1, id, group_id, key, name, price, available, unavailable_until, position, nullif(allergens, 'null'),
             diets, translations, tax_class, $3, $3
         from jsonb_to_recordset($2) as m(id uuid, group_id uuid, key text, name text, price bigint, available boolean,
             unavailable_until timestamptz, position int, allergens jsonb, diets jsonb, translations jsonb,
             tax_class text)
         on conflict (restaurant_id, id) do update set key = excluded.key, name = excluded.name, price = excluded.price,
             available = excluded.available, unavailable_until = excluded.unavailable_until,
             position = excluded.position, allergens = excluded.allergens, diets = excluded.diets,
             translations = excluded.translations, tax_class = excluded.tax_class, updated_at = excluded.updated_at",
        scope.restaurant() as RestaurantId,
        Json(&rows.json) as _,
        now,
    )
    .execute(tx.connection())
    .await
    .on_constraint("modifiers_key_key", key_taken)?;
    replace_links!(tx, scope, rows.links, "nested_modifier_groups", "modifier_id");
    Ok(())
}

/// Starts counting stock that was not counted before, and writes it to the ledger. The counts are passed as an object
/// by id and not as rows to join, because PostgreSQL has no statistics of rows just written and would use a nested
/// loop.
pub async fn count(
    tx: &mut Tx,
    scope: &RestaurantScope,
    items: &[(Uuid, i32)],
    modifiers: &[(Uuid, i32)],
) -> Result<(), Problem> {
    let now = tx.now();
    let ids = |counts: &[(Uuid, i32)]| counts.iter().map(|(id, _)| *id).collect::<Vec<_>>();
    let (item_ids, modifier_ids) = (ids(items), ids(modifiers));
    let stocks: HashMap<_, _> = items.iter().chain(modifiers).copied().collect();
    sqlx::query!(
        "with of_items as (
             update menu_items set stock = ($4::jsonb ->> id::text)::int, updated_at = $5
             where restaurant_id = $1 and id = any($2) and stock is null returning id, stock
         ), of_modifiers as (
             update modifiers set stock = ($4::jsonb ->> id::text)::int, updated_at = $5
             where restaurant_id = $1 and id = any($3) and stock is null returning id, stock
         )
         insert into stock_ledger (restaurant_id, item_id, modifier_id, delta, reason, at)
         select $1, id, null, stock, 'SET', $5 from of_items where stock <> 0
         union all select $1, null, id, stock, 'SET', $5 from of_modifiers where stock <> 0",
        scope.restaurant() as RestaurantId,
        &item_ids,
        &modifier_ids,
        Json(&stocks) as _,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The entities that are deleted from a menu.
#[derive(Debug, Default)]
pub struct RemovedEntities {
    /// Ids of the deleted items.
    pub items: Vec<Uuid>,
    /// Ids of the deleted modifiers, those of deleted groups included.
    pub modifiers: Vec<Uuid>,
    /// Ids of the deleted modifier groups.
    pub groups: Vec<Uuid>,
    /// Ids of the deleted categories.
    pub categories: Vec<Uuid>,
}

/// Hides entities to which nothing refers any more.
pub async fn hide(tx: &mut Tx, scope: &RestaurantScope, removed: &RemovedEntities) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "with deleted_items as (
             update menu_items set deleted_at = $6, available = false, unavailable_until = null, image_id = null,
                 updated_at = $6
             where restaurant_id = $1 and id = any($2) and deleted_at is null
         ), of_items as (
             delete from item_modifier_groups where restaurant_id = $1 and group_id = any($4)
         ), of_modifiers as (
             delete from nested_modifier_groups
             where restaurant_id = $1 and (group_id = any($4) or modifier_id = any($3))
         ), deleted_modifiers as (
             update modifiers set deleted_at = $6, available = false, unavailable_until = null
             where restaurant_id = $1 and id = any($3) and deleted_at is null
         ), deleted_groups as (
             update modifier_groups set deleted_at = $6
             where restaurant_id = $1 and id = any($4) and deleted_at is null
         )
         update menu_categories set deleted_at = $6
         where restaurant_id = $1 and id = any($5) and deleted_at is null",
        scope.restaurant() as RestaurantId,
        &removed.items,
        &removed.modifiers,
        &removed.groups,
        &removed.categories,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
