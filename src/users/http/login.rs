//! Sign-in with e-mail address and password, and with the second factor if one is set up. A guest's carts are merged in
//! the transaction that opens the session.

use std::sync::Arc;

use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::actions::attempt_limits;
use crate::accounts::actions::second_factor;
use crate::accounts::attempt_limits::Counter;
use crate::accounts::hash_queue::Claimant;
use crate::accounts::login_device::{self, DeviceToken};
use crate::accounts::password::GivenPassword;
use crate::accounts::second_factor::{FactorProof, SecondFactorNeeded};
use crate::accounts::sessions::TokenPair;
use crate::accounts::sql::second_factor::{self as factors, Challenge};
use crate::accounts::sql::sessions::{self, NewSession, OpenedSession, SessionClient};
use crate::accounts::sql::{self, session_limit};
use crate::accounts::{Email, User};
use crate::app::App;
use crate::cart::actions::merge::{CartMerge, GuestClaim};
use crate::client::Client;
use crate::extract::{Body, Json};
use crate::ids::{ChallengeId, SessionId};
use crate::problem::{Code, Problem, ProblemBody};
use crate::tenancy::TenancyContext;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(login)).routes(routes!(complete_login))
}

/// E-mail address and password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Credentials {
    email: Email,
    password: GivenPassword,
    /// The token of a guest whose carts are to be merged into the account. An invalid, expired or used one is ignored.
    /// If a second factor is required, send it with the code.
    #[schema(value_type = Option<String>)]
    guest_token: Option<SecretString>,
    /// The device token of an earlier sign-in or password reset on this device. It gives the device failed attempts of
    /// its own, so that others cannot lock it out. An invalid or expired one is ignored.
    #[schema(value_type = Option<String>)]
    device_token: Option<SecretString>,
}

/// The session that was created.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LoginSession)]
pub struct LoginSession {
    #[serde(flatten)]
    tokens: TokenPair,
    /// Store it on this device, also after signing out, and send it with the next sign-in: failed attempts of others
    /// then do not lock this device out. It is no credential.
    #[schema(example = "dt_n7yHkZ0sQ1mJvYpW2bT5nXAAAAAAaSoM0g")]
    device_token: String,
    user: User,
    /// The merged carts of the guest; absent without a `guestToken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    guest: Option<CartMerge>,
}

/// A session, or the challenge for the second factor.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = LoginResult)]
enum LoginResult {
    SignedIn(Box<LoginSession>),
    SecondFactorNeeded(SecondFactorNeeded),
}

/// Sign in
#[utoipa::path(post, path = "/api/auth/login", tag = "auth", request_body = Credentials, responses(
    (status = 200, description = "Signed in, or, with secondFactorRequired, a code is required", body = LoginResult),
    (status = 401, description = "Invalid e-mail or password",
        body = ProblemBody, content_type = "application/problem+json"),
    (status = 429, description = "Too many wrong passwords; see Retry-After",
        body = ProblemBody, content_type = "application/problem+json"),
))]
async fn login(
    State(app): State<Arc<App>>,
    client: Client,
    device: SessionClient,
    Body(given): Body<Credentials>,
) -> Result<Json<LoginResult>, Problem> {
    let wrong =
        || Problem::new(Code::InvalidCredentials, "Check the e-mail address and the password, or reset the password.");
    let hashing = app.passwords.join(claimant(&app, &given, client))?;
    let attempt = attempt_limits::take_password_try(&app, &given.email, client, given.device_token.as_ref()).await?;
    let known = sql::credentials(&app.db, &given.email).await?;
    let hash = known.as_ref().map(|known| known.password_hash.clone());
    let matches = hashing.check(&given.password, hash).await?;
    let user_id = known.as_ref().map(|known| known.user.id);
    let is_right = attempt.check(matches, app.clock.now()).map_err(|problem| problem.concerning(user_id))?;
    let known = known.filter(|_| is_right).ok_or_else(|| wrong().concerning(user_id));
    let sql::StoredCredentials { user, password_hash, has_second_factor, sessions_ended_at } = known?;
    attempt.was_right(&app).await?;
    if has_second_factor {
        return Ok(Json(LoginResult::SecondFactorNeeded(second_factor::ask(&app, user.id, password_hash).await?)));
    }
    let (session, lives, id) = (SessionId::new(), app.config.accounts.sessions, user.id);
    let new = NewSession { id: session, user: id, password_hash: password_hash.clone(), with_second_factor: false };
    let claim = GuestClaim::of(&app, given.guest_token.as_ref()).await?;
    let max = app.config.accounts.max_sessions;
    let opened = app
        .db
        .write(claim.tenancy(id), move |tx| {
            Box::pin(async move {
                let Some(opened) = sessions::open(tx, &new, &device, lives).await? else { return Ok(None) };
                session_limit::end_surplus(tx, id, max).await?;
                Ok(Some((opened.expires_at, claim.merge_carts(tx, id).await?)))
            })
        })
        .await?;
    let Some((ends, guest)) = opened else {
        // The password or the account was changed at the same time, or a second factor was added.
        let now = sql::credentials(&app.db, &given.email).await?;
        let now = now.filter(|now| now.has_second_factor && now.password_hash == password_hash).ok_or_else(wrong)?;
        return Ok(Json(LoginResult::SecondFactorNeeded(second_factor::ask(&app, now.user.id, password_hash).await?)));
    };
    let tokens = TokenPair::new(&app, id, session, 0, ends)?;
    let device_token = login_device::issue(&app.encryption, &given.email, sessions_ended_at, app.clock.now());
    Ok(Json(LoginResult::SignedIn(Box::new(LoginSession { tokens, device_token, user, guest }))))
}

