//! Logging: one line for each event, text or JSON, to standard error or to a daily file. There are no metrics. The line
//! of a request and its id are written in `middleware.rs`.

use std::io::IsTerminal as _;

use tracing::{Level, Metadata};
use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{InitError, RollingFileAppender, Rotation};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::Log;

/// Keeps the log writer alive; what is still buffered is written when it is dropped.
pub struct Telemetry(#[expect(dead_code, reason = "held for its drop")] Option<WorkerGuard>);

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `LOG_LEVEL` is not a filter.
    #[error("LOG_LEVEL is not a filter such as info or comanda=debug,sqlx=warn: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// `LOG_DIR` cannot be written to.
    #[error("LOG_DIR cannot be used: {0}. Name a folder this user may write to")]
    Folder(#[from] InitError),
    /// `LOG_DIR` is not there and cannot be made.
    #[error("LOG_DIR cannot be made: {0}. Name a folder this user may write to")]
    NoFolder(std::io::Error),
}

/// Begins logging.
///
/// # Errors
/// When the filter is invalid, or the folder cannot be used.
pub fn begin(log: &Log) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::try_new(&log.level)?;
    let Some(folder) = &log.dir else {
        install(filter, log.json, std::io::stderr);
        return Ok(Telemetry(None));
    };
    // The appender lists old files before it creates the folder, and prints an error if there is none.
    std::fs::create_dir_all(folder).map_err(TelemetryError::NoFolder)?;
    let files = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("comanda")
        .filename_suffix("log")
        .max_log_files(log.keep_files)
        .build(folder)?;
    let (writer, guard) = tracing_appender::non_blocking(files);
    install(filter, log.json, writer);
    Ok(Telemetry(Some(guard)))
}

/// Libraries that log what passes through them, tokens and bodies included: only their warnings are used. Their parts
/// (`engineioxide_core`, which logs packets with addresses of customers) are included.
const TALKATIVE: &[&str] =
    &["engineioxide", "h2", "hyper", "redis", "reqwest", "rustls", "tokio_tungstenite", "tungstenite"];

/// Its errors are about packets of clients, a line for each, also from clients without a token: 20 kB of packets for
/// unknown namespaces made 500 kB of log. The client receives these errors, and requests have lines of their own.
const ABOUT_CLIENTS: &str = "socketioxide";

/// At any `LOG_LEVEL`, excludes lines that could contain a secret, and lines with which a client could fill the log.
fn is_discreet(about: &Metadata<'_>) -> bool {
    let library = about.target().split("::").next().unwrap_or_default();
    let is_of = |name: &&str| library.strip_prefix(*name).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
    !is_of(&ABOUT_CLIENTS) && (*about.level() <= Level::WARN || !TALKATIVE.iter().any(is_of))
}

fn install(filter: EnvFilter, json: bool, writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static) {
    // Colours are for a person at a terminal, not for a file.
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours);
    let lines = if json { lines.json().flatten_event(true).boxed() } else { lines.boxed() };
    // Filters of the whole subscriber, not of the layer: layer filters keep their last decision in a thread-local
    // variable, and a query of the `log` crate whether a record is enabled leaves it behind, which drops the next line
    // or the next request's span. If the process has a subscriber already (tests), it is kept.
    let _ = tracing_subscriber::registry().with(filter).with(filter_fn(is_discreet)).with(lines).try_init();
}
