//! Rate limits: the buckets of each user and network, refilled steadily (GCRA), and which bucket a request draws from
//! ([`Limits::buckets`], by its operation and user). `middleware/rate_limit.rs` applies them to each request: it finds
//! the user and the network, draws, and refuses with 429.
//!
//! Each node counts in memory. With Redis, all nodes also count together, and the stricter result decides. When Redis
//! does not answer in time, the node continues with its own counters, so an outage of Redis does not refill any limit.
//! Every request to a route that takes passwords or codes then draws twice from this node's bucket, because the other
//! nodes count separately in that time, which multiplies the limit by their number. Attempts at passwords and codes are
//! also counted in PostgreSQL (`accounts/attempt_limits.rs`), which no outage of Redis affects.
//!
//! The quotas are set by `RATE_LIMIT_…` in `variables/limits.rs`; the routes that take passwords and codes are those of
//! `is_credential_attempt` in `permission.rs`.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config;
use crate::ids::UserId;
use crate::network::{AddressBlock, Network};
use crate::permission::Operation;
use crate::problem::{Code, Problem};
use crate::quota::Quota;
use crate::written::WrittenBytes;

mod buckets;
mod shared;
pub mod writes;

pub use buckets::{Bucket, Buckets};
use shared::Draw;
pub use shared::{SharedBuckets, SharedError};
use writes::{UsedUpLimit, Writes};

/// The class of bucket that a request draws from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Routes that take passwords or codes.
    Auth,
    /// Requests of a signed-in user, on other routes.
    User,
    /// Requests without a token, on other routes, by network.
    Address,
    /// Requests of all signed-in users of a network together, on other routes: creating accounts costs nothing.
    Network,
    /// A user's requests beyond [`Self::User`] that come with an `Idempotency-Key`.
    UserRepeats,
    /// A network's requests beyond [`Self::Network`] that come with an `Idempotency-Key`.
    NetworkRepeats,
    /// The writes of a user in a day.
    UserWrites,
    /// The writes of all users of a network in a day.
    NetworkWrites,
}

impl Policy {
    /// The name of the policy in response headers and in Redis.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::User => "user",
            Self::Address => "address",
            Self::Network => "network",
            Self::UserRepeats => "user-repeats",
            Self::NetworkRepeats => "network-repeats",
            Self::UserWrites => "user-writes",
            Self::NetworkWrites => "network-writes",
        }
    }
}

/// The user or network that a bucket belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A signed-in user.
    User(UserId),
    /// The network that a request comes from.
    Network(Network),
}

/// The owner of one bucket. An IPv6 network has two: that of its /64 and that of its /48.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubjectPart {
    /// A signed-in user.
    User(UserId),
    /// Addresses that are counted together.
    Block(AddressBlock),
}

impl Subject {
    /// The owners of the buckets that it draws from; the strictest bucket decides.
    pub fn parts(self) -> impl Iterator<Item = SubjectPart> {
        let (user, network) = match self {
            Self::User(user) => (Some(SubjectPart::User(user)), None),
            Self::Network(network) => (None, Some(network)),
        };
        user.into_iter().chain(network.into_iter().flat_map(Network::blocks).map(SubjectPart::Block))
    }
}

impl std::fmt::Display for SubjectPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(user) => user.fmt(f),
            Self::Block(block) => block.fmt(f),
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(user) => user.fmt(f),
            Self::Network(network) => network.fmt(f),
        }
    }
}

/// The result of drawing from a bucket.
#[derive(Debug, Clone, Copy)]
pub struct LimitDecision {
    /// Whether the request is allowed.
    pub allowed: bool,
    /// How many more requests are allowed at once.
    pub remaining: u32,
    /// If not allowed: the time until a request is allowed.
    pub wait: Duration,
    /// The quota of the bucket. For an IPv6 network: the quota of the /64 or of the /48, whichever has less left.
    pub quota: Quota,
}

impl LimitDecision {
    /// Nothing has been drawn yet.
    const fn unlimited(quota: Quota) -> Self {
        Self { allowed: true, remaining: u32::MAX, wait: Duration::ZERO, quota }
    }

    /// The stricter one.
    const fn and(self, other: Self) -> Self {
        if !self.allowed || (other.allowed && self.remaining <= other.remaining) { self } else { other }
    }
}

/// The result of the limits for one action of several in a request.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// Whether the action is allowed; if so, it has been drawn.
    pub is_granted: bool,
    /// The time until one more is granted; zero if at once.
    pub wait: Duration,
    /// For background work: how long to pause, so that a quarter of each limit is free again for other requests of the
    /// user and the network.
    pub pause: Duration,
}

/// Background work leaves this fraction of a limit (1/4) to requests.
const RESERVED_PART: u32 = 4;

impl Allowance {
    const UNLIMITED: Self = Self { is_granted: true, wait: Duration::ZERO, pause: Duration::ZERO };

    fn of(decision: LimitDecision) -> Self {
        let quota = decision.quota;
        let reserved = quota.count() / RESERVED_PART;
        let missing = quota.interval() * reserved.saturating_sub(decision.remaining);
        Self { is_granted: decision.allowed, wait: decision.wait, pause: decision.wait + missing }
    }

