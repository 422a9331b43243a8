//! Content coding of responses: gzip if the client accepts it, otherwise uncompressed.

use std::io::Write as _;
use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use crate::heavy::LARGE_BODY;
use crate::problem::Problem;

/// A smaller response fits into one packet without compression.
const WORTH_COMPRESSING: usize = 860;

/// Whether `Accept-Encoding` names gzip, or any coding, with a weight above zero (RFC 9110, 12.5.3).
pub fn takes_gzip(request_headers: &HeaderMap) -> bool {
    let values = request_headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
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

/// Whether compression makes the body much smaller: text of any kind. Image formats are compressed already.
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
    // Writing to memory does not fail.
    let _ = encoder.write_all(plain);
    encoder.finish().unwrap_or_default().into()
}

/// The suffix of the tag of compressed bytes, which need a different `ETag` (RFC 9110, 8.8.3).
const GZIP_MARK: &str = "-gz";

/// Whether `If-None-Match` names this tag, with any coding.
pub fn matches_etag(request_headers: &HeaderMap, tag: &str) -> bool {
    let tags = request_headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|value| value.split(',')).map(str::trim).any(|entry| {
        let bare = entry.strip_prefix("W/").unwrap_or(entry).trim_matches('"');
        entry == "*" || bare.strip_suffix(GZIP_MARK).unwrap_or(bare) == tag
    })
}

/// A response that exists in both codings.
#[derive(Debug)]
pub struct BothCodings<'a> {
    /// The media type.
    pub media_type: HeaderValue,
    /// The entity tag of the bytes, without quotes.
    pub tag: &'a str,
    /// The uncompressed bytes.
    pub plain: &'a Bytes,
    /// The same, compressed with gzip.
    pub gzip: &'a Bytes,
    /// The `Cache-Control` header.
    pub cache_control: &'static str,
    /// The `Vary` header.
    pub vary: &'static str,
}

impl BothCodings<'_> {
    /// The response in the coding that the client accepts, or 304 if the client has it.
    pub fn respond(self, request_headers: &HeaderMap) -> Response {
        let gzip = takes_gzip(request_headers);
        let mark = if gzip { GZIP_MARK } else { "" };
        let tag = HeaderValue::from_str(&format!("\"{}{mark}\"", self.tag)).unwrap_or(HeaderValue::from_static("\"\""));
        let about: [(HeaderName, HeaderValue); 3] = [
            (header::ETAG, tag),
            (header::CACHE_CONTROL, HeaderValue::from_static(self.cache_control)),
            (header::VARY, HeaderValue::from_static(self.vary)),
        ];
        if matches_etag(request_headers, self.tag) {
            return (StatusCode::NOT_MODIFIED, about).into_response();
        }
        let media_type = (header::CONTENT_TYPE, self.media_type);
        if gzip {
            let encoding = (header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            (about, [media_type, encoding], self.gzip.clone()).into_response()
        } else {
            (about, [media_type], self.plain.clone()).into_response()
        }
    }
}

/// A response that does not change while the program runs, compressed once.
#[derive(Debug)]
pub struct Prepared {
    media_type: HeaderValue,
    tag: String,
    plain: Bytes,
    gzip: Bytes,
}

impl Prepared {
    /// Compresses the bytes; their digest is the tag.
    pub fn new(media_type: &str, plain: Bytes) -> Self {
        let digest = Sha256::digest(&plain);
        let tag = digest.iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        let media_type =
            HeaderValue::from_str(media_type).unwrap_or(HeaderValue::from_static("application/octet-stream"));
        Self { media_type, tag, gzip: gzip(&plain, Compression::default()), plain }
    }

    /// The bytes, or 304 if the client has them.
    pub fn respond(&self, request_headers: &HeaderMap) -> Response {
        let Self { media_type, tag, plain, gzip } = self;
        let (cache_control, vary) = ("no-cache", "accept-encoding");
        BothCodings { media_type: media_type.clone(), tag, plain, gzip, cache_control, vary }.respond(request_headers)
    }
}

/// Bounds how many large responses are compressed at once; further ones are sent uncompressed.
#[derive(Debug, Clone)]
pub struct LargeResponses(Arc<Semaphore>);

impl LargeResponses {
    /// At most half as many at once as there are processors.
    pub fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self(Arc::new(Semaphore::new((processors / 2).max(1))))
    }
}

impl Default for LargeResponses {
    fn default() -> Self {
        Self::new()
    }
}

/// Compresses responses for clients that accept gzip, at the fastest level. Small ones are compressed at once; large
/// ones on the threads for blocking work, if few enough are compressed there already, and are sent uncompressed
/// otherwise. A response that is already compressed is not changed. A client that accepts neither gzip nor the plain
/// bytes gets the plain bytes: a request whose order was placed must not get 406.
pub async fn compress(State(large): State<LargeResponses>, request: Request, next: Next) -> Response {
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

impl LargeResponses {
    /// `None`: too many are compressed already.
    async fn gzip(&self, plain: Bytes) -> Option<Bytes> {
        if plain.len() <= LARGE_BODY {
            return Some(gzip(&plain, Compression::fast()));
        }
        let permit = Arc::clone(&self.0).try_acquire_owned().ok()?;
        let work = move || {
            let packed = gzip(&plain, Compression::fast());
            drop(permit);
            packed
        };
        tokio::task::spawn_blocking(work).await.ok()
    }
}
