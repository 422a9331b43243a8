//! `/api/auth/refresh`, `logout`, `logout-all`, `change-password`, and `/api/me/sessions`. Sign-in is in
//! `users/http/login.rs`; which refresh tokens are accepted is in `accounts/refresh.rs`.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::Session;
use crate::accounts::actions::attempt_limits;
use crate::accounts::actions::notices::notify_owner;
use crate::accounts::actions::sessions::{authenticate_again, end, wrong_password};
use crate::accounts::attempt_limits::{Counter, PASSWORD_CHANGES};
use crate::accounts::caller::SignedIn;
use crate::accounts::caller_cache::Revocation;
use crate::accounts::hash_queue::Claimant;
use crate::accounts::password::{GivenPassword, NewPassword};
use crate::accounts::sessions::TokenPair;
use crate::accounts::sql::sessions::{self as sql, Refreshed, RevocationReason, SessionClient};
use crate::app::App;
use crate::client::Client;
use crate::extract::{Body, Json, Path};
use crate::ids::SessionId;
use crate::outbox::NotificationKind;
use crate::paging::List;
use crate::problem::{Code, Problem, ProblemBody};
use crate::tenancy::TenancyContext;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(refresh))
        .routes(routes!(logout))
        .routes(routes!(logout_all))
        .routes(routes!(change_password))
        .routes(routes!(list_sessions))
        .routes(routes!(end_session))
}

impl FromRequestParts<Arc<App>> for SessionClient {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let client = Client::from_request_parts(parts, app).await?;
        let user_agent = parts
            .headers
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .map(|agent| agent.chars().take(200).collect());
        Ok(Self { user_agent, address: Some(client.address().to_string()) })
    }
}

/// The refresh token of the latest pair.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RefreshRequest {
    #[schema(value_type = String)]
    refresh_token: SecretString,
}

/// The refusal of a refresh, the same for every reason, so that it shows nothing about sessions.
fn ended() -> Problem {
    Problem::new(Code::SessionEnded, "Sign in again.")
}

/// Refresh the session
///
/// Returns a new access token and refresh token. Each refresh token is used once. If the response is lost, the same
/// request can be repeated until the new pair has been used; it returns the same refresh token. Using a token after its
/// successor was used ends the session, because somebody has a copy.
#[utoipa::path(post, path = "/api/auth/refresh", tag = "auth", request_body = RefreshRequest, responses(
    (status = 200, description = "The new tokens", body = TokenPair),
    (status = 401, description = "Session ended", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn refresh(
    State(app): State<Arc<App>>,
    device: SessionClient,
    Body(request): Body<RefreshRequest>,
) -> Result<Json<TokenPair>, Problem> {
    let presented = app.refresh_tokens.read(request.refresh_token.expose_secret()).ok_or_else(ended)?;
    let (session, lives) = (presented.session, app.config.accounts.sessions);
    let refreshed = app
        .db
        .write(TenancyContext::anonymous(), move |tx| {
            Box::pin(async move { sql::refresh(tx, presented, &device, lives).await })
        })
        .await?;
    match refreshed {
        Refreshed::At { user, counter, expires_at } => {
            Ok(Json(TokenPair::new(&app, user, session, counter, expires_at)?))
        }
        Refreshed::Replayed(user) => {
            app.callers.revoke(Revocation { user, session: Some(session) });
            tracing::warn!(%user, %session, "a refresh token was used again after its successor; the session is \
                                             revoked");
            Err(ended().concerning(Some(user)))
        }
        Refreshed::Ended => Err(ended()),
    }
}

/// Sign out
///
/// The session ends on every device that has its tokens, and its sockets are disconnected.
#[utoipa::path(post, path = "/api/auth/logout", tag = "auth", security(("token" = [])), responses(
    (status = 204, description = "Signed out"),
    (status = 401, description = "Authentication required",
        body = ProblemBody, content_type = "application/problem+json"),
))]
async fn logout(State(app): State<Arc<App>>, SignedIn(caller): SignedIn) -> Result<StatusCode, Problem> {
    end(&app, TenancyContext::user(caller.user), caller.user, caller.session, RevocationReason::Logout).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sign out of all sessions
///
/// All sessions of the caller end, including this one.
#[utoipa::path(post, path = "/api/auth/logout-all", tag = "auth", security(("token" = [])), responses(
    (status = 204, description = "All sessions have ended"),
    (status = 401, description = "Authentication required",
        body = ProblemBody, content_type = "application/problem+json"),
))]
async fn logout_all(State(app): State<Arc<App>>, SignedIn(caller): SignedIn) -> Result<StatusCode, Problem> {
    let user = caller.user;
    app.db
        .write(TenancyContext::credentials(user, caller.session), move |tx| {
            Box::pin(async move { sql::revoke_all(tx, user, None, RevocationReason::LogoutAll).await })
        })
        .await?;
    app.callers.revoke(Revocation { user, session: None });
    Ok(StatusCode::NO_CONTENT)
}

