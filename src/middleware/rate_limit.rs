//! Applies the rate limits of `limits.rs` to each request: finds its user and network, draws from the bucket that
//! `Limits::buckets` returns for them, then from the limits on writing, and writes the limit in headers of the
//! response. Beyond a limit it refuses with 429, unless the request repeats one whose response is stored under its key.

use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tracing::Instrument as _;

use crate::accounts::caller::bearer;
use crate::admission::Priority;
use crate::app::App;
use crate::client::{Client, Sender};
use crate::idempotency::{self, RepeatedRequest};
use crate::ids::UserId;
use crate::limits::writes::{self, UsedUpLimit};
use crate::limits::{Buckets, LimitDecision, Policy, Subject, seconds_up, too_many};
use crate::permission::Operation;
use crate::stored_responses::ResponseStore;
use crate::tenancy::TenancyContext;

use super::admission::read_whole;

/// Draws for the request; adds the remaining quota to every response, and refuses the request if none is left.
///
/// A response that is stored under the request's `Idempotency-Key` is repeated even beyond the limit: a client that did
/// not receive it has to learn the result of its request. See [`is_repeated`].
pub async fn limit(State(app): State<Arc<App>>, client: Client, mut request: Request, next: Next) -> Response {
    let operation = request.extensions().get::<Operation>().copied();
    // A valid signature is enough to choose a bucket; the session is checked later. A session that was found to have
    // ended draws as its network: whoever has a stolen token must not use up the limits of its owner.
    let claims = bearer(request.headers()).and_then(|token| app.tokens.check(token, app.clock.now()).ok());
    let claims = claims.filter(|claims| !app.callers.has_ended(claims.sid));
    let sender = Sender { user: claims.map(|claims| claims.sub), network: client.network() };
    request.extensions_mut().insert(sender);
    let repeat =
        sender.user.zip(operation).and_then(|(user, operation)| RepeatedRequest::of(&request, user, operation));
    let mut drawn = draw_request(&app, operation, sender, repeat.as_ref()).await;
    if drawn.as_ref().is_none_or(|drawn| drawn.passes) && writes::is_limited(&request, operation) {
        // What counts is what was sent, not what was announced.
        let bytes;
        (request, bytes) = match read_whole(request).await {
            Ok(read) => read,
            Err(problem) => return problem.into_response(),
        };
        let cost = Some(writes::cost(bytes));
        if let Some(refused) = draw_writes(&app, sender, cost, repeat.as_ref()).await {
            drawn = Some(refused);
        }
    }
    let Some(DrawnBuckets { buckets, subject, decision, passes }) = drawn else {
        let response = next.run(request).await;
        count_stored_response(&app, repeat.as_ref(), &response);
        return response;
    };
    let mut response = if passes {
        next.run(request).await
    } else {
        tracing::warn!(policy = buckets.policy.name(), %subject, "too many requests");
        too_many(decision.wait).into_response()
    };
    count_stored_response(&app, repeat.as_ref(), &response);
    write_fields(&mut response, buckets, decision);
    response
}

async fn delete_surplus(app: Arc<App>, user: UserId) {
    let limit = app.stored_responses.limit;
    let deleted =
        app.db.write(TenancyContext::user(user), move |tx| Box::pin(idempotency::delete_surplus(tx, user, limit)));
    if let Err(problem) = deleted.await {
        tracing::warn!(%problem, "surplus stored responses were not deleted; it is tried again with the next response");
    }
}

/// Counts a stored response: a successful one with an `Idempotency-Key`.
fn count_stored_response(app: &Arc<App>, repeat: Option<&RepeatedRequest>, response: &Response) {
    let Some(repeat) = repeat.filter(|_| response.status().is_success()) else { return };
    if !response.headers().contains_key("idempotency-replayed") {
        let bytes = usize::try_from(response.body().size_hint().lower()).unwrap_or(usize::MAX);
        let user = repeat.user();
        if app.stored_responses.note(user, ResponseStore::Keys, 1, bytes) {
            let app = Arc::clone(app);
            app.jobs.clone().spawn(delete_surplus(app, user).in_current_span());
        }
    }
}

