//! In which content coding an answer is sent: gzip where the client takes it, the plain bytes otherwise.

use std::io::Write as _;
use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use crate::heavy::LARGE_BODY;
use crate::problem::Problem;

/// Smaller answers fit into one packet either way.
const WORTH_COMPRESSING: usize = 860;

/// Whether `Accept-Encoding` names gzip, or any coding, and does not weigh it with zero (RFC 9110, 12.5.3).
pub fn takes_gzip(wanted: &HeaderMap) -> bool {
    let values = wanted.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let (mut gzip, mut any) = (None, None);
    for coding in values.flat_map(|value| value.split(',')) {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix(['q', 'Q']).and_then(|weight| weight.strip_prefix('='));
        let is_taken = !weight.and_then(|weight| weight.parse::<f32>().ok()).is_some_and(|weight| weight <= 0.0);
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") => gzip = Some(is_taken),
            "*" => any = Some(is_taken),
            _ => {}
        }
    }
    gzip.or(any).unwrap_or(false)
}

/// Whether the bytes get much smaller: text of any kind. Images are compressed as they are.
fn is_text(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    [&b"text/"[..], b"application/json", b"application/problem+json", b"application/geo+json", b"image/svg+xml"]
        .iter()
        .any(|text| kind.starts_with(text))
        || kind.windows(10).any(|part| part == b"javascript")
}

/// The bytes, compressed with gzip.
pub fn gzip(plain: &[u8], level: Compression) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), level);
    // Writing into memory does not fail.
    let _ = encoder.write_all(plain);
    encoder.finish().unwrap_or_default().into()
}

/// An answer that never changes while the program runs, compressed once. Its digest is its `ETag`: whoever asks again
/// usually hears that nothing changed.
#[derive(Debug)]
pub struct Prepared {
    kind: HeaderValue,
    etag: HeaderValue,
    plain: Bytes,
    gzip: Bytes,
}

impl Prepared {
    /// The bytes, with their media type.
    pub fn new(kind: &str, plain: Bytes) -> Self {
        let digest = Sha256::digest(&plain);
        let hex = digest.iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        let value =
            |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("application/octet-stream"));
        Self {
            kind: value(kind),
            etag: value(&format!("\"{hex}\"")),
            gzip: gzip(&plain, Compression::default()),
            plain,
        }
    }

    /// 304 for whoever holds these bytes already.
    pub fn answer(&self, wanted: &HeaderMap) -> Response {
        let about = [
            (header::ETAG, self.etag.clone()),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            (header::VARY, HeaderValue::from_static("accept-encoding")),
        ];
        let held = wanted.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let mut held = held.flat_map(|value| value.split(',')).map(|one| one.trim().trim_start_matches("W/"));
        if held.any(|one| one == "*" || one.as_bytes() == self.etag.as_bytes()) {
            return (StatusCode::NOT_MODIFIED, about).into_response();
        }
        let kind = [(header::CONTENT_TYPE, self.kind.clone())];
        if takes_gzip(wanted) && self.gzip.len() < self.plain.len() {
            let packed = [(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
            return (about, kind, packed, self.gzip.clone()).into_response();
        }
        (about, kind, self.plain.clone()).into_response()
    }
}

/// How many large answers are compressed at once: more are sent as they are.
#[derive(Debug, Clone)]
pub struct LargeAnswers(Arc<Semaphore>);

impl LargeAnswers {
    /// As many as half of the processors.
    pub fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self(Arc::new(Semaphore::new((processors / 2).max(1))))
    }
}

impl Default for LargeAnswers {
    fn default() -> Self {
        Self::new()
    }
}

/// Compresses answers for whoever takes gzip, at the level that costs least: an answer of a megabyte takes five times as long
/// at the usual one. Small answers at once, larger ones beside the threads that answer requests while there is room, and as
/// they are when there is none. Answers that exist compressed already stay as they are, and so does whatever is asked by a
/// client that takes neither gzip nor plain bytes: an order that is placed must not be answered 406.
pub async fn compress(State(large): State<LargeAnswers>, request: Request, next: Next) -> Response {
    let takes_gzip = takes_gzip(request.headers());
    let mut response = next.run(request).await;
    if response.headers().contains_key(header::CONTENT_ENCODING) || !is_text(&response) {
        return response;
    }
    if !response.headers().contains_key(header::VARY) {
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    let size = response.body().size_hint().exact().and_then(|size| usize::try_from(size).ok());
    let Some(size) = size.filter(|size| takes_gzip && *size >= WORTH_COMPRESSING) else { return response };
    let (mut parts, body) = response.into_parts();
    let plain = match axum::body::to_bytes(body, size).await {
        Ok(plain) => plain,
        Err(error) => return Problem::internal(&error).into_response(),
    };
    let Some(packed) = large.gzip(plain.clone()).await else { return Response::from_parts(parts, Body::from(plain)) };
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(packed))
}

impl LargeAnswers {
    /// `None`: there is no room.
    async fn gzip(&self, plain: Bytes) -> Option<Bytes> {
        if plain.len() <= LARGE_BODY {
            return Some(gzip(&plain, Compression::fast()));
        }
        let place = Arc::clone(&self.0).try_acquire_owned().ok()?;
        let work = move || {
            let packed = gzip(&plain, Compression::fast());
            drop(place);
            packed
        };
        tokio::task::spawn_blocking(work).await.ok()
    }
}
