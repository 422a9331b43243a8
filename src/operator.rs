//! `comanda user …` and `comanda sync …`: commands of operators. There is no command that sets a password: an
//! administrator who has lost it resets it by e-mail, or an operator creates another administrator.

use crate::accounts::actions::second_factor;
use crate::accounts::hash_queue::Claimant;
use crate::accounts::password::{NewPassword, Passwords};
use crate::accounts::sql::sessions::RevocationReason;
use crate::accounts::sql::{self, NewUser};
use crate::accounts::{Email, Session, UserRole, secrets};
use crate::clock::Clock;
use crate::config::Config;
use crate::database::{DatabaseError, DatabaseServer};
use crate::encryption::Encryption;
use crate::ids::{SessionId, SyncOperationId, UserId};
use crate::problem::Problem;
use crate::publish;
use crate::sync::sql::operator::{self as sync, ListedOperation, OperationDetails};
use crate::tenancy::PlatformScope;
use crate::text::SingleLine;
use crate::uow::{Steps, Tx};
use crate::users::actions::admin;
use crate::users::admin::AccountPatch;

/// Why an operator's command failed.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The database cannot be reached or used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The text is not an e-mail address.
    #[error("{0} is not an e-mail address")]
    Email(String),
    /// The password does not follow the rules.
    #[error("the password {0}")]
    Password(String),
    /// The name is not one.
    #[error("the name {0}")]
    Name(String),
    /// No password was sent to standard input.
    #[error("no password on standard input: pipe it in, as in `printf %s \"$PASSWORD\" | comanda user create …`")]
    NoPassword,
    /// What was sent to standard input is not UTF-8, or cannot be read.
    #[error("the password on standard input is not UTF-8 text")]
    UnreadablePassword,
    /// The address already has an account.
    #[error("{0} already has an account")]
    Exists(String),
    /// No account has the address.
    #[error("{0} has no account: check the spelling, or create it with `comanda user create`")]
    Unknown(String),
    /// The text is not the id of a session.
    #[error("{0} is not a session id: `comanda user sessions --email …` lists them")]
    Session(String),
    /// The session has ended, or belongs to another user.
    #[error("{0} has no active session {1}: `comanda user sessions --email {0}` lists them")]
    NoSession(String, SessionId),
    /// There is no such operation, or it was not abandoned.
    #[error(
        "{0} is not the id of such an operation: `comanda sync list` lists abandoned operations, with --all also \
         pending ones"
    )]
    Operation(String),
    /// The command was refused.
    #[error("{0}")]
    Refused(Problem),
}

/// Creates a user of any role. The password is read from standard input, so that process lists do not show it.
///
/// # Errors
/// When the address is taken, or the password is too weak.
pub async fn create_user(config: &Config, email: &str, name: &str, role: UserRole) -> Result<UserId, OperatorError> {
    let email = address(email)?;
    let given = std::io::read_to_string(std::io::stdin()).map_err(|_| OperatorError::UnreadablePassword)?;
    let given = given.trim_end_matches(['\r', '\n']);
    if given.is_empty() {
        return Err(OperatorError::NoPassword);
    }
    let password: NewPassword = serde_json::from_value(serde_json::Value::from(given))
        .map_err(|error| OperatorError::Password(error.to_string()))?;
    let password_hash =
        Passwords::new(&config.accounts).hash(Claimant::Operator, &password).await.map_err(OperatorError::Refused)?;
    let name = SingleLine::<120>::try_from(name.to_owned()).map_err(OperatorError::Name)?;
    let (id, address, name) = (UserId::new(), email.as_str().to_owned(), name.into_string());
    let created = with_database(config, move |tx, _| {
        Box::pin(async move {
            let user = NewUser {
                id,
                email: &email,
                password_hash: &password_hash,
                name: &name,
                phone: None,
                role,
                is_proved: true,
            };
            sql::insert(tx, &user).await
        })
    })
    .await?;
    if created { Ok(id) } else { Err(OperatorError::Exists(address)) }
}

/// Runs `steps` in one transaction, on the database of a running server or on a private server that is started for it.
async fn with_database<T, F>(config: &Config, steps: F) -> Result<T, OperatorError>
where
    T: Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx, PlatformScope) -> Steps<'t, T> + Send + 'static,
{
    let reached = DatabaseServer::find(config).await?;
    reached.migrate().await?;
    let db = reached.open(config, Clock::System, publish::FOLLOWERS).await?;
    let scope = PlatformScope::proven_by("an operator at the machine", None);
    let outcome = db.write(scope, move |tx| steps(tx, scope)).await;
    db.close().await;
    reached.leave().await;
    outcome.map_err(OperatorError::Refused)
}

/// Parses the address.
fn address(text: &str) -> Result<Email, OperatorError> {
    Email::try_from(text.to_owned()).map_err(|_| OperatorError::Email(text.to_owned()))
}

