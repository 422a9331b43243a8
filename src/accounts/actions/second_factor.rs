//! Requires and checks a second factor, and ends sessions after a change of it.

use chrono::TimeDelta;

use crate::accounts::actions::notices::notify_owner;
use crate::accounts::second_factor::{FactorProof, SecondFactorNeeded};
use crate::accounts::sql::second_factor::{self as sql, Challenge};
use crate::accounts::sql::sessions::{self, RevocationReason};
use crate::accounts::{User, totp};
use crate::app::App;
use crate::encryption::{Encryption, KeyPurpose};
use crate::ids::{ChallengeId, SessionId, UserId};
use crate::outbox::NotificationKind;
use crate::problem::{Code, Problem};
use crate::tenancy::TenancyContext;
use crate::uow::Tx;

/// How long a challenge is valid: the code must be sent within this time after the password.
const CHALLENGE_LIFE: TimeDelta = TimeDelta::minutes(5);
/// Creates the challenge that the code of a second factor answers.
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

/// The refusal of a code, the same for every reason.
pub fn wrong() -> Problem {
    Problem::new(Code::InvalidCode, "Check the code, wait for the next one, or sign in again.")
}

/// Accepts a code or a recovery code of a confirmed second factor; each is valid once.
///
/// # Errors
/// 401 `invalid_code` for a code that is wrong or used, and without a confirmed second factor.
pub async fn check(tx: &mut Tx, encryption: &Encryption, user: &User, proof: &FactorProof) -> Result<(), Problem> {
    let factor = sql::hold(tx, user.id).await?.filter(|factor| factor.confirmed_at.is_some()).ok_or_else(wrong)?;
    match proof {
        FactorProof::Code(code) => {
            let key = encryption.decrypt(KeyPurpose::SecondFactor, user.id.as_bytes(), &factor.secret)?;
            let step = totp::step_of(&key, code, tx.now(), factor.last_step).ok_or_else(wrong)?;
            sql::advance(tx, user.id, step).await
        }
        FactorProof::RecoveryCode(code) => {
            if !sql::use_recovery_code(tx, user.id, &recovery_hash(encryption, user.id, code)).await? {
                return Err(wrong());
            }
            notify_owner(tx, encryption, NotificationKind::RecoveryCodeUsed, user.id, None).await
        }
    }
}

/// The keyed hash of a recovery code, as it is stored.
pub fn recovery_hash(encryption: &Encryption, user: UserId, code: &str) -> [u8; 32] {
    encryption.hash(KeyPurpose::RecoveryCode, &[user.as_bytes(), code.as_bytes()])
}

/// Ends all sessions but `except`, and notifies the owner of the change.
pub async fn changed(
    tx: &mut Tx,
    encryption: &Encryption,
    user: UserId,
    except: Option<SessionId>,
    kind: NotificationKind,
) -> Result<(), Problem> {
    sessions::revoke_all(tx, user, except, RevocationReason::SecondFactorChanged).await?;
    notify_owner(tx, encryption, kind, user, None).await
}

/// Removes a user's second factor without a code: for an operator who has verified the user's identity.
///
/// # Errors
/// Only those of the database.
pub async fn reset(tx: &mut Tx, encryption: &Encryption, user: UserId) -> Result<bool, Problem> {
    if !sql::remove(tx, user).await? {
        return Ok(false);
    }
    changed(tx, encryption, user, None, NotificationKind::SecondFactorRemoved).await?;
    Ok(true)
}
