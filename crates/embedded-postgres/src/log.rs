//! The server's log: one file beside its data, and one older. PostgreSQL writes it through its error
//! output, so that nothing is lost, not even what the system's loader says.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use crate::account::{Account, give, make_private_folder};

/// Two files of this length at most are kept.
const LONGEST: u64 = 8 * 1024 * 1024;
/// How much of the end is searched for the reason of a failed start.
const TAIL: u64 = 64 * 1024;

/// The open log of a server we start.
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

    /// Moves what was written aside once it is long. The server appends, so it goes on at the start.
    pub(super) fn shorten(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() <= LONGEST {
            return Ok(());
        }
        let older = self.path.with_extension("log.1");
        // Removed first, so that a link laid in its place cannot make us write elsewhere.
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

    /// What the server wrote since it was started, as far as it matters.
    pub(super) fn since_start(&self) -> String {
        let mut file = &self.file;
        let end = file.metadata().map_or(0, |entry| entry.len());
        let mut bytes = Vec::new();
        // A log that cannot be read has nothing to say.
        let _ = file
            .seek(SeekFrom::Start(self.begin.max(end.saturating_sub(TAIL))))
            .and_then(|_| file.take(TAIL).read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Opens the log for reading and appending, never through a link: the folder is the server's user's,
/// and we may be root.
fn open_own(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .read(true)
        .append(true)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)
}

/// The line that says why a server gave up, without its time stamp: the last fatal one, else the last.
/// For faults of the configuration the line before names the setting.
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
