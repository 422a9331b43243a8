//! What happens to every request: an id, a log line, bounds, and refusals turned into problem+json.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::config::Http;
use crate::problem::{Code, Problem};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_REQUEST_ID: usize = 128;

/// Wraps the routes. The order, from the outside in: request id and log line, headers, compression, panics, time, size.
pub fn wrap(router: Router, bounds: &Http) -> Router {
    router
        .layer(RequestBodyLimitLayer::new(bounds.max_body_bytes))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .layer(from_fn_with_state(Arc::new(bounds.request_timeout), in_time))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(CompressionLayer::new().gzip(true))
        .layer(from_fn(secure))
        .layer(from_fn(identify))
}

/// The id of a request: in its extensions, its log lines and its answer.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// An id that was sent is kept if it is short and plain; else one is made.
fn request_id(request: &Request) -> RequestId {
    let plain = |id: &&str| {
        (1..=LONGEST_REQUEST_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
    };
    let sent = request.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok()).filter(plain);
    RequestId(sent.map_or_else(|| Uuid::now_v7().to_string(), ToOwned::to_owned))
}

/// Gives the request its id and its log line, and refusals their body.
async fn identify(mut request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let span = tracing::info_span!("request", request_id = id.0);
    request.extensions_mut().insert(id.clone());
    let begun = tokio::time::Instant::now();
    let response = next.run(request).instrument(span.clone()).await;
    let mut response = render(response, &id);
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let milliseconds = begun.elapsed().as_secs_f64() * 1_000.0;
    let (route, status) = (route.as_deref().unwrap_or("-"), response.status().as_u16());
    span.in_scope(|| tracing::info!(%method, route, status, milliseconds, "answered"));
    response
}

/// A problem gets its body here, and so does every bare refusal of the router or a layer.
fn render(mut response: Response, id: &RequestId) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return problem.render(Some(&id.0));
    }
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/"));
    let problem = match response.status() {
        _ if is_json => return response,
        StatusCode::METHOD_NOT_ALLOWED => {
            Problem::new(Code::MethodNotAllowed, "The Allow header names the methods this address takes.")
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(Code::BodyTooLarge, "Send less: the limit is MAX_BODY_BYTES of the server's configuration.")
        }
        _ => return response,
    };
    let mut rendered = problem.render(Some(&id.0));
    if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
        rendered.headers_mut().insert(header::ALLOW, allow);
    }
    rendered
}

/// Headers that cost nothing and close doors. Pages need their own scripts and styles, the API needs nothing.
async fn secure(request: Request, next: Next) -> Response {
    const POLICY: &str = "default-src 'self'; img-src 'self' data:; connect-src 'self' ws: wss:; base-uri 'none'; \
                          form-action 'self'; frame-ancestors 'none'; object-src 'none'";
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Answers 408 when a request takes too long. A unit of work that has begun goes on to its own end.
async fn in_time(State(limit): State<Arc<Duration>>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(*limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            Problem::new(Code::RequestTimeout, "Send the whole request sooner, or repeat it with its key.")
                .into_response()
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that the layer asks for")]
fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Problem::internal(&text.unwrap_or("a handler panicked")).into_response()
}
