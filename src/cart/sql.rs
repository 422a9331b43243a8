//! Every statement on carts and their lines.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::json;
use sqlx::types::Json;

use super::line::Wish;
use super::{CartStatus, StoredLine};
use crate::ids::{CartId, ItemId, ModifierGroupId, OrderId, RestaurantId, UserId};
use crate::menu;
use crate::menu::allergens::{Declared, Diet};
use crate::menu::configure::{Choice, Misfit, configure};
use crate::menu::dayparts::{DayPart, served};
use crate::problem::{FieldError, OnConstraint as _, Problem};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// A cart without its lines.
#[derive(Debug, Clone)]
pub struct CartRow {
    /// Its id.
    pub id: CartId,
    /// Whose restaurant.
    pub restaurant_id: RestaurantId,
    /// OPEN or ORDERED.
    pub status: CartStatus,
    /// Grows with every change.
    pub version: i64,
    /// The order that closed it.
    pub order_id: Option<OrderId>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// The customer's open cart here.
pub async fn open_cart(tx: &mut Tx, scope: &RestaurantScope, user: UserId) -> Result<Option<CartRow>, Problem> {
    let cart = sqlx::query_as!(
        CartRow,
        "select id, restaurant_id, status, version, order_id, updated_at from carts
         where restaurant_id = $1 and user_id = $2 and status = 'OPEN'",
        scope.restaurant() as RestaurantId,
        user as UserId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(cart)
}

/// Where one of the customer's own carts is: `None` for a cart that is not theirs or not there.
pub async fn restaurant_of(tx: &mut Tx, cart: CartId, user: UserId) -> Result<Option<RestaurantId>, Problem> {
    let row =
        sqlx::query!("select restaurant_id from carts where id = $1 and user_id = $2", cart as CartId, user as UserId,)
            .fetch_optional(tx.connection())
            .await?;
    Ok(row.map(|row| row.restaurant_id))
}

/// One of the customer's carts, locked until the transaction ends.
pub async fn lock(
    tx: &mut Tx,
    scope: &RestaurantScope,
    cart: CartId,
    user: UserId,
) -> Result<Option<CartRow>, Problem> {
    let cart = sqlx::query_as!(
        CartRow,
        "select id, restaurant_id, status, version, order_id, updated_at from carts
         where restaurant_id = $1 and id = $2 and user_id = $3 for no key update",
        scope.restaurant() as RestaurantId,
        cart as CartId,
        user as UserId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(cart)
}

/// The lines of a cart, held against the menu of this moment.
pub async fn lines(tx: &mut Tx, scope: &RestaurantScope, cart: CartId) -> Result<Vec<StoredLine>, Problem> {
    let now = tx.now();
    let rows = sqlx::query!(
        r#"select c.menu_item_id as item_id, i.name, c.quantity, i.price, i.tax_class, c.note, i.stock,
                  i.available or coalesce(i.unavailable_until <= $3, false) as "available!",
                  i.deleted_at is not null as "deleted!", c.choices as "choices: Json<Vec<Choice>>",
                  i.allergens as "allergens: Json<Vec<Declared>>", i.diets as "diets: Json<Vec<Diet>>",
                  i.day_parts as "day_parts: Json<Vec<DayPart>>", k.day_parts as "category_parts: Json<Vec<DayPart>>",
                  r.timezone,
                  array(select g.group_id from item_modifier_groups g
                        where g.restaurant_id = $1 and g.item_id = i.id order by g.position)
                      as "asked!: Vec<ModifierGroupId>"
           from cart_items c
           join restaurants r on r.id = c.restaurant_id
           join menu_items i on i.restaurant_id = c.restaurant_id and i.id = c.menu_item_id
           join menu_categories k on k.restaurant_id = i.restaurant_id and k.id = i.category_id
           where c.restaurant_id = $1 and c.cart_id = $2
           order by c.line"#,
        scope.restaurant() as RestaurantId,
        cart as CartId,
        now,
    )
    .fetch_all(tx.connection())
    .await?;
    let asked: Vec<_> = rows.iter().flat_map(|row| row.asked.iter().copied()).collect();
    let groups = menu::sql::groups::with_nested(tx, scope.restaurant(), &asked).await?;
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let zone: Tz = row.timezone.parse().map_err(|error| Problem::internal(&error))?;
        let wish = Wish {
            item_id: row.item_id,
            name: row.name,
            quantity: row.quantity,
            price: row.price,
            tax_class: row.tax_class,
            choices: row.choices.0,
            asked: row.asked,
            note: row.note,
            available: row.available,
            in_time: served(&row.day_parts, zone, now) && served(&row.category_parts, zone, now),
            stock: row.stock,
            deleted: row.deleted,
            allergens: row.allergens.map(|allergens| allergens.0),
            diets: row.diets.0,
        };
        lines.push(wish.priced(&groups)?);
    }
    Ok(lines)
}

/// A line as a customer wants it.
#[derive(Debug, Clone)]
pub struct WantedLine {
    /// What.
    pub item_id: ItemId,
    /// How many.
    pub quantity: i32,
    /// What was chosen.
    pub choices: Vec<Choice>,
    /// A wish.
    pub note: Option<String>,
}

/// Opens the customer's cart here if there is none, and gives it its next version.
pub async fn touch(tx: &mut Tx, scope: &RestaurantScope, user: UserId) -> Result<CartId, Problem> {
    let now = tx.now();
    let row = sqlx::query!(
        "insert into carts (restaurant_id, id, user_id, created_at, updated_at) values ($1, $2, $3, $4, $4)
         on conflict (user_id, restaurant_id) where status = 'OPEN'
         do update set version = carts.version + 1, updated_at = excluded.updated_at
         returning id",
        scope.restaurant() as RestaurantId,
        CartId::new() as CartId,
        user as UserId,
        now,
    )
    .fetch_one(tx.connection())
    .await
    .on_constraint("carts_restaurant_id_fkey", Problem::not_found)?;
    Ok(row.id)
}

/// Replaces the lines of a cart.
pub async fn set_lines(
    tx: &mut Tx,
    scope: &RestaurantScope,
    cart: CartId,
    lines: &[WantedLine],
) -> Result<(), Problem> {
    let items: Vec<_> = lines.iter().map(|line| line.item_id.uuid()).collect();
    let quantities: Vec<_> = lines.iter().map(|line| line.quantity).collect();
    let notes: Vec<_> = lines.iter().map(|line| line.note.clone()).collect();
    let choices: Vec<_> = lines.iter().map(|line| json!(line.choices)).collect();
    sqlx::query!(
        "delete from cart_items where restaurant_id = $1 and cart_id = $2",
        scope.restaurant() as RestaurantId,
        cart as CartId,
    )
    .execute(tx.connection())
    .await?;
    sqlx::query!(
        "insert into cart_items (restaurant_id, cart_id, line, menu_item_id, quantity, note, choices)
         select $1, $2, line, item, quantity, note, choices
         from unnest($3::uuid[], $4::int[], $5::text[], $6::jsonb[])
             with ordinality as wanted(item, quantity, note, choices, line)",
        scope.restaurant() as RestaurantId,
        cart as CartId,
        &items,
        &quantities,
        &notes as &[Option<String>],
        &choices,
    )
    .execute(tx.connection())
    .await
    .on_constraint("cart_items_item_fkey", || {
        Problem::invalid_field("/lines", "name an item that is not on this restaurant's menu")
    })?;
    Ok(())
}

/// What about the wanted lines does not fit this restaurant's menu, by place.
pub async fn faults(tx: &mut Tx, scope: &RestaurantScope, lines: &[WantedLine]) -> Result<Vec<FieldError>, Problem> {
    let items: Vec<_> = lines.iter().map(|line| line.item_id.uuid()).collect();
    let known = sqlx::query!(
        r#"select id, array(select g.group_id from item_modifier_groups g
                        where g.restaurant_id = $1 and g.item_id = i.id order by g.position)
                      as "asked!: Vec<ModifierGroupId>"
           from menu_items i where restaurant_id = $1 and id = any($2) and deleted_at is null"#,
        scope.restaurant() as RestaurantId,
        &items,
    )
    .fetch_all(tx.connection())
    .await?;
    let asked: Vec<_> = known.iter().flat_map(|row| row.asked.iter().copied()).collect();
    let groups = menu::sql::groups::with_nested(tx, scope.restaurant(), &asked).await?;
    let mut faults = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let place = format!("/lines/{index}");
        match known.iter().find(|row| row.id == line.item_id) {
            None => faults.push(FieldError::invalid(format!("{place}/itemId"), "is not on this restaurant's menu")),
            Some(row) => {
                let misfits = configure(&row.asked, &groups, (None, &[]), &line.choices).err().unwrap_or_default();
                let fault = |misfit: Misfit| FieldError::invalid(format!("{place}{}", misfit.pointer), misfit.message);
                faults.extend(misfits.into_iter().map(fault));
            }
        }
    }
    Ok(faults)
}
