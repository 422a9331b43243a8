//! The second factor: `/api/me/second-factor`, and what the second half of a sign-in (`users/login.rs`) checks.
//!
//! A key is shown once, encrypted at rest, and asked for only after a code of it was given. A code is good once within its
//! step, and none older than the last one; ten recovery codes stand in for a lost phone. Whoever guesses here knows the
//! password already; still a sign-in has five tries and an account twenty wrong ones a day.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::attempt_limits::{self, Counter};
use super::cache::Revocation;
use super::caller::SignedIn;
use super::password::GivenPassword;
use super::recovery::tell_owner;
use super::sessions::authenticate_again;
use super::sql::second_factor::{self as sql, Challenge};
use super::sql::sessions::{self, Reason};
use super::{User, totp};
use crate::app::App;
use crate::client::Client;
use crate::encryption::{Encryption, KeyPurpose};
use crate::extract::{Body, Json};
use crate::ids::{ChallengeId, SessionId, UserId};
use crate::outbox::Kind;
use crate::problem::{Code, Problem, ProblemBody};
use crate::tenancy::TenancyContext;
use crate::uow::Tx;

/// How long the second half of a sign-in may take.
const CHALLENGE_LIFE: TimeDelta = TimeDelta::minutes(5);
/// Recovery codes given at once.
const RECOVERY_CODES: usize = 10;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(get_second_factor, add_second_factor, remove_second_factor))
        .routes(routes!(confirm_second_factor))
}

/// The password was correct, and a second factor is required.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SecondFactorChallenge)]
pub struct SecondFactorNeeded {
    /// Always true: the sign-in goes on with a second factor.
    #[schema(example = true)]
    second_factor_required: bool,
    /// Send it with the code to `POST /api/auth/second-factor`.
    challenge: ChallengeId,
    /// Seconds until the password is required again.
    #[schema(example = 300)]
    expires_in: i64,
}

/// Opens the second half of a sign-in.
pub async fn ask(app: &App, user: UserId, password_hash: String) -> Result<SecondFactorNeeded, Problem> {
    let id = ChallengeId::random();
    let challenge = Challenge { user, password_hash };
    app.db
        .write(TenancyContext::user(user), move |tx| {
            Box::pin(async move { sql::challenge(tx, id, &challenge, tx.now() + CHALLENGE_LIFE).await })
        })
        .await?;
    let expires_in = CHALLENGE_LIFE.num_seconds();
    Ok(SecondFactorNeeded { second_factor_required: true, challenge: id, expires_in })
}

/// A code of the authenticator app, or a recovery code.
pub enum Given {
    /// A code of the authenticator app, six digits.
    Code(String),
    /// In capitals, without hyphen.
    RecoveryCode(String),
}

impl Given {
    /// Exactly one of the two.
    ///
    /// # Errors
    /// 422 for none and for both.
    pub fn one_of(code: Option<String>, recovery_code: Option<String>) -> Result<Self, Problem> {
        match (code, recovery_code) {
            (Some(code), None) => Ok(Self::Code(code.trim().to_owned())),
            (None, Some(code)) => Ok(Self::RecoveryCode(code.trim().to_uppercase().replace('-', ""))),
            _ => Err(Problem::invalid_field("", "must contain either code or recoveryCode")),
        }
    }
}

/// The one refusal of a code, whatever the reason.
pub fn wrong() -> Problem {
    Problem::new(Code::InvalidCode, "Check the code, wait for the next one, or sign in again.")
}

/// Takes a code or a recovery code of a confirmed second factor: each is good once.
///
/// # Errors
/// 401 `invalid_code` for a code that is wrong or used, and without a confirmed second factor.
pub async fn check(tx: &mut Tx, encryption: &Encryption, user: &User, given: &Given) -> Result<(), Problem> {
    let factor = sql::hold(tx, user.id).await?.filter(|factor| factor.confirmed_at.is_some()).ok_or_else(wrong)?;
    match given {
        Given::Code(code) => {
            let key = encryption.decrypt(KeyPurpose::SecondFactor, user.id.as_bytes(), &factor.secret)?;
            let step = totp::step_of(&key, code, tx.now(), factor.last_step).ok_or_else(wrong)?;
            sql::advance(tx, user.id, step).await
        }
        Given::RecoveryCode(code) => {
            if !sql::use_recovery_code(tx, user.id, &recovery_hash(encryption, user.id, code)).await? {
                return Err(wrong());
            }
            tell_owner(tx, encryption, Kind::RecoveryCodeUsed, user.id, None).await
        }
    }
}

