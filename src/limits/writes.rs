//! How much a user, and all users of a network together, may write in a day: what bounds the growth of the disk whatever the
//! request is. A request that may write something costs one, and one more for each kilobyte of its body; an operation sent from
//! offline, and a change of a bulk update, costs one. What it wrote (an order, a quote, events, a stored answer or result)
//! costs one for each kilobyte more, drawn with the next request of its user.
//!
//! Counted on this node only: the limits are wide, and with N nodes N times as wide.

use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::Request;
use axum::http::Method;

use super::{Allowance, Buckets, LimitDecision, Subject};
use crate::ids::UserId;
use crate::network::Network;
use crate::permission::Operation;
use crate::written::WrittenBytes;

/// Bytes of a body for each of which a request costs one more.
const BYTES_OF_ONE: u64 = 1_024;

/// The limits on writing; `None`: off.
pub struct Writes {
    user: Option<Buckets>,
    network: Option<Buckets>,
    /// What transactions have written that is not drawn yet.
    written: Arc<WrittenBytes>,
}

impl Writes {
    /// `WRITES_PER_USER` and `WRITES_PER_NETWORK`.
    pub(super) const fn new(user: Option<Buckets>, network: Option<Buckets>, written: Arc<WrittenBytes>) -> Self {
        Self { user, network, written }
    }

    /// Draws from the user's limit, if there is one, and from the network's. `Err`: not allowed; the limit
    /// that is used up, and how long until it allows as much again.
    pub fn draw(&self, user: Option<UserId>, network: Network, cost: u32) -> Result<Allowance, UsedUpLimit<'_>> {
        let of_user = self.user.as_ref().zip(user.map(Subject::User));
        let of_network = self.network.as_ref().map(|buckets| (buckets, Subject::Network(network)));
        if let Some(user) = user {
            // It has happened: what is left is taken, and if that is not enough, what comes next is refused.
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

/// The limit that is used up.
pub struct UsedUpLimit<'a> {
    /// Whose buckets they are.
    pub buckets: &'a Buckets,
    /// Whose bucket is empty.
    pub subject: Subject,
    /// How long until it allows as much.
    pub verdict: LimitDecision,
}

/// What a request costs; `None`: it writes nothing, or only an image, which has limits of its own.
pub fn cost(request: &Request, operation: Option<Operation>, longest_body: usize) -> Option<u32> {
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if is_reading || operation.is_none() || operation.is_some_and(Operation::takes_image) {
        return None;
    }
    // A body that does not say how long it is counts as the longest one.
    let bytes = request.body().size_hint().upper().unwrap_or(longest_body as u64);
    Some(u32::try_from(bytes / BYTES_OF_ONE).unwrap_or(u32::MAX).saturating_add(1))
}
