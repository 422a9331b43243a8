//! The statement that reads items of a menu for lines without a cart.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use crate::cart::line_item::{LineItem, LineItems};
use crate::ids::{ItemId, ModifierGroupId, RestaurantId};
use crate::menu::allergens::{Declared, Diet};
use crate::menu::dayparts::{DayPart, Week};
use crate::money::Amount;
use crate::problem::Problem;
use crate::restaurants::tax::TaxClass;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// The row of an item with its category.
struct ItemRow {
    id: ItemId,
    menu_version: i64,
    name: String,
    price: Amount,
    tax_class: Option<TaxClass>,
    stock: Option<i32>,
    available: bool,
    unavailable_until: Option<DateTime<Utc>>,
    deleted: bool,
    allergens: Option<Json<Vec<Declared>>>,
    diets: Json<Vec<Diet>>,
    day_parts: Json<Vec<DayPart>>,
    category_parts: Json<Vec<DayPart>>,
    group_ids: Vec<ModifierGroupId>,
}

impl From<ItemRow> for LineItem {
    fn from(row: ItemRow) -> Self {
        Self {
            id: row.id,
            menu_version: row.menu_version,
            name: row.name,
            price: row.price,
            tax_class: row.tax_class,
            stock: row.stock,
            available: row.available,
            unavailable_until: row.unavailable_until,
            deleted: row.deleted,
            allergens: row.allergens.map(|allergens| allergens.0),
            diets: row.diets.0,
            week: Week::of(&row.day_parts.0).and(&Week::of(&row.category_parts.0)),
            group_ids: row.group_ids,
        }
    }
}

/// Items of the restaurant's menu, deleted ones included. Ids that were never on it are left out.
pub async fn line_items(
    tx: &mut Tx,
    scope: &RestaurantScope,
    ids: impl Iterator<Item = ItemId> + Send,
) -> Result<LineItems, Problem> {
    let ids: Vec<Uuid> = ids.map(ItemId::uuid).collect();
    if ids.is_empty() {
        return Ok(LineItems::new());
    }
    let rows = sqlx::query_as!(
        ItemRow,
        r#"select i.id, coalesce((select m.version from menus m where m.restaurant_id = $1), 1) as "menu_version!",
                  i.name, i.price, i.tax_class as "tax_class: _", i.stock, i.available, i.unavailable_until,
                  i.deleted_at is not null as "deleted!", i.allergens as "allergens: _", i.diets as "diets: _",
                  i.day_parts as "day_parts: _", k.day_parts as "category_parts: _",
                  array(select g.group_id from item_modifier_groups g
                        where g.restaurant_id = $1 and g.item_id = i.id order by g.position) as "group_ids!: _"
           from menu_items i
           join menu_categories k on k.restaurant_id = i.restaurant_id and k.id = i.category_id
           where i.restaurant_id = $1 and i.id = any($2)"#,
        scope.restaurant() as RestaurantId,
        &ids,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, Arc::new(row.into()))).collect())
}
