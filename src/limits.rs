//! How often somebody may ask: a bucket for each user or network and class of route, refilled steadily (GCRA).
//!
//! Two places count. This node always does, in memory; with Redis all nodes count together as well, and the stricter
//! of the two decides. When Redis does not answer in time, this node goes on from what it has counted so far: nobody
//! gains a fresh allowance by taking Redis down, and on the routes where passwords are guessed every request then
//! counts twice. Guesses themselves are counted in PostgreSQL (`accounts/guesses`), which no outage forgets.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use governor::RateLimiter;
use governor::middleware::{NoOpMiddleware, StateInformationMiddleware};
use governor::state::keyed::DashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use ipnet::IpNet;

use crate::accounts::caller::bearer;
use crate::admission::Priority;
use crate::app::App;
use crate::client::Client;
use crate::clock::{Clock, parse_duration};
use crate::config;
use crate::idempotency::Repeat;
use crate::ids::UserId;
use crate::permission::Operation;
use crate::problem::{Code, Problem};

mod shared;

use shared::Shared;
pub use shared::SharedError;

/// So many, all at once if need be, and then so many again over the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    count: NonZeroU32,
    per: Duration,
}

impl Quota {
    /// At least one.
    pub fn new(count: u32, per: Duration) -> Self {
        Self { count: NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN), per }
    }

    /// Reads `60/1m`.
    pub fn parse(text: &str) -> Option<Self> {
        let (count, per) = text.split_once('/')?;
        let count = count.trim().parse().ok()?;
        let per = parse_duration(per.trim()).ok().filter(|per| !per.is_zero())?;
        // Finer than a microsecond a request is no limit, and Redis counts in microseconds.
        (per.as_micros() >= u128::from(count)).then(|| NonZeroU32::new(count))?.map(|count| Self { count, per })
    }

    /// How many may come within the time.
    pub const fn count(self) -> u32 {
        self.count.get()
    }

    /// In so long.
    pub const fn per(self) -> Duration {
        self.per
    }

    /// So many times as many in the same time.
    #[must_use]
    const fn times(self, factor: u32) -> Self {
        let Some(factor) = NonZeroU32::new(factor) else { return self };
        Self { count: self.count.saturating_mul(factor), per: self.per }
    }

    /// As the algorithm wants it.
    fn refill(self) -> governor::Quota {
        governor::Quota::with_period(self.interval())
            .unwrap_or(governor::Quota::per_second(NonZeroU32::MIN))
            .allow_burst(self.count)
    }

    /// The time in which one is refilled.
    fn interval(self) -> Duration {
        self.per / self.count.get()
    }
}

/// Which bucket a request draws from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    /// Where passwords and codes can be tried.
    Auth,
    /// A signed-in user, elsewhere.
    User,
    /// Anybody else, elsewhere.
    Address,
    /// All signed-in users of a network together, elsewhere: accounts cost nothing.
    Network,
    /// A user's requests beyond [`Self::User`] that come with an `Idempotency-Key`.
    UserRepeats,
    /// A network's requests beyond [`Self::Network`] that come with an `Idempotency-Key`.
    NetworkRepeats,
}

impl Policy {
    const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::User => "user",
            Self::Address => "address",
            Self::Network => "network",
            Self::UserRepeats => "user-repeats",
            Self::NetworkRepeats => "network-repeats",
        }
    }
}

/// Whose bucket it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Subject {
    User(UserId),
    Network(IpNet),
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(user) => user.fmt(f),
            Self::Network(network) => network.fmt(f),
        }
    }
}

/// What a bucket answered.
#[derive(Debug, Clone, Copy)]
struct Verdict {
    allowed: bool,
    /// How many more may come at once.
    remaining: u32,
    /// When not allowed: how long until one is.
    wait: Duration,
}

/// Time for the buckets: never goes back, and moves with the house's clock when a test moves that.
#[derive(Debug, Clone)]
struct Ticks {
    began: tokio::time::Instant,
    clock: Clock,
}

impl governor::clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.began.elapsed() + self.clock.shift()
    }
}

type Store = RateLimiter<Subject, DashMapStateStore<Subject>, Ticks, StateInformationMiddleware>;

impl Ticks {
    fn of(clock: &Clock) -> Self {
        Self { began: tokio::time::Instant::now(), clock: clock.clone() }
    }
}

/// A bucket that one socket has for itself.
pub struct Bucket {
    state: RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Duration>>,
    ticks: Ticks,
}

impl Bucket {
    /// A full one.
    pub fn new(quota: Quota, clock: &Clock) -> Self {
        let ticks = Ticks::of(clock);
        Self { state: RateLimiter::direct_with_clock(quota.refill(), ticks.clone()), ticks }
    }

    /// Draws once.
    ///
    /// # Errors
    /// 429, with the seconds to wait, when it is empty.
    pub fn draw(&self) -> Result<(), Problem> {
        self.state.check().map_err(|not_until| {
            let wait = not_until.wait_time_from(governor::clock::Clock::now(&self.ticks));
            too_many(wait).with("retryAfter", seconds_up(wait).max(1))
        })
    }
}

/// Buckets of one policy, on this node.
struct Buckets {
    policy: Policy,
    quota: Quota,
    store: Store,
    ticks: Ticks,
    drawn: AtomicU32,
}

