//! The tokens of a session. Pure.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::ids::{SessionId, UserId};
use crate::problem::Problem;

/// The tokens of a session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenPair {
    /// Send it as `Authorization: Bearer …`.
    access_token: String,
    /// The type of the access token, always `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until the access token expires.
    #[schema(example = 600)]
    expires_in: i64,
    /// Send it to `POST /api/auth/refresh` to get the next pair. It can be used once.
    #[schema(example = "rt_AZT1fK0bd1m4nB8V0dWqHwAAAAA5xq1n0l3o1Hq9c2mBfN0e")]
    refresh_token: String,
    /// Seconds until the session ends if it is not refreshed.
    #[schema(example = 2_592_000)]
    refresh_expires_in: i64,
}

impl TokenPair {
    /// The tokens of a session at a number.
    pub fn new(
        app: &App,
        user: UserId,
        session: SessionId,
        counter: i32,
        ends: DateTime<Utc>,
    ) -> Result<Self, Problem> {
        let now = app.clock.now();
        Ok(Self {
            access_token: app.tokens.issue(user, session, counter, now)?,
            token_type: "Bearer",
            expires_in: app.tokens.life_seconds(),
            refresh_token: app.refresh_tokens.issue(session, counter),
            refresh_expires_in: (ends - now).num_seconds(),
        })
    }
}
