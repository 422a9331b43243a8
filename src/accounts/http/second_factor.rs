//! `/api/me/second-factor`: setting up and removing the second factor. Which codes are accepted: `totp.rs`.
//!
//! The key is shown once, is stored encrypted, and takes effect when a first code of it was sent. Each code is valid
//! once, and codes older than the last accepted one are refused. Ten recovery codes replace a lost phone. A sign-in has
//! five attempts, an account twenty wrong codes a day.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::actions::attempt_limits;
use crate::accounts::actions::second_factor::{changed, check, recovery_hash, wrong};
use crate::accounts::actions::sessions::authenticate_again;
use crate::accounts::attempt_limits::Counter;
use crate::accounts::caller::SignedIn;
use crate::accounts::caller_cache::Revocation;
use crate::accounts::password::GivenPassword;
use crate::accounts::second_factor::FactorProof;
use crate::accounts::sql::second_factor as sql;
use crate::accounts::totp;
use crate::app::App;
use crate::client::Client;
use crate::encryption::KeyPurpose;
use crate::extract::{Body, Json};
use crate::outbox::NotificationKind;
use crate::problem::{Code, Problem, ProblemBody};
use crate::tenancy::TenancyContext;

/// The number of recovery codes of an account.
const RECOVERY_CODES: usize = 10;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(get_second_factor, add_second_factor, remove_second_factor))
        .routes(routes!(confirm_second_factor))
}

/// Whether signing in requires a second factor.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SecondFactorState {
    enabled: bool,
    /// When the second factor was enabled; null if it is not.
    enabled_at: Option<DateTime<Utc>>,
    /// The number of unused recovery codes.
    recovery_codes_left: i64,
}

/// Get the state of the second factor
#[utoipa::path(get, path = "/api/me/second-factor", tag = "auth", security(("token" = [])), responses(
    (status = 200, description = "The state of the second factor", body = SecondFactorState),
    (status = 401, description = "Authentication required",
        body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_second_factor(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
) -> Result<Json<SecondFactorState>, Problem> {
    let user = caller.user;
    let found =
        app.db.read(TenancyContext::user(user), move |tx| Box::pin(async move { sql::get(tx, user).await })).await?;
    let (enabled_at, left) = found.unzip();
    let state = SecondFactorState { enabled: enabled_at.is_some(), enabled_at, recovery_codes_left: left.unwrap_or(0) };
    Ok(Json(state))
}

/// The current password, for confirmation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CurrentPassword)]
struct CurrentPassword {
    password: GivenPassword,
}

/// The key for an authenticator app; it is not shown again.
#[derive(Serialize, ToSchema)]
#[schema(as = SecondFactorKey)]
struct SecondFactorKey {
    /// The key in Base32, to be entered by hand.
    #[schema(example = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")]
    secret: String,
    /// The key as an `otpauth://` URI, to be shown as a QR code.
    #[schema(
        example = "otpauth://totp/Comanda:ada@example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Comanda"
    )]
    uri: String,
}

