//! `/api/guests`: becoming a guest.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::token::GuestToken;
use super::{NewGuest, life, sql};
use crate::app::App;
use crate::extract::Json;
use crate::ids::GuestId;
use crate::problem::{Problem, ProblemBody};
use crate::tenancy::TenancyContext;

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(create_guest))
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
    let hash = token.hash(&app.encryption);
    let expires_at = app
        .db
        .write(TenancyContext::nobody(), move |tx| {
            Box::pin(async move {
                let expires_at = tx.now() + life;
                sql::insert(tx, id, &hash, expires_at).await?;
                Ok(expires_at)
            })
        })
        .await?;
    Ok((StatusCode::CREATED, Json(NewGuest { guest_token: token.text(), expires_at })))
}
