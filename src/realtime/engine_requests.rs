//! The requests of Engine.IO: each handshake opens a counted session, and requests of closed sessions end them.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::engine_sessions::{EngineSession, EngineSessions};
use crate::client::Client;
use crate::closable_stream::CloseHandle;
use crate::flow::FlowCounts;
use crate::problem::Problem;

/// The path of Engine.IO.
const PATH: &str = "/socket.io";
/// The largest body of a response to a handshake, in bytes.
const LONGEST_RESPONSE: usize = 4_096;

/// Counts the session of every handshake, and ends sessions that are closed.
pub async fn count_sessions(State(sessions): State<Arc<EngineSessions>>, mut request: Request, next: Next) -> Response {
    if !request.uri().path().strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return next.run(request).await;
    }
    let connection = request.extensions().get::<CloseHandle>().cloned();
    let carried = request.extensions().get::<FlowCounts>().cloned();
    let is_websocket = parameter(request.uri(), "transport") == Some("websocket");
    if let Some(id) = parameter(request.uri(), "sid") {
        let Some(session) = sessions.named(id) else { return next.run(request).await };
        if is_websocket && let Some(connection) = connection {
            session.use_connection(connection, carried);
        }
        let is_closed = session.is_closed();
        let session = Arc::downgrade(&session);
        let response = next.run(if is_closed { close_request(request) } else { request }).await;
        if let Some(session) = session.upgrade() {
            // What polling has taken.
            session.backlog.release(usize::try_from(response.body().size_hint().lower()).unwrap_or(usize::MAX));
        }
        return response;
    }
    let Some(client) = request.extensions().get::<Client>().copied() else {
        return Problem::internal(&"the request has no peer").into_response();
    };
    let session = match sessions.open(client).await {
        Ok(session) => session,
        Err(problem) => return problem.into_response(),
    };
    strip(&mut request);
    request.extensions_mut().insert(Arc::clone(&session));
    if !is_websocket {
        return name_session(&sessions, &session, next.run(request).await).await;
    }
    if let Some(connection) = connection {
        session.use_connection(connection, carried);
    }
    next.run(request).await
}

/// A query parameter, parsed as the library parses it.
fn parameter<'u>(uri: &'u Uri, name: &str) -> Option<&'u str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// The response that closes a session, in place of the requested one. A WebSocket of the session is closed.
fn close_request(mut request: Request) -> Request {
    *request.method_mut() = Method::POST;
    *request.body_mut() = Body::from("1");
    request.headers_mut().remove(header::CONTENT_TYPE);
    request
}

/// Removes headers that are not needed from a handshake: the library keeps the head of the request for as long as the
/// session, and each remaining header keeps the whole read buffer in memory.
fn strip(request: &mut Request) {
    const NEEDED: [HeaderName; 4] =
        [header::UPGRADE, header::CONNECTION, header::SEC_WEBSOCKET_KEY, header::SEC_WEBSOCKET_VERSION];
    let mut headers = HeaderMap::new();
    for name in NEEDED {
        let copied = request.headers().get(&name).and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok());
        headers.extend(copied.map(|value| (name, value)));
    }
    *request.headers_mut() = headers;
    // A handshake that the library refuses is passed on unchanged.
    let value = |name| parameter(request.uri(), name).unwrap_or_default();
    let plain = format!("{PATH}/?EIO={}&transport={}", value("EIO"), value("transport"));
    if let Ok(uri) = plain.parse() {
        *request.uri_mut() = uri;
    }
}

/// The body of the response to a handshake over polling.
#[derive(Deserialize)]
struct Opened {
    sid: String,
}

/// Reads the id of a new session from the response, so that its later requests are known.
async fn name_session(sessions: &EngineSessions, session: &Arc<EngineSession>, response: Response) -> Response {
    if !response.status().is_success() {
        return response;
    }
    let (parts, body) = response.into_parts();
    let bytes = match to_bytes(body, LONGEST_RESPONSE).await {
        Ok(bytes) => bytes,
        Err(error) => return Problem::internal(&error).into_response(),
    };
    if let Some(opened) = bytes.strip_prefix(b"0").and_then(|json| serde_json::from_slice::<Opened>(json).ok()) {
        sessions.set_id(session, opened.sid);
    }
    Response::from_parts(parts, Body::from(bytes))
}
