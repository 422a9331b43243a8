//! The thread that owns the server. The kernel stops a program that was started with a parent-death signal when the
//! thread that started it ends, so this thread runs exactly as long as the server is used: it starts the server,
//! waits, and starts it again after a crash. If another process owns the server, it takes over when that process
//! leaves.

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::binaries::Programs;
use crate::cluster_paths::ClusterPaths;
use crate::parent_death::ParentDeathSignal;
use crate::postmaster::{Postmaster, clear_stale_server, find_running};
use crate::server::Server;
use crate::{Settings, StartError, StartOutcome, cluster};

/// The interval at which the server is checked.
const TICK: Duration = Duration::from_millis(100);
/// The interval at which the size of its log is checked.
const LOG_TICK: Duration = Duration::from_secs(30);
/// The shortest and the longest pause before a crashed server is started again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(10));
/// After this time without a crash the pauses begin again with the shortest.
const LONG_LIFE: Duration = Duration::from_mins(1);

/// A handle of the running thread.
#[derive(Debug)]
pub(super) struct Supervisor {
    pub(super) start_outcome: StartOutcome,
    pub(super) socket_dir: PathBuf,
    pub(super) port: u16,
    pub(super) log: PathBuf,
    /// Nothing is ever sent: when it is dropped, the thread ends.
    keep_alive: Sender<()>,
    ended: oneshot::Receiver<()>,
}

/// The result of the thread's start.
struct Opened {
    start_outcome: StartOutcome,
    socket_dir: PathBuf,
    port: u16,
    log: PathBuf,
}

/// Starts the thread, and waits until the server runs.
pub(super) async fn launch(settings: Settings) -> Result<Supervisor, StartError> {
    let (keep_alive, alive) = mpsc::channel();
    let (report, started) = oneshot::channel();
    let (leave, ended) = oneshot::channel();
    let data_dir = settings.data_dir.clone();
    let failed = |cause: String| StartError::NotStartable {
        line: format!("the thread that watches the server is gone: {cause}"),
        log: data_dir.join("postgres").join("log").join("server.log"),
    };
    let thread = thread::Builder::new().name("postgres".to_owned());
    let spawned = thread.spawn(move || {
        supervise(&settings, &alive, report);
        // The receiver has the result now, or was dropped.
        let _ = leave.send(());
    });
    spawned.map_err(|fault| failed(fault.to_string()))?;
    let opening = started.await.map_err(|fault| failed(fault.to_string()))??;
    Ok(Supervisor {
        start_outcome: opening.start_outcome,
        socket_dir: opening.socket_dir,
        port: opening.port,
        log: opening.log,
        keep_alive,
        ended,
    })
}

impl Supervisor {
    /// Ends the thread, and the server if this process started it.
    pub(super) async fn stop(self) {
        drop(self.keep_alive);
        // An error means that the thread has ended already.
        let _ = self.ended.await;
    }
}

fn supervise(settings: &Settings, alive: &Receiver<()>, report: oneshot::Sender<Result<Opened, StartError>>) {
    let found = ServerSupervision::find(settings).and_then(|mut supervision| {
        let opening = supervision.open()?;
        Ok((supervision, opening))
    });
    match found {
        Ok((mut supervision, opening)) => {
            // Without a receiver, the sender of `alive` is dropped too, and the loop ends at once.
            let _ = report.send(Ok(opening));
            supervision.watch(alive);
            supervision.leave();
        }
        Err(fault) => drop(report.send(Err(fault))),
    }
}

/// The server that runs on the cluster.
enum RunningServer {
    /// There is none.
    Absent,
    /// This process started it, and stops it.
    Owned(Server),
    /// Another process started it.
    Foreign(Postmaster),
}

/// The state of the thread.
struct ServerSupervision {
    bin_dir: Option<PathBuf>,
    paths: ClusterPaths,
    /// Searched only when a server is to be started.
    parent_death: Option<ParentDeathSignal>,
    server: RunningServer,
}

impl ServerSupervision {
    fn find(settings: &Settings) -> Result<Self, StartError> {
        Ok(Self {
            bin_dir: settings.bin_dir.clone(),
            paths: ClusterPaths::choose(&settings.data_dir)?,
            parent_death: None,
            server: RunningServer::Absent,
        })
    }

    /// Attaches to the running server, or starts one, and creates the cluster first if there is none.
    fn open(&mut self) -> Result<Opened, StartError> {
        let _lock = self.paths.lock()?;
        if let Some(running) = find_running(&self.paths)? {
            let (socket_dir, port) = (running.socket_dir.clone(), running.port);
            self.server = RunningServer::Foreign(running);
            return Ok(self.opening(StartOutcome::Reattached, socket_dir, port));
        }
        let programs = Programs::find(self.bin_dir.as_deref(), &self.paths)?;
        let parent_death = self.parent_death.get_or_insert_with(ParentDeathSignal::find);
        let start_outcome = if self.paths.has_cluster() {
            StartOutcome::Started
        } else {
            cluster::create(&self.paths, &programs, parent_death)?;
            StartOutcome::Created
        };
        let socket_dir = self.paths.socket_dir()?;
        clear_stale_server(&self.paths, &socket_dir)
            .map_err(|fault| StartError::from_io(&self.paths.cluster, &fault))?;
        let server = Server::start(&self.paths, &programs, parent_death, &socket_dir)?;
        self.server = RunningServer::Owned(server);
        Ok(self.opening(start_outcome, socket_dir, crate::cluster_paths::PORT))
    }

    fn opening(&self, start_outcome: StartOutcome, socket_dir: PathBuf, port: u16) -> Opened {
        Opened { start_outcome, socket_dir, port, log: self.paths.log_path() }
    }

    /// Restarts the server when it ends, until `keep_alive` is dropped.
    fn watch(&mut self, alive: &Receiver<()>) {
        let (mut opened, mut log_seen) = (Instant::now(), Instant::now());
        let mut pause = PAUSES.0;
        while is_alive(alive, TICK) {
            if log_seen.elapsed() > LOG_TICK {
                log_seen = Instant::now();
                self.tidy();
            }
            if self.is_up() {
                continue;
            }
            if opened.elapsed() > LONG_LIFE {
                pause = PAUSES.0;
            }
            tracing::warn!(cluster = %self.paths.cluster.display(), "the database server is gone, starting it again");
            while is_alive(alive, pause) {
                pause = (pause * 2).min(PAUSES.1);
                opened = Instant::now();
                match self.open() {
                    Ok(_) => {
                        tracing::info!(elapsed = ?opened.elapsed(), "the database server is back");
                        break;
                    }
                    Err(fault) => {
                        tracing::error!(%fault, retry_in = ?pause, "the database server is still gone");
                    }
                }
            }
        }
    }

    fn is_up(&mut self) -> bool {
        match &mut self.server {
            RunningServer::Absent => false,
            RunningServer::Owned(server) => !server.has_ended(),
            RunningServer::Foreign(running) => running.is_alive(&self.paths.cluster),
        }
    }

    fn tidy(&mut self) {
        if let RunningServer::Owned(server) = &mut self.server {
            server.tidy_log();
        }
    }

    fn leave(self) {
        if let RunningServer::Owned(server) = self.server {
            server.stop();
        }
    }
}

/// Waits; returns false as soon as `keep_alive` is dropped.
fn is_alive(alive: &Receiver<()>, pause: Duration) -> bool {
    match alive.recv_timeout(pause) {
        Ok(()) | Err(RecvTimeoutError::Timeout) => true,
        Err(RecvTimeoutError::Disconnected) => false,
    }
}
