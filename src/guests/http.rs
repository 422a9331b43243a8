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

/// Become a guest
///
/// Without an account one may fill carts: the token opens the cart of any restaurant, ten at most, and nothing else.
/// Sign in with it (`guestToken`) and what is in them is in the account. Counted as a sign-up is, by address.
#[utoipa::path(post, path = "/api/guests", tag = "cart", responses(
    (status = 201, description = "The token, shown this once", body = NewGuest),
    (status = 429, description = "Too many from this address; Retry-After says when to go on", body = ProblemBody, content_type = "application/problem+json"),
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
struct GuestCarts {
    #[schema(value_type = String, example = "gt_3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    guest_token: SecretString,
}

/// Take a guest's carts over
///
/// As signing in with the `guestToken` does, for whoever is signed in already. Repeated, it answers the same to the
/// same user; a token that is wrong, expired or somebody else's by now takes nothing over.
#[utoipa::path(post, path = "/api/me/carts", tag = "cart", security(("token" = [])), request_body = GuestCarts,
    responses(
        (status = 200, description = "What was taken over, and what was left behind", body = TakeOver),
        (status = 401, description = "Not signed in", body = ProblemBody, content_type = "application/problem+json"),
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
