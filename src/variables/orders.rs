//! Variables of menus, delivery, orders and restaurants.

use super::{Variable, plain};

const MENUS: &str = "Menus";
const DELIVERY: &str = "Delivery";
const ORDERS: &str = "Orders";
const RESTAURANTS: &str = "Restaurants";

pub(super) const TABLE: &[Variable] = &[
    plain(
        MENUS,
        "MENU_CACHE_BYTES",
        "67108864",
        "Maximum size of the menu cache in this process, in bytes (1048576 to 4294967296).",
    ),
    plain(
        MENUS,
        "MENU_CACHE_LIFE",
        "1m",
        "How long a rendered menu is cached, in this process and in Redis, and how long it may be returned while the \
         database does not answer.",
    ),
    plain(
        MENUS,
        "MENU_MAX_BYTES",
        "524288",
        "Maximum size of a whole menu in a request, as JSON or CSV, and of the texts of a menu that is written entity \
         by entity, in bytes (1024 to 67108864).",
    ),
    plain(MENUS, "MENU_MAX_CATEGORIES", "200", "Maximum number of categories of a menu (1 to 10000)."),
    plain(MENUS, "MENU_MAX_ITEMS", "1000", "Maximum number of items of a menu (1 to 100000)."),
    plain(MENUS, "MENU_MAX_GROUPS", "500", "Maximum number of modifier groups of a menu (1 to 10000)."),
    plain(MENUS, "MENU_MAX_MODIFIERS", "100", "Maximum number of modifiers of a group (1 to 1000)."),
    plain(
        MENUS,
        "MENU_MAX_ALL_MODIFIERS",
        "1500",
        "Maximum number of modifiers of a menu, in all its groups together (1 to 100000).",
    ),
    plain(
        MENUS,
        "MENU_MAX_DETAILS",
        "5000",
        "Maximum number of translations, day-parts and references to modifier groups of a menu, all together (1 to \
         1000000).",
    ),
    plain(MENUS, "MENU_MAX_LANGUAGES", "20", "Maximum number of languages into which a menu is translated (1 to 100)."),
    plain(
        DELIVERY,
        "DRIVER_SEARCH_RADIUS",
        "50000",
        "Radius around the restaurant within which the nearest available driver is searched, in metres (100 to \
         500000).",
    ),
    plain(
        DELIVERY,
        "DELIVERY_MAX_DISTANCE",
        "30000",
        "Maximum straight-line distance of deliveries of a restaurant without delivery zones, in metres (100 to \
         500000).",
    ),
    plain(
        DELIVERY,
        "DRIVER_PRESENCE",
        "3m",
        "A driver on duty without activity (a location report, PUT availability, a step of a delivery) for this time \
         gets no deliveries (30s to 24h).",
    ),
    plain(
        DELIVERY,
        "DRIVER_OFF_DUTY_AFTER",
        "15m",
        "A driver on duty without activity for this time is set off duty; deliveries not picked up are waiting again \
         (1m to 24h, at least DRIVER_PRESENCE).",
    ),
    plain(
        DELIVERY,
        "DRIVER_SWEEP_INTERVAL",
        "5s",
        "How often each node checks for absent drivers (10ms to 1m); disabled drivers are checked at once, too.",
    ),
    plain(
        DELIVERY,
        "DRIVER_MAX_SPEED",
        "250",
        "Maximum speed of a driver, in kilometres an hour (10 to 100000): a location report that is more than a \
         kilometre farther from the last one is refused.",
    ),
    plain(
        ORDERS,
        "ORDER_ACCEPT_WITHIN",
        "10m",
        "How long a restaurant has to accept an order (acceptBy) before the system cancels it, unless the restaurant \
         sets acceptMinutes (1m to 2h).",
    ),
    plain(
        ORDERS,
        "ORDER_SWEEP_INTERVAL",
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
        "ORDER_MAX_NOTES",
        "10000",
        "Maximum number of characters of the notes of all lines of an order together (500 to 50000).",
    ),
    plain(
        ORDERS,
        "ORDER_EVENTS_MAX_BYTES",
        "1048576",
        "A page of the events of an order ends when they exceed so many bytes together (65536 to 16777216).",
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
        "CART_MAX_CHOICES",
        "1000",
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
    plain(
        RESTAURANTS,
        "COUPON_MAX",
        "500",
        "Maximum number of coupons of one restaurant, deleted ones excluded (1 to 100000).",
    ),
    plain(RESTAURANTS, "MEMBER_MAX", "200", "Maximum number of members of one restaurant (1 to 10000)."),
    plain(RESTAURANTS, "INVITATION_MAX", "100", "Maximum number of open invitations of one restaurant (1 to 200)."),
];