    fn and(self, other: Self) -> Self {
        Self {
            is_granted: self.is_granted && other.is_granted,
            wait: self.wait.max(other.wait),
            pause: self.pause.max(other.pause),
        }
    }
}

/// The buckets of this node, and the connection to those shared by all nodes.
pub struct Limits {
    auth: Buckets,
    user: Option<Buckets>,
    address: Option<Buckets>,
    /// The buckets of networks for all their signed-in users together; `None`: off.
    pub network: Option<Buckets>,
    /// The buckets of users for requests that repeat an answered one.
    pub user_repeats: Buckets,
    /// The buckets of networks for such requests.
    pub network_repeats: Buckets,
    /// The limits on writing.
    pub writes: Writes,
    /// The buckets of all nodes together, in Redis; `None`: each node counts for itself.
    pub shared: Option<SharedBuckets>,
}

/// A network may repeat this many times as many requests as a user.
const USERS_OF_A_NETWORK: u32 = 10;

impl Limits {
    /// The limits of the configuration. The connection to Redis is opened with the first request.
    ///
    /// # Errors
    /// When `REDIS_URL` cannot be parsed.
    pub fn new(config: &config::Config, clock: &Clock, written: Arc<WrittenBytes>) -> Result<Self, SharedError> {
        let (quotas, sites) = (&config.limits, config.http.site_factor);
        let buckets = |policy, quota| Buckets::new(policy, quota, sites, clock);
        let ordinary = |policy, quota: Option<Quota>| quota.map(|quota| buckets(policy, quota));
        let shared = config.redis_url.as_ref().map(|url| SharedBuckets::new(url, quotas.redis_timeout)).transpose()?;
        Ok(Self {
            auth: buckets(Policy::Auth, quotas.auth),
            user: ordinary(Policy::User, quotas.user),
            address: ordinary(Policy::Address, quotas.address),
            network: ordinary(Policy::Network, quotas.network),
            user_repeats: buckets(Policy::UserRepeats, quotas.repeats),
            network_repeats: buckets(Policy::NetworkRepeats, quotas.repeats.times(USERS_OF_A_NETWORK)),
            writes: Writes::new(
                ordinary(Policy::UserWrites, quotas.writes_per_user),
                ordinary(Policy::NetworkWrites, quotas.writes_per_network),
                written,
            ),
            shared,
        })
    }

    /// The buckets that a request draws from; `None`: it is not limited.
    pub fn buckets(&self, operation: Option<Operation>, user: Option<UserId>) -> Option<&Buckets> {
        match (operation, user) {
            (Some(operation), _) if operation.is_credential_attempt() => Some(&self.auth),
            (_, Some(_)) => self.user.as_ref(),
            (_, None) => self.address.as_ref(),
        }
    }

    /// Draws for one action of several in a request, or of several that were sent offline, as if each were a separate
    /// request: from the user's limit, then from the network's.
    pub async fn draw_for_action(&self, user: UserId, network: Network) -> Allowance {
        let allowance = self.draw_for_message(user, Some(network)).await;
        if !allowance.is_granted {
            return allowance;
        }
        match self.draw_writes(Some(user), network, 1).await {
            Ok(writes) => allowance.and(writes),
            Err(UsedUpLimit { decision: LimitDecision { wait, .. }, .. }) => {
                Allowance { is_granted: false, wait, pause: wait }
            }
        }
    }

    /// Draws for what is written, from the limits of this node and, with Redis, of all nodes together.
    ///
    /// # Errors
    /// The limit that is used up.
    pub async fn draw_writes(
        &self,
        user: Option<UserId>,
        network: Network,
        cost: u32,
    ) -> Result<Allowance, UsedUpLimit<'_>> {
        self.writes.draw(self.shared.as_ref(), user, network, cost).await
    }

    /// Draws for the handshake of a socket, before anybody has signed in: from the limit of requests without a token.
    pub async fn draw_for_handshake(&self, network: Network) -> LimitDecision {
        match &self.address {
            Some(buckets) => buckets.draw_everywhere(self.shared.as_ref(), Subject::Network(network)).await,
            None => LimitDecision::unlimited(Quota::new(u32::MAX, Duration::from_mins(1))),
        }
    }

    /// Draws for a message of a socket as for a request that reads: from the user's limit, then from the network's.
    pub async fn draw_for_message(&self, user: UserId, network: Option<Network>) -> Allowance {
        let shared = self.shared.as_ref();
        let mut allowance = Allowance::UNLIMITED;
        let of_network =
            self.network.as_ref().zip(network).map(|(buckets, network)| (buckets, Subject::Network(network)));
        for (buckets, subject) in self.user.iter().map(|buckets| (buckets, Subject::User(user))).chain(of_network) {
            let decision = buckets.draw_everywhere(shared, subject).await;
            allowance = allowance.and(Allowance::of(decision));
            if !allowance.is_granted {
                return allowance;
            }
        }
        allowance
    }
}

/// 429, with the seconds to wait.
pub fn too_many(wait: Duration) -> Problem {
    let seconds = u32::try_from(seconds_up(wait).max(1)).unwrap_or(u32::MAX);
    Problem::new(Code::TooManyRequests, "Wait for the number of seconds in Retry-After, then try again.")
        .retry_after(seconds)
}

/// Whole seconds, rounded up.
pub fn seconds_up(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
