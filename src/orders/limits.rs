//! Limits on the orders of one customer, and of all customers of a network together, at one restaurant, because
//! accounts cost nothing; and on those of one customer at all restaurants together. Pure.
//!
//! Members of the restaurant are not limited, because they place orders for guests. Orders are counted by `order_load`
//! (`migrations/0051_order_limits.sql`), which takes a lock; it is called in `actions/place.rs` and by `place_order`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use crate::config::{self, OrderLimits};
use crate::encryption::{Encryption, KeyPurpose};
use crate::ids::{RestaurantId, UserId};
use crate::network::{AddressBlock, Network};
use crate::problem::{Code, Problem};

/// The time after its placement for which an order counts as recent.
pub const RECENT: Duration = Duration::from_hours(1);

/// The customer of an order, and their network.
#[derive(Debug, Clone, Copy)]
pub struct Buyer {
    /// The customer who orders.
    pub customer: UserId,
    /// The network of the request, or of the session that sent it from offline.
    pub network: NetworkKey,
}

/// The keys of a network: hashes with a secret, which reveal no address.
#[derive(Debug, Clone, Copy)]
pub struct NetworkKey {
    subnet: [u8; 32],
    site: Option<[u8; 32]>,
}

/// The stored form of a network at one restaurant.
#[derive(Debug, Clone, Copy)]
pub struct StoredNetwork {
    /// The key of the address of IPv4, or of the /64 of IPv6.
    pub subnet: [u8; 16],
    /// The key of the /48 of IPv6; `None` for IPv4.
    pub site: Option<[u8; 16]>,
}

impl NetworkKey {
    /// The keys of a network.
    pub fn new(encryption: &Encryption, network: Network) -> Self {
        let key = |block: AddressBlock| {
            encryption.hash(KeyPurpose::AttemptLimits, &[b"orders from", block.to_string().as_bytes()])
        };
        let site = network.site().map(AddressBlock::Site).map(key);
        Self { subnet: key(AddressBlock::Subnet(network.subnet())), site }
    }

    /// The keys at one restaurant. They differ between restaurants, so that their rows cannot be linked.
    pub fn at(self, restaurant: RestaurantId) -> StoredNetwork {
        let at = |key: [u8; 32]| {
            let digest: [u8; 32] =
                Sha256::new_with_prefix(key).chain_update(restaurant.uuid().as_bytes()).finalize().into();
            let mut key = [0; 16];
            key.copy_from_slice(&digest[..16]);
            key
        };
        StoredNetwork { subnet: at(self.subnet), site: self.site.map(at) }
    }
}

/// The orders of a customer, or of a network, at a restaurant.
#[derive(Debug, Clone, Copy)]
pub struct OrderCounts {
    /// The number of orders that are not delivered or cancelled.
    pub open: i64,
    /// The number of those that are scheduled.
    pub scheduled: i64,
    /// The number of orders placed within [`RECENT`], in any status.
    pub recent: i64,
    /// When the oldest of the recent orders was placed.
    pub oldest_recent: Option<DateTime<Utc>>,
    /// The portions of all orders together that nobody at the restaurant has answered (`Order::is_unanswered`).
    pub unanswered_portions: i64,
}

/// The counts that limit one more order.
#[derive(Debug, Clone, Copy)]
pub struct OrderLoad {
    /// Whether the customer is a member of the restaurant, and so not limited.
    pub works_here: bool,
    /// The orders of the customer.
    pub customer: OrderCounts,
    /// The orders that the customer placed within [`RECENT`] at all restaurants together, without those that the
    /// customer works for.
    pub recent_anywhere: i64,
    /// When the oldest of those was placed.
    pub oldest_anywhere: Option<DateTime<Utc>>,
    /// The orders of all customers of the network; `None`: not limited.
    pub network: Option<OrderCounts>,
    /// The same of its IPv6 /48.
    pub site: Option<OrderCounts>,
}

