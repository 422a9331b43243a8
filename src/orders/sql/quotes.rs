//! Statements on quotes.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use crate::ids::{CartId, OrderId, QuoteId, RestaurantId, UserId};
use crate::money::{Amount, Currency};
use crate::orders::quote::{Content, Stored};
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// A quote's row, with its restaurant's currency.
struct Row {
    id: QuoteId,
    restaurant_id: RestaurantId,
    user_id: UserId,
    cart_id: Option<CartId>,
    cart_version: Option<i64>,
    content: Json<Content>,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    order_id: Option<OrderId>,
    currency: Currency,
}

impl Row {
    fn into_stored(self) -> Stored {
        Stored {
            id: self.id,
            restaurant_id: self.restaurant_id,
            user_id: self.user_id,
            cart: self.cart_id.zip(self.cart_version),
            content: self.content.0,
            currency: self.currency,
            created_at: self.created_at,
            expires_at: self.expires_at,
            order_id: self.order_id,
        }
    }
}

/// Where one of a customer's own quotes is: `None` for one that is not theirs or not there.
pub async fn restaurant_of(tx: &mut Tx, quote: QuoteId, user: UserId) -> Result<Option<RestaurantId>, Problem> {
    let row = sqlx::query!(
        "select restaurant_id from quotes where id = $1 and user_id = $2",
        quote as QuoteId,
        user as UserId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| row.restaurant_id))
}

/// One of a customer's quotes here.
pub async fn get(
    tx: &mut Tx,
    scope: &RestaurantScope,
    user: UserId,
    quote: QuoteId,
) -> Result<Option<Stored>, Problem> {
    let row = sqlx::query_as!(
        Row,
        r#"select q.id, q.restaurant_id, q.user_id, q.cart_id, q.cart_version, q.content as "content: _", q.created_at,
                  q.expires_at, q.order_id, r.currency
           from quotes q join restaurants r on r.id = q.restaurant_id
           where q.restaurant_id = $1 and q.id = $2 and q.user_id = $3"#,
        scope.restaurant() as RestaurantId,
        quote as QuoteId,
        user as UserId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(Row::into_stored))
}

/// The same, locked until the transaction ends.
pub async fn lock(
    tx: &mut Tx,
    scope: &RestaurantScope,
    user: UserId,
    quote: QuoteId,
) -> Result<Option<Stored>, Problem> {
    sqlx::query!(
        "select id from quotes where restaurant_id = $1 and id = $2 and user_id = $3 for no key update",
        scope.restaurant() as RestaurantId,
        quote as QuoteId,
        user as UserId,
    )
    .fetch_optional(tx.connection())
    .await?;
    get(tx, scope, user, quote).await
}

/// How many quotes of a customer's hold here and have not been used.
pub async fn open(tx: &mut Tx, scope: &RestaurantScope, user: UserId) -> Result<i64, Problem> {
    let now = tx.now();
    let row = sqlx::query!(
        r#"select count(*) as "count!" from quotes
           where restaurant_id = $1 and user_id = $2 and expires_at > $3 and order_id is null"#,
        scope.restaurant() as RestaurantId,
        user as UserId,
        now,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(row.count)
}

/// Keeps a quote.
pub async fn insert(tx: &mut Tx, scope: &RestaurantScope, quote: &Stored, total: Amount) -> Result<(), Problem> {
    let (cart, version) = quote.cart.unzip();
    sqlx::query!(
        "insert into quotes (restaurant_id, id, user_id, cart_id, cart_version, content, total, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        scope.restaurant() as RestaurantId,
        quote.id as QuoteId,
        quote.user_id as UserId,
        cart as Option<CartId>,
        version,
        Json(&quote.content) as _,
        total as Amount,
        quote.created_at,
        quote.expires_at,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// An order was placed from a quote that is locked.
pub async fn mark_used(tx: &mut Tx, scope: &RestaurantScope, quote: QuoteId, order: OrderId) -> Result<(), Problem> {
    sqlx::query!(
        "update quotes set order_id = $3 where restaurant_id = $1 and id = $2",
        scope.restaurant() as RestaurantId,
        quote as QuoteId,
        order as OrderId,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Forgets some of the quotes that expired before an instant, the oldest first; tells how many.
pub async fn forget(tx: &mut Tx, before: DateTime<Utc>, most: i64) -> Result<u64, Problem> {
    let forgotten = sqlx::query!(
        "delete from quotes where id in (
             select id from quotes where expires_at < $1 order by expires_at limit $2 for update skip locked)",
        before,
        most,
    )
    .execute(tx.connection())
    .await?;
    Ok(forgotten.rows_affected())
}
