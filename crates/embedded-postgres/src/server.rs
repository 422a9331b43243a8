//! Starts and stops the server.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::StartError;
use crate::binaries::Programs;
use crate::cluster_paths::{ClusterPaths, PORT};
use crate::log::{Log, reason};
use crate::parent_death::ParentDeathSignal;
use crate::postmaster::{PAUSE, Postmaster, START_TIMEOUT};

/// How long a fast shutdown may take before an immediate one follows.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A server that this process started.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    log: Log,
}

impl Server {
    /// Starts the server and waits until it accepts connections. The calling thread must continue to run: the kernel
    /// stops the server when it ends.
    pub(super) fn start(
        paths: &ClusterPaths,
        programs: &Programs,
        parent_death: &ParentDeathSignal,
        socket_dir: &Path,
    ) -> Result<Self, StartError> {
        let in_cluster = |fault: io::Error| StartError::from_io(&paths.cluster, &fault);
        let log = Log::open(&paths.log_path(), paths.account.as_ref()).map_err(in_cluster)?;
        let mut command = parent_death.command(&programs.path("postgres"), paths.account.as_ref(), "INT");
        command.arg("-D").arg(&paths.cluster).args(settings(socket_dir)).current_dir(&paths.cluster);
        command.stdout(log.writer().map_err(in_cluster)?);
        command.stderr(log.writer().map_err(in_cluster)?);
        let child = command.spawn().map_err(|fault| StartError::NotStartable {
            line: format!("cannot run {}: {fault}", programs.path("postgres").display()),
            log: paths.log_path(),
        })?;
        let mut server = Self { child, log };
        match server.await_ready(paths) {
            Ok(()) => Ok(server),
            Err(fault) => {
                server.stop();
                Err(fault)
            }
        }
    }

    fn await_ready(&mut self, paths: &ClusterPaths) -> Result<(), StartError> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if self.has_ended() {
                return Err(self.explain_end(paths));
            }
            let postmaster = Postmaster::read(&paths.cluster);
            if postmaster.is_some_and(|server| server.ready && server.pid == self.pid().as_raw()) {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        Err(StartError::Timeout { seconds: START_TIMEOUT.as_secs(), log: paths.log_path() })
    }

    fn explain_end(&self, paths: &ClusterPaths) -> StartError {
        let text = self.log.since_start();
        if StartError::says_disk_is_full(&text) {
            return StartError::DiskFull { folder: paths.cluster.clone() };
        }
        StartError::NotStartable { line: reason(&text), log: paths.log_path() }
    }

    /// Whether the server has ended; reaps it if so.
    pub(super) fn has_ended(&mut self) -> bool {
        // An error means that the child does not exist any more.
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Limits the length of the log.
    pub(super) fn tidy_log(&mut self) {
        if let Err(fault) = self.log.shorten() {
            tracing::warn!(%fault, "the database server's log cannot be shortened");
        }
    }

    /// Stops the server and waits for its end: sessions are ended and everything is written. If that takes too long,
    /// it is stopped immediately, and the next start recovers.
    pub(super) fn stop(mut self) {
        let steps = [
            (Signal::SIGINT, STOP_TIMEOUT),
            (Signal::SIGQUIT, Duration::from_secs(5)),
            (Signal::SIGKILL, Duration::from_secs(5)),
        ];
        for (signal, patience) in steps {
            // Nobody else reaps the child, so the process id is still its own.
            if self.has_ended() || kill(self.pid(), signal).is_err() {
                return;
            }
            if self.ended_before(Instant::now() + patience) {
                return;
            }
            tracing::warn!(%signal, "the database server does not stop");
        }
    }

    fn ended_before(&mut self, deadline: Instant) -> bool {
        while !self.has_ended() {
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(PAUSE);
        }
        true
    }

    fn pid(&self) -> Pid {
        // Process ids are much smaller; a wrong one would only never be found ready.
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX))
    }
}

/// The settings that the program relies on, passed at each start so that neither the environment nor a file changes
/// them.
fn settings(socket_dir: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["-p".into(), PORT.to_string().into()];
    arguments.extend(["-c".into(), list_of_one("unix_socket_directories", socket_dir)]);
    for setting in [
        "listen_addresses=",
        "unix_socket_permissions=0700",
        "fsync=on",
        "lc_messages=C",
        "logging_collector=off",
        "log_destination=stderr",
    ] {
        arguments.extend(["-c".into(), setting.into()]);
    }
    arguments
}

/// The value of a setting that is a list of paths, with one path that may contain any character.
fn list_of_one(name: &str, path: &Path) -> OsString {
    let mut text = format!("{name}=\"").into_bytes();
    for byte in path.as_os_str().as_bytes() {
        // Within quotes only the quote itself is special: it is doubled.
        text.extend(std::iter::repeat_n(*byte, if *byte == b'"' { 2 } else { 1 }));
    }
    text.push(b'"');
    OsString::from_vec(text)
}
