//! Images over HTTP: their upload, and `/images/…`, which serves those on the local disk. The routes that upload are in
//! `restaurants/http/image.rs` and `menu/http/image.rs`.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use comanda_providers::images::Variant;

use crate::app::App;
use crate::content_coding::matches_etag;
use crate::extract::{Path, unreadable};
use crate::ids::{ImageId, RestaurantId};
use crate::problem::{Code, Problem};

/// A file in a request: the body itself, or the one part of a form that is a file. Its format and size in pixels are
/// checked when it is decoded (`crates/providers/src/images/prepare.rs`).
pub struct Upload(pub(super) Bytes);

impl FromRequest<Arc<App>> for Upload {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let max = app.images.max_bytes;
        let kind =
            request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.to_ascii_lowercase();
        let file = if kind.starts_with("multipart/form-data") {
            file_of_form(request).await?
        } else if kind.starts_with("image/") || kind.starts_with("application/octet-stream") {
            Bytes::from_request(request, &()).await.map_err(|rejection| unreadable(&rejection))?
        } else {
            let detail =
                "Send the image itself with `Content-Type: image/jpeg`, or as a file in `multipart/form-data`.";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        };
        if file.len() > max {
            let detail = format!("Send a smaller image: at most {max} bytes (IMAGE_MAX_BYTES).");
            return Err(Problem::new(Code::BodyTooLarge, detail));
        }
        Ok(Self(file))
    }
}

/// Most parts of a form: the file, and what a page may send with it. Reading thousands of empty ones would take
/// seconds.
const MAX_PARTS: usize = 8;

/// The only file of a form. The whole form is bounded by the body's limit.
async fn file_of_form(request: Request) -> Result<Bytes, Problem> {
    let one_file = || Problem::new(Code::MalformedRequest, "Send a multipart form with exactly one file.");
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(kind).map_err(|_| one_file())?;
    let body = Bytes::from_request(request, &()).await.map_err(|rejection| unreadable(&rejection))?;
    let stream = futures_util::stream::once(async move { Ok::<_, std::convert::Infallible>(body) });
    let mut form = multer::Multipart::new(stream, boundary);
    let mut found = None;
    let mut parts = 0;
    while let Some(part) = form.next_field().await.map_err(|_| one_file())? {
        parts += 1;
        if parts > MAX_PARTS {
            return Err(one_file());
        }
        let is_file = part.file_name().is_some();
        let bytes = part.bytes().await.map_err(|_| one_file())?;
        if is_file && found.replace(bytes).is_some() {
            return Err(one_file());
        }
    }
    found.ok_or_else(one_file)
}

/// The `Cache-Control` of an image, whose name is never used for another one.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// `/images/…`: images on the local disk. A name is never reused, so responses can be cached for ever.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/images/{restaurantId}/{imageId}/{file}", get(get_image))
}

async fn get_image(
    State(app): State<Arc<App>>,
    Path((restaurant, image, file)): Path<(RestaurantId, ImageId, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let variant = Variant::ALL.into_iter().find(|variant| file.strip_suffix(".jpg") == Some(variant.name()));
    let variant = variant.ok_or_else(Problem::not_found)?;
    let path = app.images.disk.file(&format!("{restaurant}/{image}"), variant).ok_or_else(Problem::not_found)?;
    let tag = format!("{image}.{}", variant.name());
    let etag = format!("\"{tag}\"");
    if matches_etag(&headers, &tag) {
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
