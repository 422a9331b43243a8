//! The embedded PostgreSQL: a private server in the data folder, for installations without `DATABASE_URL`.
//!
//! It is an ordinary PostgreSQL from the system's packages, durable (fsync stays on), reachable through one unix
//! socket in a folder that other users cannot enter, and never over TCP. The first process on a data folder creates
//! the cluster and owns the server; a second one attaches to it. The owner of the server stops it at its end, also
//! when it is killed; a process that still runs starts it again.
//!
//! - `cluster_paths`: folder, user and socket
//! - `account`: the user the server runs as
//! - `binaries`: where PostgreSQL's programs are
//! - `cluster`: making a cluster
//! - `parent_death`: programs that end with this process
//! - `postmaster`: the server that runs on a cluster
//! - `server`: starting and stopping the server
//! - `log`: the server's log
//! - `supervisor`: the thread that keeps it running

mod account;
mod binaries;
mod cluster;
mod cluster_paths;
mod error;
mod log;
mod parent_death;
mod postmaster;
mod server;
mod supervisor;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions, Connection};

pub use error::StartError;

/// The name of the database, and of the superuser who owns it.
const NAME: &str = "comanda";
/// How long `start` waits for a server that accepts no connections yet.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// The paths of the cluster and of the programs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The data folder (`DATA_DIR`); the cluster is its subfolder `postgres`.
    pub data_dir: PathBuf,
    /// The folder of PostgreSQL's programs (`POSTGRES_BIN`); `None`: they are searched.
    pub bin_dir: Option<PathBuf>,
}

/// What `start` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartOutcome {
    /// There was no cluster: it was created and started.
    Created,
    /// There was a cluster without a server: it was started.
    Started,
    /// A server was running on the cluster already.
    Reattached,
}

/// A running private PostgreSQL. Dropping it stops the server without waiting for its end.
#[derive(Debug)]
pub struct Embedded {
    supervisor: supervisor::Supervisor,
}

/// Starts the server of a data folder: creates the cluster if there is none, starts it or attaches to a running one,
/// and creates the database if it is missing.
pub async fn start(settings: &Settings) -> Result<Embedded, StartError> {
    let embedded = Embedded { supervisor: supervisor::launch(settings.clone()).await? };
    match embedded.ensure_database().await {
        Ok(()) => Ok(embedded),
        Err(fault) => {
            embedded.stop().await;
            Err(fault)
        }
    }
}

impl Embedded {
    /// Whether the server was created, started or attached to when this process started.
    pub fn start_outcome(&self) -> StartOutcome {
        self.supervisor.start_outcome
    }

    /// A superuser connection over the private unix socket to the database `comanda`, role `comanda`.
    /// Stays valid across restarts of the server.
    pub fn connect_options(&self) -> PgConnectOptions {
        // TLS is off and the names are set because sqlx would read them from PGSSLMODE and similar variables.
        PgConnectOptions::new_without_pgpass()
            .socket(self.socket_dir())
            .port(self.port())
            .username(NAME)
            .database(NAME)
            .application_name(NAME)
            .ssl_mode(PgSslMode::Disable)
    }

    /// The folder of the private unix socket.
    pub fn socket_dir(&self) -> &Path {
        &self.supervisor.socket_dir
    }

    /// The port, which is only a part of the socket's name.
    pub fn port(&self) -> u16 {
        self.supervisor.port
    }

    /// Fast shutdown if this process started the server, and waits for its end; an attached one is not stopped,
    /// unless it was started again here after its owner had left.
    pub async fn stop(self) {
        self.supervisor.stop().await;
    }

    /// Connects, and creates the database the first time. Waits for a server that is being started again because its
    /// former owner has just left.
    async fn ensure_database(&self) -> Result<(), StartError> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let fault = match self.connect_or_create().await {
                Ok(()) => return Ok(()),
                Err(fault) => fault,
            };
            if !is_passing(&fault) {
                return Err(StartError::from_database(&fault, &self.supervisor.log));
            }
            if Instant::now() > deadline {
                return Err(StartError::Timeout { seconds: START_TIMEOUT.as_secs(), log: self.supervisor.log.clone() });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn connect_or_create(&self) -> Result<(), sqlx::Error> {
        let options = self.connect_options().disable_statement_logging();
        let missing = match PgConnection::connect_with(&options).await {
            Ok(connection) => return connection.close().await,
            Err(fault) if has_code(&fault, &["3D000"]) => options.database("postgres"),
            Err(fault) => return Err(fault),
        };
        let mut connection = PgConnection::connect_with(&missing).await?;
        let made = sqlx::raw_sql("create database comanda").execute(&mut connection).await;
        connection.close().await?;
        match made {
            // Another process on this folder created it first.
            Err(fault) if has_code(&fault, &["42P04", "23505"]) => Ok(()),
            made => made.map(drop),
        }
    }
}

/// Whether the server may accept a connection soon: it is starting, stopping or not running.
fn is_passing(fault: &sqlx::Error) -> bool {
    matches!(fault, sqlx::Error::Io(_)) || has_code(fault, &["57P01", "57P02", "57P03"])
}

fn has_code(fault: &sqlx::Error, codes: &[&str]) -> bool {
    fault
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| codes.contains(&code.as_ref()))
}
