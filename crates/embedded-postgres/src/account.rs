//! The user that the server runs as. PostgreSQL refuses to run as root, so root runs it as another user.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, lchown};
use std::path::Path;

use nix::unistd::{Uid, User};

/// An unprivileged user.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Account {
    /// The user for the server of `cluster`: `None` (the current user) unless it is root; then the owner of the
    /// cluster, else `postgres`, else `nobody`.
    pub(super) fn for_server(cluster: &Path) -> Option<Self> {
        if !Uid::effective().is_root() {
            return None;
        }
        let owner = fs::metadata(cluster)
            .ok()
            .map(|folder| Uid::from_raw(folder.uid()))
            .filter(|uid| !uid.is_root())
            .and_then(|uid| User::from_uid(uid).ok().flatten());
        let by_name = |name| User::from_name(name).ok().flatten();
        let user = owner.or_else(|| by_name("postgres")).or_else(|| by_name("nobody"));
        Some(user.map_or_else(Self::default_nobody, |user| Self {
            name: user.name,
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
        }))
    }

    /// The usual id of `nobody`, for a system whose list of users does not have the name.
    fn default_nobody() -> Self {
        Self { name: "nobody".to_owned(), uid: 65_534, gid: 65_534 }
    }

    /// Whether this user may enter `folder`, which must be absolute and without symbolic links.
    pub(super) fn can_enter(&self, folder: &Path) -> bool {
        folder.ancestors().all(|step| fs::metadata(step).is_ok_and(|entry| self.may_search(&entry)))
    }

    fn may_search(&self, entry: &Metadata) -> bool {
        let shift = if entry.uid() == self.uid {
            6
        } else if entry.gid() == self.gid {
            3
        } else {
            0
        };
        entry.mode() >> shift & 1 == 1
    }
}

/// Changes the owner of a file or folder; does nothing if the server runs as the current user. Never follows a
/// symbolic link, because the server's user could have created one.
pub(super) fn give(path: &Path, account: Option<&Account>) -> io::Result<()> {
    match account {
        Some(account) => lchown(path, Some(account.uid), Some(account.gid)),
        None => Ok(()),
    }
}

/// Makes `folder` private to the server's user, or checks that it is. Another user's folder, a link or a folder that
/// others can enter is refused: everybody who can enter it is a superuser of the database.
pub(super) fn make_private_folder(folder: &Path, account: Option<&Account>) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => return give(folder, account),
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => {}
        Err(fault) => return Err(fault),
    }
    let found = fs::symlink_metadata(folder)?;
    let owner = account.map_or_else(|| Uid::effective().as_raw(), |account| account.uid);
    let closed_to_others = found.mode() & 0o777 & !0o700 == 0;
    if found.is_dir() && found.uid() == owner && closed_to_others {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not a private folder of the user who runs the database"))
}
