//! Ending a session, and asking for the password again within one.

use crate::accounts::actions::attempt_limits;
use crate::accounts::attempt_limits::Counter;
use crate::accounts::caller_cache::Revocation;
use crate::accounts::hash_queue::Claimant;
use crate::accounts::password::GivenPassword;
use crate::accounts::sql;
use crate::accounts::sql::sessions::RevocationReason;
use crate::app::App;
use crate::client::Client;
use crate::ids::{SessionId, UserId};
use crate::problem::{Code, Problem};
use crate::tenancy::TenancyContext;

/// Ends one session; `false`: the user has no such session.
///
/// # Errors
/// Only those of the database.
pub async fn end(
    app: &App,
    tenancy: TenancyContext,
    user: UserId,
    session: SessionId,
    reason: RevocationReason,
) -> Result<bool, Problem> {
    let ended = app
        .db
        .write(tenancy, move |tx| Box::pin(async move { sql::sessions::revoke(tx, user, session, reason).await }))
        .await?;
    app.callers.revoke(Revocation { user, session: Some(session) });
    Ok(ended)
}

/// The refusal of a wrong current password.
pub fn wrong_password() -> Problem {
    Problem::new(Code::ReauthRequired, "The current password is wrong. Check it, or reset the password.")
}

/// Checks the password of a user who is signed in; returns the hash that it was checked against.
///
/// # Errors
/// 403 for a wrong password, 429 after too many.
pub async fn authenticate_again(
    app: &App,
    (user, session): (UserId, SessionId),
    client: Client,
    given: &GivenPassword,
) -> Result<String, Problem> {
    let hashing = app.passwords.join(Claimant::User(user))?;
    let hash = sql::password_hash(&app.db, user).await?.ok_or_else(Problem::unauthenticated)?;
    let tries = Counter::passwords_again(app, session, client);
    attempt_limits::take(app, tries.clone()).await?;
    if !hashing.check(given, Some(hash.clone())).await? {
        return Err(wrong_password());
    }
    attempt_limits::give_back(app, tries).await?;
    Ok(hash)
}
