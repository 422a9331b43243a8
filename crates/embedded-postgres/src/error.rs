//! The errors of starting the embedded PostgreSQL, each in one line with its remedy.

use std::io;
use std::path::{Path, PathBuf};

/// Why the embedded PostgreSQL did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No usable `postgres` and `initdb`.
    #[error(
        "no PostgreSQL programs found ({looked}): run `apt-get install postgresql`, or set POSTGRES_BIN to \
         the folder that holds `postgres` and `initdb`, or set DATABASE_URL to a server of your own"
    )]
    BinariesMissing {
        /// The searched folders, and the error in each.
        looked: String,
    },
    /// The data folder cannot be created or written.
    #[error(
        "cannot write to the data folder {folder} ({cause}): make it writable for this user, or set \
         DATA_DIR to another folder"
    )]
    FolderNotWritable {
        /// The folder or file that could not be written.
        folder: PathBuf,
        /// The error of the system.
        cause: String,
    },
    /// The place of the cluster contains something else.
    #[error("{folder} is there already but is no PostgreSQL cluster: move it away, or set DATA_DIR to another folder")]
    NotACluster {
        /// The folder that should have been the cluster.
        folder: PathBuf,
    },
    /// The disk is full.
    #[error("the disk that holds {folder} is full: free some space there, or set DATA_DIR to another disk")]
    DiskFull {
        /// The folder on the full disk.
        folder: PathBuf,
    },
    /// The cluster was created by another major version, and no programs of that version are installed.
    #[error(
        "the cluster in {folder} is of PostgreSQL {cluster}, the programs found are of {programs}: {remedy}, \
         or move the folder away to begin with an empty one"
    )]
    OtherMajor {
        /// The cluster's folder.
        folder: PathBuf,
        /// The version that created the cluster.
        cluster: String,
        /// The versions that were found.
        programs: String,
        /// How to install the required version.
        remedy: String,
    },
    /// The server ended before it was ready.
    #[error("PostgreSQL does not start: {line} (see {log})")]
    NotStartable {
        /// The line of the log with the reason.
        line: String,
        /// The server's log.
        log: PathBuf,
    },
    /// The cluster could not be created.
    #[error("PostgreSQL's initdb could not make a cluster in {folder}: {message}")]
    InitdbFailed {
        /// The folder of the cluster.
        folder: PathBuf,
        /// The output of initdb.
        message: String,
    },
    /// The server is neither ready nor has it ended.
    #[error("PostgreSQL was not ready after {seconds} s: it may be recovering from a crash, see {log} and start again")]
    Timeout {
        /// How long was waited.
        seconds: u64,
        /// The server's log.
        log: PathBuf,
    },
}

impl StartError {
    /// An error of the file system, while writing to `path`.
    pub(super) fn from_io(path: &Path, fault: &io::Error) -> Self {
        match fault.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { folder: path.to_owned() },
            _ => Self::FolderNotWritable { folder: path.to_owned(), cause: fault.to_string() },
        }
    }

    /// An error that the server reported to its first connection.
    pub(super) fn from_database(fault: &sqlx::Error, log: &Path) -> Self {
        let code = fault.as_database_error().and_then(sqlx::error::DatabaseError::code);
        if code.as_deref() == Some("53100") {
            return Self::DiskFull { folder: log.ancestors().nth(2).unwrap_or(log).to_owned() };
        }
        Self::NotStartable { line: fault.to_string().replace('\n', " "), log: log.to_owned() }
    }

    /// The output of a failed program of PostgreSQL.
    pub(super) fn says_disk_is_full(text: &str) -> bool {
        text.contains("No space left on device") || text.contains("Disk quota exceeded")
    }
}
