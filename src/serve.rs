//! `comanda serve`: starts all parts of the server in order, and stops them in reverse order.

use std::sync::Arc;

use comanda_providers::images::StoreError;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::caller_cache::Callers;
use crate::accounts::password::{self, Passwords};
use crate::accounts::refresh::RefreshTokens;
use crate::accounts::token::Tokens;
use crate::accounts::{revocation_listener, secrets};
use crate::admission::Admission;
use crate::app::App;
use crate::clock::Clock;
use crate::config::{Config, Mode};
use crate::database::{DatabaseError, DatabaseServer};
use crate::delivery::actions::presence;
use crate::demo::{self, DemoError};
use crate::encryption::Encryption;
use crate::heavy::HeavyWork;
use crate::images::{self, ImageStores};
use crate::limits::{self, Limits};
use crate::menu::actions::published::Published;
use crate::notifications::worker;
use crate::orders::actions::overdue;
use crate::orders::facts_cache::FactsCache;
use crate::outbox::Outbox;
use crate::realtime::{self, EngineSessions};
use crate::router::{self, RouterError, Routes};
use crate::server::{self, ListenError};
use crate::stored_responses::StoredResponses;
use crate::sync::actions::runs::DeviceRuns;
use crate::{middleware, publish, retention, sync};

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The database cannot be reached, migrated or used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The operating system does not tell the address of the listener.
    #[error("the address of the listener cannot be read: {0}. Start the server again")]
    ListenerAddress(std::io::Error),
    /// The routes and the permission table do not match.
    #[error(transparent)]
    Router(#[from] RouterError),
    /// The data folder cannot be created, or a secret in it cannot be read or written.
    #[error("the data folder {0} cannot be used: {1}. Name one this user may write to with DATA_DIR=…")]
    DataDir(String, std::io::Error),
    /// The client for Redis, which counts rate limits for all nodes together, cannot be created from `REDIS_URL`.
    #[error(transparent)]
    Limits(#[from] limits::SharedError),
    /// The client for Redis, which wakes other nodes and caches menus, cannot be created from `REDIS_URL`.
    #[error("REDIS_URL cannot be used: {0}. It looks like redis://host:6379")]
    Redis(#[from] redis::RedisError),
    /// The image storage cannot be set up.
    #[error("images cannot be stored with CLOUDINARY_BASE_URL as it is set: {0}")]
    Images(#[from] StoreError),
    /// The demo data cannot be created.
    #[error(transparent)]
    Demo(#[from] DemoError),
}

/// A running server.
pub struct Running {
    /// The shared state.
    pub app: Arc<App>,
    /// The address that it listens on.
    pub address: std::net::SocketAddr,
    /// The open Engine.IO sessions.
    pub engine_sessions: Arc<EngineSessions>,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
    relay: tokio::task::JoinHandle<()>,
    revocation_listener: tokio::task::JoinHandle<()>,
    outbox: tokio::task::JoinHandle<()>,
    collector: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Stops accepting requests, waits for those in progress, and closes the database.
    pub async fn stop(self) {
        self.stop.cancel();
        // A panic of the task was logged.
        let _ = self.serving.await;
        let _ = self.relay.await;
        let _ = self.revocation_listener.await;
        let _ = self.outbox.await;
        self.app.jobs.close();
        self.app.jobs.wait().await;
        let _ = self.collector.await;
        self.app.db.close().await;
    }
}

/// Builds the application on a database that is connected and migrated.
///
/// # Errors
/// When a secret, the address or the routes are invalid.
pub async fn start(config: Config, reached: &DatabaseServer, clock: Clock, demo: bool) -> Result<Running, ServeError> {
    let listener = server::listen(&config.http).await?;
    let db = reached.open(&config, clock.clone(), publish::FOLLOWERS).await?;
    let (tokens, refresh_tokens, encryption) =
        keys(&config).map_err(|error| ServeError::DataDir(config.data_dir.display().to_string(), error))?;
    password::warm_up();
    let heavy = HeavyWork::new(config.http.heavy_at_once, config.http.heavy_waiting, 1);
    let app = Arc::new(App {
        tokens,
        refresh_tokens,
        callers: Callers::new(config.accounts.session_cache),
        passwords: Passwords::new(&config.accounts),
        device_runs: DeviceRuns::new(config.sync.devices_at_once),
        admission: Admission::new(config.postgres.requests_at_once, config.postgres.request_queue_wait),
        limits: Limits::new(&config, &clock, db.written())?,
        stored_responses: StoredResponses::new(config.retention.stored_responses),
        images: ImageStores::new(&config)?,
        order_facts: Arc::new(FactsCache::new(config.orders.facts_cache_bytes)),
        menus: Published::new(db.clone(), config.menus, config.redis_url.as_ref(), heavy.clone())?,
        heavy,
        encryption,
        outbox: Outbox::default(),
        config,
        db,
        clock,
        jobs: TaskTracker::new(),
        demo,
    });
    // Before requests are accepted, and before the relay reads the log, so that imported events are not emitted.
    if demo && let Err(error) = demo::found(&app).await {
        app.db.close().await;
        return Err(error.into());
    }
    run(app, listener, reached)
}

/// Keys for tokens and encryption, from the configuration or the data folder.
fn keys(config: &Config) -> Result<(Tokens, RefreshTokens, Encryption), std::io::Error> {
    let accounts = &config.accounts;
    let access = secrets::configured_or_generated(accounts.jwt_secret.as_ref(), &config.data_dir, "jwt_secret")?;
    let refresh =
        secrets::configured_or_generated(accounts.jwt_refresh_secret.as_ref(), &config.data_dir, "jwt_refresh_secret")?;
    let encryption = secrets::configured_or_generated(accounts.seal_secret.as_ref(), &config.data_dir, "seal_secret")?;
    Ok((
        Tokens::new(&access, accounts.jwt_secret_previous.as_ref(), accounts.access_life),
        RefreshTokens::new(&refresh, accounts.jwt_refresh_secret_previous.as_ref()),
        Encryption::new(encryption),
    ))
}

#[expect(clippy::disallowed_methods, reason = "the long tasks of the server, all waited for by Running::stop")]
fn run(app: Arc<App>, listener: TcpListener, reached: &DatabaseServer) -> Result<Running, ServeError> {
    let address = listener.local_addr().map_err(ServeError::ListenerAddress)?;
    let stop = CancellationToken::new();
    let Routes { router, operations } = router::router(&app)?;
    let (router, io, engine_sessions) = realtime::add_sockets(router, &app);
    let router = middleware::outside(router, &app.config.http, app.admission.clone(), operations);
    let relay = tokio::spawn(realtime::start(Arc::clone(&app), io, reached.session().clone(), stop.clone()));
    let collector = tokio::spawn(images::actions::delete_unused::watch(Arc::clone(&app), stop.clone()));
    let revocation_listener =
        tokio::spawn(revocation_listener::follow(Arc::clone(&app), reached.session().clone(), stop.clone()));
    let outbox = tokio::spawn(worker::work(Arc::clone(&app), stop.clone()));
    app.jobs.spawn(middleware::admission::log_refusals(app.admission.clone(), stop.clone()));
    app.jobs.spawn(overdue::run(Arc::clone(&app), stop.clone()));
    app.jobs.spawn(presence::run(Arc::clone(&app), stop.clone()));
    app.jobs.spawn(sync::actions::worker::run(Arc::clone(&app), stop.clone()));
    app.jobs.spawn(retention::run(Arc::clone(&app), stop.clone()));
    let (bounds, ending) = (app.config.http.clone(), stop.clone());
    let serving = tokio::spawn(async move { server::serve(listener, router, &bounds, ending).await });
    Ok(Running { app, address, engine_sessions, stop, serving, relay, revocation_listener, outbox, collector })
}

/// `comanda serve`: runs until a signal arrives.
///
/// # Errors
/// When a step of the start fails; the message says what to do.
pub async fn serve(config: Config, demo: bool) -> Result<(), ServeError> {
    if demo {
        demo::allowed(&config)?;
    }
    std::fs::create_dir_all(&config.data_dir)
        .map_err(|error| ServeError::DataDir(config.data_dir.display().to_string(), error))?;
    let reached = DatabaseServer::find(&config).await?;
    let applied = reached.migrate().await?;
    if applied > 0 {
        tracing::info!(applied, "the schema is up to date");
    }
    // Before requests are accepted.
    if config.mode == Mode::Production
        && let Err(error) = demo::remove::require_none(&reached).await
    {
        reached.leave().await;
        return Err(error.into());
    }
    let running = match start(config, &reached, Clock::System, demo).await {
        Ok(running) => running,
        Err(error) => {
            reached.leave().await;
            return Err(error);
        }
    };
    let simulator = if demo { Some(demo::begin(running.address, running.app.clock.clone())?) } else { None };
    announce(&running, demo);
    wait_for_signal().await;
    tracing::info!("stopping");
    if let Some(simulator) = simulator {
        simulator.stop().await;
    }
    running.stop().await;
    reached.leave().await;
    Ok(())
}

/// Prints the addresses of the server.
#[expect(clippy::print_stdout, reason = "for the person at the terminal")]
fn announce(running: &Running, demo: bool) {
    let base = format!("http://{}", running.address);
    println!("Comanda {} is up.\n", env!("CARGO_PKG_VERSION"));
    println!("  API        {base}/api");
    println!("  Reference  {base}/docs");
    println!("  Console    {base}/");
    if demo {
        println!("\n{}", demo::logins());
    }
}

/// Waits for SIGINT or SIGTERM. If the handlers cannot be installed, Ctrl-C kills the process, which loses no committed
/// data.
async fn wait_for_signal() {
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    if let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    } else {
        std::future::pending::<()>().await;
    }
}