/// Disables a user, which ends all sessions at once on every running server, or enables the user again.
///
/// # Errors
/// When no account has the address.
pub async fn set_disabled(config: &Config, email: &str, disabled: bool) -> Result<UserId, OperatorError> {
    let email = address(email)?;
    let unknown = OperatorError::Unknown(email.as_str().to_owned());
    let changed = with_database(config, move |tx, scope| {
        Box::pin(async move {
            let Some(user) = sql::admin::id_of(tx, &email).await? else { return Ok(None) };
            let patch = AccountPatch { disabled: Some(disabled), role: None };
            admin::apply(tx, scope, user, patch).await.map(Some)
        })
    })
    .await?;
    changed.map(|account| account.id).ok_or(unknown)
}

/// The most operations in one listing.
const MAX_LISTED: i64 = 1_000;

/// Offline operations that were abandoned, or all that are not finished; oldest first.
///
/// # Errors
/// When the database cannot be used.
pub async fn sync_list(config: &Config, all: bool) -> Result<Vec<ListedOperation>, OperatorError> {
    with_database(config, move |tx, _| Box::pin(async move { sync::list(tx, all, MAX_LISTED).await })).await
}

/// One operation with all details.
///
/// # Errors
/// When there is no operation with this id.
pub async fn sync_show(config: &Config, id: &str) -> Result<OperationDetails, OperatorError> {
    let unknown = || OperatorError::Operation(id.to_owned());
    let id: SyncOperationId = id.parse().map_err(|_| unknown())?;
    let shown = with_database(config, move |tx, _| Box::pin(async move { sync::get(tx, id).await })).await?;
    shown.ok_or_else(unknown)
}

/// Has running servers retry an abandoned operation, or all of them; returns how many.
///
/// # Errors
/// When the named operation was not abandoned.
pub async fn sync_retry(config: &Config, id: Option<&str>) -> Result<u64, OperatorError> {
    let unknown = |id: &str| OperatorError::Operation(id.to_owned());
    let one: Option<SyncOperationId> = id.map(|id| id.parse().map_err(|_| unknown(id))).transpose()?;
    let count = with_database(config, move |tx, _| Box::pin(async move { sync::retry(tx, one).await })).await?;
    match (count, id) {
        (0, Some(id)) => Err(unknown(id)),
        (count, _) => Ok(count),
    }
}

/// The active sessions of a user.
///
/// # Errors
/// When no account has the address.
pub async fn sessions(config: &Config, email: &str) -> Result<Vec<Session>, OperatorError> {
    let email = address(email)?;
    let unknown = OperatorError::Unknown(email.as_str().to_owned());
    let lives = config.accounts.sessions;
    let found = with_database(config, move |tx, _| {
        Box::pin(async move {
            let Some(user) = sql::admin::id_of(tx, &email).await? else { return Ok(None) };
            sql::sessions::of_user(tx, user, lives).await.map(Some)
        })
    })
    .await?;
    found.ok_or(unknown)
}

/// Ends one session of a user, or all of them; returns how many.
///
/// # Errors
/// When no account has the address, or the session is not an active one of this user.
pub async fn revoke(config: &Config, email: &str, session: Option<&str>) -> Result<u64, OperatorError> {
    let email = address(email)?;
    let session: Option<SessionId> =
        session.map(|text| text.parse().map_err(|_| OperatorError::Session(text.to_owned()))).transpose()?;
    let email_text = email.as_str().to_owned();
    let ended = with_database(config, move |tx, _| {
        Box::pin(async move {
            let Some(user) = sql::admin::id_of(tx, &email).await? else { return Ok(None) };
            Ok(Some(match session {
                Some(session) => u64::from(sql::sessions::revoke(tx, user, session, RevocationReason::Operator).await?),
                None => sql::sessions::revoke_all(tx, user, None, RevocationReason::Operator).await?,
            }))
        })
    })
    .await?;
    match (ended, session) {
        (None, _) => Err(OperatorError::Unknown(email_text)),
        (Some(0), Some(session)) => Err(OperatorError::NoSession(email_text, session)),
        (Some(count), _) => Ok(count),
    }
}

/// Removes the second factor of a user who has lost phone and recovery codes. All sessions of the user end, and the
/// user is notified. `false`: there was none.
///
/// # Errors
/// When no account has the address.
pub async fn reset_second_factor(config: &Config, email: &str) -> Result<bool, OperatorError> {
    let email = address(email)?;
    let unknown = OperatorError::Unknown(email.as_str().to_owned());
    let secret =
        secrets::configured_or_generated(config.accounts.seal_secret.as_ref(), &config.data_dir, "seal_secret")
            .map_err(|error| OperatorError::Refused(Problem::internal(&error)))?;
    let encryption = Encryption::new(secret);
    let removed = with_database(config, move |tx, _| {
        Box::pin(async move {
            let Some(user) = sql::admin::id_of(tx, &email).await? else { return Ok(None) };
            second_factor::reset(tx, &encryption, user).await.map(Some)
        })
    })
    .await?;
    removed.ok_or(unknown)
}
