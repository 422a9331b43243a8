//! Statements that revoke sessions.

use crate::ids::{SessionId, UserId};
use crate::problem::Problem;
use crate::uow::Tx;

/// Why a session was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationReason {
    /// Its user signed out.
    Logout,
    /// Its user signed out everywhere.
    LogoutAll,
    /// Its user ended it from another device.
    EndedByUser,
    /// The user changed the password.
    PasswordChanged,
    /// The password was reset with a code.
    PasswordReset,
    /// A second factor was added or removed.
    SecondFactorChanged,
    /// A refresh token was used twice.
    RefreshReuse,
    /// The user was disabled.
    Disabled,
    /// An operator ended it.
    Operator,
    /// The user has more sessions than allowed; this one was used longest ago.
    Surplus,
}

impl RevocationReason {
    pub(in crate::accounts::sql) const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::LogoutAll => "logout_all",
            Self::EndedByUser => "ended_by_user",
            Self::PasswordChanged => "password_changed",
            Self::PasswordReset => "password_reset",
            Self::SecondFactorChanged => "second_factor_changed",
            Self::RefreshReuse => "refresh_reuse",
            Self::Surplus => "surplus",
            Self::Disabled => "disabled",
            Self::Operator => "operator",
        }
    }
}

/// Ends one session of a user; `false`: there was none.
pub async fn revoke(tx: &mut Tx, user: UserId, session: SessionId, reason: RevocationReason) -> Result<bool, Problem> {
    let now = tx.now();
    let ended = sqlx::query!(
        "update sessions set revoked_at = $3, revoked_reason = $4
         where id = $2 and user_id = $1 and revoked_at is null and expires_at > $3",
        user as UserId,
        session as SessionId,
        now,
        reason.as_str(),
    )
    .execute(tx.connection())
    .await?;
    Ok(ended.rows_affected() == 1)
}

/// Ends all sessions of a user except `except`; returns how many. Device tokens that were issued before become void,
/// and offline operations of sessions that had ended before are not run.
pub async fn revoke_all(
    tx: &mut Tx,
    user: UserId,
    except: Option<SessionId>,
    reason: RevocationReason,
) -> Result<u64, Problem> {
    let now = tx.now();
    let ended = sqlx::query!(
        // The user is locked first, as when a session is opened.
        "with ended as (update users set sessions_ended_at = $2 where id = $1 returning id)
         update sessions s set revoked_at = $2, revoked_reason = $3 from ended
         where s.user_id = ended.id and s.revoked_at is null and s.id is distinct from $4",
        user as UserId,
        now,
        reason.as_str(),
        except as Option<SessionId>,
    )
    .execute(tx.connection())
    .await?;
    Ok(ended.rows_affected())
}
