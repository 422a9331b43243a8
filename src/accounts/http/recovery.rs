//! `/api/auth/forgot-password` and `reset-password`: resets the password with a code that is sent to the owner.
//!
//! The responses for an address without an account are the same, in content and in time: the account is looked up when
//! the message is sent, after the response. A code belongs to one request and is valid once, for five attempts and ten
//! minutes. Attempts with the request's id count for that request; attempts without it count for the address, so that
//! others who do not know the id cannot use up the owner's attempts. A reset does not sign in, so a second factor is
//! required at the next sign-in as always.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use chrono::TimeDelta;
use rand::RngExt as _;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::actions::attempt_limits;
use crate::accounts::actions::notices::notify_owner;
use crate::accounts::actions::recovery::CODE_KEY;
use crate::accounts::attempt_limits::{CodeLength, Counter, RESET_TRIES, RESET_TRIES_A_DAY};
use crate::accounts::caller_cache::Revocation;
use crate::accounts::hash_queue::Claimant;
use crate::accounts::password::NewPassword;
use crate::accounts::sql::recovery::{self as sql, NewReset, Pending};
use crate::accounts::sql::sessions::{self, RevocationReason};
use crate::accounts::{Email, login_device};
use crate::app::App;
use crate::client::Client;
use crate::encryption::{Encryption, KeyPurpose};
use crate::extract::{Body, Json};
use crate::ids::{ResetId, UserId};
use crate::outbox::{self, Channel, Notice, NotificationKind, Recipient};
use crate::problem::{Code, Problem, ProblemBody};
use crate::tenancy::TenancyContext;

/// How long a code is valid.
const LIFE: TimeDelta = TimeDelta::minutes(10);
/// Eight digits: with five attempts, a code is guessed with a probability of one in twenty million.
const CODES: u64 = 100_000_000;
/// Twelve digits, once many codes were requested for an address.
const LONG_CODES: u64 = 1_000_000_000_000;
/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(forgot_password)).routes(routes!(reset_password))
}

/// How the code is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RecoveryChannel)]
enum RecoveryChannel {
    /// To the account's phone, if number and e-mail address are confirmed; else by e-mail.
    Sms,
    /// Sends the code by e-mail.
    Email,
}

/// The account whose password is to be reset.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = PasswordResetRequest)]
struct PasswordResetRequest {
    email: Email,
    /// How the code is sent; absent: `sms`.
    channel: Option<RecoveryChannel>,
    /// The device token of an earlier sign-in on this device: it has requests of its own, which others cannot use up.
    #[schema(value_type = Option<String>)]
    device_token: Option<SecretString>,
}

/// The response, the same whether or not the address has an account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PasswordResetRequested)]
struct PasswordResetRequested {
    /// Send it back with the code: it reserves the attempts of this request.
    reset_id: ResetId,
    /// Seconds until the code expires.
    #[schema(example = 600)]
    expires_in: i64,
    /// What to do next, for a person.
    message: &'static str,
}

/// Request a code to reset the password
///
/// The response is the same for an address without an account. Three requests in 15 minutes and six a day per network;
/// devices with a device token are counted separately. After 100 requests a day from all networks together, codes are
/// sent only for networks from which the owner has signed in, and for devices with a device token; the response stays
/// the same.
#[utoipa::path(post, path = "/api/auth/forgot-password", tag = "auth", request_body = PasswordResetRequest, responses(
    (status = 202, description = "If the address has an account, a code is being sent", body = PasswordResetRequested),
    (status = 429, description = "Too many codes requested",
        body = ProblemBody, content_type = "application/problem+json"),
))]
async fn forgot_password(
    State(app): State<Arc<App>>,
    client: Client,
    Body(request): Body<PasswordResetRequest>,
) -> Result<(StatusCode, Json<PasswordResetRequested>), Problem> {
    let length =
        attempt_limits::take_reset_request(&app, &request.email, client, request.device_token.as_ref()).await?;
    let (id, task_app) = (ResetId::random(), Arc::clone(&app));
    app.db
        .write(TenancyContext::anonymous(), move |tx| {
            Box::pin(async move {
                let code = match length {
                    Some(CodeLength::Short) => format!("{:08}", rand::rng().random_range(0..CODES)),
                    Some(CodeLength::Long) | None => format!("{:012}", rand::rng().random_range(0..LONG_CODES)),
                };
                let reset = NewReset {
                    id,
                    email_key: email_key(&task_app.encryption, &request.email),
                    code_hash: task_app.encryption.hash(KeyPurpose::ResetCode, &code_parts(&id, &code)),
                    expires_at: tx.now() + LIFE,
                };
                sql::insert(tx, &reset).await?;
                // An empty address has no account, and takes the same time as one for which a code is sent.
                let email = if length.is_some() { request.email.as_str() } else { "" };
                let notice = code_notice(email, request.channel, &reset, &code);
                outbox::enqueue(tx, &task_app.encryption, &notice).await
            })
        })
        .await?;
    app.outbox.wake();
    let message = "If this address has an account, a code is on its way. Send it with the new password.";
    Ok((StatusCode::ACCEPTED, Json(PasswordResetRequested { reset_id: id, expires_in: LIFE.num_seconds(), message })))
}

/// The message with the code, for the owner of the address.
fn code_notice<'a>(email: &'a str, channel: Option<RecoveryChannel>, reset: &NewReset, code: &'a str) -> Notice<'a> {
    let channel = if channel == Some(RecoveryChannel::Email) { Channel::Email } else { Channel::Sms };
    Notice {
        kind: NotificationKind::ResetCode,
        dedupe_key: format!("{CODE_KEY}{}", reset.id),
        recipient: Recipient::HolderOf { email, channel },
        secret: Some(code),
        expires_at: Some(reset.expires_at),
    }
}

