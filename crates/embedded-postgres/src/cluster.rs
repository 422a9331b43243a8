//! Creates a cluster: in a temporary folder, flushed to disk, and only then moved to its place, so that an existing
//! cluster is always complete.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::account::make_private_folder;
use crate::binaries::Programs;
use crate::cluster_paths::ClusterPaths;
use crate::parent_death::{ParentDeathSignal, command};
use crate::{NAME, StartError};

/// Libc's C.UTF-8 sorts by code point and is the same everywhere; C is for systems without it.
const LOCALES: [&str; 2] = ["C.UTF-8", "C"];

/// Creates the cluster if there is none. The caller holds the lock of these paths.
pub(super) fn create(
    paths: &ClusterPaths,
    programs: &Programs,
    parent_death: &ParentDeathSignal,
) -> Result<(), StartError> {
    let occupied = paths.is_occupied();
    if occupied.map_err(|fault| StartError::from_io(&paths.cluster, &fault))? {
        return Err(StartError::NotACluster { folder: paths.cluster.clone() });
    }
    let draft = paths.root.join("postgres.new");
    let made = fill(paths, &draft, programs, parent_death);
    if made.is_err() {
        // The remains only use space; the caller needs the first error.
        let _ = fs::remove_dir_all(&draft);
    }
    made
}

fn fill(
    paths: &ClusterPaths,
    draft: &Path,
    programs: &Programs,
    parent_death: &ParentDeathSignal,
) -> Result<(), StartError> {
    let in_draft = |fault: io::Error| StartError::from_io(&paths.root, &fault);
    clear(draft).map_err(in_draft)?;
    let mut outcome = Err(String::new());
    for locale in LOCALES {
        clear(draft).map_err(in_draft)?;
        make_private_folder(draft, paths.account.as_ref()).map_err(in_draft)?;
        outcome = initdb(paths, draft, programs, parent_death, locale).map_err(in_draft)?;
        match &outcome {
            Err(said) if said.contains("locale") => {}
            _ => break,
        }
    }
    if let Err(said) = outcome {
        return Err(initdb_fault(paths, &said));
    }
    write_settings(paths, draft, programs).map_err(in_draft)?;
    sync_disk(draft).map_err(in_draft)?;
    fs::rename(draft, &paths.cluster).map_err(in_draft)?;
    File::open(&paths.root).and_then(|root| root.sync_all()).map_err(in_draft)
}

/// Deletes the remains of an interrupted attempt. A child of a killed initdb may still write there for a moment, so
/// the deletion is repeated if the folder is not empty.
fn clear(draft: &Path) -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(3);
    loop {
        match fs::remove_dir_all(draft) {
            Ok(()) => return Ok(()),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(fault) if fault.kind() == io::ErrorKind::DirectoryNotEmpty && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(fault) => return Err(fault),
        }
    }
}

/// Runs initdb; the inner error is its output when it failed.
fn initdb(
    paths: &ClusterPaths,
    draft: &Path,
    programs: &Programs,
    parent_death: &ParentDeathSignal,
    locale: &str,
) -> io::Result<Result<(), String>> {
    let mut initdb = parent_death.command(&programs.path("initdb"), paths.account.as_ref(), "KILL");
    initdb
        .arg("--pgdata")
        .arg(draft)
        .args(["--username", NAME, "--encoding", "UTF8", "--locale", locale])
        // Everybody who can reach the socket is trusted: its folder is closed to other users.
        .args(["--auth-local", "trust", "--auth-host", "reject"])
        .args(["--data-checksums", "--no-sync"])
        // With a given zone, initdb does not compare all of them with the machine's.
        .env("TZ", "UTC")
        .current_dir(draft);
    let Output { status, stdout, stderr } = initdb.output()?;
    if status.success() {
        return Ok(Ok(()));
    }
    let said = [stderr, stdout].concat();
    Ok(Err(String::from_utf8_lossy(&said).into_owned()))
}

fn initdb_fault(paths: &ClusterPaths, said: &str) -> StartError {
    let folder = paths.cluster.clone();
    if StartError::says_disk_is_full(said) {
        return StartError::DiskFull { folder };
    }
    let telling = |line: &&str| line.contains("FATAL:") || line.contains("PANIC:") || line.contains("error:");
    let line = said.lines().find(telling).or_else(|| said.lines().last());
    StartError::InitdbFailed { folder, message: line.unwrap_or("it says nothing").trim().to_owned() }
}

/// Settings that an operator may change are in the cluster's own file; those that the program relies on are passed at
/// each start.
fn write_settings(paths: &ClusterPaths, draft: &Path, programs: &Programs) -> io::Result<()> {
    let compression = if supports_lz4(paths, draft, programs) { "lz4" } else { "on" };
    let mut file = OpenOptions::new().append(true).open(draft.join("postgresql.conf"))?;
    write!(file, "\n# Comanda\nmax_connections = 100\nshared_buffers = 128MB\nwal_compression = {compression}\n")
}

/// Whether the programs were built with lz4: the server refuses a value that it does not know.
fn supports_lz4(paths: &ClusterPaths, draft: &Path, programs: &Programs) -> bool {
    let mut probe: Command = command(&programs.path("postgres"), paths.account.as_ref());
    probe.arg("-D").arg(draft).args(["-c", "wal_compression=lz4", "-C", "wal_compression"]);
    probe.current_dir(draft).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// One flush of the file system instead of initdb's flush of each file.
#[cfg(target_os = "linux")]
fn sync_disk(draft: &Path) -> io::Result<()> {
    nix::unistd::syncfs(File::open(draft)?).map_err(io::Error::from)
}

/// One flush of all file systems, where a single one cannot be selected.
#[cfg(not(target_os = "linux"))]
fn sync_disk(_draft: &Path) -> io::Result<()> {
    nix::unistd::sync();
    Ok(())
}
