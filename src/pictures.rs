//! Pictures: taken from a request within bounds, made clean, stored, served, and collected when nothing shows them.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use comanda_providers::images::{
    Bounds, Cloudinary, LocalDisk, Picture, Refusal, StoreError, StoreImage, Variant, cloudinary, prepare,
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::app::App;
use crate::config;
use crate::heavy::HeavyWork;
use crate::ids::ImageId;
use crate::problem::{Code, Problem};
use crate::restaurants::sql::images;
use crate::tenancy::{PlatformScope, RestaurantScope};
use crate::wire::Path;

/// Where a picture can be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Image {
    /// 160 × 160, cut to fill: for lists.
    #[schema(example = "/images/rst_01jd3k9y5xfmt8zq2v7c4n6b0e/img_01jd3k9y5xfmt8zq2v7c4n6b0e/thumb.jpg")]
    pub thumb: String,
    /// 400 × 300, cut to fill: for cards.
    pub card: String,
    /// At most 800 × 800, whole: for a page of its own.
    pub detail: String,
    /// At most 1600 × 1600, whole: as large as it is kept.
    pub hero: String,
    /// Width of the largest one.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// A blurred picture of some 25 bytes to show until the real one has come (`ThumbHash`, in Base64); null for pictures
    /// that were taken before it was made.
    #[serde(default)]
    #[schema(example = "3OcRJYB4d3h/iIeHeEh3eIhw+j2w")]
    pub thumbhash: Option<String>,
}

/// The stores, and the bounds on work.
pub struct Pictures {
    /// Where new pictures go.
    current: Arc<dyn StoreImage>,
    /// Where pictures lie that this program serves.
    disk: LocalDisk,
    /// Where they are decoded.
    decoding: HeavyWork,
    bounds: Bounds,
    max_bytes: usize,
    grace: TimeDelta,
    collect_every: std::time::Duration,
}

impl Pictures {
    /// As configured: Cloudinary, or the disk in its place.
    ///
    /// # Errors
    /// When the client of the real thing cannot be made.
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
            bounds: Bounds { most_pixels: settings.max_pixels },
            max_bytes: settings.max_bytes,
            grace: TimeDelta::from_std(settings.grace).unwrap_or(TimeDelta::hours(1)),
            collect_every: settings.collect_every,
        })
    }

    /// Where pictures can be removed: at Cloudinary, if it is configured, and on the disk.
    fn providers(&self) -> Vec<String> {
        [self.current.provider(), self.disk.provider()].map(ToOwned::to_owned).into()
    }

    /// The store of a picture that was kept under this provider, if it is at hand.
    fn store(&self, provider: &str) -> Option<&dyn StoreImage> {
        let stores: [&dyn StoreImage; 2] = [self.current.as_ref(), &self.disk];
        stores.into_iter().find(|store| store.provider() == provider)
    }

    /// Makes clean pictures out of a file, outside the threads that answer requests; a few at once, some wait, and the
    /// others are sent away.
    async fn clean(&self, file: Bytes) -> Result<Picture, Problem> {
        let bounds = self.bounds;
        let picture = self.decoding.run(move || prepare(&file, bounds)).await?;
        picture.map_err(|refusal| {
            let code = match refusal {
                Refusal::UnknownFormat | Refusal::Heif => Code::UnsupportedImage,
                Refusal::Size(_) | Refusal::Ending | Refusal::Damaged(_) => Code::UnacceptableImage,
            };
            Problem::new(code, format!("The image {refusal}."))
        })
    }
}

/// A file in a request: the body itself, or the one part of a form that is a file.
pub struct Upload(Bytes);

impl FromRequest<Arc<App>> for Upload {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let most = app.pictures.max_bytes;
        let kind =
            request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.to_ascii_lowercase();
        let file = if kind.starts_with("multipart/form-data") {
            file_of_form(request).await?
        } else if kind.starts_with("image/") || kind.starts_with("application/octet-stream") {
            Bytes::from_request(request, &()).await.map_err(|rejection| crate::wire::unreadable(&rejection))?
        } else {
            let detail =
                "Send the picture itself with `Content-Type: image/jpeg`, or as a file in `multipart/form-data`.";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        };
        if file.len() > most {
            let detail = format!("Send a smaller image: at most {most} bytes (IMAGE_MAX_BYTES).");
            return Err(Problem::new(Code::BodyTooLarge, detail));
        }
        Ok(Self(file))
    }
}

/// The only file of a form. The whole form is bounded by the body's limit.
async fn file_of_form(request: Request) -> Result<Bytes, Problem> {
    let one_file = || Problem::new(Code::MalformedRequest, "Send a multipart form with exactly one file.");
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(kind).map_err(|_| one_file())?;
    let body = Bytes::from_request(request, &()).await.map_err(|rejection| crate::wire::unreadable(&rejection))?;
    let stream = futures_util::stream::once(async move { Ok::<_, std::convert::Infallible>(body) });
    let mut form = multer::Multipart::new(stream, boundary);
    let mut found = None;
    while let Some(part) = form.next_field().await.map_err(|_| one_file())? {
        let is_file = part.file_name().is_some();
        let bytes = part.bytes().await.map_err(|_| one_file())?;
        if is_file && found.replace(bytes).is_some() {
            return Err(one_file());
        }
    }
    found.ok_or_else(one_file)
}

