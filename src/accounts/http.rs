//! `POST /api/auth/register`, and the routes of this feature: refresh, sign-out and the list of sessions are in
//! `http/sessions.rs`, sign-in is in `users/http/login.rs`, and requests are authenticated in `caller.rs`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::actions::{attempt_limits, notices};
use super::attempt_limits::Counter;
use super::hash_queue::Claimant;
use super::password::NewPassword;
use super::sql::{self, NewUser};
use super::{Email, UserRole};
use crate::app::App;
use crate::client::Client;
use crate::extract::{Body, Json};
use crate::ids::UserId;
use crate::outbox;
use crate::phone::{MessagePhone, Phone};
use crate::problem::{Problem, ProblemBody};
use crate::tenancy::TenancyContext;
use crate::text::SingleLine;

mod addresses;
mod contacts;
mod devices;
mod preferences;
mod profile;
mod recovery;
mod second_factor;
mod sessions;

/// The routes of the feature.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(register))
        .merge(sessions::routes())
        .merge(profile::routes())
        .merge(addresses::routes())
        .merge(contacts::routes())
        .merge(devices::routes())
        .merge(preferences::routes())
        .merge(recovery::routes())
        .merge(second_factor::routes())
}

/// The account to create. Every account starts as CUSTOMER.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Registration {
    email: Email,
    password: NewPassword,
    #[schema(inline)]
    name: SingleLine<120>,
    #[schema(value_type = Option<Phone>)]
    phone: Option<MessagePhone>,
}

/// The response to a registration, the same whether or not the address has an account.
#[derive(Serialize, ToSchema)]
#[schema(as = AcceptedMessage)]
struct Accepted {
    /// What to do next, for a person.
    message: &'static str,
}

/// Register an account
///
/// The response is the same for a new address and for one that already has an account, which is not changed. A person
/// who receives mail at the address can recover the account and take it over: everything set before the address was
/// confirmed (`POST /api/me/email/confirm`, or a code to reset the password received by e-mail) is removed.
#[utoipa::path(post, path = "/api/auth/register", tag = "auth", request_body = Registration, responses(
    (status = 202, description = "Accepted; sign in with the address and the password", body = Accepted),
    (status = 422, description = "Invalid request", body = ProblemBody, content_type = "application/problem+json"),
    (status = 429, description = "Too many accounts were asked for from this network; see Retry-After",
        body = ProblemBody, content_type = "application/problem+json"),
))]
async fn register(
    State(app): State<Arc<App>>,
    client: Client,
    Body(registration): Body<Registration>,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    // Counted before the address is looked up, so that the response is the same for every address.
    attempt_limits::take(&app, Counter::sign_ups_from(&app, client)).await?;
    let password_hash = app.passwords.hash(Claimant::Stranger(client.network()), &registration.password).await?;
    let (id, task_app) = (UserId::new(), Arc::clone(&app));
    app.db
        .write(TenancyContext::user(id), move |tx| {
            Box::pin(async move {
                let phone = registration.phone.as_ref().map(MessagePhone::as_str);
                let name = registration.name.as_str();
                let role = UserRole::Customer;
                let user = NewUser {
                    id,
                    email: &registration.email,
                    password_hash: &password_hash,
                    name,
                    phone,
                    role,
                    is_proved: false,
                };
                let is_new = sql::insert(tx, &user).await?;
                let notice = notices::signed_up(&registration.email, id, is_new, tx.now());
                outbox::enqueue(tx, &task_app.encryption, &notice).await
            })
        })
        .await?;
    app.outbox.wake();
    Ok((StatusCode::ACCEPTED, Json(Accepted { message: "Sign in with this address and password." })))
}
