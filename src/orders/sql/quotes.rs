//! Statements on quotes.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use crate::ids::{CartId, OrderId, QuoteId, RestaurantId, UserId};
use crate::money::{Amount, Currency};
use crate::orders::quotes::{QuoteContent, StoredQuote};
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
    content: Json<QuoteContent>,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    order_id: Option<OrderId>,
    currency: Currency,
}

impl Row {
    fn into_stored(self) -> StoredQuote {
        StoredQuote {
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

/// Quotes with their restaurant's currency; `$restaurant` is the expression for the restaurant's id.
macro_rules! quotes {
    ($restaurant:tt, $which:tt, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            Row,
            "select q.id, " + $restaurant + r#" as "restaurant_id!: _", q.user_id, q.cart_id, q.cart_version,
                    q.content as "content: _", q.created_at, q.expires_at, q.order_id, r.currency
             from quotes q join restaurants r on r.id = q.restaurant_id where "# + $which,
            $($argument),+
        )
    };
}

/// One of a customer's quotes at the restaurant.
pub async fn get(
    tx: &mut Tx,
    scope: &RestaurantScope,
    user: UserId,
    quote: QuoteId,
) -> Result<Option<StoredQuote>, Problem> {
    let row = quotes!(
        "q.restaurant_id",
        "q.restaurant_id = $1 and q.id = $2 and q.user_id = $3",
        scope.restaurant() as RestaurantId,
        quote as QuoteId,
        user as UserId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(Row::into_stored))
}

/// One of a customer's quotes, locked; sets the restaurant of the transaction to that of the quote.
pub async fn lock_own(tx: &mut Tx, quote: QuoteId, user: UserId) -> Result<Option<StoredQuote>, Problem> {
    let row = quotes!(
        "set_shop(q.restaurant_id)",
        "q.id = $1 and q.user_id = $2 for no key update of q",
        quote as QuoteId,
        user as UserId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(Row::into_stored))
}

/// Stores a quote.
pub async fn insert(tx: &mut Tx, scope: &RestaurantScope, quote: &StoredQuote, total: Amount) -> Result<(), Problem> {
    let (cart, version) = quote.cart.unzip();
    let content = serde_json::value::to_raw_value(&quote.content).map_err(|error| Problem::internal(&error))?;
    tx.note_bytes(content.get().len());
    sqlx::query!(
        "insert into quotes (restaurant_id, id, user_id, cart_id, cart_version, content, total, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        scope.restaurant() as RestaurantId,
        quote.id as QuoteId,
        quote.user_id as UserId,
        cart as Option<CartId>,
        version,
        Json(content) as _,
        total as Amount,
        quote.created_at,
        quote.expires_at,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Deletes up to `max` quotes that expired before an instant, oldest first; returns how many.
pub async fn delete_expired(tx: &mut Tx, before: DateTime<Utc>, max: i64) -> Result<u64, Problem> {
    let forgotten = sqlx::query!(
        "delete from quotes where id in (
             select id from quotes where expires_at < $1 order by expires_at limit $2 for update skip locked)",
        before,
        max,
    )
    .execute(tx.connection())
    .await?;
    Ok(forgotten.rows_affected())
}
