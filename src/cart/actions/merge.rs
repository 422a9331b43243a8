//! Merging a guest's carts into those of an account: once, in the transaction that signs the guest in.

use chrono::TimeDelta;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::lines::{self, MergeResult};
use crate::app::App;
use crate::cart::merge::UnmergedLine;
use crate::cart::sql::merge;
use crate::config::CartLimits;
use crate::guests::sql::{self, MergeState};
use crate::guests::token::GuestToken;
use crate::ids::{CartId, GuestId, RestaurantId, UserId};
use crate::problem::Problem;
use crate::tenancy::{RestaurantScope, TenancyContext};
use crate::uow::Tx;

/// The shortest time for which a repeated request gets the same response.
const ANSWERED_AGAIN: TimeDelta = TimeDelta::days(1);

/// The result of merging a guest's carts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CartMerge)]
pub struct CartMerge {
    /// Whether the guest token was valid. If not, nothing was merged.
    pub taken_over: bool,
    /// The user's carts into which the guest's were merged, one for each restaurant.
    pub carts: Vec<MergedCart>,
}

impl CartMerge {
    pub(in crate::cart) const fn nothing() -> Self {
        Self { taken_over: false, carts: Vec::new() }
    }
}

/// A cart of the user into which a guest's cart was merged.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MergedCart)]
pub struct MergedCart {
    /// The id of the restaurant.
    pub restaurant_id: RestaurantId,
    /// The id of the user's cart.
    pub cart_id: CartId,
    /// How many of the guest's lines were merged.
    #[schema(minimum = 0, maximum = 100)]
    pub lines: usize,
    /// The guest's lines that were not merged, with the reason.
    pub left_behind: Vec<UnmergedLine>,
}

/// The guest token of a sign-in.
#[derive(Debug, Clone, Copy)]
pub enum GuestClaim {
    /// The request carries no guest token.
    Nothing,
    /// The token is invalid.
    BadToken,
    /// The token of a guest, whose carts may have been merged already.
    Token {
        /// The guest whose carts are merged.
        guest: GuestId,
        /// The limits of a cart.
        limits: CartLimits,
    },
}

impl GuestClaim {
    /// Reads the guest of a token.
    ///
    /// # Errors
    /// Only when the database does not answer.
    pub async fn of(app: &App, token: Option<&SecretString>) -> Result<Self, Problem> {
        let Some(text) = token else { return Ok(Self::Nothing) };
        let Some(token) = GuestToken::read(text.expose_secret()) else { return Ok(Self::BadToken) };
        let guest = sql::by_token_hash(&app.db, &token.hash(&app.encryption), app.clock.now()).await?;
        let limits = app.config.orders.carts();
        Ok(guest.map_or(Self::BadToken, |guest| Self::Token { guest, limits }))
    }

    /// The context of the transaction that merges: the user, and the guest whose carts are merged.
    pub fn tenancy(self, user: UserId) -> TenancyContext {
        let guest = if let Self::Token { guest, .. } = self { Some(guest) } else { None };
        TenancyContext { guest, ..TenancyContext::user(user) }
    }

    /// Merges the guest's carts into the user's; `None` when no token was sent.
    ///
    /// # Errors
    /// Only when the database does not answer.
    pub async fn merge_carts(self, tx: &mut Tx, user: UserId) -> Result<Option<CartMerge>, Problem> {
        match self {
            Self::Nothing => Ok(None),
            Self::BadToken => Ok(Some(CartMerge::nothing())),
            Self::Token { guest, limits } => Ok(Some(merge_carts(tx, guest, user, limits).await?)),
        }
    }
}

/// Concurrent merges run one after another: the second one gets the same response for the same user, and merges nothing
/// for another one.
async fn merge_carts(tx: &mut Tx, guest: GuestId, user: UserId, limits: CartLimits) -> Result<CartMerge, Problem> {
    match sql::hold(tx, guest).await? {
        Some(MergeState { by: None, .. }) => {}
        Some(MergeState { by: Some(by), answer: Some(answer) }) if by == user => {
            return serde_json::from_value(answer.0).map_err(|error| Problem::internal(&error));
        }
        _ => return Ok(CartMerge::nothing()),
    }
    let mut carts = Vec::new();
    for (restaurant_id, cart) in merge::carts(tx, guest).await? {
        let scope = RestaurantScope::customer("the restaurant of a cart that is taken over", restaurant_id, user);
        let MergeResult { into, lines, left_behind } = lines::merge(tx, &scope, cart, user, limits).await?;
        carts.push(MergedCart { restaurant_id, cart_id: into, lines, left_behind });
    }
    let answer = CartMerge { taken_over: true, carts };
    let until = tx.now() + ANSWERED_AGAIN;
    let stored = serde_json::to_value(&answer).map_err(|error| Problem::internal(&error))?;
    sql::mark_merged(tx, guest, user, &stored, until).await?;
    Ok(answer)
}
