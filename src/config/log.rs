//! Settings of the log, read and checked. Defaults and descriptions: `variables/log.rs`.

use std::path::PathBuf;

use super::source::Reader;

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

impl Log {
    pub(super) fn gather(reader: &mut Reader<'_>) -> Self {
        Self {
            level: reader.text("LOG_LEVEL").unwrap_or_default(),
            json: reader.value("LOG_FORMAT", "text or json", false, |text| match text {
                "text" => Some(false),
                "json" => Some(true),
                _ => None,
            }),
            dir: reader.text("LOG_DIR").map(PathBuf::from),
            keep_files: reader.number("LOG_KEEP_FILES", 1, 3650),
        }
    }
}
