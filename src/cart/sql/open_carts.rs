//! Opens carts, within the limits on open carts.

use crate::cart::sql::OpenCart;
use crate::cart::{CartOwner, MAX_GUEST_CARTS};
use crate::config::CartLimits;
use crate::ids::{CartId, GuestId, RestaurantId, UserId};
use crate::money::Currency;
use crate::problem::{Code, OnConstraint as _, Problem};
use crate::row_limit::{self, RowLimit};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// Opens the owner's cart at the restaurant if there is none, and increments its version; returns the restaurant's
/// currency, too.
pub async fn touch(
    tx: &mut Tx,
    scope: &RestaurantScope,
    owner: CartOwner,
    limits: CartLimits,
) -> Result<(Currency, OpenCart), Problem> {
    match owner {
        CartOwner::User(user) => touch_users(tx, scope, user, limits.open).await,
        CartOwner::Guest(guest) => touch_guests(tx, scope, guest).await,
    }
}

/// Opens or touches a guest's cart. The guest must be locked, so that carts are not opened concurrently.
async fn touch_guests(tx: &mut Tx, scope: &RestaurantScope, guest: GuestId) -> Result<(Currency, OpenCart), Problem> {
    let now = tx.now();
    let row = sqlx::query!(
        r#"insert into carts (restaurant_id, id, guest_id, created_at, updated_at)
           values ($1, $2, $3, $4, $4)
           on conflict (guest_id, restaurant_id) where status = 'OPEN'
           do update set version = carts.version + 1, updated_at = excluded.updated_at
           returning id, version, updated_at,
               (select r.currency from restaurants r where r.id = $1) as "currency!: Currency",
               (select count(*) from carts o where o.guest_id = $3 and o.restaurant_id <> $1) as "others!""#,
        scope.restaurant() as RestaurantId,
        CartId::new() as CartId,
        guest as GuestId,
        now,
    )
    .fetch_one(tx.connection())
    .await
    .on_constraint("carts_restaurant_id_fkey", Problem::not_found)?;
    if row.others >= MAX_GUEST_CARTS {
        let detail = "A guest can have carts at up to ten restaurants. Sign in to use more.";
        return Err(Problem::new(Code::TooMany, detail));
    }
    Ok((row.currency, OpenCart { id: row.id, version: row.version, updated_at: row.updated_at }))
}

/// The most carts of a customer that can be opened concurrently without seeing each other: the limit on concurrent
/// requests of a user.
const OPENED_AT_ONCE: i64 = 32;

/// Opens or touches a user's cart. `replaced_at` is set to the last order, because lines written before it belong to the cart that it closed.
///
/// When a cart is opened and there are more than `max`, those of other restaurants that were written longest ago are
/// deleted.
async fn touch_users(
    tx: &mut Tx,
    scope: &RestaurantScope,
    user: UserId,
    max: i64,
) -> Result<(Currency, OpenCart), Problem> {
    let now = tx.now();
    let row = sqlx::query!(
        r#"insert into carts (restaurant_id, id, user_id, created_at, updated_at, replaced_at)
           values ($1, $2, $3, $4, $4, (select max(updated_at) from carts
                                        where restaurant_id = $1 and user_id = $3 and status = 'ORDERED'))
           on conflict (user_id, restaurant_id) where status = 'OPEN'
           do update set version = carts.version + 1, updated_at = excluded.updated_at
           returning id, version, updated_at, xmax = 0 as "is_new!",
               (select count(*) from carts o
                where o.user_id = $3 and o.status = 'OPEN' and o.restaurant_id <> $1) as "others!",
               (select r.currency from restaurants r where r.id = $1) as "currency!: Currency""#,
        scope.restaurant() as RestaurantId,
        CartId::new() as CartId,
        user as UserId,
        now,
    )
    .fetch_one(tx.connection())
    .await
    .on_constraint("carts_restaurant_id_fkey", Problem::not_found)?;
    // Far from the limit no lock is needed.
    let is_near = row.is_new && row.others + OPENED_AT_ONCE >= max;
    if is_near && row_limit::count(tx, RowLimit::OpenCarts, user.uuid()).await? > max {
        discard_oldest(tx, scope, user, max).await?;
    }
    Ok((row.currency, OpenCart { id: row.id, version: row.version, updated_at: row.updated_at }))
}

/// Deletes a user's open carts except the `max` written last and the one of this restaurant. Carts that are being
/// written or ordered are kept.
async fn discard_oldest(tx: &mut Tx, scope: &RestaurantScope, user: UserId, max: i64) -> Result<(), Problem> {
    sqlx::query!(
        "delete from carts c using (
             select restaurant_id, id from carts
             where user_id = $1 and restaurant_id <> $2 and status = 'OPEN'
             order by updated_at desc, id desc offset $3::bigint - 1 for update skip locked) old
         where c.restaurant_id = old.restaurant_id and c.id = old.id",
        user as UserId,
        scope.restaurant() as RestaurantId,
        max,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
