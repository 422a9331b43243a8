//! Why the embedded PostgreSQL did not start, each fault in one line with its remedy.

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
        /// Where was looked, and what was wrong there.
        looked: String,
    },
    /// The data folder cannot be made or written.
    #[error(
        "cannot write to the data folder {folder} ({cause}): make it writable for this user, or set \
         DATA_DIR to another folder"
    )]
    FolderNotWritable {
        /// The folder or file that could not be written.
        folder: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// There is something else where the cluster should be.
    #[error("{folder} is there already but is no PostgreSQL cluster: move it away, or set DATA_DIR to another folder")]
    NotACluster {
        /// The folder that should have been the cluster.
        folder: PathBuf,
    },
    /// The disk is full.
    #[error("the disk that holds {folder} is full: free some space there, or set DATA_DIR to another disk")]
    DiskFull {
        /// The folder that could not grow.
        folder: PathBuf,
    },
    /// The cluster was made by another major version, and no programs of that version are installed.
    #[error(
        "the cluster in {folder} is of PostgreSQL {cluster}, the programs found are of {programs}: {remedy}, \
         or move the folder away to begin with an empty one"
    )]
    OtherMajor {
        /// The cluster's folder.
        folder: PathBuf,
        /// The version that made the cluster.
        cluster: String,
        /// The version or versions that were found.
        programs: String,
        /// What brings the two together.
        remedy: String,
    },
    /// The server ended before it was ready.
    #[error("PostgreSQL does not start: {line} (see {log})")]
    NotStartable {
        /// The line of the log that says why.
        line: String,
        /// The server's log.
        log: PathBuf,
    },
    /// The cluster could not be made.
    #[error("PostgreSQL's initdb could not make a cluster in {folder}: {message}")]
    InitdbFailed {
        /// The folder of the cluster.
        folder: PathBuf,
        /// What initdb said.
        message: String,
    },
    /// The server is neither ready nor gone.
    #[error("PostgreSQL was not ready after {seconds} s: it may be recovering from a crash, see {log} and start again")]
    Timeout {
        /// How long was waited.
        seconds: u64,
        /// The server's log.
        log: PathBuf,
    },
}

impl StartError {
    /// A fault of the file system, met while writing to `path`.
    pub(super) fn from_io(path: &Path, fault: &io::Error) -> Self {
        match fault.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { folder: path.to_owned() },
            _ => Self::FolderNotWritable { folder: path.to_owned(), cause: fault.to_string() },
        }
    }

    /// A fault the server reported to its first connection.
    pub(super) fn from_database(fault: &sqlx::Error, log: &Path) -> Self {
        let code = fault.as_database_error().and_then(sqlx::error::DatabaseError::code);
        if code.as_deref() == Some("53100") {
            return Self::DiskFull { folder: log.ancestors().nth(2).unwrap_or(log).to_owned() };
        }
        Self::NotStartable { line: fault.to_string().replace('\n', " "), log: log.to_owned() }
    }

    /// What a program of PostgreSQL said when it gave up.
    pub(super) fn says_disk_is_full(text: &str) -> bool {
        text.contains("No space left on device") || text.contains("Disk quota exceeded")
    }
}
