//! `/api/me/phone` and `/api/me/email`: confirms an e-mail address or a phone number with a code that was sent to it.
//!
//! Codes to reset the password are sent to a confirmed number of an account whose e-mail address is confirmed as well,
//! and by e-mail otherwise. Data from before the confirmation of the e-mail address may belong to somebody else who
//! registered with it. It is removed when the owner confirms the address by recovering the account (`sql/contacts.rs`,
//! `prove_mailbox`).

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use chrono::TimeDelta;
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::actions::attempt_limits;
use crate::accounts::actions::notices::notify_owner;
use crate::accounts::caller::SignedIn;
use crate::accounts::sql::contacts as sql;
use crate::accounts::{Caller, User};
use crate::app::App;
use crate::client::Client;
use crate::encryption::KeyPurpose;
use crate::extract::{Body, Json};
use crate::ids::UserId;
use crate::outbox::{self, Channel, Notice, NotificationKind, Recipient};
use crate::problem::{Code, Problem, ProblemBody};
use crate::tenancy::TenancyContext;

/// How long a code is valid.
const LIFE: TimeDelta = TimeDelta::minutes(10);
/// Eight digits: with five attempts, a code is guessed with a probability of one in twenty million.
const CODES: u32 = 100_000_000;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(request_phone_code))
        .routes(routes!(confirm_phone))
        .routes(routes!(request_email_code))
        .routes(routes!(confirm_email))
}

/// A code was sent.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ContactCodeSent {
    /// Seconds until the code expires.
    #[schema(example = 600)]
    expires_in: i64,
}

/// Send a code to confirm the phone number
///
/// Sent by SMS to the number of the profile; it replaces an earlier code. Messages are limited per number, per account
/// and per network.
#[utoipa::path(post, path = "/api/me/phone/code", tag = "auth", security(("token" = [])), responses(
    (status = 202, description = "The code is being sent", body = ContactCodeSent),
    (status = 409, description = "No phone number", body = ProblemBody, content_type = "application/problem+json"),
    (status = 429, description = "Too many messages", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn request_phone_code(
    State(app): State<Arc<App>>,
    client: Client,
    SignedIn(caller): SignedIn,
) -> Result<(StatusCode, Json<ContactCodeSent>), Problem> {
    send_code(&app, client, &caller, Channel::Sms).await
}

/// Send a code to confirm the e-mail address
///
/// Sent to the address of the account; it replaces an earlier code.
#[utoipa::path(post, path = "/api/me/email/code", tag = "auth", security(("token" = [])), responses(
    (status = 202, description = "The code is being sent", body = ContactCodeSent),
    (status = 429, description = "Too many messages", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn request_email_code(
    State(app): State<Arc<App>>,
    client: Client,
    SignedIn(caller): SignedIn,
) -> Result<(StatusCode, Json<ContactCodeSent>), Problem> {
    send_code(&app, client, &caller, Channel::Email).await
}

async fn send_code(
    app: &Arc<App>,
    client: Client,
    caller: &Caller,
    channel: Channel,
) -> Result<(StatusCode, Json<ContactCodeSent>), Problem> {
    let (user, shared) = (caller.user, Arc::clone(app));
    app.db
        .write(TenancyContext::credentials(user, caller.session), move |tx| {
            Box::pin(async move {
                let reach = sql::reach(tx, user).await?.ok_or_else(Problem::unauthenticated)?;
                let target = if channel == Channel::Sms { reach.phone } else { Some(reach.email) };
                let target = target
                    .ok_or_else(|| Problem::new(Code::NoPhone, "Add a phone number with PATCH /api/me first."))?;
                attempt_limits::take_message(tx, &shared, &target, user, client).await?;
                let code = format!("{:08}", rand::rng().random_range(0..CODES));
                let hash = shared.encryption.hash(KeyPurpose::ContactCode, &parts(&user, channel, &target, &code));
                let expires_at = tx.now() + LIFE;
                sql::put_code(tx, user, channel, &target, &hash, expires_at).await?;
                let kind =
                    if channel == Channel::Sms { NotificationKind::PhoneCode } else { NotificationKind::EmailCode };
                let notice = Notice {
                    kind,
                    dedupe_key: format!("{}:{user}:{}", kind.as_str(), tx.now().timestamp_micros()),
                    recipient: Recipient::Known { user: Some(user), channel, target: &target },
                    secret: Some(&code),
                    expires_at: Some(expires_at),
                };
                outbox::enqueue(tx, &shared.encryption, &notice).await
            })
        })
        .await?;
    app.outbox.wake();
    Ok((StatusCode::ACCEPTED, Json(ContactCodeSent { expires_in: LIFE.num_seconds() })))
}

fn parts<'a>(user: &'a UserId, channel: Channel, target: &'a str, code: &'a str) -> [&'a [u8]; 4] {
    let channel: &[u8] = if channel == Channel::Sms { b"SMS" } else { b"EMAIL" };
    [user.as_bytes(), channel, target.as_bytes(), code.as_bytes()]
}

/// The code that was sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ContactCode {
    /// The code, eight digits.
    #[schema(example = "04711815", max_length = 16)]
    code: String,
}