/// The limits that apply to an order, in the sequence of the parameter `maxima` of `place_order`: open, scheduled and
/// recent orders and unanswered portions of the customer, of the network and of its site, and the recent orders of the
/// customer anywhere; `None`: no limit.
#[derive(Debug, Clone, Copy)]
pub struct MaxOrders([Option<u32>; 13]);

impl MaxOrders {
    /// The limits for an order; `None`: there are none.
    pub fn of(rules: config::Orders, is_scheduled: bool) -> Option<Self> {
        if !is_limited(rules, is_scheduled, is_limited_by_network(rules)) {
            return None;
        }
        let mut maxima = [None; 13];
        for (limits, row) in [rules.of_customer, rules.of_network, rules.of_site].iter().zip(maxima.chunks_mut(4)) {
            let scheduled = limits.scheduled.filter(|_| is_scheduled);
            row.copy_from_slice(&[limits.open, scheduled, limits.recent, limits.unanswered_portions]);
        }
        maxima[12] = rules.recent_anywhere.map(u32::from);
        Some(Self(maxima))
    }

    /// The limits as the parameter.
    pub fn parameter(self) -> Vec<Option<i64>> {
        self.0.iter().map(|limit| limit.map(i64::from)).collect()
    }
}

/// Whether any limit applies to an order, so that orders have to be counted.
pub fn is_limited(rules: config::Orders, is_scheduled: bool, has_network: bool) -> bool {
    let applies = |limits: OrderLimits| {
        limits.open.is_some()
            || limits.recent.is_some()
            || limits.unanswered_portions.is_some()
            || (is_scheduled && limits.scheduled.is_some())
    };
    applies(rules.of_customer) || rules.recent_anywhere.is_some() || (has_network && is_limited_by_network(rules))
}

/// Whether networks are limited, so that the network of each order is stored.
pub const fn is_limited_by_network(rules: config::Orders) -> bool {
    let OrderLimits { open, scheduled, recent, unanswered_portions } = rules.of_network;
    open.is_some() || scheduled.is_some() || recent.is_some() || unanswered_portions.is_some()
}

/// The owner of a limit: a customer or a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LimitOf {
    Customer,
    Network,
}

impl LimitOf {
    const fn as_str(self) -> &'static str {
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
    /// Checks that one more order is within the limits.
    ///
    /// # Errors
    /// 429 `order_limit_reached` with `limit`, `count`, whose limit it is in `limitOf`, and in `Retry-After` when to
    /// try again. A customer's limit on open orders does not end with time, but when one of the orders is finished.
    pub fn check(&self, rules: config::Orders, is_scheduled: bool, now: DateTime<Utc>) -> Result<(), Problem> {
        if self.works_here {
            return Ok(());
        }
        self.customer.check(LimitOf::Customer, rules.of_customer, is_scheduled, now)?;
        self.check_anywhere(rules.recent_anywhere, now)?;
        for (counts, limits) in [(self.network, rules.of_network), (self.site, rules.of_site)] {
            counts.map_or(Ok(()), |counts| counts.check(LimitOf::Network, limits, is_scheduled, now))?;
        }
        Ok(())
    }
}

impl OrderLoad {
    /// Checks that the portions of one more order are within the limits, which protect the stock that is reserved
    /// before anybody at the restaurant has seen the order.
    ///
    /// # Errors
    /// 429 `portion_limit_reached` with `limit`, `count` (the portions of the orders before), `portions` (of this one),
    /// `limitOf` and `Retry-After`. A customer's limit, and an order that is too large alone, do not end with time.
    pub fn check_portions(&self, rules: config::Orders, portions: i64) -> Result<(), Problem> {
        if self.works_here {
            return Ok(());
        }
        let (of_network, of_site) = (self.network.zip(Some(rules.of_network)), self.site.zip(Some(rules.of_site)));
        let customer = Some((self.customer, rules.of_customer));
        let all = [(LimitOf::Customer, customer), (LimitOf::Network, of_network), (LimitOf::Network, of_site)];
        for (limit_of, (counts, limits)) in all.into_iter().filter_map(|(of, counts)| Some((of, counts?))) {
            counts.check_portions(limit_of, limits, portions)?;
        }
        Ok(())
    }

