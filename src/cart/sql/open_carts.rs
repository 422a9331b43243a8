//! Locks and opens carts, within the limits on open carts.

use crate::cart::sql::OpenCart;
use crate::cart::{CartOwner, MAX_GUEST_CARTS};
use crate::config::CartLimits;
use crate::ids::{CartId, GuestId, RestaurantId, UserId};
use crate::money::Currency;
use crate::problem::{Code, OnConstraint as _, Problem};
use crate::row_limit::{self, RowLimit};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// The locked cart of an owner.
pub struct LockedCart {
    /// The currency of the restaurant.
    pub currency: Currency,
    /// The cart, as it was locked.
    pub cart: OpenCart,
    /// Whether it was opened by this transaction.
    pub is_new: bool,
}

/// Locks the owner's cart at the restaurant, and opens one if there is none.
pub async fn lock_or_open(
    tx: &mut Tx,
    scope: &RestaurantScope,
    owner: CartOwner,
    limits: CartLimits,
) -> Result<LockedCart, Problem> {
    match owner {
        CartOwner::User(user) => lock_or_open_of_user(tx, scope, user, limits.open).await,
        CartOwner::Guest(guest) => lock_or_open_of_guest(tx, scope, guest).await,
    }
}

/// Locks or opens a guest's cart. The guest must be locked, so that carts are not opened concurrently.
async fn lock_or_open_of_guest(tx: &mut Tx, scope: &RestaurantScope, guest: GuestId) -> Result<LockedCart, Problem> {
    let now = tx.now();
    let row = sqlx::query!(
        r#"with found as materialized (
               select id, version, updated_at, false as is_new from carts
               where restaurant_id = $1 and guest_id = $3 and status = 'OPEN' for no key update
           ), opened as (
               insert into carts (restaurant_id, id, guest_id, created_at, updated_at)
               select $1, $2, $3, $4, $4 where not exists (select from found)
               on conflict (guest_id, restaurant_id) where status = 'OPEN' do update set version = carts.version
               returning id, version, updated_at, xmax = 0 as is_new
           )
           select id as "id!: CartId", version as "version!", updated_at as "updated_at!", is_new as "is_new!",
               (select r.currency from restaurants r where r.id = $1) as "currency!: Currency",
               (select count(*) from carts o where o.guest_id = $3 and o.restaurant_id <> $1) as "others!"
           from (select * from found union all select * from opened) c"#,
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
    let cart = OpenCart { id: row.id, version: row.version, updated_at: row.updated_at };
    Ok(LockedCart { currency: row.currency, cart, is_new: row.is_new })
}

/// The most carts of a customer that can be opened concurrently without seeing each other: the limit on concurrent
/// requests of a user.
const OPENED_AT_ONCE: i64 = 32;

/// Locks or opens a user's cart. `replaced_at` is set to the last order, because lines written before it belong to the
/// cart that it closed.
///
/// When a cart is opened and there are more than `max`, those of other restaurants that were written longest ago are
/// deleted.
async fn lock_or_open_of_user(
    tx: &mut Tx,
    scope: &RestaurantScope,
    user: UserId,
    max: i64,
) -> Result<LockedCart, Problem> {
    let now = tx.now();
    let row = sqlx::query!(
        r#"with found as materialized (
               select id, version, updated_at, false as is_new from carts
               where restaurant_id = $1 and user_id = $3 and status = 'OPEN' for no key update
           ), opened as (
               insert into carts (restaurant_id, id, user_id, created_at, updated_at, replaced_at)
               select $1, $2, $3, $4, $4, (select max(updated_at) from carts
                                           where restaurant_id = $1 and user_id = $3 and status = 'ORDERED')
               where not exists (select from found)
               on conflict (user_id, restaurant_id) where status = 'OPEN' do update set version = carts.version
               returning id, version, updated_at, xmax = 0 as is_new
           )
           select id as "id!: CartId", version as "version!", updated_at as "updated_at!", is_new as "is_new!",
               (select count(*) from carts o
                where o.user_id = $3 and o.status = 'OPEN' and o.restaurant_id <> $1) as "others!",
               (select r.currency from restaurants r where r.id = $1) as "currency!: Currency"
           from (select * from found union all select * from opened) c"#,
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
    let cart = OpenCart { id: row.id, version: row.version, updated_at: row.updated_at };
    Ok(LockedCart { currency: row.currency, cart, is_new: row.is_new })
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