/// Confirm the phone number
///
/// Five tries per code. A confirmed number can receive codes to reset the password once the e-mail address is confirmed
/// too. The owner is notified at both.
#[utoipa::path(post, path = "/api/me/phone/confirm", tag = "auth", security(("token" = [])), request_body = ContactCode,
    responses(
        (status = 200, description = "The profile with the confirmed number", body = User),
        (status = 401, description = "The code is wrong, used, expired, or for another number",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn confirm_phone(
    State(app): State<Arc<App>>,
    client: Client,
    SignedIn(caller): SignedIn,
    Body(given): Body<ContactCode>,
) -> Result<Json<User>, Problem> {
    confirm(&app, client, &caller, Channel::Sms, &given.code).await
}

/// Confirm the e-mail address
///
/// Five tries per code.
#[utoipa::path(post, path = "/api/me/email/confirm", tag = "auth", security(("token" = [])), request_body = ContactCode,
    responses(
        (status = 200, description = "The profile with the confirmed address", body = User),
        (status = 401, description = "Invalid or expired code",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn confirm_email(
    State(app): State<Arc<App>>,
    client: Client,
    SignedIn(caller): SignedIn,
    Body(given): Body<ContactCode>,
) -> Result<Json<User>, Problem> {
    confirm(&app, client, &caller, Channel::Email, &given.code).await
}

async fn confirm(
    app: &Arc<App>,
    client: Client,
    caller: &Caller,
    channel: Channel,
    code: &str,
) -> Result<Json<User>, Problem> {
    let wrong = || Problem::new(Code::InvalidCode, "Check the code, or request a new one.");
    let (user, tenancy) = (caller.user, TenancyContext::credentials(caller.user, caller.session));
    // The attempt is counted whether or not the code is correct.
    let pending =
        app.db.write(tenancy, move |tx| Box::pin(async move { sql::take_try(tx, user, channel).await })).await?;
    let fits = pending.filter(|pending| {
        let parts = parts(&user, channel, &pending.target, code.trim());
        app.encryption.matches(KeyPurpose::ContactCode, &parts, &pending.code_hash)
    });
    let pending = fits.ok_or_else(wrong)?;
    let shared = Arc::clone(app);
    let profile = app
        .db
        .write(tenancy, move |tx| {
            Box::pin(async move {
                if !sql::confirm(tx, user, channel, &pending).await? {
                    return Err(wrong());
                }
                if channel == Channel::Sms {
                    notify_owner(tx, &shared.encryption, NotificationKind::PhoneConfirmed, user, None).await?;
                }
                crate::accounts::sql::get(tx, user).await?.ok_or_else(Problem::unauthenticated)
            })
        })
        .await?;
    tracing::info!(%user, client = %client.address(), ?channel, "an address or number was confirmed");
    app.outbox.wake();
    Ok(Json(profile))
}
