//! The server's log: one file in the folder of its data, and one older file. PostgreSQL writes to it through standard
//! error, so that nothing is lost, not even messages of the system's loader.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use crate::account::{Account, give, make_private_folder};

/// The maximum length of each of the two files.
const LONGEST: u64 = 8 * 1024 * 1024;
/// How much of the end is searched for the reason of a failed start.
const TAIL: u64 = 64 * 1024;

/// The open log of a server that this process starts.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    begin: u64,
}

impl Log {
    /// Opens the log at its end.
    pub(super) fn open(path: &Path, account: Option<&Account>) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            make_private_folder(folder, account)?;
        }
        let mut log = Self { file: open_own(path)?, path: path.to_owned(), begin: 0 };
        give(path, account)?;
        log.shorten()?;
        log.begin = log.file.metadata()?.len();
        Ok(log)
    }

    /// A handle for the server to write to.
    pub(super) fn writer(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Moves the log aside when it is long. The server appends, so it continues at the beginning.
    pub(super) fn shorten(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() <= LONGEST {
            return Ok(());
        }
        let older = self.path.with_extension("log.1");
        // Deleted first, so that a link in its place cannot redirect the write.
        match fs::remove_file(&older) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
            _ => {}
        }
        let mut copy = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&older)?;
        self.file.seek(SeekFrom::Start(0))?;
        io::copy(&mut (&self.file).take(2 * LONGEST), &mut copy)?;
        self.file.set_len(0)?;
        self.begin = 0;
        Ok(())
    }

    /// The relevant part of what the server wrote since it was started.
    pub(super) fn since_start(&self) -> String {
        let mut file = &self.file;
        let end = file.metadata().map_or(0, |entry| entry.len());
        let mut bytes = Vec::new();
        // A log that cannot be read is ignored.
        let _ = file
            .seek(SeekFrom::Start(self.begin.max(end.saturating_sub(TAIL))))
            .and_then(|_| file.take(TAIL).read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Opens the log for reading and appending, without following a link: the folder belongs to the server's user, and
/// this process may run as root.
fn open_own(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .read(true)
        .append(true)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)
}

/// The line with the reason why a server ended, without its timestamp: the last fatal one, else the last. For
/// configuration errors the line before it names the setting.
pub(super) fn reason(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let fatal = |line: &&str| line.contains("FATAL:") || line.contains("PANIC:");
    let last = lines.iter().rposition(fatal).unwrap_or(lines.len().saturating_sub(1));
    let Some(line) = lines.get(last) else {
        return "it ended without a word".to_owned();
    };
    let telling = match last.checked_sub(1).and_then(|before| lines.get(before)) {
        Some(before) if line.contains("configuration file") => before,
        _ => line,
    };
    telling.split_once("] ").map_or(*telling, |(_, message)| message).to_owned()
}
