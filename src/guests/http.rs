//! `/api/guests`, and `/api/me/carts`: to become a guest, and to take a guest's carts over.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::takeover::{Claim, TakeOver};
use super::token::GuestToken;
use super::{NewGuest, life, sql};
use crate::accounts::caller::SignedIn;
use crate::app::App;
use crate::ids::GuestId;
use crate::problem::{Problem, ProblemBody};
use crate::tenancy::Who;
use crate::wire::{Body, Json};

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(create_guest)).routes(routes!(take_over_carts))
}

/// Create a guest
///
/// A guest has no account and can fill carts at up to ten restaurants: the token gives access to these carts and
/// nothing else. Sign in with it as `guestToken` to move the carts to the account. Rate limited like registration, per
/// network.
#[utoipa::path(post, path = "/api/guests", tag = "cart", responses(
    (status = 201, description = "The token, which is shown only once", body = NewGuest),
    (status = 429, description = "Too many requests from this network; see Retry-After", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn create_guest(State(app): State<Arc<App>>) -> Result<(StatusCode, Json<NewGuest>), Problem> {
    let (id, token, life) = (GuestId::new(), GuestToken::random(), life(&app));
    let hash = token.hash(&app.seal);
    let expires_at = app
        .db
        .write(Who::nobody(), move |tx| {
            Box::pin(async move {
                let expires_at = tx.now() + life;
                sql::insert(tx, id, &hash, expires_at).await?;
                Ok(expires_at)
            })
        })
        .await?;
    Ok((StatusCode::CREATED, Json(NewGuest { guest_token: token.text(), expires_at })))
}

/// The token of a guest.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = CartMergeRequest)]
struct GuestCarts {
    #[schema(value_type = String, example = "gt_3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    guest_token: SecretString,
}

/// Move a guest's carts to the account
///
/// Like signing in with `guestToken`, for a user who is signed in already. Repeating it returns the same response to
/// the same user; a token that is wrong, expired or already used by another user moves nothing.
#[utoipa::path(post, path = "/api/me/carts", tag = "cart", security(("token" = [])), request_body = GuestCarts,
    responses(
        (status = 200, description = "The merged carts, and the lines that could not be merged", body = TakeOver),
        (status = 401, description = "Authentication required", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn take_over_carts(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    Body(given): Body<GuestCarts>,
) -> Result<Json<TakeOver>, Problem> {
    let (user, claim) = (caller.user, Claim::of(&app, Some(&given.guest_token)).await?);
    let taken =
        app.db.write(claim.who(user), move |tx| Box::pin(async move { claim.take_over(tx, user).await })).await?;
    Ok(Json(taken.unwrap_or_else(TakeOver::nothing)))
}
