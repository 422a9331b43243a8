//! Rate limits around the routes: which bucket a request draws from (`limits.rs` counts), and what its answer says of it.

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
use crate::idempotency::{self, Repeat};
use crate::ids::UserId;
use crate::limits::writes::{self, UsedUpLimit};
use crate::limits::{Buckets, LimitDecision, Policy, Subject, seconds_up, too_many};
use crate::permission::Operation;
use crate::stored_answers::Store;
use crate::tenancy::TenancyContext;

/// Draws for the request; says with every answer what is left, and refuses when nothing is.
///
/// What was answered before under the request's `Idempotency-Key` is answered again all the same: a client whose answer was
/// lost has to learn what became of its request. See [`is_repeated`].
pub async fn limit(State(app): State<Arc<App>>, client: Client, mut request: Request, next: Next) -> Response {
    let operation = request.extensions().get::<Operation>().copied();
    // The token's word is enough to choose a bucket; whether its session stands is asked later, once.
    let claims = bearer(request.headers()).and_then(|token| app.tokens.check(token, app.clock.now()).ok());
    let sender = Sender { user: claims.map(|claims| claims.sub), network: client.network() };
    request.extensions_mut().insert(sender);
    let repeat = sender.user.zip(operation).and_then(|(user, operation)| Repeat::of(&request, user, operation));
    let mut drawn = draw_request(&app, operation, sender, repeat.as_ref()).await;
    if drawn.as_ref().is_none_or(|drawn| drawn.passes) {
        let cost = writes::cost(&request, operation, app.config.http.max_body_bytes);
        if let Some(refused) = draw_writes(&app, sender, cost, repeat.as_ref()).await {
            drawn = Some(refused);
        }
    }
    let Some(DrawnBuckets { buckets, subject, verdict, passes }) = drawn else {
        let response = next.run(request).await;
        note_stored_answer(&app, repeat.as_ref(), &response);
        return response;
    };
    let mut response = if passes {
        next.run(request).await
    } else {
        tracing::warn!(policy = buckets.policy.name(), %subject, "too many requests");
        too_many(verdict.wait).into_response()
    };
    note_stored_answer(&app, repeat.as_ref(), &response);
    write_fields(&mut response, buckets, verdict);
    response
}

async fn delete_surplus(app: Arc<App>, user: UserId) {
    let limit = app.stored_answers.limit;
    let deleted =
        app.db.write(TenancyContext::user(user), move |tx| Box::pin(idempotency::delete_surplus(tx, user, limit)));
    if let Err(problem) = deleted.await {
        tracing::warn!(%problem, "surplus stored answers were not deleted; they are with the next ones");
    }
}

/// A successful answer under an `Idempotency-Key` is stored.
fn note_stored_answer(app: &Arc<App>, repeat: Option<&Repeat>, response: &Response) {
    let Some(repeat) = repeat.filter(|_| response.status().is_success()) else { return };
    if !response.headers().contains_key("idempotency-replayed") {
        let bytes = usize::try_from(response.body().size_hint().lower()).unwrap_or(usize::MAX);
        let user = repeat.user();
        if app.stored_answers.note(user, Store::Keys, 1, bytes) {
            let app = Arc::clone(app);
            app.jobs.clone().spawn(delete_surplus(app, user).in_current_span());
        }
    }
}

/// The limit that decided about a request, and what its answer says of it.
struct DrawnBuckets<'a> {
    buckets: &'a Buckets,
    subject: Subject,
    verdict: LimitDecision,
    /// It is allowed, or repeats what was answered.
    passes: bool,
}

/// Draws for the request itself; `None`: it is not limited.
async fn draw_request<'a>(
    app: &'a App,
    operation: Option<Operation>,
    sender: Sender,
    repeat: Option<&Repeat>,
) -> Option<DrawnBuckets<'a>> {
    let limits = &app.limits;
    let (buckets, shared) = (limits.buckets(operation, sender.user)?, limits.shared.as_ref());
    let network = Subject::Network(sender.network);
    let (mut buckets, mut subject) = match (buckets.policy, sender.user) {
        (Policy::User, Some(user)) => (buckets, Subject::User(user)),
        _ => (buckets, network),
    };
    let mut verdict = buckets.draw_everywhere(shared, subject).await;
    let mut passes = verdict.allowed;
    if buckets.policy == Policy::User {
        passes = passes || is_repeated(app, sender, repeat, &limits.user_repeats, subject).await;
        if passes && let Some(of_all) = &limits.network {
            let common = of_all.draw_everywhere(shared, network).await;
            if !common.allowed {
                passes = is_repeated(app, sender, repeat, &limits.network_repeats, network).await;
                (buckets, verdict, subject) = (of_all, common, network);
            }
        }
    }
    Some(DrawnBuckets { buckets, subject, verdict, passes })
}

/// Draws for what the request may write; `Some`: more than is allowed.
async fn draw_writes<'a>(
    app: &'a App,
    sender: Sender,
    cost: Option<u32>,
    repeat: Option<&Repeat>,
) -> Option<DrawnBuckets<'a>> {
    let limits = &app.limits;
    let UsedUpLimit { buckets, subject, verdict } = limits.writes.draw(sender.user, sender.network, cost?).err()?;
    let repeats = match subject {
        Subject::User(_) => &limits.user_repeats,
        Subject::Network(_) => &limits.network_repeats,
    };
    let passes = is_repeated(app, sender, repeat, repeats, subject).await;
    Some(DrawnBuckets { buckets, subject, verdict, passes })
}

/// Whether a request beyond a limit repeats one that was answered, by its user, operation and `Idempotency-Key`. Asking that
/// costs a statement, and so draws from a bucket of its own first, whatever the key; and the statement takes a slot, as a
/// request does. Everything else about the repetition (its token, its body) is looked at where the answer is given.
async fn is_repeated(app: &App, sender: Sender, repeat: Option<&Repeat>, buckets: &Buckets, subject: Subject) -> bool {
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

/// The IETF's fields (draft-ietf-httpapi-ratelimit-headers-10), structured: the policy's name, what it grants (`q` over
/// `w` seconds), what remains (`r`) and the seconds (`t`) until it is whole again.
fn write_fields(response: &mut Response, buckets: &Buckets, verdict: LimitDecision) {
    let (name, quota) = (buckets.policy.name(), verdict.quota);
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
