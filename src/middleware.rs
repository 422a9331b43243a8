//! Middleware of all requests: request id, log line, response headers, CORS, timeouts, the maximum size of a body
//! (`BodySizes`), and error responses as problem+json. Rate limits are in `middleware/rate_limit.rs`, overload in
//! `middleware/admission.rs`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use http_body_util::Limited;
use tokio_util::task::TaskTracker;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::admission::Admission;
use crate::body_budget::BodyBudget;
use crate::body_rate::with_minimum_rate;
use crate::client::{Client, Peer};
use crate::config::Http;
use crate::content_coding::{LargeResponses, compress};
use crate::extract::TOO_LARGE;
use crate::operations::Operations;
use crate::problem::{Code, Problem};

pub mod admission;
pub mod failed_authentication;
pub mod rate_limit;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LONGEST_REQUEST_ID: usize = 128;

/// Middleware of the routes. From the outside in: compression, panics, time limit, a task for each request, body size.
pub fn inside(router: Router, bounds: &Http, largest_image: usize, requests: TaskTracker) -> Router {
    let sizes = BodySizes {
        usual: bounds.max_body_bytes,
        menu: bounds.max_menu_bytes,
        image: largest_image + FORM_AROUND_AN_IMAGE,
    };
    let budget = Arc::new(BodyBudget::new(bounds.bodies_max_bytes, sizes.largest_limit()));
    router.layer((
        from_fn_with_state(LargeResponses::new(), compress),
        CatchPanicLayer::custom(panicked),
        from_fn_with_state(Arc::new(bounds.request_timeout), in_time),
        from_fn_with_state(requests, finish_begun),
        axum::extract::DefaultBodyLimit::disable(),
        from_fn_with_state((sizes, budget), of_bounded_size),
    ))
}

/// Runs the request in a task of its own, which ends also if the client disconnects or the time limit passes.
///
/// The future of a request is dropped when its connection is closed, but its work in the database goes on. With the
/// future, its slot, its share of a queue and its counts would be lost, and whoever closes connections could have more
/// than their share.
async fn finish_begun(State(requests): State<TaskTracker>, request: Request, next: Next) -> Response {
    match requests.spawn(next.run(request).in_current_span()).await {
        Ok(response) => response,
        Err(ended) => match ended.try_into_panic() {
            // The layer outside of this one makes the response.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(cancelled) => Problem::internal(&cancelled).into_response(),
        },
    }
}

/// The largest size of a form around an image, in bytes.
const FORM_AROUND_AN_IMAGE: usize = 16 << 10;

/// The largest bodies in bytes: of most routes, of whole menus, of images.
#[derive(Debug, Clone, Copy)]
struct BodySizes {
    usual: usize,
    menu: usize,
    image: usize,
}

impl BodySizes {
    fn largest_limit(self) -> usize {
        self.usual.max(self.menu).max(self.image)
    }

    /// The limit of a request: whole menus and images may be larger than other bodies.
    fn max(self, request: &Request) -> usize {
        let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
        if request.method() == Method::POST && route.ends_with("/image") {
            self.image
        } else if route.ends_with("/menu") || route.ends_with("/menu.csv") {
            self.menu
        } else {
            self.usual
        }
    }
}

/// Refuses a body whose Content-Length is too large, and stops reading one that becomes too large, or for which there
/// is no memory.
async fn of_bounded_size(
    State((sizes, budget)): State<(BodySizes, Arc<BodyBudget>)>,
    client: Client,
    request: Request,
    next: Next,
) -> Response {
    let max = sizes.max(&request);
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: usize| length > max) {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    // Counted until the response: the handler may keep the bytes until then.
    let memory = budget.request(client.network());
    next.run(request.map(|body| Body::new(Limited::new(memory.count(body), max)))).await
}