/// Full buckets are the same as none; after so many draws they are swept out.
const SWEEP_EVERY: u32 = 8_192;

impl Buckets {
    fn new(policy: Policy, quota: Quota, clock: &Clock) -> Self {
        let ticks = Ticks::of(clock);
        let store = RateLimiter::dashmap_with_clock(quota.refill(), ticks.clone()).with_middleware();
        Self { policy, quota, store, ticks, drawn: AtomicU32::new(0) }
    }

    fn draw(&self, subject: Subject) -> Verdict {
        if self.drawn.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.store.retain_recent();
        }
        match self.store.check_key(&subject) {
            Ok(state) => Verdict { allowed: true, remaining: state.remaining_burst_capacity(), wait: Duration::ZERO },
            Err(not_until) => {
                let wait = not_until.wait_time_from(governor::clock::Clock::now(&self.ticks));
                Verdict { allowed: false, remaining: 0, wait }
            }
        }
    }

    /// This node's verdict and, with Redis, everybody's: the stricter.
    async fn draw_everywhere(&self, shared: Option<&Shared>, subject: Subject) -> Verdict {
        let own = self.draw(subject);
        let Some(shared) = shared.filter(|_| own.allowed) else { return own };
        match shared.draw(self.policy.name(), self.quota, &subject).await {
            Some(common) if common.allowed => Verdict { remaining: own.remaining.min(common.remaining), ..common },
            Some(common) => common,
            None if self.policy == Policy::Auth => self.draw(subject),
            None => own,
        }
    }
}

/// Every bucket of this node, and the way to everybody's.
pub struct Limits {
    auth: Buckets,
    user: Option<Buckets>,
    address: Option<Buckets>,
    network: Option<Buckets>,
    user_repeats: Buckets,
    network_repeats: Buckets,
    shared: Option<Shared>,
}

/// A network may repeat so many times as much as a user.
const USERS_OF_A_NETWORK: u32 = 10;

impl Limits {
    /// As configured; Redis is reached with the first request.
    ///
    /// # Errors
    /// When `REDIS_URL` cannot be read.
    pub fn new(config: &config::Config, clock: &Clock) -> Result<Self, SharedError> {
        let quotas = &config.limits;
        let ordinary = |policy, quota: Option<Quota>| quota.map(|quota| Buckets::new(policy, quota, clock));
        let shared = config.redis_url.as_ref().map(|url| Shared::new(url, quotas.redis_timeout)).transpose()?;
        Ok(Self {
            auth: Buckets::new(Policy::Auth, quotas.auth, clock),
            user: ordinary(Policy::User, quotas.user),
            address: ordinary(Policy::Address, quotas.address),
            network: ordinary(Policy::Network, quotas.network),
            user_repeats: Buckets::new(Policy::UserRepeats, quotas.repeats, clock),
            network_repeats: Buckets::new(Policy::NetworkRepeats, quotas.repeats.times(USERS_OF_A_NETWORK), clock),
            shared,
        })
    }

    fn buckets(&self, operation: Option<Operation>, user: Option<UserId>) -> Option<&Buckets> {
        match (operation, user) {
            (Some(operation), _) if guesses(operation) => Some(&self.auth),
            (_, Some(_)) => self.user.as_ref(),
            (_, None) => self.address.as_ref(),
        }
    }
}

/// Where a password, a code or a message to somebody's phone is asked for, or where anybody becomes somebody: strict,
/// and counted by network alone, since a token costs nothing to somebody who signs up.
const fn guesses(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Register
            | Operation::CreateGuest
            | Operation::Login
            | Operation::ChangePassword
            | Operation::UpdateMe
            | Operation::RequestPhoneCode
            | Operation::ConfirmPhone
            | Operation::RequestEmailCode
            | Operation::ConfirmEmail
            | Operation::ForgotPassword
            | Operation::ResetPassword
            | Operation::CompleteLogin
            | Operation::AddSecondFactor
            | Operation::ConfirmSecondFactor
            | Operation::RemoveSecondFactor
    )
}

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

/// 429, with the seconds to wait.
pub fn too_many(wait: Duration) -> Problem {
    let seconds = u32::try_from(seconds_up(wait).max(1)).unwrap_or(u32::MAX);
    Problem::new(Code::TooManyRequests, "Wait for the number of seconds in Retry-After, then try again.")
        .retry_after(seconds)
}

fn seconds_up(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// The IETF's fields (draft-ietf-httpapi-ratelimit-headers-10), structured: the policy's name, what it grants (`q` over
/// `w` seconds), what remains (`r`) and the seconds (`t`) until it is whole again.
fn write_fields(response: &mut Response, buckets: &Buckets, verdict: Verdict) {
    let (name, quota) = (buckets.policy.name(), buckets.quota);
    let used = quota.count.get().saturating_sub(verdict.remaining);
    let whole = seconds_up(quota.interval() * used);
    let fields = [
        ("ratelimit-policy", format!("\"{name}\";q={};w={}", quota.count, seconds_up(quota.per))),
        ("ratelimit", format!("\"{name}\";r={};t={whole}", verdict.remaining)),
    ];
    for (field, value) in fields {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(field), value);
        }
    }
}
