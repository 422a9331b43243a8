//! Every statement on categories and items, but for the stock that an order takes (`orders/sql.rs`).

use uuid::Uuid;

use super::heads::Head;
use super::{Category, Item, Menu, MenuCategory, MenuItem};
use crate::events::{self, Event};
use crate::ids::{CategoryId, ItemId, RestaurantId};
use crate::money::{Amount, Currency};
use crate::paging::Page;
use crate::problem::{OnConstraint as _, Problem};
use crate::tenancy::RestaurantScope;
use crate::uow::{Database, Tx};

/// An item's row; its currency is the restaurant's.
struct ItemRow {
    id: ItemId,
    category_id: CategoryId,
    name: String,
    description: Option<String>,
    price: Amount,
    available: bool,
    stock: Option<i32>,
    position: i32,
}

impl ItemRow {
    fn into_item(self, currency: Currency) -> Item {
        Item {
            id: self.id,
            category_id: self.category_id,
            name: self.name,
            description: self.description,
            price: self.price.of(currency),
            available: self.available,
            stock: self.stock,
            position: self.position,
        }
    }

    fn into_menu_item(self, currency: Currency) -> MenuItem {
        MenuItem {
            id: self.id,
            category_id: self.category_id,
            name: self.name,
            description: self.description,
            price: self.price.of(currency),
            available: self.available,
            sold_out: self.stock == Some(0),
            position: self.position,
        }
    }
}

/// What menus are at, of the restaurants that exist: one statement outside any transaction, on what everybody may read.
pub async fn heads(db: &Database, restaurants: &[Uuid]) -> Result<Vec<(RestaurantId, Head)>, Problem> {
    let rows = sqlx::query!(
        r#"select r.id as "id!: RestaurantId", coalesce(m.version, 1) as "version!"
           from restaurants r left join menus m on m.restaurant_id = r.id where r.id = any($1)"#,
        restaurants,
    )
    .fetch_all(db.pool())
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, Head { version: row.version })).collect())
}

/// Gives the menu its next version, and says so: the end of every change of it that a guest can see. Its lock comes last,
/// after those of items.
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
    events::publish(tx, scope, Event::MenuChanged { version: row.version }).await
}

/// The whole menu; `None`: there is no such restaurant.
pub async fn menu(tx: &mut Tx, restaurant: RestaurantId) -> Result<Option<Menu>, Problem> {
    let found = sqlx::query!(
        r#"select r.currency, coalesce(m.version, 1) as "version!"
           from restaurants r left join menus m on m.restaurant_id = r.id where r.id = $1"#,
        restaurant as RestaurantId,
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(found) = found else { return Ok(None) };
    let categories = sqlx::query_as!(
        Category,
        "select id, name, position from menu_categories
         where restaurant_id = $1 and deleted_at is null order by position, id",
        restaurant as RestaurantId,
    )
    .fetch_all(tx.connection())
    .await?;
    let items = sqlx::query_as!(
        ItemRow,
        "select id, category_id, name, description, price, available, stock, position from menu_items
         where restaurant_id = $1 and deleted_at is null order by position, id",
        restaurant as RestaurantId,
    )
    .fetch_all(tx.connection())
    .await?;
    let mut categories: Vec<_> =
        categories.into_iter().map(|category| MenuCategory { category, items: Vec::new() }).collect();
    for row in items {
        if let Some(chapter) = categories.iter_mut().find(|chapter| chapter.category.id == row.category_id) {
            chapter.items.push(row.into_menu_item(found.currency));
        }
    }
    Ok(Some(Menu { restaurant_id: restaurant, version: found.version, currency: found.currency, categories }))
}

/// What a restaurant's prices are in.
pub async fn currency(tx: &mut Tx, scope: &RestaurantScope) -> Result<Currency, Problem> {
    let row = sqlx::query!("select currency from restaurants where id = $1", scope.restaurant() as RestaurantId)
        .fetch_optional(tx.connection())
        .await?;
    row.map(|row| row.currency).ok_or_else(Problem::not_found)
}

/// A new chapter.
pub async fn insert_category(tx: &mut Tx, scope: &RestaurantScope, category: &Category) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "insert into menu_categories (restaurant_id, id, name, position, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $5)",
        scope.restaurant() as RestaurantId,
        category.id as CategoryId,
        category.name,
        category.position,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Changes a chapter; what is absent stays.
pub async fn update_category(
    tx: &mut Tx,
    scope: &RestaurantScope,
    id: CategoryId,
    name: Option<&str>,
    position: Option<i32>,
) -> Result<Category, Problem> {
    let now = tx.now();
    let category = sqlx::query_as!(
        Category,
        "update menu_categories set name = coalesce($3, name), position = coalesce($4, position), updated_at = $5
         where restaurant_id = $1 and id = $2 and deleted_at is null
         returning id, name, position",
        scope.restaurant() as RestaurantId,
        id as CategoryId,
        name,
        position,
        now,
    )
    .fetch_optional(tx.connection())
    .await?;
    category.ok_or_else(Problem::not_found)
}

/// Hides a chapter and what stands in it.
pub async fn delete_category(tx: &mut Tx, scope: &RestaurantScope, id: CategoryId) -> Result<(), Problem> {
    let now = tx.now();
    let hidden = sqlx::query!(
        "with chapter as (
             update menu_categories set deleted_at = $3 where restaurant_id = $1 and id = $2 and deleted_at is null
             returning restaurant_id, id
         ), content as (
             update menu_items i set deleted_at = $3, available = false from chapter c
             where i.restaurant_id = c.restaurant_id and i.category_id = c.id and i.deleted_at is null
         )
         select id from chapter",
        scope.restaurant() as RestaurantId,
        id as CategoryId,
        now,
    )
    .fetch_optional(tx.connection())
    .await?;
    hidden.map(|_| ()).ok_or_else(Problem::not_found)
}

