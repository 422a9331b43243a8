//! `/api/auth/…` and `/api/me`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::SignedIn;
use super::password::{GivenPassword, NewPassword};
use super::second_factor::SecondFactorNeeded;
use super::sessions::TokenPair;
use super::sql::sessions::{Device, NewSession};
use super::sql::{self, NewUser};
use super::{
    Email, User, UserRole, addresses, admin, contacts, devices, guesses, login_device, preferences, profile, recovery,
    second_factor, sessions,
};
use crate::app::App;
use crate::client::Client;
use crate::delivery::Driver;
use crate::guests::takeover::{Claim, TakeOver};
use crate::ids::{SessionId, UserId};
use crate::outbox;
use crate::phone::Phone;
use crate::problem::{Code, Problem, ProblemBody};
use crate::restaurants::Membership;
use crate::tenancy::Who;
use crate::text::SingleLine;
use crate::wire::{Body, Json};

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(register))
        .routes(routes!(login))
        .routes(routes!(get_me))
        .merge(sessions::routes())
        .merge(profile::routes())
        .merge(addresses::routes())
        .merge(contacts::routes())
        .merge(devices::routes())
        .merge(preferences::routes())
        .merge(admin::routes())
        .merge(recovery::routes())
        .merge(second_factor::routes())
}

/// Somebody who wants an account. There is no role to ask for: everybody begins as CUSTOMER.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Registration {
    email: Email,
    password: NewPassword,
    #[schema(inline)]
    name: SingleLine<120>,
    phone: Option<Phone>,
}

/// The same whether or not the address was known.
#[derive(Serialize, ToSchema)]
#[schema(as = AcceptedMessage)]
struct Accepted {
    /// What to do next.
    message: &'static str,
}

/// Register an account
///
/// The response is the same for a new address and for one that already has an account, which is not changed. Whoever
/// receives mail at the address and recovers the account takes it over: everything set before the address was confirmed
/// (`POST /api/me/email/confirm`, or a code to reset the password received by e-mail) is removed.
#[utoipa::path(post, path = "/api/auth/register", tag = "auth", request_body = Registration, responses(
    (status = 202, description = "Accepted; sign in with the address and the password", body = Accepted),
    (status = 422, description = "Invalid request", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn register(
    State(app): State<Arc<App>>,
    Body(wanted): Body<Registration>,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let password_hash = app.passwords.hash(&wanted.password).await?;
    let (id, house) = (UserId::new(), Arc::clone(&app));
    app.db
        .write(Who::user(id), move |tx| {
            Box::pin(async move {
                let phone = wanted.phone.as_ref().map(Phone::as_str);
                let name = wanted.name.as_str();
                let role = UserRole::Customer;
                let user = NewUser {
                    id,
                    email: &wanted.email,
                    password_hash: &password_hash,
                    name,
                    phone,
                    role,
                    is_proved: false,
                };
                let is_new = sql::insert(tx, &user).await?;
                let notice = recovery::signed_up(&wanted.email, id, is_new, tx.now());
                outbox::tell(tx, &house.seal, &notice).await
            })
        })
        .await?;
    app.outbox.ring();
    Ok((StatusCode::ACCEPTED, Json(Accepted { message: "Sign in with this address and password." })))
}

/// E-mail address and password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Credentials {
    email: Email,
    password: GivenPassword,
    /// Of a guest whose carts are taken over. One that is wrong, expired or used takes nothing over, and keeps nobody
    /// out. Where a second factor is asked for, give it with the code.
    #[schema(value_type = Option<String>)]
    guest_token: Option<SecretString>,
    /// Of an earlier sign-in on this device, or of a new password chosen on it: it has tries of its own. One that is
    /// wrong or too old counts for nothing.
    #[schema(value_type = Option<String>)]
    device_token: Option<SecretString>,
}

/// A session has been opened.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LoginSession)]
pub struct SignedInAnswer {
    #[serde(flatten)]
    pub(super) tokens: TokenPair,
    /// Keep it on this device, also when signing out, and send it with the next sign-in: strangers who guess at the
    /// password then do not keep this device out. It lets nobody in.
    #[schema(example = "dt_n7yHkZ0sQ1mJvYpW2bT5nXAAAAAAaSoM0g")]
    pub(super) device_token: String,
    pub(super) user: User,
    /// What was taken over from a guest, when a `guestToken` was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) guest: Option<TakeOver>,
}

