//! The paths of a cluster: its folder, its user, its socket, and the lock that lets one process at a time start
//! something there.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::Uid;
use sha2::{Digest, Sha256};

use crate::StartError;
use crate::account::{Account, make_private_folder};

/// Part of the socket's name; nothing listens on the port, so it cannot conflict.
pub(super) const PORT: u16 = 5432;
/// The folder for clusters of root whose own folder the server's user cannot enter.
const FALLBACK_ROOT: &str = "/var/lib/comanda";
/// The maximum length of a unix socket's path.
const MAX_SOCKET_PATH: usize = 107;
/// How long to wait for the lock, which another process may hold while it creates or recovers a cluster.
const LOCK_TIMEOUT: Duration = Duration::from_secs(150);

/// The paths of one cluster.
#[derive(Debug)]
pub(super) struct ClusterPaths {
    /// The folder of the cluster, the incomplete cluster and the lock; absolute, without symbolic links.
    pub(super) root: PathBuf,
    /// The cluster: `postgres` in `root`.
    pub(super) cluster: PathBuf,
    /// The user that runs the server; `None`: the current user.
    pub(super) account: Option<Account>,
}

impl ClusterPaths {
    /// The paths for a data folder, which is created if it is missing.
    pub(super) fn choose(data_dir: &Path) -> Result<Self, StartError> {
        let made = fs::create_dir_all(data_dir).and_then(|()| fs::canonicalize(data_dir));
        let home = made.map_err(|fault| StartError::from_io(data_dir, &fault))?;
        let here = Self::at(home);
        let Some(account) = &here.account else {
            return Ok(here);
        };
        if account.can_enter(&here.root) {
            // A cluster in the fallback was created while the folder could not be entered; it stays in use.
            return match Self::fallback_of(&here.root) {
                fallback if !here.has_cluster() && fallback.has_cluster() => fallback.prepare(&here),
                _ => Ok(here),
            };
        }
        if here.has_cluster() {
            return Err(StartError::FolderNotWritable {
                cause: format!("user {}, who runs the database, may not enter it", account.name),
                folder: here.root,
            });
        }
        Self::fallback_of(&here.root).prepare(&here)
    }

    fn at(root: PathBuf) -> Self {
        let cluster = root.join("postgres");
        Self { account: Account::for_server(&cluster), cluster, root }
    }

    fn fallback_of(home: &Path) -> Self {
        Self::at(Path::new(FALLBACK_ROOT).join(digest(home)))
    }

    fn prepare(self, home: &Self) -> Result<Self, StartError> {
        // Permissions are set explicitly: with a strict umask the server's user could not enter this one either.
        let made = fs::create_dir_all(&self.root)
            .and_then(|()| fs::set_permissions(FALLBACK_ROOT, Permissions::from_mode(0o755)))
            .and_then(|()| fs::set_permissions(&self.root, Permissions::from_mode(0o755)));
        made.map_err(|fault| StartError::from_io(&self.root, &fault))?;
        tracing::info!(
            data_dir = %home.root.display(), cluster = %self.cluster.display(),
            "the user who runs the database cannot enter the data folder: the cluster is kept elsewhere"
        );
        Ok(self)
    }

    /// Whether there is a complete cluster.
    pub(super) fn has_cluster(&self) -> bool {
        self.cluster.join("PG_VERSION").exists()
    }

    /// The major version of the cluster, as in `PG_VERSION`.
    pub(super) fn cluster_major(&self) -> Option<String> {
        let version = fs::read_to_string(self.cluster.join("PG_VERSION")).ok()?;
        Some(version.trim().to_owned())
    }

    /// The private folder of the socket, created if missing: in the cluster, or in a short path if the cluster's path
    /// is too long for a socket.
    pub(super) fn socket_dir(&self) -> Result<PathBuf, StartError> {
        let short_name = format!("comanda-{}", digest(&self.root));
        let of_session = PathBuf::from(format!("/run/user/{}", Uid::effective()));
        let mut choices = vec![self.cluster.join("socket")];
        if self.account.is_none() && of_session.is_dir() {
            choices.push(of_session.join(&short_name));
        }
        choices.push(Path::new("/tmp").join(&short_name));
        choices.retain(|folder| socket_in(folder, PORT).as_os_str().len() <= MAX_SOCKET_PATH);
        let mut refusal = None;
        for folder in choices {
            match make_private_folder(&folder, self.account.as_ref()) {
                Ok(()) => return Ok(folder),
                Err(fault) => refusal = Some(StartError::from_io(&folder, &fault)),
            }
        }
        Err(refusal.unwrap_or_else(|| StartError::FolderNotWritable {
            folder: self.cluster.clone(),
            cause: "its path is too long for a unix socket".to_owned(),
        }))
    }

    /// Waits until no other process creates or starts anything here. The lock ends with the file.
    pub(super) fn lock(&self) -> Result<File, StartError> {
        let path = self.root.join("postgres.lock");
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = open.map_err(|fault| StartError::from_io(&self.root, &fault))?;
        let deadline = Instant::now() + LOCK_TIMEOUT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(fault)) => return Err(StartError::from_io(&path, &fault)),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(StartError::Timeout { seconds: LOCK_TIMEOUT.as_secs(), log: self.log_path() });
                }
            }
        }
    }

    /// The server's log.
    pub(super) fn log_path(&self) -> PathBuf {
        self.cluster.join("log").join("server.log")
    }

    /// Whether the place of the cluster contains something else.
    pub(super) fn is_occupied(&self) -> io::Result<bool> {
        if self.has_cluster() {
            return Ok(false);
        }
        match fs::read_dir(&self.cluster) {
            Ok(mut entries) => Ok(entries.next().is_some()),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(fault) => Err(fault),
        }
    }
}

/// The path of PostgreSQL's socket for a port.
pub(super) fn socket_in(folder: &Path, port: u16) -> PathBuf {
    folder.join(format!(".s.PGSQL.{port}"))
}

/// A short name for a long path.
fn digest(path: &Path) -> String {
    let hash = Sha256::digest(path.as_os_str().as_bytes());
    hash.iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