/// Middleware of all requests, those of sockets included. From the outside in: origins, security headers, the
/// operation, overload, request id and log line, origins of sockets, methods, client address, minimum body rate.
pub fn outside(router: Router, bounds: &Http, admission: Admission, operations: Arc<Operations>) -> Router {
    let bounds = Arc::new(bounds.clone());
    let origins = Some(bounds.cors_origins.clone()).filter(|origins| !origins.is_empty());
    router.layer((
        tower::util::option_layer(origins.map(cors)),
        from_fn_with_state(Arc::clone(&bounds), secure),
        from_fn_with_state(operations, name_operation),
        from_fn_with_state(admission, admission::refuse_early),
        from_fn(identify),
        from_fn_with_state(Arc::clone(&bounds), refuse_foreign_sockets),
        from_fn_with_state(bounds, receive),
    ))
}

/// Adds the operation of the route to the request, for the middleware and the extractors.
async fn name_operation(State(operations): State<Arc<Operations>>, mut request: Request, next: Next) -> Response {
    let template = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if let Some(operation) = operations.of(request.method(), template) {
        request.extensions_mut().insert(operation);
    }
    next.run(request).await
}

/// Only pages of these origins may read responses. Tokens are sent in a header, so credentials (cookies) are not
/// allowed.
fn cors(origins: Vec<HeaderValue>) -> CorsLayer {
    let methods = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let sent = [header::AUTHORIZATION, header::CONTENT_TYPE, header::IF_MATCH, IDEMPOTENCY_KEY, REQUEST_ID];
    let shown = ["etag", "idempotency-replayed", "ratelimit", "ratelimit-policy", "retry-after", "x-request-id"];
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods(methods)
        .allow_headers(sent)
        .expose_headers(shown.map(HeaderName::from_static))
        .max_age(Duration::from_mins(10))
}

/// Browsers open WebSockets to any server and leave the check of the origin to the server: it must be its own or a
/// configured one.
async fn refuse_foreign_sockets(State(bounds): State<Arc<Http>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if let Some(origin) = headers.get(header::ORIGIN).filter(|_| request.uri().path().starts_with("/socket.io")) {
        let host = headers.get(header::HOST).map_or(&b""[..], HeaderValue::as_bytes);
        let own =
            [&b"https://"[..], b"http://"].iter().any(|scheme| origin.as_bytes().strip_prefix(*scheme) == Some(host));
        if !own && !bounds.cors_origins.contains(origin) {
            return Problem::new(Code::Forbidden, "This origin is not in CORS_ORIGINS of the server's configuration.")
                .into_response();
        }
    }
    next.run(request).await
}

/// HTTP/1.1 requires one Host header, HTTP/1.0 allows at most one (RFC 9112, 3.2): of two, a proxy and this server
/// might use different ones.
fn require_one_host(request: &Request) -> Result<(), Problem> {
    let hosts: Vec<_> = request.headers().get_all(header::HOST).iter().collect();
    let plain = |host: &HeaderValue| {
        let bytes = host.as_bytes();
        bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte))
    };
    let is_named = match hosts.as_slice() {
        [] => request.version() < Version::HTTP_11,
        [only] => plain(only),
        _ => false,
    };
    if is_named {
        return Ok(());
    }
    Err(Problem::new(Code::MalformedRequest, "Send exactly one Host header, with the name of this server.")
        .with_header(header::CONNECTION, HeaderValue::from_static("close")))
}

/// Refuses requests without a unique host and methods that no route has, records the client, and applies the minimum
/// body rate.
async fn receive(State(bounds): State<Arc<Http>>, mut request: Request, next: Next) -> Response {
    let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    if !known.contains(request.method()) {
        let all = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
        return ([(header::ALLOW, all)], StatusCode::METHOD_NOT_ALLOWED).into_response();
    }
    if let Err(problem) = require_one_host(&request) {
        return problem.into_response();
    }
    if let Some(peer) = request.extensions().get::<Peer>() {
        let client = Client::of(*peer, request.headers(), &bounds.trusted_proxies, bounds.forwarding);
        request.extensions_mut().insert(client);
    }
    next.run(with_minimum_rate(request, bounds.body_min_rate)).await
}

