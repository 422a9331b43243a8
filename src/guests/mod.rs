//! Guests: a client without an account fills carts, which are merged into the account at sign-in.
//!
//! A guest is a random secret, of which the database keeps a keyed hash, and has carts and nothing else. Whoever signs
//! in with the secret takes the carts over, once (`cart/actions/merge.rs`); from then on it opens nothing. A guest who writes to no cart for
//! `GUEST_LIFE` is forgotten, carts and all.

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

/// Who holds this token and has not been taken over.
///
/// # Errors
/// 401 for every token that is not good, or not any more.
pub async fn recognise(app: &App, token: &str) -> Result<GuestId, Problem> {
    let Some(token) = GuestToken::read(token) else { return Err(not_good()) };
    sql::standing(&app.db, &token.hash(&app.encryption), app.clock.now()).await?.ok_or_else(not_good)
}

/// A guest writes: they live on from now, and nobody takes their carts over meanwhile.
///
/// # Errors
/// 401 when somebody has just done so.
pub async fn keep(tx: &mut Tx, guest: GuestId, life: TimeDelta) -> Result<(), Problem> {
    let until = tx.now() + life;
    if sql::touch(tx, guest, until).await? { Ok(()) } else { Err(not_good()) }
}

/// The one refusal of a guest's token, whatever the reason.
fn not_good() -> Problem {
    let detail = "The guest token is invalid or has expired. Get a new one from POST /api/guests, or sign in.";
    Problem::new(Code::Unauthenticated, detail)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

/// How long a guest lives without a write.
pub fn life(app: &App) -> TimeDelta {
    TimeDelta::from_std(app.config.accounts.guest_life).unwrap_or(TimeDelta::days(7))
}
