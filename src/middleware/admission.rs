//! Admission control of the routes: which requests take a slot (`admission.rs`).

use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{FromRequest as _, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::admission::Priority;
use crate::app::App;
use crate::client::Sender;
use crate::extract::unreadable;
use crate::permission::Operation;
use crate::problem::Problem;

/// Refuses a request for which no slot is expected in time, before its body is read and its token and limits are
/// checked.
pub async fn refuse_early(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let priority = request.extensions().get::<Operation>().copied().and_then(Priority::of);
    match priority {
        Some(priority) if app.admission.would_refuse(priority) => overloaded(priority),
        _ => next.run(request).await,
    }
}

fn overloaded(priority: Priority) -> Response {
    tracing::debug!(?priority, "refused: too many requests at once");
    // Random, so that the clients do not all return at the same moment.
    Problem::busy(rand::random_range(1..=3)).into_response()
}

/// Takes a slot for the request, or refuses it.
pub async fn admit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let operation = request.extensions().get::<Operation>().copied();
    let Some(priority) = operation.and_then(Priority::of) else { return next.run(request).await };
    // A body that arrives slowly must not hold a slot meanwhile.
    let request = match read_whole(request).await {
        Ok(request) => request,
        Err(problem) => return problem.into_response(),
    };
    let sender = request.extensions().get::<Sender>().copied();
    let Some(sender) = sender else { return Problem::internal(&"the request has no sender").into_response() };
    let Ok(_slot) = app.admission.enter_for(sender, priority).await else { return overloaded(priority) };
    next.run(request).await
}

async fn read_whole(request: Request) -> Result<Request, Problem> {
    if request.body().is_end_stream() {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    let read = Bytes::from_request(Request::new(body), &()).await.map_err(|rejection| unreadable(&rejection))?;
    Ok(Request::from_parts(parts, Body::from(read)))
}
