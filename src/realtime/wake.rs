//! How nodes notify each other that there are new events in the log: over Redis where it is configured, else over
//! PostgreSQL's LISTEN and NOTIFY on a connection of its own.
//!
//! Nothing depends on it, because a node without notifications polls. So a broken connection is logged and opened
//! again, and notifications that were lost meanwhile are replaced by one reading of the log.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::disconnection::Disconnection;
use super::sql;
use crate::config::Config;

/// The channel in PostgreSQL; channels belong to the database.
const CHANNEL: &str = "comanda_events";
/// The shortest time between two notifications of a node.
const DEBOUNCE: Duration = Duration::from_millis(20);
/// The wait before the first attempt to reconnect, doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest wait before an attempt to reconnect.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Notifies the other nodes, and receives their notifications.
#[derive(Clone, Default)]
pub struct OtherNodes {
    pending: Arc<Notify>,
    received: Arc<Notify>,
}

impl OtherNodes {
    /// Notifies the other nodes soon.
    pub fn notify(&self) {
        self.pending.notify_one();
    }

    /// Waits for a notification of another node.
    pub async fn notified(&self) {
        self.received.notified().await;
    }
}

/// Why a connection was lost.
#[derive(Debug, thiserror::Error)]
enum ConnectionLost {
    #[error("Redis: {0}")]
    Redis(#[from] redis::RedisError),
    #[error("PostgreSQL: {0}")]
    Postgres(#[from] sqlx::Error),
    #[error("the other side closed the connection")]
    Closed,
}

/// The connection over which nodes notify each other.
enum Transport {
    Redis { url: SecretString, channel: String },
    Postgres(Box<PgConnectOptions>),
}

/// Opens the connection in the background.
pub fn others(config: &Config, options: PgConnectOptions, disconnection: &Disconnection) -> OtherNodes {
    let others = OtherNodes::default();
    let connection = match &config.redis_url {
        Some(url) => {
            let database = options.get_database().unwrap_or_else(|| options.get_username());
            Transport::Redis { url: url.clone(), channel: format!("comanda:events:{database}") }
        }
        None => {
            Transport::Postgres(Box::new(options.options([("role", "comanda_app")]).application_name("comanda wake")))
        }
    };
    let (nodes, stop) = (others.clone(), disconnection.stop.clone());
    disconnection.tasks.spawn(async move { stop.run_until_cancelled(maintain(connection, nodes)).await });
    others
}

async fn maintain(connection: Transport, others: OtherNodes) {
    // Names the sender, so that a node does not wake itself.
    let node = Uuid::now_v7().to_string();
    let mut pause = FIRST_PAUSE;
    loop {
        let since = Instant::now();
        let Err(broken) = connection.run(&node, &others).await;
        if since.elapsed() > LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        tracing::warn!(error = %broken, "the connection between nodes is lost; the event log is polled until it is \
                                         back");
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

impl Transport {
    /// Sends and receives notifications until the connection is lost.
    async fn run(&self, node: &str, others: &OtherNodes) -> Result<Infallible, ConnectionLost> {
        match self {
            Self::Redis { url, channel } => over_redis(url.expose_secret(), channel, node, others).await,
            Self::Postgres(options) => over_postgres(options, node, others).await,
        }
    }
}

async fn over_redis(url: &str, channel: &str, node: &str, others: &OtherNodes) -> Result<Infallible, ConnectionLost> {
    let client = redis::Client::open(url)?;
    let mut publisher = client.get_multiplexed_async_connection().await?;
    let mut subscriber = client.get_async_pubsub().await?;
    subscriber.subscribe(channel).await?;
    let mut messages = subscriber.into_on_message();
    // Covers notifications from before the node listened.
    others.received.notify_one();
    loop {
        tokio::select! {
            message = messages.next() => {
                let sender: String = message.ok_or(ConnectionLost::Closed)?.get_payload()?;
                if sender != node {
                    others.received.notify_one();
                }
            }
            () = others.pending.notified() => {
                let publish = redis::cmd("PUBLISH").arg(channel).arg(node).to_owned();
                publish.query_async::<()>(&mut publisher).await?;
                sleep(DEBOUNCE).await;
            }
        }
    }
}

async fn over_postgres(
    options: &PgConnectOptions,
    node: &str,
    others: &OtherNodes,
) -> Result<Infallible, ConnectionLost> {
    let own = PgPoolOptions::new().max_connections(1).connect_lazy_with(options.clone());
    let mut connection = PgListener::connect_with(&own).await?;
    connection.listen(CHANNEL).await?;
    others.received.notify_one();
    loop {
        tokio::select! {
            notification = connection.try_recv() => {
                if notification?.ok_or(ConnectionLost::Closed)?.payload() != node {
                    others.received.notify_one();
                }
            }
            () = others.pending.notified() => {
                sql::notify(&mut connection, CHANNEL, node).await?;
                sleep(DEBOUNCE).await;
            }
        }
    }
}
