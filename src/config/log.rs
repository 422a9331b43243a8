//! Settings of the log.

use std::path::PathBuf;

/// Settings of the log.
#[derive(Debug, Clone)]
pub struct Log {
    /// `LOG_LEVEL`, in the syntax of `tracing`'s filter.
    pub level: String,
    /// `LOG_FORMAT`: text, or json: one object a line.
    pub json: bool,
    /// `LOG_DIR`; `None`: standard error.
    pub dir: Option<PathBuf>,
    /// `LOG_KEEP_FILES`: daily log files kept.
    pub keep_files: usize,
}
