//! Admission control of the routes: which requests take a slot (`admission.rs`).

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{FromRequest as _, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::admission::{Admission, Priority};
use crate::app::App;
use crate::client::Sender;
use crate::extract::unreadable;
use crate::permission::Operation;
use crate::problem::Problem;

use super::{request_id, with_id};

/// How often the number of early refusals is logged.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Refuses a request for which no slot is expected in time, before its body is read and its token and limits are
/// checked.
///
/// It is outside of the middleware that writes a log line for each request, and is counted instead ([`log_refusals`]):
/// refusals must cost little, because there are most of them when there is no time for anything else.
pub async fn refuse_early(State(admission): State<Admission>, request: Request, next: Next) -> Response {
    let priority = request.extensions().get::<Operation>().copied().and_then(Priority::of);
    match priority {
        Some(priority) if admission.would_refuse(priority) => {
            admission.count_refusal();
            let id = request_id(&request);
            with_id(busy().render(Some(&id.0)), &id)
        }
        _ => next.run(request).await,
    }
}

/// The number of seconds is random, so that the clients do not all return at the same moment.
fn busy() -> Problem {
    Problem::busy(rand::random_range(1..=3))
}

/// Logs the number of requests that were refused early, if there were any, every second until the server stops.
pub async fn log_refusals(admission: Admission, stop: CancellationToken) {
    let mut ticks = interval(LOG_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        log_refusals_since_last_time(&admission);
    }
    log_refusals_since_last_time(&admission);
}

fn log_refusals_since_last_time(admission: &Admission) {
    let requests = admission.take_refusals();
    if requests > 0 {
        tracing::warn!(requests, "overloaded: requests refused with 503 and without a log line of their own");
    }
}

/// Takes a slot for the request, or refuses it.
pub async fn admit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let operation = request.extensions().get::<Operation>().copied();
    let Some(priority) = operation.and_then(Priority::of) else { return next.run(request).await };
    // A body that arrives slowly must not hold a slot meanwhile.
    let request = match read_whole(request).await {
        Ok((request, _)) => request,
        Err(problem) => return problem.into_response(),
    };
    let sender = request.extensions().get::<Sender>().copied();
    let Some(sender) = sender else { return Problem::internal(&"the request has no sender").into_response() };
    let Ok(_slot) = app.admission.enter_for(sender, priority).await else { return busy().into_response() };
    next.run(request).await
}

/// Reads the body of a request; returns the request with it, and the number of its bytes.
pub(super) async fn read_whole(request: Request) -> Result<(Request, usize), Problem> {
    if request.body().is_end_stream() {
        return Ok((request, 0));
    }
    let (parts, body) = request.into_parts();
    let read = Bytes::from_request(Request::new(body), &()).await.map_err(|rejection| unreadable(&rejection))?;
    let bytes = read.len();
    Ok((Request::from_parts(parts, Body::from(read)), bytes))
}
