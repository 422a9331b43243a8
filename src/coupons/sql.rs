//! Every statement on coupons and their redemptions.

use chrono::{DateTime, Utc};

use super::rules::{CouponRefusal, CouponState, Saving};
use super::{Coupon, CouponCode, CouponKind};
use crate::ids::{CouponId, OrderId, RestaurantId, UserId};
use crate::money::{Amount, Currency};
use crate::paging::Page;
use crate::problem::{Code, OnConstraint as _, Problem};
use crate::restaurants::tax::Rate;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// A coupon's row, with its restaurant's currency.
struct Row {
    id: CouponId,
    restaurant_id: RestaurantId,
    code: CouponCode,
    kind: CouponKind,
    rate: Option<Rate>,
    cap: Option<Amount>,
    amount: Option<Amount>,
    minimum_items: Amount,
    valid_from: Option<DateTime<Utc>>,
    valid_until: Option<DateTime<Utc>>,
    limit_total: Option<i32>,
    limit_per_user: Option<i32>,
    active: bool,
    redeemed: i32,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    currency: Currency,
    used: i64,
    is_verified: bool,
}

impl Row {
    fn into_state(self) -> CouponState {
        let of = |amount: Amount| amount.of(self.currency);
        let coupon = Coupon {
            id: self.id,
            restaurant_id: self.restaurant_id,
            code: self.code,
            kind: self.kind,
            basis_points: self.rate,
            cap: self.cap.map(of),
            amount: self.amount.map(of),
            minimum_items: of(self.minimum_items),
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            limit_total: self.limit_total,
            limit_per_user: self.limit_per_user,
            active: self.active,
            redeemed: self.redeemed,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        };
        CouponState { coupon, used: self.used, is_customer_verified: self.is_verified }
    }
}

/// Coupons that have not been deleted; `$2` is the customer whose uses are counted.
macro_rules! coupons {
    ($which:tt, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"select c.id, c.restaurant_id, c.code, c.kind, c.rate, c.cap, c.amount, c.minimum_items, c.valid_from,
                      c.valid_until, c.limit_total, c.limit_per_user, c.active, c.redeemed, c.version, c.created_at,
                      c.updated_at, r.currency,
                      (select count(*) from coupon_redemptions u where u.restaurant_id = $1 and u.coupon_id = c.id
                       and u.user_id = $2 and u.returned_at is null) as "used!",
                      exists (select from users u where u.id = $2
                       and (u.email_verified_at is not null or u.phone_verified_at is not null)) as "is_verified!"
               from coupons c join restaurants r on r.id = c.restaurant_id
               where c.restaurant_id = $1 and c.deleted_at is null and "# + $which,
            $($argument),+
        )
    };
}

/// The coupon with a code, and how many orders of a customer use it.
pub async fn by_code(
    tx: &mut Tx,
    scope: &RestaurantScope,
    customer: UserId,
    code: &CouponCode,
) -> Result<Option<CouponState>, Problem> {
    let restaurant = scope.restaurant();
    let row = coupons!("c.code = $3", restaurant as RestaurantId, customer as UserId, code.as_str())
        .fetch_optional(tx.connection())
        .await?;
    Ok(row.map(Row::into_state))
}

/// One coupon, and how many orders of a customer use it.
async fn by_id(
    tx: &mut Tx,
    scope: &RestaurantScope,
    customer: Option<UserId>,
    id: CouponId,
) -> Result<Option<CouponState>, Problem> {
    let restaurant = scope.restaurant();
    let row = coupons!("c.id = $3", restaurant as RestaurantId, customer as Option<UserId>, id as CouponId)
        .fetch_optional(tx.connection())
        .await?;
    Ok(row.map(Row::into_state))
}

/// Reads one coupon; `None`: the restaurant has none with this id.
pub async fn get(tx: &mut Tx, scope: &RestaurantScope, id: CouponId) -> Result<Option<Coupon>, Problem> {
    Ok(by_id(tx, scope, None, id).await?.map(|found| found.coupon))
}

/// One coupon, locked until the transaction ends.
pub async fn lock(tx: &mut Tx, scope: &RestaurantScope, id: CouponId) -> Result<Option<Coupon>, Problem> {
    sqlx::query!(
        "select id from coupons where restaurant_id = $1 and id = $2 for no key update",
        scope.restaurant() as RestaurantId,
        id as CouponId,
    )
    .fetch_optional(tx.connection())
    .await?;
    get(tx, scope, id).await
}

