//! How many orders one customer, and all customers of a network together, may hold at one restaurant: accounts cost nothing.
//! Pure.
//!
//! People who work for the restaurant are not limited: they place orders for guests.

use std::time::Duration;

use chrono::{DateTime, Utc};
use ipnet::IpNet;
use sha2::{Digest as _, Sha256};

use crate::config::{self, OrderLimits};
use crate::encryption::{Encryption, KeyPurpose};
use crate::ids::{RestaurantId, UserId};
use crate::problem::{Code, Problem};

/// An order counts as recent for so long after it was placed.
pub const RECENT: Duration = Duration::from_hours(1);

/// Who places an order, and from which network.
#[derive(Debug, Clone, Copy)]
pub struct Buyer {
    /// The customer who orders.
    pub customer: UserId,
    /// Where the request came from; `None`: not known any more, and not limited.
    pub network: Option<NetworkKey>,
}

/// A network as it is kept: a keyed hash, which names no address.
#[derive(Debug, Clone, Copy)]
pub struct NetworkKey([u8; 32]);

impl NetworkKey {
    /// The key of a network.
    pub fn new(encryption: &Encryption, network: IpNet) -> Self {
        Self(encryption.hash(KeyPurpose::AttemptLimits, &[b"orders from", network.to_string().as_bytes()]))
    }

    /// The network at one restaurant: another at each, so that restaurants' rows say nothing about each other.
    pub fn at(self, restaurant: RestaurantId) -> [u8; 16] {
        let digest: [u8; 32] =
            Sha256::new_with_prefix(self.0).chain_update(restaurant.uuid().as_bytes()).finalize().into();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        key
    }
}

/// What a customer, or a network, holds at a restaurant.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// Orders that have not come to their end.
    pub open: i64,
    /// Those of them that are for later.
    pub for_later: i64,
    /// Orders placed within [`RECENT`], whatever became of them.
    pub recent: i64,
    /// When the oldest of those was placed.
    pub oldest_recent: Option<DateTime<Utc>>,
}

/// What counts when one more order is placed.
#[derive(Debug, Clone, Copy)]
pub struct OrderLoad {
    /// The customer is a member of the restaurant, and so not limited.
    pub works_here: bool,
    /// What the customer holds.
    pub customer: Held,
    /// What the customer's network holds; `None`: not limited.
    pub network: Option<Held>,
}

/// Whether placing an order has to ask for the load at all.
pub fn is_limited(rules: config::Orders, for_later: bool, has_network: bool) -> bool {
    let applies = |limits: OrderLimits| {
        limits.open.is_some() || limits.recent.is_some() || (for_later && limits.scheduled.is_some())
    };
    applies(rules.of_customer) || (has_network && is_limited_by_network(rules))
}

/// Whether networks are limited: then it is kept from which network each order came.
pub const fn is_limited_by_network(rules: config::Orders) -> bool {
    let OrderLimits { open, scheduled, recent } = rules.of_network;
    open.is_some() || scheduled.is_some() || recent.is_some()
}

/// Whose limit it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Customer,
    Network,
}

impl Whose {
    const fn word(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Network => "network",
        }
    }

    const fn have(self) -> &'static str {
        match self {
            Self::Customer => "You have",
            Self::Network => "All customers of your network together have",
        }
    }
}

impl OrderLoad {
    /// Refuses one order more than may be.
    ///
    /// # Errors
    /// 429 `order_limit_reached` with `limit`, `count`, whose limit it is in `limitOf`, and in `Retry-After` when to try again.
    /// A customer's limit on open orders does not pass by waiting: one of them has to be finished.
    pub fn check(&self, rules: config::Orders, for_later: bool, now: DateTime<Utc>) -> Result<(), Problem> {
        if self.works_here {
            return Ok(());
        }
        self.customer.check(Whose::Customer, rules.of_customer, for_later, now)?;
        self.network.map_or(Ok(()), |network| network.check(Whose::Network, rules.of_network, for_later, now))
    }
}

impl Held {
    fn check(self, whose: Whose, limits: OrderLimits, for_later: bool, now: DateTime<Utc>) -> Result<(), Problem> {
        const LATER: u32 = 60;
        let have = whose.have();
        let refused = |limit: i64, count: i64, detail: String, wait: u32| {
            let problem = Problem::new(Code::OrderLimitReached, detail);
            problem.with("limit", limit).with("count", count).with("limitOf", whose.word()).retry_after(wait)
        };
        let not_finished = |limit: i64, count: i64, what: &str| {
            let detail = match whose {
                Whose::Customer => {
                    format!(
                        "{have} {count} {what} orders at this restaurant. Order again when one of them is finished."
                    )
                }
                Whose::Network => format!("{have} {count} {what} orders at this restaurant. Order again later."),
            };
            let problem = refused(limit, count, detail, LATER);
            if whose == Whose::Customer { problem.not_by_waiting() } else { problem }
        };
        if let Some(limit) = limits.open.filter(|limit| self.open >= *limit) {
            return Err(not_finished(limit, self.open, "open"));
        }
        if let Some(limit) = limits.scheduled.filter(|limit| for_later && self.for_later >= *limit) {
            return Err(not_finished(limit, self.for_later, "scheduled"));
        }
        if let Some(limit) = limits.recent.filter(|limit| self.recent >= *limit) {
            let ends = self.oldest_recent.map_or(now, |oldest| oldest + RECENT);
            let wait = u32::try_from((ends - now).num_seconds().max(1)).unwrap_or(LATER);
            let detail =
                format!("{have} placed {} orders here within an hour. Order again after Retry-After.", self.recent);
            return Err(refused(limit, self.recent, detail, wait));
        }
        Ok(())
    }
}
