//! Images on the local disk: a folder for each image, a file for each variant.

use std::path::{Path, PathBuf};

use super::{Addresses, Outcome, PreparedImage, StoreError, StoreImage, Variant};

/// Stores images in a folder, which is served under a configured address.
#[derive(Debug, Clone)]
pub struct LocalDisk {
    folder: PathBuf,
    base: String,
}

impl LocalDisk {
    /// A store in this folder, which is served at this address.
    pub fn new(folder: PathBuf, base: impl Into<String>) -> Self {
        Self { folder, base: base.into() }
    }

    /// The file of a variant; `None`: the key is invalid.
    pub fn file(&self, key: &str, variant: Variant) -> Option<PathBuf> {
        Some(self.folder(key)?.join(format!("{}.jpg", variant.name())))
    }

    /// The folder of an image; `None`: the key is invalid, for example because it would lead outside of the store.
    fn folder(&self, key: &str) -> Option<PathBuf> {
        let plain = |part: &str| {
            let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
            !part.is_empty() && part.bytes().all(known)
        };
        key.split('/').all(plain).then(|| key.split('/').fold(self.folder.clone(), |path, part| path.join(part)))
    }
}

fn no_such_key(key: &str) -> StoreError {
    StoreError::Refused(format!("{key} is no key"))
}

fn failed(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}

impl StoreImage for LocalDisk {
    fn provider(&self) -> &'static str {
        "local"
    }

    fn put<'a>(&'a self, key: &'a str, image: &'a PreparedImage) -> Outcome<'a, Addresses> {
        Box::pin(async move {
            let folder = self.folder(key).ok_or_else(|| no_such_key(key))?;
            tokio::fs::create_dir_all(&folder).await.map_err(|error| failed(&folder, &error))?;
            for variant in Variant::ALL {
                let path = folder.join(format!("{}.jpg", variant.name()));
                // Written under another name first, so that a partial image is never served.
                let whole = folder.join(format!("{}.part", variant.name()));
                tokio::fs::write(&whole, image.bytes(variant)).await.map_err(|error| failed(&whole, &error))?;
                tokio::fs::rename(&whole, &path).await.map_err(|error| failed(&path, &error))?;
            }
            Ok(Addresses::of(|variant| format!("{}/{key}/{}.jpg", self.base, variant.name())))
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> Outcome<'a, ()> {
        Box::pin(async move {
            let folder = self.folder(key).ok_or_else(|| no_such_key(key))?;
            match tokio::fs::remove_dir_all(&folder).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(&folder, &error)),
                Ok(()) | Err(_) => Ok(()),
            }
        })
    }
}
