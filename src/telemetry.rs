//! What the program says of itself: one line an event, text or JSON, to standard error or to a file a day.

use std::io::IsTerminal as _;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{InitError, RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::Log;

/// Keeps the log writer alive; what is still buffered is written when it is dropped.
pub struct Telemetry(#[expect(dead_code, reason = "held for its drop")] Option<WorkerGuard>);

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `LOG_LEVEL` is not a filter.
    #[error("LOG_LEVEL is not a filter such as info or comanda=debug,sqlx=warn: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// `LOG_DIR` cannot be written to.
    #[error("LOG_DIR cannot be used: {0}. Name a folder this user may write to")]
    Folder(#[from] InitError),
}

/// Begins logging.
///
/// # Errors
/// When the filter or the folder is no good.
pub fn begin(log: &Log) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::try_new(&log.level)?;
    let Some(folder) = &log.dir else {
        install(filter, log.json, std::io::stderr);
        return Ok(Telemetry(None));
    };
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

fn install(filter: EnvFilter, json: bool, writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static) {
    // Colours are for a person at a terminal, not for a file.
    let colours = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(colours);
    // A second subscriber in one process (tests) is not worth stopping for.
    let _ = if json { builder.json().flatten_event(true).try_init() } else { builder.try_init() };
}
