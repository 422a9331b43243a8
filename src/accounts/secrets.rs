//! The secrets that sign tokens and encrypt: from the configuration, or generated once and kept in the data folder.
//! `encryption.rs` encrypts and hashes with them, `token.rs` and `refresh.rs` sign.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{Error, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use nix::unistd::Uid;
use secrecy::SecretString;

use crate::config::SHORTEST_SECRET;

/// A secret of 384 random bits.
fn random() -> String {
    STANDARD_NO_PAD.encode(rand::random::<[u8; 48]>())
}

/// The secret as configured, or else the one kept in `<data_dir>/secrets/<name>` (mode 0600, in a folder of mode 0700),
/// generated if missing.
///
/// # Errors
/// When the data folder cannot be written or read; when folder or file belong to another user, or others could have
/// read or written them; or when the file is shorter than a secret: an empty one would let anybody sign.
pub fn configured_or_generated(
    configured: Option<&SecretString>,
    data_dir: &Path,
    name: &str,
) -> Result<SecretString, Error> {
    if let Some(secret) = configured {
        return Ok(secret.clone());
    }
    let folder = data_dir.join("secrets");
    DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    make_private(&folder)?;
    let path = folder.join(name);
    match read_private(&path) {
        Ok(secret) => accept(&path, secret.trim()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make(&folder, name)?;
            accept(&path, read_private(&path)?.trim())
        }
        Err(error) => Err(error),
    }
}

fn refuse(path: &Path, why: &str, remedy: &str) -> Error {
    Error::new(ErrorKind::PermissionDenied, format!("{} {why}: {remedy}", path.display()))
}

/// Checks that this user owns the file or folder: another owner could read and replace its content.
fn check_owner(path: &Path, found: &Metadata) -> Result<(), Error> {
    let (owner, own) = (found.uid(), Uid::effective().as_raw());
    if owner == own {
        return Ok(());
    }
    let why = format!("belongs to user {owner}, and this program runs as user {own}");
    Err(refuse(
        path,
        &why,
        "run it as that user, or, if nobody else could write there, give it to this one with chown -R",
    ))
}

/// Makes the folder private, if it belongs to this user and no other user could have written to it.
fn make_private(folder: &Path) -> Result<(), Error> {
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() {
        return Err(refuse(
            folder,
            "is not a folder",
            "move it away; a new one is made, or put the secrets there again",
        ));
    }
    check_owner(folder, &found)?;
    if found.mode() & 0o022 != 0 {
        let why = format!("could be written by others (mode {:04o})", found.mode() & 0o7777);
        let remedy =
            "if the secrets in it are still your own, close it with chmod 700; else remove it to have new ones made";
        return Err(refuse(folder, &why, remedy));
    }
    fs::set_permissions(folder, Permissions::from_mode(0o700))
}

/// Reads a secret from a file that no other user can read or write.
fn read_private(path: &Path) -> Result<String, Error> {
    use nix::fcntl::OFlag;
    // Does not follow links, and does not block on a pipe.
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| {
        if error.raw_os_error() == Some(nix::libc::ELOOP) {
            return refuse(path, "is a symbolic link", "put the file itself there");
        }
        error
    })?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(refuse(path, "is not a file", "remove it to have a new secret made"));
    }
    check_owner(path, &found)?;
    if found.mode() & 0o177 != 0 {
        let why = format!("could be read or written by others (mode {:04o})", found.mode() & 0o7777);
        let remedy = "if nobody has, close it with chmod 600; else remove it to have a new one made, which ends what \
                      the old one signed or encrypted";
        return Err(refuse(path, &why, remedy));
    }
    let mut secret = String::new();
    file.read_to_string(&mut secret)?;
    Ok(secret)
}

/// Accepts the content of a file, if it is long enough for a secret.
fn accept(path: &Path, secret: &str) -> Result<SecretString, Error> {
    if secret.len() < SHORTEST_SECRET {
        let message = format!(
            "{} holds fewer than {SHORTEST_SECRET} bytes, which is no secret: remove the file to have a new one made \
             (what was signed with the old one ends), or restore it from a backup",
            path.display()
        );
        return Err(Error::new(ErrorKind::InvalidData, message));
    }
    Ok(secret.into())
}

/// Writes a new secret to a temporary file, syncs it to disk, and then links it to its name, so that a file of that
/// name is complete even after a crash. If another process was faster, its secret is kept.
fn make(folder: &Path, name: &str) -> Result<(), Error> {
    let draft = folder.join(format!(".{name}.{:016x}", rand::random::<u64>()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = file.write_all(random().as_bytes()).and_then(|()| file.sync_all());
    // A hard link fails if the name exists, where a rename would replace the file.
    let named = written.and_then(|()| fs::hard_link(&draft, folder.join(name)));
    fs::remove_file(&draft)?;
    match named {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => File::open(folder)?.sync_all(),
    }
}
