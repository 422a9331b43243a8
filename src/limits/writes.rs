//! Limits on how much a user, and all users of a network together, may write in a day. They bound the growth of the
//! disk. A request that may write costs one, and one more for each kilobyte of its body. An operation that was sent
//! from offline, and a change of a bulk update, costs one. Each kilobyte that was written for it (an order, a quote,
//! events, a stored response or result) costs one more, drawn with the next request of the user.
//!
//! Two places count, as for all limits: this node, and with Redis all nodes together.

use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::Request;
use axum::http::Method;

use super::{Allowance, Buckets, Draw, LimitDecision, SharedBuckets, Subject};
use crate::ids::UserId;
use crate::network::Network;
use crate::permission::Operation;
use crate::written::WrittenBytes;

/// A request costs one more for this many bytes of its body.
const BYTES_OF_ONE: u64 = 1_024;

/// The limits on writing; `None`: off.
pub struct Writes {
    user: Option<Buckets>,
    network: Option<Buckets>,
    /// Bytes written by transactions that are not drawn yet.
    written: Arc<WrittenBytes>,
}

impl Writes {
    /// With `WRITES_PER_USER` and `WRITES_PER_NETWORK`.
    pub(super) const fn new(user: Option<Buckets>, network: Option<Buckets>, written: Arc<WrittenBytes>) -> Self {
        Self { user, network, written }
    }

    /// Draws from the user's limit, if there is one, and from the network's: on this node, then in Redis for all nodes
    /// together. When Redis does not answer, this node decides. `Err`: not allowed; the limit that is used up, and how
    /// long until it allows as much again.
    pub(super) async fn draw(
        &self,
        shared: Option<&SharedBuckets>,
        user: Option<UserId>,
        network: Network,
        cost: u32,
    ) -> Result<Allowance, UsedUpLimit<'_>> {
        let of_user = self.user.as_ref().zip(user.map(Subject::User));
        let of_network = self.network.as_ref().map(|buckets| (buckets, Subject::Network(network)));
        // Earlier writes are charged as far as the limit allows; if that uses it up, the request is refused.
        let written = user.map_or(0, |user| self.written.take(user));
        let draw = Draw { count: cost, best_effort: u32::try_from(written / BYTES_OF_ONE).unwrap_or(u32::MAX) };
        for (buckets, subject) in of_user.into_iter().chain(of_network) {
            buckets.draw_best_effort(subject, draw.best_effort);
        }
        let mut own = Ok(Allowance::UNLIMITED);
        for (buckets, subject) in of_user.into_iter().chain(of_network) {
            own = own
                .and_then(|allowance| Ok(allowance.and(allowed(buckets, subject, buckets.draw_many(subject, cost))?)));
        }
        // The cost of earlier writes is drawn from all buckets, whatever this node decides.
        let draw = if own.is_ok() { draw } else { Draw { count: 0, ..draw } };
        let Some(shared) = shared.filter(|_| draw.count > 0 || draw.best_effort > 0) else { return own };
        let common = async |limit: Option<(&Buckets, Subject)>| {
            let (buckets, subject) = limit?;
            buckets.draw_shared(shared, subject, draw).await
        };
        // Both at once: each costs a round trip.
        let (common_of_user, common_of_network) = tokio::join!(common(of_user), common(of_network));
        let mut allowance = own?;
        for (limit, common) in [(of_user, common_of_user), (of_network, common_of_network)] {
            if let Some(((buckets, subject), common)) = limit.zip(common) {
                allowance = allowance.and(allowed(buckets, subject, common)?);
            }
        }
        Ok(allowance)
    }
}

/// What a bucket allows, or that it is used up.
fn allowed(buckets: &Buckets, subject: Subject, decision: LimitDecision) -> Result<Allowance, UsedUpLimit<'_>> {
    if decision.allowed {
        return Ok(Allowance::of(decision));
    }
    // More than the whole quota is never allowed.
    let wait = decision.wait.min(decision.quota.per());
    Err(UsedUpLimit { buckets, subject, decision: LimitDecision { wait, ..decision } })
}

/// The limit that is used up.
pub struct UsedUpLimit<'a> {
    /// The buckets of the limit.
    pub buckets: &'a Buckets,
    /// The user or network whose bucket is empty.
    pub subject: Subject,
    /// The time until it allows as much.
    pub decision: LimitDecision,
}

/// The cost of a request; `None`: it writes nothing, or only an image, which has separate limits.
pub fn cost(request: &Request, operation: Option<Operation>, longest_body: usize) -> Option<u32> {
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if is_reading || operation.is_none() || operation.is_some_and(Operation::takes_image) {
        return None;
    }
    // A body of unknown length counts as the longest one.
    let bytes = request.body().size_hint().upper().unwrap_or(longest_body as u64);
    Some(u32::try_from(bytes / BYTES_OF_ONE).unwrap_or(u32::MAX).saturating_add(1))
}
