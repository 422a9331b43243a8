//! The stores of images, and the limit on decoding.

use std::sync::Arc;

use axum::body::Bytes;
use chrono::TimeDelta;
use comanda_providers::images::{
    Bounds, Cloudinary, LocalDisk, PreparedImage, Refusal, StoreError, StoreImage, cloudinary, prepare,
};

use crate::config;
use crate::heavy::HeavyWork;
use crate::problem::{Code, Problem};
use crate::tenancy::RestaurantScope;

/// The stores of images, and the limit on decoding.
pub struct ImageStores {
    /// The store for new images.
    pub(super) current: Arc<dyn StoreImage>,
    /// The store of images that this program serves.
    pub(super) disk: LocalDisk,
    /// Decodes images, a bounded number at once.
    decoding: HeavyWork,
    bounds: Bounds,
    pub(super) max_bytes: usize,
    pub(super) grace: TimeDelta,
    pub(super) delete_unused_every: std::time::Duration,
}

impl ImageStores {
    /// The stores of the configuration: Cloudinary, or else the disk.
    ///
    /// # Errors
    /// When the HTTP client of Cloudinary cannot be created.
    pub fn new(config: &config::Config) -> Result<Self, StoreError> {
        let settings = &config.images;
        let folder = settings.dir.clone().unwrap_or_else(|| config.data_dir.join("images"));
        let disk = LocalDisk::new(folder, "/images");
        let current: Arc<dyn StoreImage> = match &config.cloudinary {
            Some(account) => Arc::new(Cloudinary::new(cloudinary::Settings {
                base_url: settings.cloudinary_base_url.clone(),
                delivery_url: settings.cloudinary_delivery_url.clone(),
                cloud_name: account.cloud_name.clone(),
                api_key: account.api_key.clone(),
                api_secret: account.api_secret.clone(),
                signature: settings.cloudinary_signature,
                timeout: settings.provider_timeout,
                pause: std::time::Duration::from_millis(250),
            })?),
            None => Arc::new(disk.clone()),
        };
        Ok(Self {
            current,
            disk,
            decoding: HeavyWork::new(settings.decodes_at_once, settings.queue, 5),
            bounds: Bounds { max_pixels: settings.max_pixels },
            max_bytes: settings.max_bytes,
            grace: TimeDelta::from_std(settings.grace).unwrap_or(TimeDelta::hours(1)),
            delete_unused_every: settings.collect_every,
        })
    }

    /// The providers at which images can be deleted: Cloudinary, if it is configured, and the disk.
    pub(super) fn providers(&self) -> Vec<String> {
        [self.current.provider(), self.disk.provider()].map(ToOwned::to_owned).into()
    }

    /// The store of a provider; `None`: it is not configured.
    pub(super) fn store(&self, provider: &str) -> Option<&dyn StoreImage> {
        let stores: [&dyn StoreImage; 2] = [self.current.as_ref(), &self.disk];
        stores.into_iter().find(|store| store.provider() == provider)
    }

    /// Decodes and encodes an image, on separate threads. A few run at once, some wait, and further ones are refused.
    pub(super) async fn decode(&self, scope: RestaurantScope, file: Bytes) -> Result<PreparedImage, Problem> {
        let bounds = self.bounds;
        let image = self.decoding.run(scope.into(), move || prepare(&file, bounds)).await?;
        image.map_err(|refusal| {
            if let Refusal::Damaged(cause) = &refusal {
                tracing::debug!(%cause, "an image could not be decoded");
            }
            let code = match refusal {
                Refusal::UnknownFormat | Refusal::Heif => Code::UnsupportedImage,
                Refusal::Size(_) | Refusal::Ending | Refusal::Lossless | Refusal::Scans | Refusal::Damaged(_) => {
                    Code::UnacceptableImage
                }
            };
            Problem::new(code, format!("The image {refusal}."))
        })
    }
}
