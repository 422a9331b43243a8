//! Every statement on carts and their lines.

use chrono::{DateTime, Utc};

use super::{CartStatus, StoredLine};
use crate::ids::{CartId, ItemId, OrderId, RestaurantId, UserId};
use crate::problem::{OnConstraint as _, Problem};
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

/// The lines of a cart with the menu's present word on each.
pub async fn lines(tx: &mut Tx, scope: &RestaurantScope, cart: CartId) -> Result<Vec<StoredLine>, Problem> {
    let lines = sqlx::query_as!(
        StoredLine,
        r#"select c.menu_item_id as item_id, i.name, c.quantity, i.price, c.note, i.available, i.stock,
                  i.deleted_at is not null as "deleted!"
           from cart_items c
           join menu_items i on i.restaurant_id = c.restaurant_id and i.id = c.menu_item_id
           where c.restaurant_id = $1 and c.cart_id = $2
           order by c.line"#,
        scope.restaurant() as RestaurantId,
        cart as CartId,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(lines)
}

/// A line as a customer wants it.
#[derive(Debug, Clone)]
pub struct WantedLine {
    /// What.
    pub item_id: ItemId,
    /// How many.
    pub quantity: i32,
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
    sqlx::query!(
        "delete from cart_items where restaurant_id = $1 and cart_id = $2",
        scope.restaurant() as RestaurantId,
        cart as CartId,
    )
    .execute(tx.connection())
    .await?;
    sqlx::query!(
        "insert into cart_items (restaurant_id, cart_id, line, menu_item_id, quantity, note)
         select $1, $2, line, item, quantity, note
         from unnest($3::uuid[], $4::int[], $5::text[]) with ordinality as wanted(item, quantity, note, line)",
        scope.restaurant() as RestaurantId,
        cart as CartId,
        &items,
        &quantities,
        &notes as &[Option<String>],
    )
    .execute(tx.connection())
    .await
    .on_constraint("cart_items_item_fkey", || {
        Problem::invalid_field("/lines", "name an item that is not on this restaurant's menu")
    })?;
    Ok(())
}

/// Which of the wanted items this restaurant does not have on its menu, by position.
pub async fn foreign_items(tx: &mut Tx, scope: &RestaurantScope, lines: &[WantedLine]) -> Result<Vec<usize>, Problem> {
    let items: Vec<_> = lines.iter().map(|line| line.item_id.uuid()).collect();
    let known = sqlx::query!(
        "select id from menu_items where restaurant_id = $1 and id = any($2) and deleted_at is null",
        scope.restaurant() as RestaurantId,
        &items,
    )
    .fetch_all(tx.connection())
    .await?;
    let is_known = |item: ItemId| known.iter().any(|row| row.id == item);
    Ok((0..lines.len()).filter(|&index| !is_known(lines[index].item_id)).collect())
}
