//! `/api/guests`: creating guests.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::actions::attempt_limits;
use crate::accounts::attempt_limits::Counter;
use crate::app::App;
use crate::client::Client;
use crate::extract::Json;
use crate::guests::token::GuestToken;
use crate::guests::{NewGuest, life, sql};
use crate::ids::GuestId;
use crate::problem::{Problem, ProblemBody};
use crate::tenancy::TenancyContext;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(create_guest))
}

/// Create a guest
///
/// A guest has no account and can fill carts at up to ten restaurants: the token gives access to these carts and
/// nothing else. Sign in with it as `guestToken` to move the carts to the account. Rate limited like registration, per
/// network; the number of guests a day per network is limited (`GUESTS_PER_NETWORK`).
#[utoipa::path(post, path = "/api/guests", tag = "cart", responses(
    (status = 201, description = "The token, which is shown only once", body = NewGuest),
    (status = 429, description = "Too many requests from this network; see Retry-After",
        body = ProblemBody, content_type = "application/problem+json"),
))]
async fn create_guest(State(app): State<Arc<App>>, client: Client) -> Result<(StatusCode, Json<NewGuest>), Problem> {
    let (id, token, life) = (GuestId::new(), GuestToken::random(), life(&app));
    let (hash, of_network) = (token.hash(&app.encryption), Counter::guests_from(&app, client));
    let expires_at = app
        .db
        .write(TenancyContext::anonymous(), move |tx| {
            Box::pin(async move {
                attempt_limits::take_within(tx, &of_network).await?;
                let expires_at = tx.now() + life;
                sql::insert(tx, id, &hash, expires_at).await?;
                Ok(expires_at)
            })
        })
        .await?;
    Ok((StatusCode::CREATED, Json(NewGuest { guest_token: token.text(), expires_at })))
}
