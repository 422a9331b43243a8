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
        "Most bytes of finished menus kept in this process (1048576 to 4294967296).",
    ),
    plain(
        MENUS,
        "MENU_CACHE_LIFE",
        "1m",
        "How long a finished menu is kept, here and in Redis, and how long it may be shown while the database does not answer.",
    ),
    plain(MENUS, "MENU_MAX_BYTES", "4194304", "Largest whole menu that may be sent, in bytes (1024 to 67108864)."),
    plain(MENUS, "MENU_MAX_CATEGORIES", "200", "Most categories of a menu (1 to 10000)."),
    plain(MENUS, "MENU_MAX_ITEMS", "2000", "Most items of a menu (1 to 100000)."),
    plain(MENUS, "MENU_MAX_GROUPS", "500", "Most modifier groups of a menu (1 to 10000)."),
    plain(MENUS, "MENU_MAX_MODIFIERS", "100", "Most modifiers of a group (1 to 1000)."),
    plain(
        DELIVERY,
        "DRIVER_SEARCH_RADIUS",
        "50000",
        "Metres from the restaurant within which the nearest free driver is looked for (100 to 500000).",
    ),
    plain(
        DELIVERY,
        "DELIVERY_MAX_DISTANCE",
        "30000",
        "Metres as the crow flies that a restaurant without delivery zones delivers (100 to 500000).",
    ),
    plain(
        DELIVERY,
        "DRIVER_PRESENCE",
        "3m",
        "A driver on duty without a sign of life (a location report, PUT availability, a step of a delivery) for so long is given no work (30s to 24h).",
    ),
    plain(
        DELIVERY,
        "DRIVER_OFF_DUTY_AFTER",
        "15m",
        "And after so long is set off duty; what they have not picked up goes back to waiting (1m to 24h, at least DRIVER_PRESENCE).",
    ),
    plain(
        DELIVERY,
        "DRIVER_SWEEP_INTERVAL",
        "5s",
        "How often each node looks for such drivers (10ms to 1m); for disabled ones also at once.",
    ),
    plain(
        DELIVERY,
        "DRIVER_MAX_SPEED",
        "250",
        "Kilometres an hour: a location report farther from the last one than that allows, and a kilometre more, is refused (10 to 100000).",
    ),
    plain(
        ORDERS,
        "ORDER_ACCEPT_WITHIN",
        "10m",
        "How long a restaurant has to answer an order (acceptBy) before the system cancels it, where it has no acceptMinutes of its own (1m to 2h).",
    ),
    plain(
        ORDERS,
        "ORDER_SWEEP_INTERVAL",
        "1s",
        "How often each node looks for orders past acceptBy (10ms to 1m): so late may a cancellation be.",
    ),
    plain(ORDERS, "ORDER_LONGEST_DELAY", "4h", "How far ahead a later promise may lie (1m to 24h)."),
    plain(ORDERS, "ORDER_BULK_MAX", "100", "Most orders of one bulk status update (1 to 1000)."),
    plain(
        ORDERS,
        "ORDER_MAX_OPEN",
        "auto",
        "Most open orders of one customer at one restaurant (1 to 500), or off; who works there is not limited. auto: 20 in production, off in development.",
    ),
    plain(
        ORDERS,
        "ORDER_MAX_SCHEDULED",
        "10",
        "Most open orders for later of one customer at one restaurant (1 to 500): so many slots one customer may hold.",
    ),
    plain(
        ORDERS,
        "ORDER_MAX_RECENT",
        "auto",
        "Most orders of one customer at one restaurant within an hour (1 to 500), or off. auto: 60 in production, off in development.",
    ),
    plain(
        ORDERS,
        "ORDER_MAX_OPEN_PER_NETWORK",
        "auto",
        "Most open orders of all customers of one network (IPv6: /64) together at one restaurant (1 to 5000), or off; those of people who work there do not count. auto: 200 in production, off in development.",
    ),
    plain(
        ORDERS,
        "ORDER_MAX_SCHEDULED_PER_NETWORK",
        "auto",
        "The same of open orders for later. auto: 100 in production, off in development.",
    ),
    plain(
        ORDERS,
        "ORDER_MAX_RECENT_PER_NETWORK",
        "auto",
        "The same of orders within an hour. auto: 600 in production, off in development.",
    ),
    plain(
        ORDERS,
        "CART_MAX_CHOICES",
        "1000",
        "Most chosen modifiers of a cart, or of an order or a quote from lines, all lines together and nested ones included (100 to 10000).",
    ),
    plain(
        ORDERS,
        "CART_MAX_OPEN",
        "50",
        "Most open carts of one customer, at as many restaurants (1 to 10000); when another is opened, the one that was written longest ago is deleted.",
    ),
    plain(
        ORDERS,
        "QUOTE_MAX_OPEN",
        "100",
        "Most quotes of one customer, at all restaurants together, that hold and were not ordered from (1 to 10000).",
    ),
    plain(ORDERS, "QUOTE_LIFETIME", "15m", "How long a quote is honoured (1m to 24h)."),
    plain(RESTAURANTS, "COUPON_MAX", "500", "Most coupons of one restaurant that have not been deleted (1 to 100000)."),
    plain(RESTAURANTS, "MEMBER_MAX", "200", "Most people who work for one restaurant (1 to 10000)."),
    plain(RESTAURANTS, "INVITATION_MAX", "100", "Most invitations of one restaurant that can be accepted (1 to 200)."),
];
