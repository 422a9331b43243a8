//! Limits on how much a user, and all users of a network together, may write in a day. They bound the growth of the
//! disk. A request that may write costs one, and one more for each kilobyte of its body. An operation that was sent
//! from offline, and a change of a bulk update, costs one. Each kilobyte that was written for it (an order, a quote,
//! events, a stored response or result) costs one more, drawn with the next request of the user.
//!
//! Counted on this node only: the limits are generous, and with N nodes they are N times as high.

use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::Request;
use axum::http::Method;

use super::{Allowance, Buckets, LimitDecision, Subject};
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
    /// With With `WRITES_PER_USER` and `WRITES_PER_NETWORK`.
    pub(super) const fn new(user: Option<Buckets>, network: Option<Buckets>, written: Arc<WrittenBytes>) -> Self {
        Self { user, network, written }
    }

    /// Draws from the user's limit, if there is one, and from the network's. `Err`: not allowed; the limit
    /// that is used up, and how long until it allows as much again.
    pub fn draw(&self, user: Option<UserId>, network: Network, cost: u32) -> Result<Allowance, UsedUpLimit<'_>> {
        let of_user = self.user.as_ref().zip(user.map(Subject::User));
        let of_network = self.network.as_ref().map(|buckets| (buckets, Subject::Network(network)));
        if let Some(user) = user {
            // These bytes are already written, so they are drawn even if too few are left; then the next request is
            // refused.
            let units = u32::try_from(self.written.take(user) / BYTES_OF_ONE).unwrap_or(u32::MAX);
            for (buckets, subject) in of_user.into_iter().chain(of_network) {
                buckets.draw_what_is_left(subject, units);
            }
        }
        let mut allowance = Allowance::UNLIMITED;
        for (buckets, subject) in of_user.into_iter().chain(of_network) {
            let verdict = buckets.draw_many(subject, cost);
            if !verdict.allowed {
                return Err(UsedUpLimit { buckets, subject, verdict });
            }
            allowance = allowance.and(Allowance::of(verdict));
        }
        Ok(allowance)
    }
}

/// A limit that is used up.
pub struct UsedUpLimit<'a> {
    /// The buckets of the limit.
    pub buckets: &'a Buckets,
    /// The user or network whose bucket is empty.
    pub subject: Subject,
    /// The time until it allows as much.
    pub verdict: LimitDecision,
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
