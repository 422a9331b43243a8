//! Statements on menu items.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::key_taken;
use crate::ids::{CategoryId, ImageId, ItemId, ModifierGroupId, RestaurantId};
use crate::images::Image;
use crate::menu::Item;
use crate::menu::allergens::{Declared, Diet};
use crate::menu::dayparts::DayPart;
use crate::menu::translations::Translations;
use crate::money::{Amount, Currency};
use crate::paging::Page;
use crate::problem::{OnConstraint as _, Problem};
use crate::restaurants::tax::TaxClass;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// An item's row; its currency is the restaurant's.
struct Row {
    id: ItemId,
    key: Option<String>,
    category_id: CategoryId,
    name: String,
    description: Option<String>,
    price: Amount,
    tax_class: Option<TaxClass>,
    available: bool,
    unavailable_until: Option<DateTime<Utc>>,
    stock: Option<i32>,
    position: i32,
    day_parts: Json<Vec<DayPart>>,
    allergens: Option<Json<Vec<Declared>>>,
    diets: Json<Vec<Diet>>,
    modifier_groups: Vec<ModifierGroupId>,
    translations: Json<Translations>,
    image: Option<Json<Image>>,
}

impl Row {
    /// The item at this instant: it is on if it was switched off until an instant that has passed.
    fn into_item(self, currency: Currency, now: DateTime<Utc>) -> Item {
        let unavailable_until = self.unavailable_until.filter(|until| *until > now);
        Item {
            id: self.id,
            key: self.key,
            category_id: self.category_id,
            name: self.name,
            description: self.description,
            price: self.price.of(currency),
            tax_class: self.tax_class,
            available: self.available || (self.unavailable_until.is_some() && unavailable_until.is_none()),
            unavailable_until,
            stock: self.stock,
            position: self.position,
            image: self.image.map(|image| image.0),
            day_parts: self.day_parts.0,
            allergens: self.allergens.map(|allergens| allergens.0),
            diets: self.diets.0,
            modifier_groups: self.modifier_groups,
            translations: self.translations.0,
        }
    }
}

/// All items, in order.
pub async fn all(tx: &mut Tx, restaurant: RestaurantId, currency: Currency) -> Result<Vec<Item>, Problem> {
    let now = tx.now();
    let rows = sqlx::query_as!(
        Row,
        r#"select id, key, category_id, name, description, price, tax_class, available, unavailable_until, stock,
           position,
                  day_parts as "day_parts: _", allergens as "allergens: _", diets as "diets: _",
                  translations as "translations: _",
                  (select shown from images p where p.restaurant_id = $1 and p.id = i.image_id) as "image: _",
                  array(select g.group_id from item_modifier_groups g
                        where g.restaurant_id = $1 and g.item_id = i.id order by g.position) as "modifier_groups!: _"
           from menu_items i where restaurant_id = $1 and deleted_at is null order by position, id"#,
        restaurant as RestaurantId,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(|row| row.into_item(currency, now)).collect())
}

/// A page of items for staff, in the order of their ids.
pub async fn page(
    tx: &mut Tx,
    scope: &RestaurantScope,
    category: Option<CategoryId>,
    page: Page,
) -> Result<Vec<Item>, Problem> {
    let (now, currency) = (tx.now(), super::currency(tx, scope.restaurant()).await?);
    let rows = sqlx::query_as!(
        Row,
        r#"select id, key, category_id, name, description, price, tax_class, available, unavailable_until, stock,
           position,
                  day_parts as "day_parts: _", allergens as "allergens: _", diets as "diets: _",
                  translations as "translations: _",
                  (select shown from images p where p.restaurant_id = $1 and p.id = i.image_id) as "image: _",
                  array(select g.group_id from item_modifier_groups g
                        where g.restaurant_id = $1 and g.item_id = i.id order by g.position) as "modifier_groups!: _"
           from menu_items i
           where restaurant_id = $1 and deleted_at is null and ($2::uuid is null or category_id = $2)
             and ($3::uuid is null or id > $3)
           order by id limit $4"#,
        scope.restaurant() as RestaurantId,
        category as Option<CategoryId>,
        page.after_id(),
        page.fetch,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(|row| row.into_item(currency, now)).collect())
}

/// One item that has not been deleted.
pub async fn get(tx: &mut Tx, restaurant: RestaurantId, id: ItemId) -> Result<Option<Item>, Problem> {
    let (now, currency) = (tx.now(), super::currency(tx, restaurant).await?);
    let row = sqlx::query_as!(
        Row,
        r#"select id, key, category_id, name, description, price, tax_class, available, unavailable_until, stock,
           position,
                  day_parts as "day_parts: _", allergens as "allergens: _", diets as "diets: _",
                  translations as "translations: _",
                  (select shown from images p where p.restaurant_id = $1 and p.id = i.image_id) as "image: _",
                  array(select g.group_id from item_modifier_groups g
                        where g.restaurant_id = $1 and g.item_id = i.id order by g.position) as "modifier_groups!: _"
           from menu_items i where restaurant_id = $1 and id = $2 and deleted_at is null"#,
        restaurant as RestaurantId,
        id as ItemId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| row.into_item(currency, now)))
}