/// The id of a request: in its extensions, its log lines and its response.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// An id that the client sent is used if it is short and has only plain characters; otherwise a new one is made.
fn request_id(request: &Request) -> RequestId {
    let plain = |id: &&str| {
        (1..=LONGEST_REQUEST_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
    };
    let sent = request.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok()).filter(plain);
    RequestId(sent.map_or_else(|| Uuid::now_v7().to_string(), ToOwned::to_owned))
}

/// Sets the id of the request, writes its log line, and adds the body of error responses.
async fn identify(mut request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let method = request.method().clone();
    let (route, transport) = route_and_transport(&request);
    let span = tracing::info_span!("request", request_id = id.0);
    request.extensions_mut().insert(id.clone());
    let begun = tokio::time::Instant::now();
    let response = next.run(request).instrument(span.clone()).await;
    let response = with_id(render(response, &id), &id);
    // Milliseconds with three decimals.
    let milliseconds = (begun.elapsed().as_secs_f64() * 1_000_000.0).round() / 1_000.0;
    let status = response.status();
    let said = if status == StatusCode::SWITCHING_PROTOCOLS { "upgraded" } else { "answered" };
    span.in_scope(|| tracing::info!(%method, route, transport, status = status.as_u16(), milliseconds, "{said}"));
    response
}

fn with_id(mut response: Response, id: &RequestId) -> Response {
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// The route template, `-` if there is none, and for live updates their transport: `polling` or `websocket`.
fn route_and_transport(request: &Request) -> (String, Option<&'static str>) {
    let path = request.uri().path();
    if path == "/socket.io" || path.starts_with("/socket.io/") {
        let is_socket = request.uri().query().unwrap_or_default().split('&').any(|pair| pair == "transport=websocket");
        return ("/socket.io".to_owned(), Some(if is_socket { "websocket" } else { "polling" }));
    }
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    (matched.unwrap_or_else(|| "-".to_owned()), None)
}

/// Adds the body of a problem, also for error responses without a body from the router or a layer. Headers that inner
/// layers set are kept.
fn render(mut response: Response, id: &RequestId) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>().or_else(|| bare_refusal(&response)) else {
        return response;
    };
    with_body(&response, &problem, id)
}

/// The response of a problem, with the headers of the response without a body.
fn with_body(bare: &Response, problem: &Problem, id: &RequestId) -> Response {
    let mut rendered = problem.render(Some(&id.0));
    let about_the_body = [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING];
    for name in bare.headers().keys().filter(|name| !about_the_body.contains(name)) {
        if !rendered.headers().contains_key(name) {
            for value in bare.headers().get_all(name) {
                rendered.headers_mut().append(name.clone(), value.clone());
            }
        }
    }
    rendered
}

fn bare_refusal(response: &Response) -> Option<Problem> {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/")) {
        return None;
    }
    match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => {
            Some(Problem::new(Code::MethodNotAllowed, "See the Allow header for the methods of this resource."))
        }
        StatusCode::PAYLOAD_TOO_LARGE => Some(Problem::new(Code::BodyTooLarge, TOO_LARGE)),
        _ => None,
    }
}

/// Security headers. Pages need their own scripts and styles, the API needs nothing.
async fn secure(State(bounds): State<Arc<Http>>, request: Request, next: Next) -> Response {
    // `'self'` stands for WebSockets to the own origin too (CSP 3, 6.7.2.8).
    const POLICY: &str = "default-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                          form-action 'self'; frame-ancestors 'none'; object-src 'none'";
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    if bounds.public_url.as_ref().is_some_and(|url| url.starts_with("https://")) {
        headers
            .insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000; includeSubDomains"));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Responds with 408 when a request takes too long. A unit of work that has begun is not stopped.
async fn in_time(State(limit): State<Arc<Duration>>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(*limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            Code::RequestTimeout,
            "Send the whole request faster, or repeat it with the same Idempotency-Key.",
        )
        .into_response(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that the layer asks for")]
fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Problem::internal(&text.unwrap_or("a handler panicked")).into_response()
}