/// The claimant of a password check: a device that has signed in with this address before, or an unknown one.
fn claimant(app: &App, given: &Credentials, client: Client) -> Claimant {
    let token = given.device_token.as_ref().map(ExposeSecret::expose_secret);
    let known = token.and_then(|token| DeviceToken::read(&app.encryption, &given.email, token, app.clock.now()));
    match known {
        Some(_) => Claimant::Device(given.email.clone()),
        None => Claimant::Stranger(client.network()),
    }
}

/// A code of the authenticator app, or a recovery code.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SecondFactorProof)]
struct SecondFactorProof {
    /// The `challenge` of the response to the password.
    challenge: ChallengeId,
    /// The code, six digits.
    #[schema(example = "471181", max_length = 16)]
    code: Option<String>,
    /// One of the recovery codes instead of `code`.
    #[schema(example = "ABCDE-FGHIJ", max_length = 32)]
    recovery_code: Option<String>,
    /// The token of a guest whose carts are to be merged into the account.
    #[schema(value_type = Option<String>)]
    guest_token: Option<SecretString>,
}

/// Complete a sign-in with the second factor
#[utoipa::path(post, path = "/api/auth/second-factor", tag = "auth", request_body = SecondFactorProof, responses(
    (status = 200, description = "Signed in", body = LoginSession),
    (status = 401, description = "The code is wrong or used, or the sign-in has expired",
        body = ProblemBody, content_type = "application/problem+json"),
    (status = 429, description = "Too many wrong codes", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn complete_login(
    State(app): State<Arc<App>>,
    client: Client,
    device: SessionClient,
    Body(proof): Body<SecondFactorProof>,
) -> Result<Json<LoginSession>, Problem> {
    let id = proof.challenge;
    let given = FactorProof::one_of(proof.code, proof.recovery_code)?;
    let challenge = app
        .db
        .write(TenancyContext::anonymous(), move |tx| Box::pin(async move { factors::take_try(tx, id).await }))
        .await?;
    let Challenge { user, password_hash } = challenge.ok_or_else(second_factor::wrong)?;
    let tries = Counter::factor_proof(&app, user, client, &given);
    attempt_limits::take(&app, tries.clone()).await.map_err(|problem| problem.concerning(Some(user)))?;
    let (session, task_app, lives) = (SessionId::new(), Arc::clone(&app), app.config.accounts.sessions);
    let claim = GuestClaim::of(&app, proof.guest_token.as_ref()).await?;
    let user_id = user;
    let opened = app
        .db
        .write(claim.tenancy(user), move |tx| {
            Box::pin(async move {
                let user = sql::get(tx, user).await?.ok_or_else(second_factor::wrong)?;
                second_factor::check(tx, &task_app.encryption, &user, &given).await?;
                if !factors::complete(tx, id).await? {
                    return Err(second_factor::wrong());
                }
                let new = NewSession { id: session, user: user.id, password_hash, with_second_factor: true };
                let opened = sessions::open(tx, &new, &device, lives).await?.ok_or_else(second_factor::wrong)?;
                session_limit::end_surplus(tx, user.id, task_app.config.accounts.max_sessions).await?;
                let guest = claim.merge_carts(tx, user.id).await?;
                Ok((user, opened, guest))
            })
        })
        .await;
    let (user, OpenedSession { expires_at: ends, sessions_ended_at }, guest) =
        opened.map_err(|problem| problem.concerning(Some(user_id)))?;
    attempt_limits::give_back(&app, tries).await?;
    app.outbox.wake();
    let tokens = TokenPair::new(&app, user.id, session, 0, ends)?;
    let email = Email::try_from(user.email.clone()).map_err(|error| Problem::internal(&error))?;
    let device_token = login_device::issue(&app.encryption, &email, sessions_ended_at, app.clock.now());
    Ok(Json(LoginSession { tokens, device_token, user, guest }))
}