/// A page of a restaurant's coupons, newest first.
pub async fn list(tx: &mut Tx, scope: &RestaurantScope, page: Page) -> Result<Vec<Coupon>, Problem> {
    let rows = coupons!(
        "(c.created_at, c.id) < (coalesce($3, 'infinity'::timestamptz),
                                 coalesce($4, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
         order by c.created_at desc, c.id desc limit $5",
        scope.restaurant() as RestaurantId,
        None::<UserId> as Option<UserId>,
        page.after_time(),
        page.after_id(),
        page.fetch,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(|row| row.into_state().coupon).collect())
}

/// Creates a coupon.
pub async fn insert(tx: &mut Tx, scope: &RestaurantScope, coupon: &Coupon) -> Result<(), Problem> {
    sqlx::query!(
        "insert into coupons (restaurant_id, id, code, kind, rate, cap, amount, minimum_items, valid_from, valid_until,
             limit_total, limit_per_user, active, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14)",
        scope.restaurant() as RestaurantId,
        coupon.id as CouponId,
        coupon.code.as_str(),
        coupon.kind as CouponKind,
        coupon.basis_points as Option<Rate>,
        coupon.cap.map(|cap| cap.amount) as Option<Amount>,
        coupon.amount.map(|amount| amount.amount) as Option<Amount>,
        coupon.minimum_items.amount as Amount,
        coupon.valid_from,
        coupon.valid_until,
        coupon.limit_total,
        coupon.limit_per_user,
        coupon.active,
        coupon.created_at,
    )
    .execute(tx.connection())
    .await
    .on_constraint("coupons_code_key", || {
        Problem::new(Code::AlreadyExists, "Another coupon has this code. Choose another code, or delete that coupon.")
    })?;
    Ok(())
}

/// Writes the changeable fields of a locked coupon; returns the coupon after the change.
pub async fn update(tx: &mut Tx, scope: &RestaurantScope, coupon: &Coupon) -> Result<Coupon, Problem> {
    let now = tx.now();
    sqlx::query!(
        "update coupons set minimum_items = $3, valid_from = $4, valid_until = $5, limit_total = $6, limit_per_user =
           $7,
             active = $8, version = version + 1, updated_at = $9
         where restaurant_id = $1 and id = $2",
        scope.restaurant() as RestaurantId,
        coupon.id as CouponId,
        coupon.minimum_items.amount as Amount,
        coupon.valid_from,
        coupon.valid_until,
        coupon.limit_total,
        coupon.limit_per_user,
        coupon.active,
        now,
    )
    .execute(tx.connection())
    .await?;
    get(tx, scope, coupon.id).await?.ok_or_else(Problem::not_found)
}

/// Deletes a coupon; orders that used it keep their discount. `false`: there is none with this id.
pub async fn delete(tx: &mut Tx, scope: &RestaurantScope, id: CouponId) -> Result<bool, Problem> {
    let now = tx.now();
    let deleted = sqlx::query!(
        "update coupons set deleted_at = $3, updated_at = $3, version = version + 1
         where restaurant_id = $1 and id = $2 and deleted_at is null",
        scope.restaurant() as RestaurantId,
        id as CouponId,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(deleted.rows_affected() == 1)
}

/// Counts an order that uses the coupon, if its limits allow one more. The coupon's row is locked, so that concurrent
/// orders do not exceed the limits.
///
/// # Errors
/// The refusal, if a limit was reached meanwhile.
pub async fn redeem(
    tx: &mut Tx,
    scope: &RestaurantScope,
    customer: UserId,
    order: OrderId,
    saving: &Saving,
) -> Result<(), Problem> {
    let now = tx.now();
    let counted = sqlx::query!(
        "update coupons set redeemed = redeemed + 1
         where restaurant_id = $1 and id = $2 and active and deleted_at is null
           and redeemed < coalesce(limit_total, redeemed + 1)
         returning limit_per_user",
        scope.restaurant() as RestaurantId,
        saving.coupon as CouponId,
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(counted) = counted else {
        let found = by_id(tx, scope, Some(customer), saving.coupon).await?;
        let found = found.ok_or_else(|| super::rules::unknown(&saving.code))?;
        let refusal = if found.coupon.active { CouponRefusal::UsedUp } else { CouponRefusal::Unknown };
        return Err(found.problem(refusal));
    };
    // A separate statement, which sees the writes of earlier holders of the lock.
    let redeemed = sqlx::query!(
        "insert into coupon_redemptions (restaurant_id, order_id, coupon_id, user_id, saved, redeemed_at)
         select $1, $2, $3, $4, $5, $6
         where (select count(*) from coupon_redemptions
                where restaurant_id = $1 and coupon_id = $3 and user_id = $4 and returned_at is null)
               < coalesce($7, 2147483647)",
        scope.restaurant() as RestaurantId,
        order as OrderId,
        saving.coupon as CouponId,
        customer as UserId,
        saving.amount as Amount,
        now,
        counted.limit_per_user,
    )
    .execute(tx.connection())
    .await?;
    if redeemed.rows_affected() == 1 {
        return Ok(());
    }
    let found = by_id(tx, scope, Some(customer), saving.coupon).await?.ok_or_else(Problem::not_found)?;
    Err(found.problem(CouponRefusal::AlreadyUsed))
}

/// Releases the coupon of a cancelled order, which can be used once more.
pub async fn give_back(tx: &mut Tx, scope: &RestaurantScope, order: OrderId) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "with returned as (
             update coupon_redemptions set returned_at = $3
             where restaurant_id = $1 and order_id = $2 and returned_at is null returning coupon_id
         )
         update coupons c set redeemed = c.redeemed - 1 from returned
         where c.restaurant_id = $1 and c.id = returned.coupon_id",
        scope.restaurant() as RestaurantId,
        order as OrderId,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