/// The limit that decided on a request, for the headers of its response.
struct DrawnBuckets<'a> {
    buckets: &'a Buckets,
    subject: Subject,
    decision: LimitDecision,
    /// Whether the request is allowed, or repeats an answered one.
    passes: bool,
}

/// Draws for the request itself; `None`: it is not limited.
async fn draw_request<'a>(
    app: &'a App,
    operation: Option<Operation>,
    sender: Sender,
    repeat: Option<&RepeatedRequest>,
) -> Option<DrawnBuckets<'a>> {
    let limits = &app.limits;
    let (buckets, shared) = (limits.buckets(operation, sender.user)?, limits.shared.as_ref());
    let network = Subject::Network(sender.network);
    let (mut buckets, mut subject) = match (buckets.policy, sender.user) {
        (Policy::User, Some(user)) => (buckets, Subject::User(user)),
        _ => (buckets, network),
    };
    let mut decision = buckets.draw_everywhere(shared, subject).await;
    let mut passes = decision.allowed;
    if buckets.policy == Policy::User {
        passes = passes || is_repeated(app, sender, repeat, &limits.user_repeats, subject).await;
        if passes && let Some(of_all) = &limits.network {
            let common = of_all.draw_everywhere(shared, network).await;
            if !common.allowed {
                passes = is_repeated(app, sender, repeat, &limits.network_repeats, network).await;
                (buckets, decision, subject) = (of_all, common, network);
            }
        }
    }
    Some(DrawnBuckets { buckets, subject, decision, passes })
}

/// Draws from the limits on writing; `Some`: the limit is used up.
async fn draw_writes<'a>(
    app: &'a App,
    sender: Sender,
    cost: Option<u32>,
    repeat: Option<&RepeatedRequest>,
) -> Option<DrawnBuckets<'a>> {
    let limits = &app.limits;
    let drawn = limits.draw_writes(sender.user, sender.network, cost?).await;
    let UsedUpLimit { buckets, subject, decision } = drawn.err()?;
    let repeats = match subject {
        Subject::User(_) => &limits.user_repeats,
        Subject::Network(_) => &limits.network_repeats,
    };
    let passes = is_repeated(app, sender, repeat, repeats, subject).await;
    Some(DrawnBuckets { buckets, subject, decision, passes })
}

/// Whether a request beyond a limit repeats one that was answered, by its user, operation and `Idempotency-Key`. The
/// check costs a query, so it draws from a separate bucket first and takes a slot. Token and body of the repetition are
/// checked later, by the handler.
async fn is_repeated(
    app: &App,
    sender: Sender,
    repeat: Option<&RepeatedRequest>,
    buckets: &Buckets,
    subject: Subject,
) -> bool {
    let Some(repeat) = repeat else { return false };
    if !buckets.draw_everywhere(app.limits.shared.as_ref(), subject).await.allowed {
        return false;
    }
    let Ok(_slot) = app.admission.enter_for(sender, Priority::Normal).await else { return false };
    repeat.was_answered(&app.db).await.unwrap_or_else(|problem| {
        tracing::warn!(%problem, "could not look up the Idempotency-Key of a request beyond its limit");
        false
    })
}

/// Writes the structured fields of draft-ietf-httpapi-ratelimit-headers-10: the name of the policy, the quota (`q` in
/// `w` seconds), the remaining number (`r`) and the seconds (`t`) until the quota is full again.
fn write_fields(response: &mut Response, buckets: &Buckets, decision: LimitDecision) {
    let (name, quota) = (buckets.policy.name(), decision.quota);
    let used = quota.count().saturating_sub(decision.remaining);
    let whole = seconds_up(quota.interval() * used);
    let fields = [
        ("ratelimit-policy", format!("\"{name}\";q={};w={}", quota.count(), seconds_up(quota.per()))),
        ("ratelimit", format!("\"{name}\";r={};t={whole}", decision.remaining)),
    ];
    for (field, value) in fields {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(field), value);
        }
    }
}
