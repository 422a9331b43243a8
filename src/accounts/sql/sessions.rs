//! Every statement on sessions.

use chrono::{DateTime, Utc};

use crate::accounts::caller_cache::CachedSession;
use crate::accounts::refresh::{Presented, RefreshDecision, TokenState};
use crate::accounts::{Caller, Session};
use crate::config::SessionLives;
use crate::ids::{DriverId, SessionId, UserId};
use crate::problem::Problem;
use crate::uow::{Database, Tx};

mod revoke;

pub use revoke::{RevocationReason, revoke, revoke_all};

/// Data of the client, shown in the list of sessions.
#[derive(Debug, Clone, Default)]
pub struct SessionClient {
    /// Its `User-Agent`, truncated.
    pub user_agent: Option<String>,
    /// The IP address of the request.
    pub address: Option<String>,
}

/// A session about to be opened.
pub struct NewSession {
    /// The id of the new session.
    pub id: SessionId,
    /// The user who signed in.
    pub user: UserId,
    /// The hash that the password was checked against.
    pub password_hash: String,
    /// Whether a second factor was given as well.
    pub with_second_factor: bool,
}

/// A session that was opened.
#[derive(Debug, Clone, Copy)]
pub struct OpenedSession {
    /// When it ends if it is not used.
    pub expires_at: DateTime<Utc>,
    /// When all sessions of the user were last ended before this one was opened.
    pub sessions_ended_at: Option<DateTime<Utc>>,
}

/// Opens a session. `None`: since the password was checked, it was changed, the user was disabled, or a second factor
/// was set up that was not given.
pub async fn open(
    tx: &mut Tx,
    new: &NewSession,
    device: &SessionClient,
    lives: SessionLives,
) -> Result<Option<OpenedSession>, Problem> {
    let now = tx.now();
    let opened = sqlx::query_as!(
        OpenedSession,
        "insert into sessions (id, user_id, user_agent, ip, created_at, last_used_at, refreshed_at, expires_at)
         select $1, id, $3, $4, $5, $5, $5, session_end(role, membership_count, $5, $5, $7, $8, $9, $10) from users
         where id = $2 and password_hash = $6 and disabled_at is null and ($11 or second_factor_at is null) for share
         returning expires_at, (select u.sessions_ended_at from users u where u.id = user_id) as sessions_ended_at",
        new.id as SessionId,
        new.user as UserId,
        device.user_agent.as_deref(),
        device.address.as_deref(),
        now,
        new.password_hash,
        lives.idle.as_secs_f64(),
        lives.max.as_secs_f64(),
        lives.staff_idle.as_secs_f64(),
        lives.staff_max.as_secs_f64(),
        new.with_second_factor,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(opened)
}

/// The caller of a session; `None`: it has ended, or the user is disabled. The session's lifetime is the shortest of
/// all roles that the user has now, also of those granted after it was opened. A driver profile counts while the user's
/// role is DRIVER or higher. An administrator without a second factor is returned as locked; the configuration may lift
/// that.
pub async fn caller(
    database: &Database,
    session: SessionId,
    user: UserId,
    now: DateTime<Utc>,
    lives: SessionLives,
) -> Result<Option<CachedSession>, Problem> {
    let row = sqlx::query!(
        r#"select u.role, d.id as "driver?: DriverId", s.confirmed_counter,
                  least(s.expires_at, life.ends) as "expires_at!",
                  u.role = 'ADMIN' and u.second_factor_at is null as "is_bare!"
           from sessions s
           join users u on u.id = s.user_id and u.disabled_at is null
           left join drivers d on d.user_id = u.id and u.role >= 'DRIVER'
           cross join lateral (
               select session_end(u.role, u.membership_count, s.created_at, s.refreshed_at, $4, $5, $6, $7) as ends)
               as life
           where s.id = $1 and s.user_id = $2 and s.revoked_at is null and s.expires_at > $3 and life.ends > $3"#,
        session as SessionId,
        user as UserId,
        now,
        lives.idle.as_secs_f64(),
        lives.max.as_secs_f64(),
        lives.staff_idle.as_secs_f64(),
        lives.staff_max.as_secs_f64(),
    )
    .fetch_optional(database.pool())
    .await?;
    Ok(row.map(|row| CachedSession {
        caller: Caller {
            user,
            session,
            role: row.role,
            driver: row.driver,
            is_locked: row.is_bare,
            admin_needs_factor: true,
        },
        expires_at: row.expires_at,
        confirmed: row.confirmed_counter,
    }))
}

/// The current rights of a user, for an operation requested earlier in a session. `None`: the account is disabled. An
/// administrator without a second factor is returned as locked; the configuration may lift that.
pub async fn current_caller(tx: &mut Tx, user: UserId, session: SessionId) -> Result<Option<Caller>, Problem> {
    let row = sqlx::query!(
        r#"select u.role, d.id as "driver?: DriverId",
                  u.role = 'ADMIN' and u.second_factor_at is null as "is_bare!"
           from users u
           left join drivers d on d.user_id = u.id and u.role >= 'DRIVER'
           where u.id = $1 and u.disabled_at is null"#,
        user as UserId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| Caller {
        user,
        session,
        role: row.role,
        driver: row.driver,
        is_locked: row.is_bare,
        admin_needs_factor: true,
    }))
}