/// One item, locked until the transaction ends.
pub async fn lock(tx: &mut Tx, scope: &RestaurantScope, id: ItemId) -> Result<Item, Problem> {
    sqlx::query!(
        "select id from menu_items where restaurant_id = $1 and id = $2 for no key update",
        scope.restaurant() as RestaurantId,
        id as ItemId,
    )
    .fetch_optional(tx.connection())
    .await?;
    get(tx, scope.restaurant(), id).await?.ok_or_else(Problem::not_found)
}

/// Writes a new or changed item, but not its stock (`stock.rs`).
pub async fn save(tx: &mut Tx, scope: &RestaurantScope, item: &Item) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "insert into menu_items (restaurant_id, id, key, category_id, name, description, price, available,
             unavailable_until, position, day_parts, allergens, diets, translations, created_at, updated_at, tax_class,
             search_words)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, $16, $17)
         on conflict (restaurant_id, id) do update set key = excluded.key, category_id = excluded.category_id,
             name = excluded.name, description = excluded.description, price = excluded.price,
             available = excluded.available, unavailable_until = excluded.unavailable_until,
             position = excluded.position, day_parts = excluded.day_parts, allergens = excluded.allergens,
             diets = excluded.diets, translations = excluded.translations, updated_at = excluded.updated_at,
             tax_class = excluded.tax_class, search_words = excluded.search_words",
        scope.restaurant() as RestaurantId,
        item.id as ItemId,
        item.key,
        item.category_id as CategoryId,
        item.name,
        item.description,
        item.price.amount as Amount,
        item.available,
        item.unavailable_until,
        item.position,
        Json(&item.day_parts) as _,
        item.allergens.as_ref().map(Json) as _,
        Json(&item.diets) as _,
        Json(&item.translations) as _,
        now,
        item.tax_class.as_ref().map(TaxClass::as_str),
        &item.search_words(),
    )
    .execute(tx.connection())
    .await
    .on_constraint("menu_items_key_key", key_taken)?;
    set_groups(tx, scope, item.id, &item.modifier_groups).await
}

/// Sets the image of an item; `None` removes it.
pub async fn set_image(
    tx: &mut Tx,
    scope: &RestaurantScope,
    item: ItemId,
    image: Option<ImageId>,
) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "update menu_items set image_id = $3, updated_at = $4
         where restaurant_id = $1 and id = $2 and deleted_at is null",
        scope.restaurant() as RestaurantId,
        item as ItemId,
        image as Option<ImageId>,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Replaces the modifier groups of an item, in this order.
async fn set_groups(
    tx: &mut Tx,
    scope: &RestaurantScope,
    item: ItemId,
    groups: &[ModifierGroupId],
) -> Result<(), Problem> {
    let groups: Vec<_> = groups.iter().map(|group| group.uuid()).collect();
    sqlx::query!(
        "with gone as (
             delete from item_modifier_groups where restaurant_id = $1 and item_id = $2 and group_id <> all($3)
         )
         insert into item_modifier_groups (restaurant_id, item_id, group_id, position)
         select $1, $2, id, place from unnest($3::uuid[]) with ordinality as groups(id, place)
         on conflict (restaurant_id, item_id, group_id) do update set position = excluded.position",
        scope.restaurant() as RestaurantId,
        item as ItemId,
        &groups,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Refuses a category that does not exist.
pub async fn require_category(tx: &mut Tx, scope: &RestaurantScope, id: CategoryId) -> Result<(), Problem> {
    let found = sqlx::query!(
        "select id from menu_categories where restaurant_id = $1 and id = $2 and deleted_at is null",
        scope.restaurant() as RestaurantId,
        id as CategoryId,
    )
    .fetch_optional(tx.connection())
    .await?;
    let missing = || Problem::invalid_field("/categoryId", "must be a category of this restaurant");
    found.map(|_| ()).ok_or_else(missing)
}

/// Hides an item.
pub async fn delete(tx: &mut Tx, scope: &RestaurantScope, id: ItemId) -> Result<(), Problem> {
    let now = tx.now();
    let hidden = sqlx::query!(
        "update menu_items set deleted_at = $3, available = false, unavailable_until = null, image_id = null,
             updated_at = $3
         where restaurant_id = $1 and id = $2 and deleted_at is null",
        scope.restaurant() as RestaurantId,
        id as ItemId,
        now,
    )
    .execute(tx.connection())
    .await?;
    if hidden.rows_affected() == 1 { Ok(()) } else { Err(Problem::not_found()) }
}
