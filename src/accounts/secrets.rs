//! The secrets that sign tokens: from the configuration, or made once and kept in the data folder.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::SecretString;

/// A secret of 384 random bits.
fn random() -> String {
    STANDARD_NO_PAD.encode(rand::random::<[u8; 48]>())
}

/// The secret as configured, or else the one kept in `<data_dir>/secrets/<name>` (mode 0600), made if missing.
///
/// # Errors
/// When the data folder cannot be written or read.
pub fn configured_or_kept(
    configured: Option<&SecretString>,
    data_dir: &Path,
    name: &str,
) -> Result<SecretString, std::io::Error> {
    if let Some(secret) = configured {
        return Ok(secret.clone());
    }
    let folder = data_dir.join("secrets");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(name);
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Ok(mut file) => {
            let secret = random();
            file.write_all(secret.as_bytes())?;
            file.sync_all()?;
            Ok(secret.into())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let mut secret = String::new();
            OpenOptions::new().read(true).open(&path)?.read_to_string(&mut secret)?;
            Ok(secret.trim().into())
        }
        Err(error) => Err(error),
    }
}