/// Start the set-up of a second factor
///
/// The second factor is not required until a code of the key was sent to `confirm`.
#[utoipa::path(post, path = "/api/me/second-factor", tag = "auth",
    security(("token" = [])), request_body = CurrentPassword,
    responses(
        (status = 201, description = "The key of the second factor", body = SecondFactorKey),
        (status = 403, description = "The current password is wrong",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "A second factor is already set up",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn add_second_factor(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    client: Client,
    Body(given): Body<CurrentPassword>,
) -> Result<(StatusCode, Json<SecondFactorKey>), Problem> {
    let (user, session) = (caller.user, caller.session);
    authenticate_again(&app, (user, session), client, &given.password).await?;
    let key: [u8; totp::KEY_LENGTH] = rand::random();
    let encrypted = app.encryption.encrypt(KeyPurpose::SecondFactor, user.as_bytes(), &key)?;
    let owner = app
        .db
        .write(TenancyContext::credentials(user, session), move |tx| {
            Box::pin(async move {
                if !sql::begin(tx, user, &encrypted).await? {
                    return Err(Problem::new(Code::AlreadyExists, "Remove the second factor first."));
                }
                crate::accounts::sql::get(tx, user).await?.ok_or_else(Problem::unauthenticated)
            })
        })
        .await?;
    let uri = totp::uri(&key, &owner.email).map_err(|error| Problem::internal(&error))?;
    let shown = SecondFactorKey { secret: totp::base32(&key), uri };
    Ok((StatusCode::CREATED, Json(shown)))
}

/// The first code of the authenticator app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SecondFactorConfirmation)]
struct SecondFactorConfirmation {
    /// The code, six digits.
    #[schema(example = "471181", max_length = 16)]
    code: String,
}

/// Codes that replace the second factor if the device is lost.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RecoveryCodes {
    /// Ten codes, each for one use; they are not shown again.
    #[schema(example = json!(["ABCDE-FGHIJ"]))]
    recovery_codes: Vec<String>,
}

/// Confirm the second factor
///
/// From now on it is required to sign in; all other sessions end.
#[utoipa::path(post, path = "/api/me/second-factor/confirm", tag = "auth", security(("token" = [])),
    request_body = SecondFactorConfirmation,
    responses(
        (status = 200, description = "The second factor is required from now on; the recovery codes",
            body = RecoveryCodes),
        (status = 401, description = "The code is wrong",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn confirm_second_factor(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    client: Client,
    Body(given): Body<SecondFactorConfirmation>,
) -> Result<Json<RecoveryCodes>, Problem> {
    let (user, session, task_app) = (caller.user, caller.session, Arc::clone(&app));
    let tries = Counter::second_factor(&app, user, client);
    attempt_limits::take(&app, tries.clone()).await?;
    let codes: Vec<String> =
        (0..RECOVERY_CODES).map(|_| totp::base32(&rand::random::<[u8; 7]>())[..10].to_owned()).collect();
    let hashes: Vec<_> = codes.iter().map(|code| recovery_hash(&app.encryption, user, code).to_vec()).collect();
    app.db
        .write(TenancyContext::credentials(user, session), move |tx| {
            Box::pin(async move {
                let factor = sql::hold(tx, user).await?.filter(|factor| factor.confirmed_at.is_none());
                let factor = factor.ok_or_else(wrong)?;
                let key = task_app.encryption.decrypt(KeyPurpose::SecondFactor, user.as_bytes(), &factor.secret)?;
                let step = totp::step_of(&key, given.code.trim(), tx.now(), factor.last_step).ok_or_else(wrong)?;
                sql::advance(tx, user, step).await?;
                sql::put_recovery_codes(tx, user, &hashes).await?;
                changed(tx, &task_app.encryption, user, Some(session), NotificationKind::SecondFactorAdded).await
            })
        })
        .await?;
    attempt_limits::give_back(&app, tries).await?;
    app.callers.revoke(Revocation { user, session: None });
    app.outbox.wake();
    let recovery_codes = codes.iter().map(|code| format!("{}-{}", &code[..5], &code[5..])).collect();
    Ok(Json(RecoveryCodes { recovery_codes }))
}

/// The password and a code, for confirmation.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SecondFactorRemoval)]
struct SecondFactorRemoval {
    password: GivenPassword,
    /// The code, six digits.
    #[schema(example = "471181", max_length = 16)]
    code: Option<String>,
    /// One of the recovery codes instead of `code`.
    #[schema(example = "ABCDE-FGHIJ", max_length = 32)]
    recovery_code: Option<String>,
}

/// Delete the second factor
#[utoipa::path(delete, path = "/api/me/second-factor", tag = "auth",
    security(("token" = [])), request_body = SecondFactorRemoval,
    responses(
        (status = 204, description = "The second factor is deleted"),
        (status = 401, description = "The code is wrong",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The current password is wrong",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn remove_second_factor(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    client: Client,
    Body(removal): Body<SecondFactorRemoval>,
) -> Result<StatusCode, Problem> {
    let (user, session, task_app) = (caller.user, caller.session, Arc::clone(&app));
    let given = FactorProof::one_of(removal.code, removal.recovery_code)?;
    authenticate_again(&app, (user, session), client, &removal.password).await?;
    let tries = Counter::factor_proof(&app, user, client, &given);
    attempt_limits::take(&app, tries.clone()).await?;
    app.db
        .write(TenancyContext::credentials(user, session), move |tx| {
            Box::pin(async move {
                let owner = crate::accounts::sql::get(tx, user).await?.ok_or_else(Problem::unauthenticated)?;
                check(tx, &task_app.encryption, &owner, &given).await?;
                sql::remove(tx, user).await?;
                changed(tx, &task_app.encryption, user, Some(session), NotificationKind::SecondFactorRemoved).await
            })
        })
        .await?;
    attempt_limits::give_back(&app, tries).await?;
    app.callers.revoke(Revocation { user, session: None });
    app.outbox.wake();
    Ok(StatusCode::NO_CONTENT)
}
