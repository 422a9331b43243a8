//! The server that runs on a cluster, found by `postmaster.pid` and by the processes themselves.
//!
//! The file alone is not reliable: after a crash it contains the id of a process that has ended, of another process
//! with the same id, or of a zombie, because the first process of a container may reap no children.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::StartError;
use crate::cluster_paths::{ClusterPaths, PORT, socket_in};

/// A process id that no system assigns (Linux ends at 4194304).
const NO_PID: i32 = 4_194_305;
/// How long a server may start, recover or stop.
pub(super) const START_TIMEOUT: Duration = Duration::from_mins(2);
/// The interval at which changes are polled.
pub(super) const PAUSE: Duration = Duration::from_millis(4);

/// The content of `postmaster.pid`.
#[derive(Clone, Debug)]
pub(super) struct Postmaster {
    pub(super) pid: i32,
    pub(super) port: u16,
    pub(super) socket_dir: PathBuf,
    pub(super) ready: bool,
}

impl Postmaster {
    /// Reads the file; `None`: there is none, or it is incomplete.
    pub(super) fn read(cluster: &Path) -> Option<Self> {
        let text = fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok()?;
        let port = lines.nth(2).and_then(|line| line.trim().parse().ok());
        let socket_dir = lines.next().map(PathBuf::from);
        let state = lines.nth(2).unwrap_or("starting").trim();
        Some(Self {
            pid,
            port: port.unwrap_or(PORT),
            socket_dir: socket_dir.unwrap_or_default(),
            ready: matches!(state, "ready" | "standby"),
        })
    }

    /// Whether the server runs. A server in another container with the same folder has no visible process, but its
    /// socket responds.
    pub(super) fn is_alive(&self, cluster: &Path) -> bool {
        runs_on(self.pid, cluster) || UnixStream::connect(socket_in(&self.socket_dir, self.port)).is_ok()
    }
}

/// The server that runs on a cluster, after waiting until it is ready; `None`: there is none, or it was stopping and
/// has ended.
pub(super) fn find_running(paths: &ClusterPaths) -> Result<Option<Postmaster>, StartError> {
    let deadline = Instant::now() + START_TIMEOUT;
    while Instant::now() < deadline {
        match Postmaster::read(&paths.cluster) {
            Some(server) if !server.is_alive(&paths.cluster) => return Ok(None),
            Some(server) if server.ready => return Ok(Some(server)),
            Some(_) => thread::sleep(PAUSE),
            None => return Ok(None),
        }
    }
    Err(StartError::Timeout { seconds: START_TIMEOUT.as_secs(), log: paths.log_path() })
}

/// Prepares a cluster whose server has died for a new one: waits for the backends of the dead server, and removes the
/// process id from `postmaster.pid` if it belongs to a zombie or to another program now, which PostgreSQL would take
/// for a running server. The rest of the file is kept, so that PostgreSQL itself can detect whether the old shared
/// memory is still in use, and refuse to start.
pub(super) fn clear_stale_server(paths: &ClusterPaths, socket_dir: &Path) -> io::Result<()> {
    await_orphans(&paths.cluster);
    let path = paths.cluster.join("postmaster.pid");
    if let Some(dead) = Postmaster::read(&paths.cluster)
        && exists(dead.pid)
    {
        let text = fs::read_to_string(&path)?;
        let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
        // Links are not followed: the folder belongs to the server's user, and this process may run as root.
        let mut options = OpenOptions::new();
        options.write(true).truncate(true).custom_flags(OFlag::O_NOFOLLOW.bits());
        options.open(&path)?.write_all(format!("{NO_PID}\n{rest}").as_bytes())?;
    }
    match fs::remove_file(socket_dir.join(format!(".s.PGSQL.{PORT}.lock"))) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
        _ => Ok(()),
    }
}

/// Backends notice the death of their server when they next wait; one in a long query is sent SIGQUIT, as its server
/// would have done.
fn await_orphans(cluster: &Path) {
    let begin = Instant::now();
    let mut is_logged = false;
    loop {
        let orphans = servers_in(cluster);
        if orphans.is_empty() || begin.elapsed() > Duration::from_secs(10) {
            return;
        }
        if !is_logged && begin.elapsed() > Duration::from_millis(500) {
            is_logged = true;
            for pid in orphans {
                // It may have ended in the meantime.
                let _ = kill(Pid::from_raw(pid), Signal::SIGQUIT);
            }
        }
        thread::sleep(PAUSE);
    }
}

fn servers_in(cluster: &Path) -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is_postgres(*pid) && works_in(*pid, cluster).unwrap_or(false)).collect()
}

fn is_postgres(pid: i32) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm"));
    name.is_ok_and(|name| name.starts_with("postgres") || name.starts_with("postmaster"))
}

/// Whether a process is a server on this cluster: its working directory is the cluster. A zombie has none. Where the
/// system hides the directory (root without the privilege to trace), its arguments are compared.
fn runs_on(pid: i32, cluster: &Path) -> bool {
    if !Path::new("/proc/self/cwd").exists() {
        return exists(pid);
    }
    match works_in(pid, cluster) {
        Ok(works) => works,
        Err(fault) if fault.kind() == io::ErrorKind::PermissionDenied => {
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            arguments.split(|byte| *byte == 0).any(|word| word == cluster.as_os_str().as_bytes())
        }
        Err(_) => false,
    }
}

fn works_in(pid: i32, cluster: &Path) -> io::Result<bool> {
    let there = fs::metadata(format!("/proc/{pid}/cwd"))?;
    let here = fs::metadata(cluster)?;
    Ok((there.dev(), there.ino()) == (here.dev(), here.ino()))
}

/// Whether any process has this id, including zombies.
fn exists(pid: i32) -> bool {
    matches!(kill(Pid::from_raw(pid), None), Ok(()) | Err(Errno::EPERM))
}
