//! Settings of tokens, passwords and sessions, read and checked. Their defaults, for example the lifetimes of tokens
//! and sessions, are in `variables/accounts.rs`.

use std::time::Duration;

use secrecy::SecretString;

use super::Mode;
use super::source::Reader;
use crate::clock::parse_duration;

/// Tokens and passwords.
#[derive(Debug, Clone)]
pub struct Accounts {
    /// `JWT_SECRET`; `None`: made once and kept in the data folder.
    pub jwt_secret: Option<SecretString>,
    /// `JWT_REFRESH_SECRET`; `None`: made once and kept in the data folder.
    pub jwt_refresh_secret: Option<SecretString>,
    /// `JWT_SECRET_PREVIOUS`: the `JWT_SECRET` before this one: its access tokens are still accepted. Remove it after
    /// `JWT_EXPIRES_IN`.
    pub jwt_secret_previous: Option<SecretString>,
    /// `JWT_REFRESH_SECRET_PREVIOUS`: the `JWT_REFRESH_SECRET` before this one: its refresh tokens are still accepted.
    /// Remove it after `JWT_REFRESH_EXPIRES_IN`.
    pub jwt_refresh_secret_previous: Option<SecretString>,
    /// `SEAL_SECRET`; `None`: made once and kept in the data folder.
    pub seal_secret: Option<SecretString>,
    /// `JWT_EXPIRES_IN`: lifetime of an access token, such as 500ms, 30s, 15m, 12h or 7d.
    pub access_life: Duration,
    /// The lifetimes of sessions.
    pub sessions: SessionLives,
    /// `GUEST_LIFE`: A guest without an account is deleted with the carts after this time without a write to a cart (1m
    /// to 90d).
    pub guest_life: Duration,
    /// `SESSION_CACHE`: number of sessions that are cached in memory, for up to a minute each (1 to 1000000);
    /// revocations apply at once.
    pub session_cache: usize,
    /// `PUSH_MAX_DEVICES`: maximum number of devices of one user that get push notifications (1 to 200); if there are
    /// more, the one registered longest ago is removed.
    pub max_push_devices: i64,
    /// `ADDRESS_MAX`: maximum number of saved addresses of one user (1 to 200).
    pub max_addresses: i64,
    /// `SESSION_MAX_PER_USER`: maximum number of active sessions of one user (1 to 10000); when another is opened, the
    /// one that was used longest ago ends.
    pub max_sessions: i64,
    /// `ADMIN_SECOND_FACTOR`: whether an administrator has to set up a second factor before anything else.
    pub admin_second_factor: bool,
    /// `PASSWORD_HASHES_AT_ONCE`: maximum number of passwords hashed at once, 19 MiB each. auto: half the cores.
    pub hashes_at_once: usize,
    /// `PASSWORD_HASHES_WAITING`: maximum number of requests that wait for a hash; beyond it the response is 503. auto:
    /// 16 in production, 64 in development.
    pub hashes_waiting: usize,
    /// `PASSWORD_HASHES_PER_NETWORK`: of those at once and those that wait, how many one network may have (IPv6: /64; a
    /// /48 half of the rest as well); devices that have signed in before have places of their own, an account a third
    /// of as many. auto: a third in production, all in development.
    pub hashes_per_network: usize,
    /// `PASSWORD_HASH_WAIT`: how long a request may wait for its hash before the response is 503. auto: 200ms in
    /// production, 5s in development.
    pub hash_wait: Duration,
}

/// The lifetimes of sessions.
#[derive(Debug, Clone, Copy)]
pub struct SessionLives {
    /// `JWT_REFRESH_EXPIRES_IN`: lifetime of a session without use; a refresh counts as use.
    pub idle: Duration,
    /// `SESSION_MAX_LIFE`: longest lifetime of a session; after it the user has to sign in again.
    pub max: Duration,
    /// `STAFF_SESSION_IDLE`, or `idle` where that is shorter.
    pub staff_idle: Duration,
    /// `STAFF_SESSION_MAX_LIFE`, or `max` where that is shorter.
    pub staff_max: Duration,
}

impl Accounts {
    pub(super) fn gather(reader: &mut Reader<'_>, mode: Mode) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // In production, requests beyond the limit are refused quickly; in development, scripts may wait.
        let (waiting, wait) = match mode {
            Mode::Production => (16, Duration::from_millis(200)),
            Mode::Development => (64, Duration::from_secs(5)),
        };
        let hashes_at_once = reader.number_or_auto("PASSWORD_HASHES_AT_ONCE", (cores / 2).max(1), 1, 256);
        let hashes_waiting = reader.number_or_auto("PASSWORD_HASHES_WAITING", waiting, 0, 100_000);
        let hashes = hashes_at_once + hashes_waiting;
        let per_network = if mode == Mode::Production { hashes.div_ceil(3) } else { hashes };
        Self {
            jwt_secret: reader.secret("JWT_SECRET"),
            jwt_refresh_secret: reader.secret("JWT_REFRESH_SECRET"),
            jwt_secret_previous: reader.secret("JWT_SECRET_PREVIOUS"),
            jwt_refresh_secret_previous: reader.secret("JWT_REFRESH_SECRET_PREVIOUS"),
            seal_secret: reader.secret("SEAL_SECRET"),
            access_life: reader.duration("JWT_EXPIRES_IN"),
            sessions: SessionLives::gather(reader),
            guest_life: reader.duration_between("GUEST_LIFE", Duration::from_mins(1), Duration::from_hours(24 * 90)),
            max_push_devices: reader.number("PUSH_MAX_DEVICES", 1, 200),
            max_addresses: reader.number("ADDRESS_MAX", 1, 200),
            max_sessions: reader.number("SESSION_MAX_PER_USER", 1, 10_000),
            session_cache: reader.number("SESSION_CACHE", 1, 1_000_000),
            admin_second_factor: reader.value("ADMIN_SECOND_FACTOR", "auto, required or optional", true, |text| {
                match text {
                    "auto" => Some(mode == Mode::Production),
                    "required" => Some(true),
                    "optional" => Some(false),
                    _ => None,
                }
            }),
            hashes_at_once,
            hashes_waiting,
            hashes_per_network: reader.number_or_auto("PASSWORD_HASHES_PER_NETWORK", per_network, 1, 100_256),
            hash_wait: reader.value(
                "PASSWORD_HASH_WAIT",
                "auto, or a time such as 250ms, and not zero",
                wait,
                |text| {
                    if text == "auto" { Some(wait) } else { parse_duration(text).ok().filter(|time| !time.is_zero()) }
                },
            ),
        }
    }
}

impl SessionLives {
    pub(super) fn gather(reader: &mut Reader<'_>) -> Self {
        let (idle, max) = (reader.duration("JWT_REFRESH_EXPIRES_IN"), reader.duration("SESSION_MAX_LIFE"));
        Self {
            idle,
            max,
            staff_idle: reader.duration("STAFF_SESSION_IDLE").min(idle),
            staff_max: reader.duration("STAFF_SESSION_MAX_LIFE").min(max),
        }
    }
}
