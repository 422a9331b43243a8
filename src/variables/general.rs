//! Variables of the whole program.

use super::{Variable, plain};

const GENERAL: &str = "General";

pub(super) const TABLE: &[Variable] = &[
    plain(GENERAL, "MODE", "development", "development, or production: then missing or weak secrets stop the start."),
    plain(GENERAL, "DATA_DIR", "./data", "Folder for the private PostgreSQL and for secrets that were not set."),
];