/// The current password and the new one.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PasswordChange {
    current_password: GivenPassword,
    new_password: NewPassword,
}

/// Change the password
///
/// All other sessions of the caller end.
#[utoipa::path(post, path = "/api/auth/change-password", tag = "auth", security(("token" = [])),
    request_body = PasswordChange,
    responses(
        (status = 204, description = "The password is changed"),
        (status = 403, description = "The current password is wrong",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The new password is too short, blank or too common",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn change_password(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    client: Client,
    Body(change): Body<PasswordChange>,
) -> Result<StatusCode, Problem> {
    let old_hash = authenticate_again(&app, (caller.user, caller.session), client, &change.current_password).await?;
    // Counted whether or not the change succeeds: each one computes a hash, ends sessions and notifies the owner.
    attempt_limits::take(&app, vec![Counter::new(&app, PASSWORD_CHANGES, &[caller.user.as_bytes()])]).await?;
    let new_hash = app.passwords.hash(Claimant::User(caller.user), &change.new_password).await?;
    let (user, session, task_app) = (caller.user, caller.session, Arc::clone(&app));
    let changed = app
        .db
        .write(TenancyContext::credentials(user, session), move |tx| {
            Box::pin(async move {
                // After a concurrent change the current password of this request is outdated.
                if !crate::accounts::sql::change_password(tx, user, &old_hash, &new_hash).await? {
                    return Ok(false);
                }
                sql::revoke_all(tx, user, Some(session), RevocationReason::PasswordChanged).await?;
                notify_owner(tx, &task_app.encryption, NotificationKind::PasswordChanged, user, None).await?;
                Ok(true)
            })
        })
        .await?;
    if !changed {
        return Err(wrong_password());
    }
    app.callers.revoke(Revocation { user, session: None });
    app.outbox.wake();
    Ok(StatusCode::NO_CONTENT)
}

/// List sessions
#[utoipa::path(get, path = "/api/me/sessions", tag = "auth", security(("token" = [])), responses(
    (status = 200, description = "The active sessions, last used first", body = List<Session>),
    (status = 401, description = "Authentication required",
        body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_sessions(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
) -> Result<Json<List<Session>>, Problem> {
    let (user, lives) = (caller.user, app.config.accounts.sessions);
    let mut sessions = app
        .db
        .read(TenancyContext::user(user), move |tx| Box::pin(async move { sql::of_user(tx, user, lives).await }))
        .await?;
    for session in &mut sessions {
        session.current = session.id == caller.session;
    }
    Ok(Json(List::whole(sessions)))
}

/// End a session
#[utoipa::path(delete, path = "/api/me/sessions/{sessionId}", tag = "auth", security(("token" = [])),
    params(("sessionId" = SessionId, Path)),
    responses(
        (status = 204, description = "Session ended"),
        (status = 404, description = "The caller has no such resource",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn end_session(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    Path(session): Path<SessionId>,
) -> Result<StatusCode, Problem> {
    let tenancy = TenancyContext::credentials(caller.user, caller.session);
    if end(&app, tenancy, caller.user, session, RevocationReason::EndedByUser).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found())
    }
}
