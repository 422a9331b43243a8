//! Settings of images and where they are stored, read and checked. Defaults and descriptions: `variables/images.rs`.

use std::path::PathBuf;
use std::time::Duration;

use comanda_providers::images::cloudinary::Signature;
use secrecy::SecretString;

use super::source::Reader;

/// The account at Cloudinary.
#[derive(Debug, Clone)]
pub struct Cloudinary {
    /// `CLOUDINARY_CLOUD_NAME`: Cloudinary's cloud name.
    pub cloud_name: String,
    /// `CLOUDINARY_API_KEY`: Cloudinary's API key.
    pub api_key: String,
    /// `CLOUDINARY_API_SECRET`: Cloudinary's API secret.
    pub api_secret: SecretString,
}

impl Cloudinary {
    /// The account; `None`: none of its variables is set.
    pub(super) fn gather(reader: &mut Reader<'_>) -> Option<Self> {
        reader
            .group(["CLOUDINARY_CLOUD_NAME", "CLOUDINARY_API_KEY", "CLOUDINARY_API_SECRET"])
            .map(|[cloud_name, api_key, secret]| Self { cloud_name, api_key, api_secret: secret.into() })
    }
}

/// Limits and storage of images.
#[derive(Debug, Clone)]
pub struct Images {
    /// `IMAGE_DIR`; `None`: `images` in the data folder.
    pub dir: Option<PathBuf>,
    /// `IMAGE_MAX_BYTES`: maximum size of an uploaded image, in bytes (1024 to 33554432).
    pub max_bytes: usize,
    /// `IMAGE_MAX_PIXELS`: maximum number of pixels of an uploaded image, four bytes of memory each (1024 to
    /// 100000000).
    pub max_pixels: u32,
    /// `IMAGE_DECODES_AT_ONCE`: maximum number of images decoded at once, on separate threads (1 to 64).
    pub decodes_at_once: usize,
    /// `IMAGE_DECODE_QUEUE`: maximum number of images that wait to be decoded (0 to 1024); further ones get 503.
    pub queue: usize,
    /// `IMAGE_MAX_STORED`, of one restaurant.
    pub max_stored: i64,
    /// `IMAGE_KEEP_IDLE`: how long an image is kept after it is no longer in use.
    pub grace: Duration,
    /// `IMAGE_COLLECT_INTERVAL`: how often unused images are deleted.
    pub collect_every: Duration,
    /// `IMAGE_PROVIDER_TIMEOUT`: how long a request to Cloudinary may take; there are three attempts.
    pub provider_timeout: Duration,
    /// `CLOUDINARY_BASE_URL`: URL of Cloudinary's upload API; https, or http on this machine.
    pub cloudinary_base_url: String,
    /// `CLOUDINARY_DELIVERY_URL`: URL of Cloudinary's delivery.
    pub cloudinary_delivery_url: String,
    /// `CLOUDINARY_SIGNATURE`: the signature algorithm of the Cloudinary account: sha1 or sha256.
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