/// Signed in, or half way there.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = LoginResult)]
enum LoginAnswer {
    SignedIn(Box<SignedInAnswer>),
    SecondFactorNeeded(SecondFactorNeeded),
}

/// Sign in
#[utoipa::path(post, path = "/api/auth/login", tag = "auth", request_body = Credentials, responses(
    (status = 200, description = "Signed in, or, with secondFactorRequired, a code is required", body = LoginAnswer),
    (status = 401, description = "Invalid e-mail or password", body = ProblemBody, content_type = "application/problem+json"),
    (status = 429, description = "Too many wrong passwords; see Retry-After", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn login(
    State(app): State<Arc<App>>,
    client: Client,
    device: Device,
    Body(given): Body<Credentials>,
) -> Result<Json<LoginAnswer>, Problem> {
    let wrong =
        || Problem::new(Code::InvalidCredentials, "Check the e-mail address and the password, or reset the password.");
    let turn = app.passwords.turn()?;
    let taken = guesses::take_password_try(&app, &given.email, client, given.device_token.as_ref()).await?;
    let known = sql::credentials(&app.db, &given.email).await?;
    let hash = known.as_ref().map(|known| known.password_hash.clone());
    let matches = turn.check(&given.password, hash).await?;
    if !matches {
        // The address that was given may be a password typed into the wrong field: it is not logged.
        let user = known.as_ref().map(|known| known.user.id.to_string());
        tracing::warn!(client = %client.address(), user = user.as_deref().unwrap_or("-"), "sign-in failed");
    }
    let sql::Credentials { user, password_hash } = known.filter(|_| matches).ok_or_else(wrong)?;
    taken.was_right(&app).await?;
    if let Some(needed) = second_factor::ask(&app, user.id, &password_hash).await? {
        return Ok(Json(LoginAnswer::SecondFactorNeeded(needed)));
    }
    let (session, lives, id) = (SessionId::new(), app.config.accounts.sessions, user.id);
    let new = NewSession { id: session, user: id, password_hash };
    let claim = Claim::of(&app, given.guest_token.as_ref()).await?;
    let (ends, guest) = app
        .db
        .write(claim.who(id), move |tx| {
            Box::pin(async move {
                let ends = sql::sessions::open(tx, &new, &device, lives).await?.ok_or_else(wrong)?;
                Ok((ends, claim.take_over(tx, id).await?))
            })
        })
        .await?;
    let tokens = TokenPair::new(&app, id, session, 0, ends)?;
    let device_token = login_device::issue(&app.seal, &given.email, app.clock.now());
    Ok(Json(LoginAnswer::SignedIn(Box::new(SignedInAnswer { tokens, device_token, user, guest }))))
}

/// The caller, and what they may act as.
#[derive(Serialize, ToSchema)]
#[schema(as = Profile)]
struct Me {
    #[serde(flatten)]
    user: User,
    /// Where the user works.
    memberships: Vec<Membership>,
    /// The user's driver profile.
    driver: Option<Driver>,
}

/// Get the caller's profile
#[utoipa::path(get, path = "/api/me", tag = "auth", security(("token" = [])), responses(
    (status = 200, description = "The profile of the caller", body = Me),
    (status = 401, description = "Authentication required", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_me(State(app): State<Arc<App>>, SignedIn(caller): SignedIn) -> Result<Json<Me>, Problem> {
    let presence = app.config.delivery.presence;
    let me = app
        .db
        // A driver's deliveries, which say whether they are busy, show to the driver only.
        .read(Who { driver: caller.driver, ..Who::user(caller.user) }, move |tx| {
            Box::pin(async move {
                let user = sql::get(tx, caller.user).await?.ok_or_else(Problem::unauthenticated)?;
                let memberships = crate::restaurants::sql::memberships_of(tx, caller.user).await?;
                let driver = crate::delivery::sql::drivers::of_user(tx, caller.user, presence).await?;
                Ok(Me { user, memberships, driver })
            })
        })
        .await?;
    Ok(Json(me))
}