/// Takes a picture for a restaurant: cleaned, written down, stored, and only then shown. If anything breaks in between, the
/// row that was written first tells the collector what to remove.
///
/// # Errors
/// 415 `unsupported_image`, 422 `unacceptable_image`, or 503 while too many are being decoded or the provider is away.
pub async fn keep(app: &App, scope: RestaurantScope, Upload(file): Upload) -> Result<ImageId, Problem> {
    let picture = app.pictures.clean(file).await?;
    let id = ImageId::new();
    let store = Arc::clone(&app.pictures.current);
    let key = format!("{}/{id}", scope.restaurant());
    let (provider, name) = (store.provider(), key.clone());
    app.db
        .write(scope, move |tx| Box::pin(async move { images::insert(tx, &scope, id, provider, &name).await }))
        .await?;
    let at = store.put(&key, &picture).await.map_err(|error| refused(&error))?;
    let (width, height) = (picture.width, picture.height);
    let thumbhash = Some(STANDARD.encode(&picture.thumbhash));
    let shown = Image { thumb: at.thumb, card: at.card, detail: at.detail, hero: at.hero, width, height, thumbhash };
    let kept =
        app.db.write(scope, move |tx| Box::pin(async move { images::stored(tx, &scope, id, &shown).await })).await?;
    if kept { Ok(id) } else { Err(later()) }
}

/// What went wrong is logged; the client hears whether to come back.
fn refused(error: &StoreError) -> Problem {
    tracing::error!(%error, "an image could not be stored");
    later()
}

fn later() -> Problem {
    Problem::new(Code::ImagesUnavailable, "The image was not stored. Send it again later.").retry_after(30)
}

/// Pictures that are removed in one go.
const BATCH: i64 = 20;

/// Removes pictures that nothing has shown for a while. No transaction is open while the provider is asked, removing twice
/// is as good as once, and a row goes only after its files.
///
/// # Errors
/// When the database does not answer; what is left is found the next time.
pub async fn collect(app: &App) -> Result<usize, Problem> {
    let platform = PlatformScope::proven_by("the collector of pictures that nothing shows", None);
    let before = app.clock.now() - app.pictures.grace;
    let at_hand = app.pictures.providers();
    let idle = app
        .db
        .write(platform, move |tx| {
            Box::pin(async move {
                images::mark_idle(tx).await?;
                images::idle(tx, before, &at_hand, BATCH).await
            })
        })
        .await?;
    let mut removed = 0;
    for image in idle {
        let Some(store) = app.pictures.store(&image.provider) else { continue };
        let scope = platform.restaurant(image.restaurant_id);
        if let Err(error) = store.remove(&image.key).await {
            tracing::warn!(%error, key = image.key, "an image could not be deleted; it is retried later");
            app.db
                .write(scope, move |tx| Box::pin(async move { images::postpone(tx, &scope, image.id).await }))
                .await?;
            continue;
        }
        app.db.write(scope, move |tx| Box::pin(async move { images::forget(tx, &scope, image.id).await })).await?;
        removed += 1;
    }
    Ok(removed)
}

/// Collects now and then until the server stops.
pub async fn keep_collecting(app: Arc<App>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(app.pictures.collect_every) => {}
        }
        if let Err(problem) = collect(&app).await {
            tracing::warn!(%problem, "unused images were not deleted; they are retried later");
        }
    }
}

/// What is said of a picture's life: its name is used once.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// `/images/…`: pictures that lie on this disk. A name is used once, so an answer holds for ever.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/images/{restaurantId}/{imageId}/{file}", get(show))
}

async fn show(
    State(app): State<Arc<App>>,
    Path((restaurant, image, file)): Path<(crate::ids::RestaurantId, ImageId, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let variant = Variant::ALL.into_iter().find(|variant| file.strip_suffix(".jpg") == Some(variant.name()));
    let variant = variant.ok_or_else(Problem::not_found)?;
    let path = app.pictures.disk.file(&format!("{restaurant}/{image}"), variant).ok_or_else(Problem::not_found)?;
    let etag = format!("\"{image}.{}\"", variant.name());
    let held = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut held = held.flat_map(|value| value.split(',')).map(|one| one.trim().trim_start_matches("W/"));
    if held.any(|one| one == "*" || one == etag) {
        let about = [(header::ETAG, etag.as_str()), (header::CACHE_CONTROL, FOR_EVER)];
        return Ok((StatusCode::NOT_MODIFIED, about).into_response());
    }
    let bytes = tokio::fs::read(path).await.map_err(|_| Problem::not_found())?;
    let mut answer = (
        [
            (header::CONTENT_TYPE, "image/jpeg"),
            (header::CACHE_CONTROL, FOR_EVER),
            (header::CONTENT_DISPOSITION, "inline"),
        ],
        bytes,
    )
        .into_response();
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        answer.headers_mut().insert(header::ETAG, etag);
    }
    Ok(answer)
}
