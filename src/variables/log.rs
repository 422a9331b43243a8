//! Variables of logs.

use super::{Variable, optional, plain};

const LOGS: &str = "Logs";

pub(super) const TABLE: &[Variable] = &[
    plain(LOGS, "LOG_LEVEL", "info,sqlx=warn", "What is logged, as `level` or `target=level,…`."),
    plain(LOGS, "LOG_FORMAT", "text", "text, or json: one object a line."),
    optional(LOGS, "LOG_DIR", "./logs", "Folder for log files, a new one each day. Not set: standard error."),
    plain(LOGS, "LOG_KEEP_FILES", "14", "Daily log files kept."),
];
