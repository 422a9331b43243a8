//! How nodes wake each other: "there is something new in the log". Over Redis where there is one, else over
//! PostgreSQL's LISTEN and NOTIFY on a connection of its own.
//!
//! Nothing depends on it: a node that hears nothing polls. So a line that breaks is logged and made again, and words
//! that got lost meanwhile are made up for by looking at the log once.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::session::Exits;
use super::sql;
use crate::config::Config;

/// PostgreSQL's channel; channels belong to the database.
const CHANNEL: &str = "comanda_events";
/// Others are told at most once in this time, however much happens.
const DEBOUNCE: Duration = Duration::from_millis(20);
/// Rest after a first failure, doubled with each further one.
const FIRST_REST: Duration = Duration::from_millis(100);
/// The longest rest.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// The other nodes.
#[derive(Clone, Default)]
pub struct Others {
    something_to_tell: Arc<Notify>,
    told: Arc<Notify>,
}

impl Others {
    /// Tells them, soon.
    pub fn tell(&self) {
        self.something_to_tell.notify_one();
    }

    /// Waits until one of them tells us.
    pub async fn told(&self) {
        self.told.notified().await;
    }
}

/// Why a line broke.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("Redis: {0}")]
    Redis(#[from] redis::RedisError),
    #[error("PostgreSQL: {0}")]
    Postgres(#[from] sqlx::Error),
    #[error("the other side hung up")]
    HungUp,
}

/// What carries the words.
enum Line {
    Redis { url: SecretString, channel: String },
    Postgres(Box<PgConnectOptions>),
}

/// Opens the line in the background.
pub fn others(config: &Config, options: PgConnectOptions, exits: &Exits) -> Others {
    let others = Others::default();
    let line = match &config.redis_url {
        Some(url) => {
            let database = options.get_database().unwrap_or_else(|| options.get_username());
            Line::Redis { url: url.clone(), channel: format!("comanda:events:{database}") }
        }
        None => Line::Postgres(Box::new(options.options([("role", "comanda_app")]).application_name("comanda wake"))),
    };
    let (ours, stop) = (others.clone(), exits.stop.clone());
    exits.tasks.spawn(async move { stop.run_until_cancelled(keep_open(line, ours)).await });
    others
}

async fn keep_open(line: Line, others: Others) {
    // Says who speaks, so that a node does not wake itself.
    let node = Uuid::now_v7().to_string();
    let mut rest = FIRST_REST;
    loop {
        let since = Instant::now();
        let Err(broken) = line.carry(&node, &others).await;
        if since.elapsed() > LONGEST_REST {
            rest = FIRST_REST;
        }
        tracing::warn!(error = %broken, "the connection between nodes is lost; the event log is polled until it is back");
        sleep(rest).await;
        rest = (rest * 2).min(LONGEST_REST);
    }
}

impl Line {
    /// Carries words both ways until it breaks.
    async fn carry(&self, node: &str, others: &Others) -> Result<Infallible, Broken> {
        match self {
            Self::Redis { url, channel } => over_redis(url.expose_secret(), channel, node, others).await,
            Self::Postgres(options) => over_postgres(options, node, others).await,
        }
    }
}

async fn over_redis(url: &str, channel: &str, node: &str, others: &Others) -> Result<Infallible, Broken> {
    let client = redis::Client::open(url)?;
    let mut speaking = client.get_multiplexed_async_connection().await?;
    let mut listening = client.get_async_pubsub().await?;
    listening.subscribe(channel).await?;
    let mut words = listening.into_on_message();
    // Whatever was said before we listened.
    others.told.notify_one();
    loop {
        tokio::select! {
            word = words.next() => {
                let speaker: String = word.ok_or(Broken::HungUp)?.get_payload()?;
                if speaker != node {
                    others.told.notify_one();
                }
            }
            () = others.something_to_tell.notified() => {
                let publish = redis::cmd("PUBLISH").arg(channel).arg(node).to_owned();
                publish.query_async::<()>(&mut speaking).await?;
                sleep(DEBOUNCE).await;
            }
        }
    }
}

async fn over_postgres(options: &PgConnectOptions, node: &str, others: &Others) -> Result<Infallible, Broken> {
    let own = PgPoolOptions::new().max_connections(1).connect_lazy_with(options.clone());
    let mut line = PgListener::connect_with(&own).await?;
    line.listen(CHANNEL).await?;
    others.told.notify_one();
    loop {
        tokio::select! {
            word = line.try_recv() => {
                if word?.ok_or(Broken::HungUp)?.payload() != node {
                    others.told.notify_one();
                }
            }
            () = others.something_to_tell.notified() => {
                sql::notify(&mut line, CHANNEL, node).await?;
                sleep(DEBOUNCE).await;
            }
        }
    }
}
