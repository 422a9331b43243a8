//! Settings of orders, carts, quotes and coupons, read and checked. Defaults and descriptions: `variables/orders.rs`.

use std::time::Duration;

use super::Mode;
use super::source::Reader;
use crate::network::SiteFactor;

/// Orders and their bounds.
#[derive(Debug, Clone, Copy)]
pub struct Orders {
    /// `ORDER_ACCEPT_WITHIN`: how long a restaurant has to accept an order (acceptBy) before the system cancels it,
    /// unless the restaurant sets acceptMinutes (1m to 2h).
    pub accept_within: Duration,
    /// `ORDER_CHECK_INTERVAL`: how often each node checks for orders past acceptBy (10ms to 1m); a cancellation may be
    /// late by this time.
    pub check_interval: Duration,
    /// `ORDER_LONGEST_DELAY`: how far ahead the promised time of an order may be postponed (1m to 24h).
    pub longest_delay: Duration,
    /// `ORDER_BULK_MAX`: maximum number of orders in one bulk status update (1 to 1000).
    pub bulk_max: usize,
    /// `CART_MAX_CHOICES`: most chosen modifiers of a cart, or of an order or a quote from lines, all lines together
    /// and nested ones included (100 to 10000).
    pub max_choices: usize,
    /// `ORDER_MAX_NOTES`: most characters of the notes of all lines of an order together (500 to 50000).
    pub max_notes: u16,
    /// `ORDER_FACTS_CACHE_BYTES`: largest size of the restaurants and menu items that are kept in memory to decide
    /// orders, in bytes (1048576 to 4294967296).
    pub facts_cache_bytes: usize,
    /// `ORDER_MAX_RECENT_ANYWHERE`: most orders of one customer within an hour, at all restaurants together (1 to
    /// 5000); `None`: no limit.
    pub recent_anywhere: Option<u16>,
    /// `CART_MAX_OPEN`, of one customer.
    pub max_open_carts: i64,
    /// `QUOTE_MAX_OPEN`, of one customer.
    pub max_open_quotes: i64,
    /// `QUOTE_LIFETIME`: how long a quote is valid (1m to 24h).
    pub quote_lifetime: Duration,
    /// `DELIVERY_MAX_DISTANCE`, in metres.
    pub max_distance: f64,
    /// Of one customer: `ORDER_MAX_OPEN`, `ORDER_MAX_SCHEDULED`, `ORDER_MAX_RECENT`,
    /// `ORDER_MAX_UNANSWERED_PORTIONS`.
    pub of_customer: OrderLimits,
    /// Of all customers of a network: `ORDER_MAX_OPEN_PER_NETWORK`, `ORDER_MAX_SCHEDULED_PER_NETWORK`,
    /// `ORDER_MAX_RECENT_PER_NETWORK`, `ORDER_MAX_UNANSWERED_PORTIONS_PER_NETWORK`.
    pub of_network: OrderLimits,
    /// Of all customers of an IPv6 /48: `IPV6_SITE_FACTOR` times as many.
    pub of_site: OrderLimits,
}

/// The limits of carts.
#[derive(Debug, Clone, Copy)]
pub struct CartLimits {
    /// Maximum number of chosen modifiers of a cart (`CART_MAX_CHOICES`).
    pub choices: usize,
    /// Maximum number of open carts of one customer (`CART_MAX_OPEN`).
    pub open: i64,
}

/// Limits on orders at one restaurant; `None`: no limit.
#[derive(Debug, Clone, Copy)]
pub struct OrderLimits {
    /// Orders that are open.
    pub open: Option<u32>,
    /// Open scheduled orders.
    pub scheduled: Option<u32>,
    /// Orders placed within an hour.
    pub recent: Option<u32>,
    /// Portions of all orders together that nobody at the restaurant has answered.
    pub unanswered_portions: Option<u32>,
}

impl OrderLimits {
    /// Each limit multiplied by the factor of a site.
    fn times(self, sites: SiteFactor) -> Self {
        let times =
            |limit: Option<u32>| limit.map(|limit| u32::try_from(sites.times(limit.into())).unwrap_or(u32::MAX));
        Self {
            open: times(self.open),
            scheduled: times(self.scheduled),
            recent: times(self.recent),
            unanswered_portions: times(self.unanswered_portions),
        }
    }
}

impl Orders {
    /// The limits of carts.
    pub const fn carts(&self) -> CartLimits {
        CartLimits { choices: self.max_choices, open: self.max_open_carts }
    }

    pub(super) fn gather(reader: &mut Reader<'_>, mode: Mode, sites: SiteFactor) -> Self {
        let limit = |reader: &mut Reader<'_>, name: &str, production: u32, max: u32| {
            let auto = (mode == Mode::Production).then_some(production);
            reader.value(name, &format!("auto, off, or a whole number from 1 to {max}"), auto, |text| match text {
                "auto" => Some(auto),
                "off" => Some(None),
                number => number.parse().ok().filter(|n| (1..=max).contains(n)).map(Some),
            })
        };
        let (minute, hour) = (Duration::from_mins(1), Duration::from_hours(1));
        let of_network = OrderLimits {
            open: limit(reader, "ORDER_MAX_OPEN_PER_NETWORK", 200, 5_000),
            scheduled: limit(reader, "ORDER_MAX_SCHEDULED_PER_NETWORK", 100, 5_000),
            recent: limit(reader, "ORDER_MAX_RECENT_PER_NETWORK", 600, 5_000),
            unanswered_portions: limit(reader, "ORDER_MAX_UNANSWERED_PORTIONS_PER_NETWORK", 1_000, 1_000_000),
        };
        Self {
            accept_within: reader.duration_between("ORDER_ACCEPT_WITHIN", minute, hour * 2),
            check_interval: reader.duration_between("ORDER_CHECK_INTERVAL", Duration::from_millis(10), minute),
            longest_delay: reader.duration_between("ORDER_LONGEST_DELAY", minute, hour * 24),
            bulk_max: reader.number("ORDER_BULK_MAX", 1, 1_000),
            max_choices: reader.number("CART_MAX_CHOICES", 100, 10_000),
            max_notes: reader.number("ORDER_MAX_NOTES", 500_u16, 50_000),
            facts_cache_bytes: reader.number("ORDER_FACTS_CACHE_BYTES", 1 << 20, 4 << 30),
            recent_anywhere: limit(reader, "ORDER_MAX_RECENT_ANYWHERE", 120, 5_000)
                .map(|limit| u16::try_from(limit).unwrap_or(u16::MAX)),
            max_open_carts: reader.number("CART_MAX_OPEN", 1, 10_000),
            max_open_quotes: reader.number("QUOTE_MAX_OPEN", 1, 10_000),
            quote_lifetime: reader.duration_between("QUOTE_LIFETIME", minute, hour * 24),
            max_distance: f64::from(reader.number("DELIVERY_MAX_DISTANCE", 100_u32, 500_000)),
            of_customer: OrderLimits {
                open: limit(reader, "ORDER_MAX_OPEN", 20, 500),
                scheduled: Some(reader.number("ORDER_MAX_SCHEDULED", 1, 500)),
                recent: limit(reader, "ORDER_MAX_RECENT", 60, 500),
                unanswered_portions: limit(reader, "ORDER_MAX_UNANSWERED_PORTIONS", 200, 100_000),
            },
            of_network,
            of_site: of_network.times(sites),
        }
    }
}
