//! Variables of orders, carts, quotes and coupons.

use super::{Variable, plain};

const ORDERS: &str = "Orders";

pub(super) const TABLE: &[Variable] = &[
    plain(
        ORDERS,
        "ORDER_ACCEPT_WITHIN",
        "10m",
        "How long a restaurant has to accept an order (acceptBy) before the system cancels it, unless the restaurant \
         sets acceptMinutes (1m to 2h).",
    ),
    plain(
        ORDERS,
        "ORDER_CHECK_INTERVAL",
        "1s",
        "How often each node checks for orders past acceptBy (10ms to 1m); a cancellation may be late by this time.",
    ),
    plain(
        ORDERS,
        "ORDER_LONGEST_DELAY",
        "4h",
        "How far ahead the promised time of an order may be postponed (1m to 24h).",
    ),
    plain(ORDERS, "ORDER_BULK_MAX", "100", "Maximum number of orders in one bulk status update (1 to 1000)."),
    plain(
        ORDERS,
        "ORDER_MAX_OPEN",
        "auto",
        "Maximum number of open orders of one customer at one restaurant (1 to 500), or off; members of the restaurant \
         are not limited. auto: 20 in production, off in development.",
    ),
    plain(
        ORDERS,
        "ORDER_MAX_SCHEDULED",
        "10",
        "Maximum number of open scheduled orders of one customer at one restaurant (1 to 500), which limits the slots \
         that one customer may hold.",
    ),
    plain(
        ORDERS,
        "ORDER_MAX_RECENT",
        "auto",
        "Maximum number of orders of one customer at one restaurant within an hour (1 to 500), or off. auto: 60 in \
         production, off in development.",
    ),
    plain(
        ORDERS,
        "ORDER_MAX_RECENT_ANYWHERE",
        "auto",
        "Maximum number of orders of one customer within an hour, at all restaurants together (1 to 5000), or off; \
         those at restaurants of which the customer is a member do not count. auto: 120 in production, off in \
         development.",
    ),
    plain(
        ORDERS,
        "ORDER_MAX_UNANSWERED_PORTIONS",
        "auto",
        "Maximum number of portions (the quantities of all lines) in the orders of one customer at one restaurant that \
         nobody there has answered yet, which limits the stock that one customer may reserve (1 to 100000), or off. An \
         order that the restaurant accepts automatically is unanswered until it is prepared. auto: 200 in production, \
         off in development.",
    ),
    plain(
        ORDERS,
        "ORDER_MAX_NOTES",
        "2000",
        "Maximum number of characters of the notes of all lines of an order together (500 to 50000).",
    ),
    plain(
        ORDERS,
        "ORDER_FACTS_CACHE_BYTES",
        "67108864",
        "Maximum size of the restaurants and menu items that are kept in memory to decide orders, in bytes (1048576 to \
         4294967296).",
    ),
    plain(
        ORDERS,
        "ORDER_EVENTS_MAX_BYTES",
        "1048576",
        "A page of the events of an order ends when they have this many bytes together (65536 to 16777216).",
    ),
    plain(
        ORDERS,
        "ORDER_MAX_OPEN_PER_NETWORK",
        "auto",
        "Maximum number of open orders of all customers of one network (IPv6: /64) together at one restaurant (1 to \
         5000), or off; those of members of the restaurant do not count. auto: 200 in production, off in development.",
    ),
    plain(
        ORDERS,
        "ORDER_MAX_SCHEDULED_PER_NETWORK",
        "auto",
        "The same for open scheduled orders. auto: 100 in production, off in development.",
    ),
    plain(
        ORDERS,
        "ORDER_MAX_RECENT_PER_NETWORK",
        "auto",
        "The same for orders within an hour. auto: 600 in production, off in development.",
    ),
    plain(
        ORDERS,
        "ORDER_MAX_UNANSWERED_PORTIONS_PER_NETWORK",
        "auto",
        "Maximum number of portions in the orders of all customers of one network (IPv6: /64) together at one \
         restaurant that nobody there has answered yet (1 to 1000000), or off. auto: 1000 in production, off in \
         development.",
    ),
    plain(
        ORDERS,
        "CART_MAX_CHOICES",
        "200",
        "Most chosen modifiers of a cart, or of an order or a quote from lines, all lines together and nested ones \
         included (100 to 10000).",
    ),
    plain(
        ORDERS,
        "CART_MAX_OPEN",
        "50",
        "Maximum number of open carts of one customer, at as many restaurants (1 to 10000); when another is opened, \
         the one that was written longest ago is deleted.",
    ),
    plain(
        ORDERS,
        "QUOTE_MAX_OPEN",
        "100",
        "Maximum number of open quotes of one customer, at all restaurants together (1 to 10000).",
    ),
    plain(ORDERS, "QUOTE_LIFETIME", "15m", "How long a quote is valid (1m to 24h)."),
];