/// When a session was opened with the password.
pub async fn opened_at(database: &Database, session: SessionId) -> Result<DateTime<Utc>, Problem> {
    let row = sqlx::query!("select created_at from sessions where id = $1", session as SessionId)
        .fetch_optional(database.pool())
        .await?;
    row.map(|row| row.created_at).ok_or_else(Problem::unauthenticated)
}

/// Records that the access token of this number was used, so the client received it.
pub async fn confirm(tx: &mut Tx, session: SessionId, counter: i32) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "update sessions set confirmed_counter = $2, last_used_at = greatest(last_used_at, $3)
         where id = $1 and confirmed_counter < $2 and counter >= $2",
        session as SessionId,
        counter,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The result of a refresh.
#[derive(Debug, Clone, Copy)]
pub enum Refreshed {
    /// The session has this number now, by this request or by another one with the same token.
    At {
        /// The user of the session.
        user: UserId,
        /// The number of the new refresh token.
        counter: i32,
        /// When the session ends if it is not used.
        expires_at: DateTime<Utc>,
    },
    /// A copy of the token is in use: the session is revoked.
    Replayed(UserId),
    /// There is no such session any more.
    Ended,
}

/// Increments the number of a session, returns the current number again to a client that missed it, or ends the
/// session.
pub async fn refresh(
    tx: &mut Tx,
    presented: Presented,
    device: &SessionClient,
    lives: SessionLives,
) -> Result<Refreshed, Problem> {
    if let Some(stepped) = step(tx, presented, device, lives).await? {
        return Ok(stepped);
    }
    let now = tx.now();
    let row = sqlx::query!(
        "select s.user_id, s.counter, s.confirmed_counter, s.refreshed_at, s.expires_at
         from sessions s join users u on u.id = s.user_id and u.disabled_at is null
         where s.id = $1 and s.revoked_at is null and s.expires_at > $2",
        presented.session as SessionId,
        now,
    )
    .fetch_optional(tx.connection())
    .await?;
    // The number is unchanged: the role has changed to one whose sessions have a shorter lifetime.
    let Some(row) = row.filter(|row| row.counter != presented.counter) else {
        return Ok(Refreshed::Ended);
    };
    let current_caller =
        TokenState { counter: row.counter, confirmed: row.confirmed_counter, refreshed_at: row.refreshed_at };
    match current_caller.decide(presented.counter, now) {
        RefreshDecision::AnswerLost => {
            Ok(Refreshed::At { user: row.user_id, counter: row.counter, expires_at: row.expires_at })
        }
        RefreshDecision::Replayed => {
            revoke(tx, row.user_id, presented.session, RevocationReason::RefreshReuse).await?;
            Ok(Refreshed::Replayed(row.user_id))
        }
    }
}

/// Increments the number of a session. Concurrent requests wait here for the first one and then find another number.
async fn step(
    tx: &mut Tx,
    presented: Presented,
    device: &SessionClient,
    lives: SessionLives,
) -> Result<Option<Refreshed>, Problem> {
    let now = tx.now();
    let row = sqlx::query!(
        "update sessions s
         set counter = s.counter + 1, refreshed_at = $3, last_used_at = $3,
             user_agent = coalesce($4, s.user_agent), ip = coalesce($5, s.ip),
             expires_at = session_end(u.role, u.membership_count, s.created_at, $3, $6, $7, $8, $9)
         from users u
         where s.id = $1 and s.counter = $2 and s.revoked_at is null and s.expires_at > $3
           and u.id = s.user_id and u.disabled_at is null
           and session_end(u.role, u.membership_count, s.created_at, s.refreshed_at, $6, $7, $8, $9) > $3
         returning s.user_id, s.counter, s.expires_at",
        presented.session as SessionId,
        presented.counter,
        now,
        device.user_agent.as_deref(),
        device.address.as_deref(),
        lives.idle.as_secs_f64(),
        lives.max.as_secs_f64(),
        lives.staff_idle.as_secs_f64(),
        lives.staff_max.as_secs_f64(),
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| Refreshed::At { user: row.user_id, counter: row.counter, expires_at: row.expires_at }))
}

/// The active sessions of a user, last used first.
pub async fn of_user(tx: &mut Tx, user: UserId, lives: SessionLives) -> Result<Vec<Session>, Problem> {
    let now = tx.now();
    let sessions = sqlx::query_as!(
        Session,
        r#"select s.id, s.user_agent as device, s.ip as address, s.created_at, s.last_used_at,
                  least(s.expires_at, life.ends) as "expires_at!", false as "current!"
           from sessions s join users u on u.id = s.user_id
           cross join lateral (
               select session_end(u.role, u.membership_count, s.created_at, s.refreshed_at, $3, $4, $5, $6) as ends)
               as life
           where s.user_id = $1 and s.revoked_at is null and s.expires_at > $2 and life.ends > $2
           order by s.last_used_at desc, s.id desc limit 200"#,
        user as UserId,
        now,
        lives.idle.as_secs_f64(),
        lives.max.as_secs_f64(),
        lives.staff_idle.as_secs_f64(),
        lives.staff_max.as_secs_f64(),
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(sessions)
}

/// Deletes up to `max` sessions that expired before an instant, oldest first; returns how many.
pub async fn delete_expired(tx: &mut Tx, before: DateTime<Utc>, max: i64) -> Result<u64, Problem> {
    let forgotten = sqlx::query!(
        "delete from sessions where id in (
             select id from sessions where expires_at < $1 order by expires_at limit $2 for update skip locked)",
        before,
        max,
    )
    .execute(tx.connection())
    .await?;
    Ok(forgotten.rows_affected())
}
