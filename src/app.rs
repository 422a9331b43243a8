//! The state that handlers, jobs and sockets share: [`App`]. Routes are assembled in `router.rs`.

use std::sync::Arc;

use axum::extract::FromRef;
use tokio_util::task::TaskTracker;

use crate::accounts::caller_cache::Callers;
use crate::accounts::password::Passwords;
use crate::accounts::refresh::RefreshTokens;
use crate::accounts::token::Tokens;
use crate::admission::Admission;
use crate::clock::Clock;
use crate::config::Config;
use crate::encryption::Encryption;
use crate::heavy::HeavyWork;
use crate::images::ImageStores;
use crate::limits::Limits;
use crate::menu::actions::published::Published;
use crate::orders::facts_cache::FactsCache;
use crate::outbox::Outbox;
use crate::stored_responses::StoredResponses;
use crate::sync::actions::runs::DeviceRuns;
use crate::uow::Database;

/// The state that handlers, jobs and sockets share.
pub struct App {
    /// The configuration of this server.
    pub config: Config,
    /// The database; transactions are opened by its units of work.
    pub db: Database,
    /// The clock, which tests can move.
    pub clock: Clock,
    /// Signs and verifies access tokens.
    pub tokens: Tokens,
    /// Signs and reads refresh tokens.
    pub refresh_tokens: RefreshTokens,
    /// The cache of callers by session.
    pub callers: Callers,
    /// Hashes and verifies passwords, a bounded number at once.
    pub passwords: Passwords,
    /// Admission control: how many requests are processed at once.
    pub admission: Admission,
    /// Rate limits of users and networks.
    pub limits: Limits,
    /// Counts what users have added to their stored responses.
    pub stored_responses: StoredResponses,
    /// The cache of published menus.
    pub menus: Published,
    /// Restaurants and menu items on which orders are decided.
    pub order_facts: Arc<FactsCache>,
    /// Encryption and keyed hashes of secrets in the database.
    pub encryption: Encryption,
    /// Wakes the worker of the outbox.
    pub outbox: Outbox,
    /// Background tasks; the shutdown waits for them.
    pub jobs: TaskTracker,
    /// Which devices' offline operations are worked on.
    pub device_runs: DeviceRuns,
    /// Images: decoding, storage and deletion.
    pub images: ImageStores,
    /// Work that takes processor time: parsing large bodies, planning menus.
    pub heavy: HeavyWork,
    /// Whether the demo data exists, so that the console may show its logins.
    pub demo: bool,
}

impl FromRef<Arc<App>> for HeavyWork {
    fn from_ref(app: &Arc<App>) -> Self {
        app.heavy.clone()
    }
}
