//! The secrets that sign tokens: from the configuration, or made once and kept in the data folder.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{Error, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::SecretString;

use crate::config::SHORTEST_SECRET;

/// A secret of 384 random bits.
fn random() -> String {
    STANDARD_NO_PAD.encode(rand::random::<[u8; 48]>())
}

/// The secret as configured, or else the one kept in `<data_dir>/secrets/<name>` (mode 0600, in a folder of mode 0700),
/// made if missing.
///
/// # Errors
/// When the data folder cannot be written or read, or the file is shorter than a secret: an empty one would let anybody
/// sign.
pub fn configured_or_kept(
    configured: Option<&SecretString>,
    data_dir: &Path,
    name: &str,
) -> Result<SecretString, Error> {
    if let Some(secret) = configured {
        return Ok(secret.clone());
    }
    let folder = data_dir.join("secrets");
    DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    // It may be from a time when it was open to others.
    fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
    let path = folder.join(name);
    match fs::read_to_string(&path) {
        Ok(secret) => accept(&path, secret.trim()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make(&folder, name)?;
            accept(&path, fs::read_to_string(&path)?.trim())
        }
        Err(error) => Err(error),
    }
}

/// Takes what a file holds, if it is long enough to be a secret.
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

/// Writes a new secret beside its place, has it on the disk, and only then gives it its name: a file of that name is
/// whole, whenever the machine stops. If another process was faster, its secret stays.
fn make(folder: &Path, name: &str) -> Result<(), Error> {
    let draft = folder.join(format!(".{name}.{:016x}", rand::random::<u64>()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = file.write_all(random().as_bytes()).and_then(|()| file.sync_all());
    // A link takes no name that is taken already, which a renaming would.
    let named = written.and_then(|()| fs::hard_link(&draft, folder.join(name)));
    fs::remove_file(&draft)?;
    match named {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => File::open(folder)?.sync_all(),
    }
}
