//! The statement that reads a cart without a transaction.

use sqlx::types::Json;

use super::RequestedLine;
use crate::ids::{CartId, ItemId, RestaurantId, UserId};
use crate::menu::configure::Choice;
use crate::problem::Problem;
use crate::uow::Tx;

/// The content of an open cart.
pub struct Content {
    /// The restaurant the cart is for.
    pub restaurant: RestaurantId,
    /// Grows with every change of its lines.
    pub version: i64,
    /// The lines, without removed ones.
    pub lines: Vec<RequestedLine>,
}

/// The content of one of the user's open carts; `None`: there is no such cart, or it is ordered.
pub async fn content(tx: &mut Tx, cart: CartId, user: UserId) -> Result<Option<Content>, Problem> {
    let row = sqlx::query!(
        r#"select restaurant as "restaurant: RestaurantId", cart_version, items as "items: Vec<ItemId>", quantities,
                  notes as "notes: Vec<Option<String>>", chosen as "chosen: Vec<Json<Vec<Choice>>>"
           from open_cart_of($1, $2)"#,
        user.uuid(),
        cart.uuid(),
    )
    .fetch_one(tx.connection())
    .await?;
    let (Some(restaurant), Some(version)) = (row.restaurant, row.cart_version) else { return Ok(None) };
    let (items, quantities) = (row.items.unwrap_or_default(), row.quantities.unwrap_or_default());
    let (notes, chosen) = (row.notes.unwrap_or_default(), row.chosen.unwrap_or_default());
    let lines = items.into_iter().zip(quantities).zip(notes).zip(chosen);
    let lines =
        lines.map(|(((item_id, quantity), note), Json(choices))| RequestedLine { item_id, quantity, choices, note });
    Ok(Some(Content { restaurant, version, lines: lines.collect() }))
}