fn recovery_hash(encryption: &Encryption, user: UserId, code: &str) -> [u8; 32] {
    encryption.hash(KeyPurpose::RecoveryCode, &[user.as_bytes(), code.as_bytes()])
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
    (status = 401, description = "Authentication required", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_second_factor(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
) -> Result<Json<SecondFactorState>, Problem> {
    let user = caller.user;
    let found =
        app.db.read(TenancyContext::user(user), move |tx| Box::pin(async move { sql::show(tx, user).await })).await?;
    let (enabled_at, left) = found.unzip();
    let state = SecondFactorState { enabled: enabled_at.is_some(), enabled_at, recovery_codes_left: left.unwrap_or(0) };
    Ok(Json(state))
}

/// The current password, for confirmation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CurrentPassword)]
struct PasswordAgain {
    password: GivenPassword,
}

/// The key for an authenticator app; it is not shown again.
#[derive(Serialize, ToSchema)]
#[schema(as = SecondFactorKey)]
struct NewKey {
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
#[utoipa::path(post, path = "/api/me/second-factor", tag = "auth", security(("token" = [])), request_body = PasswordAgain,
    responses(
        (status = 201, description = "The key of the second factor", body = NewKey),
        (status = 403, description = "The current password is wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "A second factor is already set up", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn add_second_factor(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    client: Client,
    Body(given): Body<PasswordAgain>,
) -> Result<(StatusCode, Json<NewKey>), Problem> {
    let (user, session) = (caller.user, caller.session);
    authenticate_again(&app, user, client, &given.password).await?;
    let key: [u8; totp::KEY_LENGTH] = rand::random();
    let encrypted = app.encryption.encrypt(KeyPurpose::SecondFactor, user.as_bytes(), &key)?;
    let owner = app
        .db
        .write(TenancyContext::credentials(user, session), move |tx| {
            Box::pin(async move {
                if !sql::begin(tx, user, &encrypted).await? {
                    return Err(Problem::new(Code::AlreadyExists, "Remove the second factor first."));
                }
                super::sql::get(tx, user).await?.ok_or_else(Problem::unauthenticated)
            })
        })
        .await?;
    let uri = totp::uri(&key, &owner.email).map_err(|error| Problem::internal(&error))?;
    let shown = NewKey { secret: totp::base32(&key), uri };
    Ok((StatusCode::CREATED, Json(shown)))
}

/// The first code of the authenticator app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SecondFactorConfirmation)]
struct FirstCode {
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
    request_body = FirstCode,
    responses(
        (status = 200, description = "The second factor is required from now on; the recovery codes", body = RecoveryCodes),
        (status = 401, description = "The code is wrong", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn confirm_second_factor(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    client: Client,
    Body(given): Body<FirstCode>,
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
                changed(tx, &task_app.encryption, user, Some(session), Kind::SecondFactorAdded).await
            })
        })
        .await?;
    attempt_limits::give_back(&app, tries).await?;
    app.callers.forget(Revocation { user, session: None });
    app.outbox.ring();
    let recovery_codes = codes.iter().map(|code| format!("{}-{}", &code[..5], &code[5..])).collect();
    Ok(Json(RecoveryCodes { recovery_codes }))
}

/// Sessions opened under the old rule end, and the owner is told.
async fn changed(
    tx: &mut Tx,
    encryption: &Encryption,
    user: UserId,
    keep: Option<SessionId>,
    kind: Kind,
) -> Result<(), Problem> {
    sessions::revoke_all(tx, user, keep, Reason::SecondFactorChanged).await?;
    tell_owner(tx, encryption, kind, user, None).await
}

/// The password and a code, for confirmation.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SecondFactorRemoval)]
struct Removal {
    password: GivenPassword,
    /// The code, six digits.
    #[schema(example = "471181", max_length = 16)]
    code: Option<String>,
    /// One of the recovery codes instead of `code`.
    #[schema(example = "ABCDE-FGHIJ", max_length = 32)]
    recovery_code: Option<String>,
}

/// Delete the second factor
#[utoipa::path(delete, path = "/api/me/second-factor", tag = "auth", security(("token" = [])), request_body = Removal,
    responses(
        (status = 204, description = "The second factor is deleted"),
        (status = 401, description = "The code is wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The current password is wrong", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn remove_second_factor(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    client: Client,
    Body(removal): Body<Removal>,
) -> Result<StatusCode, Problem> {
    let (user, session, task_app) = (caller.user, caller.session, Arc::clone(&app));
    let given = Given::one_of(removal.code, removal.recovery_code)?;
    authenticate_again(&app, user, client, &removal.password).await?;
    let tries = Counter::second_factor(&app, user, client);
    attempt_limits::take(&app, tries.clone()).await?;
    app.db
        .write(TenancyContext::credentials(user, session), move |tx| {
            Box::pin(async move {
                let owner = super::sql::get(tx, user).await?.ok_or_else(Problem::unauthenticated)?;
                check(tx, &task_app.encryption, &owner, &given).await?;
                sql::remove(tx, user).await?;
                changed(tx, &task_app.encryption, user, Some(session), Kind::SecondFactorRemoved).await
            })
        })
        .await?;
    attempt_limits::give_back(&app, tries).await?;
    app.callers.forget(Revocation { user, session: None });
    app.outbox.ring();
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a user's second factor without asking for it: for an operator who has made sure who is asking.
///
/// # Errors
/// Only those of the database.
pub async fn reset(tx: &mut Tx, encryption: &Encryption, user: UserId) -> Result<bool, Problem> {
    if !sql::remove(tx, user).await? {
        return Ok(false);
    }
    changed(tx, encryption, user, None, Kind::SecondFactorRemoved).await?;
    Ok(true)
}