/// A page of items as staff see them, in the order of their ids.
pub async fn items(
    tx: &mut Tx,
    scope: &RestaurantScope,
    category: Option<CategoryId>,
    page: Page,
) -> Result<Vec<Item>, Problem> {
    let currency = currency(tx, scope).await?;
    let rows = sqlx::query_as!(
        ItemRow,
        "select id, category_id, name, description, price, available, stock, position from menu_items
         where restaurant_id = $1 and deleted_at is null and ($2::uuid is null or category_id = $2)
           and ($3::uuid is null or id > $3)
         order by id limit $4",
        scope.restaurant() as RestaurantId,
        category as Option<CategoryId>,
        page.after_id(),
        page.fetch,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(|row| row.into_item(currency)).collect())
}

/// One item that has not been deleted.
pub async fn item(tx: &mut Tx, restaurant: RestaurantId, id: ItemId) -> Result<Option<Item>, Problem> {
    let currency = sqlx::query!("select currency from restaurants where id = $1", restaurant as RestaurantId)
        .fetch_optional(tx.connection())
        .await?
        .map(|row| row.currency);
    let row = sqlx::query_as!(
        ItemRow,
        "select id, category_id, name, description, price, available, stock, position from menu_items
         where restaurant_id = $1 and id = $2 and deleted_at is null",
        restaurant as RestaurantId,
        id as ItemId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(currency.zip(row).map(|(currency, row)| row.into_item(currency)))
}

/// A new item.
pub async fn insert_item(tx: &mut Tx, scope: &RestaurantScope, item: &Item) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "insert into menu_items
             (restaurant_id, id, category_id, name, description, price, available, stock, position, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)",
        scope.restaurant() as RestaurantId,
        item.id as ItemId,
        item.category_id as CategoryId,
        item.name,
        item.description,
        item.price.amount as Amount,
        item.available,
        item.stock,
        item.position,
        now,
    )
    .execute(tx.connection())
    .await
    .on_constraint("menu_items_category_fkey", no_such_category)?;
    Ok(())
}

fn no_such_category() -> Problem {
    Problem::invalid_field("/categoryId", "is no category of this restaurant")
}

/// Refuses a chapter that is not there any more.
pub async fn require_category(tx: &mut Tx, scope: &RestaurantScope, id: CategoryId) -> Result<(), Problem> {
    let found = sqlx::query!(
        "select id from menu_categories where restaurant_id = $1 and id = $2 and deleted_at is null",
        scope.restaurant() as RestaurantId,
        id as CategoryId,
    )
    .fetch_optional(tx.connection())
    .await?;
    found.map(|_| ()).ok_or_else(no_such_category)
}

/// What may change about an item; `None` stays.
#[derive(Debug, Default)]
pub struct ItemChange {
    /// Another chapter.
    pub category_id: Option<CategoryId>,
    /// Another name.
    pub name: Option<String>,
    /// Another description.
    pub description: Option<String>,
    /// Another price.
    pub price: Option<Amount>,
    /// On or off.
    pub available: Option<bool>,
    /// `Some(None)`: not counted any more.
    pub stock: Option<Option<i32>>,
    /// Another place in the chapter.
    pub position: Option<i32>,
}

/// Changes an item.
pub async fn update_item(tx: &mut Tx, scope: &RestaurantScope, id: ItemId, change: &ItemChange) -> Result<(), Problem> {
    let now = tx.now();
    let changed = sqlx::query!(
        "update menu_items set
             category_id = coalesce($3, category_id), name = coalesce($4, name),
             description = coalesce($5, description), price = coalesce($6, price),
             available = coalesce($7, available), position = coalesce($8, position),
             stock = case when $9 then $10 else stock end, updated_at = $11
         where restaurant_id = $1 and id = $2 and deleted_at is null",
        scope.restaurant() as RestaurantId,
        id as ItemId,
        change.category_id as Option<CategoryId>,
        change.name,
        change.description,
        change.price as Option<Amount>,
        change.available,
        change.position,
        change.stock.is_some(),
        change.stock.flatten(),
        now,
    )
    .execute(tx.connection())
    .await
    .on_constraint("menu_items_category_fkey", no_such_category)?;
    if changed.rows_affected() == 1 { Ok(()) } else { Err(Problem::not_found()) }
}

/// Hides an item.
pub async fn delete_item(tx: &mut Tx, scope: &RestaurantScope, id: ItemId) -> Result<(), Problem> {
    let now = tx.now();
    let hidden = sqlx::query!(
        "update menu_items set deleted_at = $3, available = false, updated_at = $3
         where restaurant_id = $1 and id = $2 and deleted_at is null",
        scope.restaurant() as RestaurantId,
        id as ItemId,
        now,
    )
    .execute(tx.connection())
    .await?;
    if hidden.rows_affected() == 1 { Ok(()) } else { Err(Problem::not_found()) }
}
