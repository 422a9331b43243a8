//! Guests: a client without an account fills carts, which are merged into the account at sign-in.
//!
//! A guest has a random token, of which the database stores a keyed hash, and carts, nothing else. When a user signs in
//! with the token, the carts are merged into the account, once (`cart/actions/merge.rs`); then the token is void. A
//! guest who has not written to a cart for `GUEST_LIFE` is deleted with the carts.

use axum::http::{HeaderValue, header};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::ids::GuestId;
use crate::problem::{Code, Problem};

use crate::uow::Tx;

pub mod sql;
pub mod token;

use token::GuestToken;

/// A guest that was created.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewGuest {
    /// Send it as `Authorization: Bearer …` to the cart of any restaurant, and as `guestToken` when signing in. It is
    /// not shown again.
    #[schema(example = "gt_3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    pub guest_token: String,
    /// When the guest and the carts are deleted; every write to a cart extends it.
    pub expires_at: DateTime<Utc>,
}

/// The guest of a token whose carts have not been merged into an account.
///
/// # Errors
/// 401 for an invalid, expired or used token.
pub async fn recognise(app: &App, token: &str) -> Result<GuestId, Problem> {
    let Some(token) = GuestToken::read(token) else { return Err(invalid_token()) };
    sql::active(&app.db, &token.hash(&app.encryption), app.clock.now()).await?.ok_or_else(invalid_token)
}

/// Before a write of a guest: extends the guest's life, and prevents that the carts are merged into an account
/// meanwhile.
///
/// # Errors
/// 401 when they have just been merged.
pub async fn extend_life(tx: &mut Tx, guest: GuestId, life: TimeDelta) -> Result<(), Problem> {
    let until = tx.now() + life;
    if sql::touch(tx, guest, until).await? { Ok(()) } else { Err(invalid_token()) }
}

/// The refusal of a guest's token, the same for every reason.
fn invalid_token() -> Problem {
    let detail = "The guest token is invalid or has expired. Get a new one from POST /api/guests, or sign in.";
    Problem::new(Code::Unauthenticated, detail)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

/// How long a guest is kept after the last write.
pub fn life(app: &App) -> TimeDelta {
    TimeDelta::from_std(app.config.accounts.guest_life).unwrap_or(TimeDelta::days(7))
}
