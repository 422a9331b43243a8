//! Serves the console and the API reference from the binary: pages, scripts and styles of the folder `console/`.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::app::App;
use crate::extract::Path;
use crate::problem::Problem;

#[derive(RustEmbed)]
#[folder = "console/"]
struct Files;

/// `/`, `/docs` and `/console/…`.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(|headers: HeaderMap| async move { file("index.html", &headers) }))
        .route("/docs", get(|headers: HeaderMap| async move { file("docs.html", &headers) }))
        .route("/console/{*path}", get(any_file))
}

async fn any_file(Path(path): Path<String>, headers: HeaderMap) -> Response {
    file(&path, &headers)
}

/// One embedded file. Its hash is its `ETag`: a browser asks each time, and usually hears that nothing changed.
fn file(path: &str, headers: &HeaderMap) -> Response {
    let Some(file) = Files::get(path) else {
        return Problem::not_found().into_response();
    };
    let etag = etag_of(&file);
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let kind = kind_of(&file);
    let mut response = file.data.into_owned().into_response();
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_TYPE, kind);
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        answer.insert(header::ETAG, etag);
    }
    response
}

/// Every text of ours is UTF-8.
fn kind_of(file: &EmbeddedFile) -> HeaderValue {
    let kind = file.metadata.mimetype();
    let charset = if kind.starts_with("text/") { "; charset=utf-8" } else { "" };
    HeaderValue::from_str(&format!("{kind}{charset}")).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

fn etag_of(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let hex = hash.iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    format!("\"{hex}\"")
}
