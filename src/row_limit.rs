//! Limits on the number of rows of a user or restaurant.
//!
//! Every such limit is checked here: `count_owned` (`migrations/0095_row_limits.sql`) first takes a lock for the kind
//! and the owner until the end of the transaction, so that each of several concurrent requests counts the rows of those
//! before it. A new limit is a variant of [`RowLimit`], a case of `count_owned` and a setting, with a test in
//! `tests/it/row_limits.rs`. docs/security.md lists the tables that callers can make grow, and the limit of each.

use uuid::Uuid;

use crate::problem::{Code, Problem};
use crate::uow::Tx;

/// What is counted, and for which owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowLimit {
    /// Saved addresses of a user (`ADDRESS_MAX`).
    SavedAddresses,
    /// A user's devices for push notifications (`PUSH_MAX_DEVICES`).
    PushDevices,
    /// A user's sessions that have not ended (`SESSION_MAX_PER_USER`).
    Sessions,
    /// A user's devices that synchronise and have not been retired (`SYNC_MAX_DEVICES`).
    SyncDevices,
    /// A user's valid quotes at all restaurants from which no order was placed (`QUOTE_MAX_OPEN`).
    OpenQuotes,
    /// A user's open carts at all restaurants (`CART_MAX_OPEN`).
    OpenCarts,
    /// A restaurant's coupons that have not been deleted (`COUPON_MAX`).
    Coupons,
    /// People who work for a restaurant (`MEMBER_MAX`).
    Members,
    /// Invitations of a restaurant (`INVITATION_MAX`).
    Invitations,
    /// Stored images of a restaurant, unused ones included (`IMAGE_MAX_STORED`).
    Images,
}

impl RowLimit {
    /// The name in `count_owned` and in error messages.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::SavedAddresses => "saved addresses",
            Self::PushDevices => "push devices",
            Self::Sessions => "sessions",
            Self::SyncDevices => "sync devices",
            Self::OpenQuotes => "open quotes",
            Self::OpenCarts => "open carts",
            Self::Coupons => "coupons",
            Self::Members => "members",
            Self::Invitations => "invitations",
            Self::Images => "images",
        }
    }

    /// What to do when the limit is reached.
    const fn remedy(self) -> &'static str {
        match self {
            Self::OpenQuotes => "Place an order from one, or wait until one has expired.",
            Self::Images => "Delete images that are not needed; they are gone for good after IMAGE_KEEP_IDLE.",
            _ => "Delete one first, then try again.",
        }
    }
}

/// The number of rows. No other transaction adds one for the owner until this one ends.
///
/// # Errors
/// 503 when the lock is not free in time.
pub async fn count(tx: &mut Tx, limit: RowLimit, owner: Uuid) -> Result<i64, Problem> {
    let now = tx.now();
    let row = sqlx::query!(r#"select count_owned($2, $1, $3) as "count!""#, owner, limit.kind(), now)
        .fetch_one(tx.connection())
        .await?;
    Ok(row.count)
}

/// Refuses if there are already `max`; called before a row is added, in the same transaction.
///
/// # Errors
/// 409 `too_many` with `limit`.
pub async fn check(tx: &mut Tx, limit: RowLimit, owner: Uuid, max: i64) -> Result<(), Problem> {
    if count(tx, limit, owner).await? < max { Ok(()) } else { Err(reached(limit, max)) }
}

/// The refusal when the limit is reached.
pub fn reached(limit: RowLimit, max: i64) -> Problem {
    let detail = format!("At most {max} {} are allowed. {}", limit.kind(), limit.remedy());
    Problem::new(Code::TooMany, detail).with("limit", max)
}
