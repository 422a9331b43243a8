//! Images, their bounds and where they are stored.

use std::path::PathBuf;
use std::time::Duration;

use comanda_providers::images::cloudinary::Signature;
use secrecy::SecretString;

use super::source::Reader;

/// Where images go.
#[derive(Debug, Clone)]
pub struct Cloudinary {
    /// `CLOUDINARY_CLOUD_NAME`: Cloudinary's cloud name.
    pub cloud_name: String,
    /// `CLOUDINARY_API_KEY`: Cloudinary's API key.
    pub api_key: String,
    /// `CLOUDINARY_API_SECRET`: Cloudinary's API secret.
    pub api_secret: SecretString,
}

/// Pictures and their bounds.
#[derive(Debug, Clone)]
pub struct Images {
    /// `IMAGE_DIR`; `None`: `images` in the data folder.
    pub dir: Option<PathBuf>,
    /// `IMAGE_MAX_BYTES`: largest picture that may be sent, in bytes (1024 to 33554432).
    pub max_bytes: usize,
    /// `IMAGE_MAX_PIXELS`: most pixels of a picture that is sent, four bytes of memory each (1024 to 100000000).
    pub max_pixels: u32,
    /// `IMAGE_DECODES_AT_ONCE`: pictures decoded at once, outside the threads that answer (1 to 64).
    pub decodes_at_once: usize,
    /// `IMAGE_DECODE_QUEUE`: pictures that wait to be decoded; more are answered with 503 (0 to 1024).
    pub queue: usize,
    /// `IMAGE_MAX_STORED`, of one restaurant.
    pub max_stored: i64,
    /// `IMAGE_KEEP_IDLE`: how long a picture that nothing shows any more is kept.
    pub grace: Duration,
    /// `IMAGE_COLLECT_INTERVAL`: how often pictures that nothing shows are looked for.
    pub collect_every: Duration,
    /// `IMAGE_PROVIDER_TIMEOUT`: how long one call to Cloudinary may take; it is tried three times.
    pub provider_timeout: Duration,
    /// `CLOUDINARY_BASE_URL`: where Cloudinary takes pictures; https, or http on this machine.
    pub cloudinary_base_url: String,
    /// `CLOUDINARY_DELIVERY_URL`: where Cloudinary shows pictures.
    pub cloudinary_delivery_url: String,
    /// `CLOUDINARY_SIGNATURE`: the hash that Cloudinary's account signs with: sha1 or sha256.
    pub cloudinary_signature: Signature,
}

impl Images {
    pub(super) fn gather(reader: &mut Reader<'_>) -> Self {
        Self {
            dir: reader.text("IMAGE_DIR").map(PathBuf::from),
            max_bytes: reader.number("IMAGE_MAX_BYTES", 1_024, 32 << 20),
            max_pixels: reader.number("IMAGE_MAX_PIXELS", 1_024, 100_000_000),
            decodes_at_once: reader.number("IMAGE_DECODES_AT_ONCE", 1, 64),
            queue: reader.number("IMAGE_DECODE_QUEUE", 0, 1_024),
            max_stored: reader.number("IMAGE_MAX_STORED", 1, 1_000_000),
            grace: reader.duration("IMAGE_KEEP_IDLE"),
            collect_every: reader.duration("IMAGE_COLLECT_INTERVAL"),
            provider_timeout: reader.duration("IMAGE_PROVIDER_TIMEOUT"),
            cloudinary_base_url: reader.text("CLOUDINARY_BASE_URL").unwrap_or_default(),
            cloudinary_delivery_url: reader.text("CLOUDINARY_DELIVERY_URL").unwrap_or_default(),
            cloudinary_signature: reader.value("CLOUDINARY_SIGNATURE", "sha1 or sha256", Signature::Sha1, |text| {
                match text {
                    "sha1" => Some(Signature::Sha1),
                    "sha256" => Some(Signature::Sha256),
                    _ => None,
                }
            }),
        }
    }
}
