//! The thread that owns the server. The kernel stops a tethered program when the thread that started
//! it ends, so this one lives exactly as long as the server is wanted: it starts the server, waits, and
//! starts it again when it died. If the server is another process's, it takes over when that one leaves.

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::binaries::Programs;
use crate::postmaster::{Postmaster, clear_the_dead, find_running};
use crate::server::Server;
use crate::site::Site;
use crate::tether::Tether;
use crate::{Arrival, Settings, StartError, cluster};

/// How often the server is looked after.
const TICK: Duration = Duration::from_millis(100);
/// How often its log is looked at.
const LOG_TICK: Duration = Duration::from_secs(30);
/// The shortest and the longest pause before a dead server is started again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(10));
/// A server that lived so long died of something new: the pauses begin anew.
const LONG_LIFE: Duration = Duration::from_mins(1);

/// The running thread, held by the one who wants the server.
#[derive(Debug)]
pub(super) struct Supervisor {
    pub(super) arrival: Arrival,
    pub(super) socket_dir: PathBuf,
    pub(super) port: u16,
    pub(super) log: PathBuf,
    /// Nothing is ever sent: that it is dropped is the message.
    lifeline: Sender<()>,
    ended: oneshot::Receiver<()>,
}

/// What the thread found when it came up.
struct Opening {
    arrival: Arrival,
    socket_dir: PathBuf,
    port: u16,
    log: PathBuf,
}

/// Starts the thread, and waits until there is a server.
pub(super) async fn launch(settings: Settings) -> Result<Supervisor, StartError> {
    let (lifeline, wanted) = mpsc::channel();
    let (tell, told) = oneshot::channel();
    let (leave, ended) = oneshot::channel();
    let data_dir = settings.data_dir.clone();
    let gone = |cause: String| StartError::NotStartable {
        line: format!("the thread that watches the server is gone: {cause}"),
        log: data_dir.join("postgres").join("log").join("server.log"),
    };
    let thread = thread::Builder::new().name("postgres".to_owned());
    let spawned = thread.spawn(move || {
        supervise(&settings, &wanted, tell);
        // Whoever waits for the end has it now, or has gone.
        let _ = leave.send(());
    });
    spawned.map_err(|fault| gone(fault.to_string()))?;
    let opening = told.await.map_err(|fault| gone(fault.to_string()))??;
    Ok(Supervisor {
        arrival: opening.arrival,
        socket_dir: opening.socket_dir,
        port: opening.port,
        log: opening.log,
        lifeline,
        ended,
    })
}

impl Supervisor {
    /// Lets the thread end, and with it the server if it is ours.
    pub(super) async fn stop(self) {
        drop(self.lifeline);
        // An error means that the thread has ended, which is what is waited for.
        let _ = self.ended.await;
    }
}

fn supervise(settings: &Settings, wanted: &Receiver<()>, tell: oneshot::Sender<Result<Opening, StartError>>) {
    let found = Keeper::find(settings).and_then(|mut keeper| {
        let opening = keeper.open()?;
        Ok((keeper, opening))
    });
    match found {
        Ok((mut keeper, opening)) => {
            // If nobody listens any more, the lifeline is cut too and the watch ends at once.
            let _ = tell.send(Ok(opening));
            keeper.watch(wanted);
            keeper.leave();
        }
        Err(fault) => drop(tell.send(Err(fault))),
    }
}

/// A server on the site: ours, or another process's.
enum Occupant {
    Nobody,
    Ours(Server),
    Theirs(Postmaster),
}

struct Keeper {
    bin_dir: Option<PathBuf>,
    site: Site,
    /// Looked for only when there is something to start.
    tether: Option<Tether>,
    occupant: Occupant,
}

impl Keeper {
    fn find(settings: &Settings) -> Result<Self, StartError> {
        Ok(Self {
            bin_dir: settings.bin_dir.clone(),
            site: Site::choose(&settings.data_dir)?,
            tether: None,
            occupant: Occupant::Nobody,
        })
    }

    /// Attaches to the running server, or starts one, making the cluster first if there is none.
    fn open(&mut self) -> Result<Opening, StartError> {
        let _lock = self.site.lock()?;
        if let Some(running) = find_running(&self.site)? {
            let (socket_dir, port) = (running.socket_dir.clone(), running.port);
            self.occupant = Occupant::Theirs(running);
            return Ok(self.opening(Arrival::Reattached, socket_dir, port));
        }
        let programs = Programs::find(self.bin_dir.as_deref(), &self.site)?;
        let tether = self.tether.get_or_insert_with(Tether::find);
        let arrival = if self.site.has_cluster() {
            Arrival::Started
        } else {
            cluster::create(&self.site, &programs, tether)?;
            Arrival::Created
        };
        let socket_dir = self.site.socket_dir()?;
        clear_the_dead(&self.site, &socket_dir).map_err(|fault| StartError::from_io(&self.site.cluster, &fault))?;
        let server = Server::start(&self.site, &programs, tether, &socket_dir)?;
        self.occupant = Occupant::Ours(server);
        Ok(self.opening(arrival, socket_dir, super::site::PORT))
    }

    fn opening(&self, arrival: Arrival, socket_dir: PathBuf, port: u16) -> Opening {
        Opening { arrival, socket_dir, port, log: self.site.log_path() }
    }

    /// Looks after the server until it is not wanted any more.
    fn watch(&mut self, wanted: &Receiver<()>) {
        let (mut opened, mut log_seen) = (Instant::now(), Instant::now());
        let mut pause = PAUSES.0;
        while is_wanted(wanted, TICK) {
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
            tracing::warn!(cluster = %self.site.cluster.display(), "the database server is gone, starting it again");
            while is_wanted(wanted, pause) {
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
        match &mut self.occupant {
            Occupant::Nobody => false,
            Occupant::Ours(server) => !server.has_ended(),
            Occupant::Theirs(running) => running.is_alive(&self.site.cluster),
        }
    }

    fn tidy(&mut self) {
        if let Occupant::Ours(server) = &mut self.occupant {
            server.tidy_log();
        }
    }

    fn leave(self) {
        if let Occupant::Ours(server) = self.occupant {
            server.stop();
        }
    }
}

/// Waits for a while; false as soon as the server is not wanted any more.
fn is_wanted(wanted: &Receiver<()>, pause: Duration) -> bool {
    match wanted.recv_timeout(pause) {
        Ok(()) | Err(RecvTimeoutError::Timeout) => true,
        Err(RecvTimeoutError::Disconnected) => false,
    }
}
