//! Statements on carts of guests, and on merging them into an account.

use crate::cart::merge::UserCart;
use crate::ids::{CartId, GuestId, RestaurantId, UserId};
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// The carts of a guest, in the order in which they are always locked.
pub async fn carts(tx: &mut Tx, guest: GuestId) -> Result<Vec<(RestaurantId, CartId)>, Problem> {
    let rows = sqlx::query!(
        "select restaurant_id, id from carts where guest_id = $1 order by restaurant_id",
        guest as GuestId
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(|row| (row.restaurant_id, row.id)).collect())
}

/// The content of a user's locked cart.
pub async fn user_cart(tx: &mut Tx, scope: &RestaurantScope, cart: CartId, user: UserId) -> Result<UserCart, Problem> {
    let row = sqlx::query!(
        r#"select replaced_at, (select max(o.updated_at) from carts o
                                where o.restaurant_id = $1 and o.user_id = $3 and o.status = 'ORDERED') as ordered_at
           from carts where restaurant_id = $1 and id = $2 and user_id = $3"#,
        scope.restaurant() as RestaurantId,
        cart as CartId,
        user as UserId,
    )
    .fetch_one(tx.connection())
    .await?;
    let lines = super::lines::all(tx, scope, cart).await?;
    Ok(UserCart { lines, replaced_at: row.replaced_at, ordered_at: row.ordered_at })
}

/// Deletes a guest's cart after it was merged.
pub async fn discard(tx: &mut Tx, scope: &RestaurantScope, cart: CartId) -> Result<(), Problem> {
    sqlx::query!(
        "delete from carts where restaurant_id = $1 and id = $2 and guest_id is not null",
        scope.restaurant() as RestaurantId,
        cart as CartId,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