fn email_key(encryption: &Encryption, email: &Email) -> [u8; 32] {
    encryption.hash(KeyPurpose::ResetCode, &[b"address", email.as_str().as_bytes()])
}

fn code_parts<'a>(id: &'a ResetId, code: &'a str) -> [&'a [u8]; 3] {
    [b"code", id.as_bytes(), code.as_bytes()]
}

/// The code and the new password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = PasswordReset)]
struct CodeAndPassword {
    email: Email,
    /// The code, eight or twelve digits.
    #[schema(example = "04711815", max_length = 16)]
    otp: String,
    password: NewPassword,
    /// The request that the code belongs to. Without it the latest request is meant, and the attempt counts for the
    /// address.
    reset_id: Option<ResetId>,
}

/// The password was reset.
#[derive(Serialize, ToSchema)]
#[schema(as = PasswordResetResult)]
struct PasswordResetResult {
    /// What to do next, for a person.
    message: &'static str,
    /// Send it with the next sign-in on this device: failed attempts of others then do not lock it out.
    #[serde(rename = "deviceToken")]
    device_token: String,
}

/// Reset the password with a code
///
/// Five tries per code. All sessions of the account end. A code received by e-mail confirms the address: an unconfirmed
/// phone number is removed, and the first time also everything else that was set before, because somebody else may have
/// registered the address: second factor, addresses and devices.
#[utoipa::path(post, path = "/api/auth/reset-password", tag = "auth", request_body = CodeAndPassword, responses(
    (status = 200, description = "The password is reset; sign in with it", body = PasswordResetResult),
    (status = 401, description = "Invalid or expired code",
        body = ProblemBody, content_type = "application/problem+json"),
    (status = 429, description = "Too many codes tried without resetId",
        body = ProblemBody, content_type = "application/problem+json"),
))]
async fn reset_password(
    State(app): State<Arc<App>>,
    client: Client,
    Body(reset): Body<CodeAndPassword>,
) -> Result<Json<PasswordResetResult>, Problem> {
    let pending = take_try(&app, &reset).await?;
    let wrong = || Problem::new(Code::InvalidCode, "Check the code, or request a new one.");
    // Looked up for every address, with or without an account and a request, so that the time is the same.
    let user = owner(&app, &reset.email).await?;
    let pending = pending.filter(|pending| {
        app.encryption.matches(KeyPurpose::ResetCode, &code_parts(&pending.id, reset.otp.trim()), &pending.code_hash)
    });
    let Pending { id, sent_by, .. } = pending.ok_or_else(|| wrong().concerning(user))?;
    let user = user.ok_or_else(wrong)?;
    let password_hash = app.passwords.hash(Claimant::User(user), &reset.password).await?;
    let (task_app, key) = (Arc::clone(&app), email_key(&app.encryption, &reset.email));
    let changed = app
        .db
        .write(TenancyContext::user(user), move |tx| {
            Box::pin(async move {
                // Concurrent requests with the correct code wait here for each other; only the first one succeeds.
                sql::hold(tx, user).await?;
                if !sql::use_up(tx, id, key, user).await? {
                    return Ok(None);
                }
                crate::accounts::sql::set_password(tx, user, &password_hash).await?;
                sessions::revoke_all(tx, user, None, RevocationReason::PasswordReset).await?;
                if sent_by != Some(Channel::Sms) {
                    crate::accounts::sql::contacts::prove_mailbox(tx, user).await?;
                }
                notify_owner(tx, &task_app.encryption, NotificationKind::PasswordChanged, user, None).await?;
                Ok(Some(tx.now()))
            })
        })
        .await?;
    // The reset ended all sessions at this time.
    let changed_at = changed.ok_or_else(wrong)?;
    app.callers.revoke(Revocation { user, session: None });
    app.outbox.wake();
    attempt_limits::reset_password_counters(&app, &reset.email, client).await?;
    let device_token = login_device::issue(&app.encryption, &reset.email, Some(changed_at), app.clock.now());
    Ok(Json(PasswordResetResult { message: "Sign in with the new password.", device_token }))
}

/// The user who has this address.
async fn owner(app: &App, email: &Email) -> Result<Option<UserId>, Problem> {
    let email = email.clone();
    let read = app
        .db
        .read(TenancyContext::anonymous(), move |tx| Box::pin(async move { sql::owner(tx, email.as_str()).await }));
    Ok(read.await?.map(|owner| owner.id))
}

/// Counts an attempt for the request, or without its id for the address. `None`: no code can be tried.
async fn take_try(app: &Arc<App>, reset: &CodeAndPassword) -> Result<Option<Pending>, Problem> {
    let key = email_key(&app.encryption, &reset.email);
    if let Some(id) = reset.reset_id {
        return app
            .db
            .write(TenancyContext::anonymous(), move |tx| Box::pin(async move { sql::take_try(tx, id, key).await }))
            .await;
    }
    let address = reset.email.as_str().as_bytes();
    let of = [RESET_TRIES, RESET_TRIES_A_DAY].map(|bound| Counter::new(app, bound, &[address]));
    attempt_limits::take(app, of.to_vec()).await?;
    app.db.read(TenancyContext::anonymous(), move |tx| Box::pin(async move { sql::newest(tx, key).await })).await
}