    fn check_anywhere(&self, limit: Option<u16>, now: DateTime<Utc>) -> Result<(), Problem> {
        let count = self.recent_anywhere;
        let Some(limit) = limit.map(i64::from).filter(|limit| count >= *limit) else { return Ok(()) };
        let detail = format!(
            "You have placed {count} orders at all restaurants together within an hour. Order again after Retry-After."
        );
        let problem = Problem::new(Code::OrderLimitReached, detail);
        let problem = problem.with("limit", limit).with("count", count).with("limitOf", LimitOf::Customer.as_str());
        Err(problem.retry_after(wait_until_older(self.oldest_anywhere, now)))
    }
}

/// Seconds until the oldest recent order is not recent any more.
fn wait_until_older(oldest: Option<DateTime<Utc>>, now: DateTime<Utc>) -> u32 {
    let ends = oldest.map_or(now, |oldest| oldest + RECENT);
    u32::try_from((ends - now).num_seconds().max(1)).unwrap_or(LATER)
}

/// Seconds to wait if it is not known when the next order is allowed.
const LATER: u32 = 60;

impl OrderCounts {
    fn check_portions(self, limit_of: LimitOf, limits: OrderLimits, portions: i64) -> Result<(), Problem> {
        let count = self.unanswered_portions;
        let Some(limit) = limits.unanswered_portions.map(i64::from).filter(|limit| count + portions > *limit) else {
            return Ok(());
        };
        let alone = portions > limit;
        let detail = if alone {
            format!("An order has at most {limit} portions. Order fewer, or call the restaurant.")
        } else {
            format!(
                "{} ordered {count} portions here that the restaurant has not answered yet; with this order at most \
                 {limit} are allowed. Order fewer, or order again when the restaurant has answered.",
                limit_of.have()
            )
        };
        let problem = Problem::new(Code::PortionLimitReached, detail).with("limit", limit).with("count", count);
        let problem = problem.with("portions", portions).with("limitOf", limit_of.as_str()).retry_after(LATER);
        Err(if alone || limit_of == LimitOf::Customer { problem.not_by_waiting() } else { problem })
    }

    fn check(
        self,
        limit_of: LimitOf,
        limits: OrderLimits,
        is_scheduled: bool,
        now: DateTime<Utc>,
    ) -> Result<(), Problem> {
        let have = limit_of.have();
        let refused = |limit: i64, count: i64, detail: String, wait: u32| {
            let problem = Problem::new(Code::OrderLimitReached, detail);
            problem.with("limit", limit).with("count", count).with("limitOf", limit_of.as_str()).retry_after(wait)
        };
        let not_finished = |limit: i64, count: i64, what: &str| {
            let detail = match limit_of {
                LimitOf::Customer => {
                    format!(
                        "{have} {count} {what} orders at this restaurant. Order again when one of them is finished."
                    )
                }
                LimitOf::Network => format!("{have} {count} {what} orders at this restaurant. Order again later."),
            };
            let problem = refused(limit, count, detail, LATER);
            if limit_of == LimitOf::Customer { problem.not_by_waiting() } else { problem }
        };
        if let Some(limit) = limits.open.map(i64::from).filter(|limit| self.open >= *limit) {
            return Err(not_finished(limit, self.open, "open"));
        }
        if let Some(limit) = limits.scheduled.map(i64::from).filter(|limit| is_scheduled && self.scheduled >= *limit) {
            return Err(not_finished(limit, self.scheduled, "scheduled"));
        }
        if let Some(limit) = limits.recent.map(i64::from).filter(|limit| self.recent >= *limit) {
            let wait = wait_until_older(self.oldest_recent, now);
            let detail =
                format!("{have} placed {} orders here within an hour. Order again after Retry-After.", self.recent);
            return Err(refused(limit, self.recent, detail, wait));
        }
        Ok(())
    }
}
