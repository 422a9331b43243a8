//! What handlers, jobs and sockets share: [`App`]. Routes are put together in `router.rs`.

use std::sync::Arc;

use axum::extract::FromRef;
use tokio_util::task::TaskTracker;

use crate::accounts::cache::Callers;
use crate::accounts::password::Passwords;
use crate::accounts::refresh::RefreshTokens;
use crate::accounts::token::Tokens;
use crate::admission::Admission;
use crate::clock::Clock;
use crate::config::Config;
use crate::encryption::Encryption;
use crate::heavy::HeavyWork;
use crate::limits::Limits;
use crate::menu::actions::published::Published;
use crate::outbox::Outbox;
use crate::pictures::Pictures;
use crate::stored_answers::StoredAnswers;
use crate::sync::runs::DeviceRuns;
use crate::uow::Database;

/// What handlers, jobs and sockets share.
pub struct App {
    /// Everything that can be set.
    pub config: Config,
    /// The database, as units of work use it.
    pub db: Database,
    /// Where time comes from.
    pub clock: Clock,
    /// Signs and verifies access tokens.
    pub tokens: Tokens,
    /// Signs and reads refresh tokens.
    pub refresh_tokens: RefreshTokens,
    /// Who has asked lately.
    pub callers: Callers,
    /// Hashes and verifies passwords, a bounded number at once.
    pub passwords: Passwords,
    /// How many requests are worked on at once.
    pub admission: Admission,
    /// How often somebody may ask.
    pub limits: Limits,
    /// How much users have added to what is kept of their answers.
    pub stored_answers: StoredAnswers,
    /// Menus as guests read them.
    pub menus: Published,
    /// Encryption and keyed hashes of what the database must not hold in clear.
    pub encryption: Encryption,
    /// What is to be told.
    pub outbox: Outbox,
    /// What runs beside requests; the shutdown waits for it.
    pub jobs: TaskTracker,
    /// Which devices' offline operations are worked on.
    pub device_runs: DeviceRuns,
    /// Images: decoding, storage and deletion.
    pub pictures: Pictures,
    /// Parsing what is large, planning menus.
    pub heavy: HeavyWork,
    /// The demo city is up: the console may show its logins.
    pub demo: bool,
}

impl FromRef<Arc<App>> for HeavyWork {
    fn from_ref(app: &Arc<App>) -> Self {
        app.heavy.clone()
    }
}
