//! Rate limits around the routes: which bucket a request draws from (`limits.rs` counts), and what its answer says of it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::accounts::caller::bearer;
use crate::admission::Priority;
use crate::app::App;
use crate::client::Client;
use crate::idempotency::Repeat;
use crate::limits::{Buckets, Policy, Subject, Verdict, seconds_up, too_many};
use crate::permission::Operation;

/// Draws for the request; says with every answer what is left, and refuses when nothing is.
///
/// What was answered before under the request's `Idempotency-Key` is answered again all the same: a client whose answer was
/// lost has to learn what became of its request. See [`is_repeated`].
pub async fn limit(State(app): State<Arc<App>>, client: Client, request: Request, next: Next) -> Response {
    let operation = request.extensions().get::<Operation>().copied();
    // The token's word is enough to choose a bucket; whether its session stands is asked later, once.
    let claims = bearer(request.headers()).and_then(|token| app.tokens.check(token, app.clock.now()).ok());
    let user = claims.map(|claims| claims.sub);
    let Some(buckets) = app.limits.buckets(operation, user) else { return next.run(request).await };
    let limits = &app.limits;
    let shared = limits.shared.as_ref();
    let network = Subject::Network(client.network());
    let (mut buckets, mut subject) = match (buckets.policy, user) {
        (Policy::User, Some(user)) => (buckets, Subject::User(user)),
        _ => (buckets, network),
    };
    let mut verdict = buckets.draw_everywhere(shared, subject).await;
    let mut passes = verdict.allowed;
    if buckets.policy == Policy::User {
        let repeat = user.zip(operation).and_then(|(user, operation)| Repeat::of(&request, user, operation));
        passes = passes || is_repeated(&app, repeat.as_ref(), &limits.user_repeats, subject).await;
        if passes && let Some(of_all) = &limits.network {
            let common = of_all.draw_everywhere(shared, network).await;
            if !common.allowed {
                passes = is_repeated(&app, repeat.as_ref(), &limits.network_repeats, network).await;
                (buckets, verdict, subject) = (of_all, common, network);
            }
        }
    }
    let mut response = if passes {
        next.run(request).await
    } else {
        tracing::warn!(policy = buckets.policy.name(), %subject, "too many requests");
        too_many(verdict.wait).into_response()
    };
    write_fields(&mut response, buckets, verdict);
    response
}

/// Whether a request beyond a limit repeats one that was answered, by its user, operation and `Idempotency-Key`. Asking that
/// costs a statement, and so draws from a bucket of its own first, whatever the key; and the statement takes a slot, as a
/// request does. Everything else about the repetition (its token, its body) is looked at where the answer is given.
async fn is_repeated(app: &App, repeat: Option<&Repeat>, buckets: &Buckets, subject: Subject) -> bool {
    let Some(repeat) = repeat else { return false };
    if !buckets.draw_everywhere(app.limits.shared.as_ref(), subject).await.allowed {
        return false;
    }
    let Ok(_slot) = app.admission.enter(Priority::Normal).await else { return false };
    repeat.was_answered(&app.db).await.unwrap_or_else(|problem| {
        tracing::warn!(%problem, "could not look up the Idempotency-Key of a request beyond its limit");
        false
    })
}

/// The IETF's fields (draft-ietf-httpapi-ratelimit-headers-10), structured: the policy's name, what it grants (`q` over
/// `w` seconds), what remains (`r`) and the seconds (`t`) until it is whole again.
fn write_fields(response: &mut Response, buckets: &Buckets, verdict: Verdict) {
    let (name, quota) = (buckets.policy.name(), buckets.quota);
    let used = quota.count().saturating_sub(verdict.remaining);
    let whole = seconds_up(quota.interval() * used);
    let fields = [
        ("ratelimit-policy", format!("\"{name}\";q={};w={}", quota.count(), seconds_up(quota.per()))),
        ("ratelimit", format!("\"{name}\";r={};t={whole}", verdict.remaining)),
    ];
    for (field, value) in fields {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(field), value);
        }
    }
}
