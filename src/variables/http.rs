//! Variables of the HTTP listener and of rate limits.

use super::{Variable, optional, plain};

const HTTP: &str = "HTTP";
const LIMITS: &str = "Rate limits (those on attempts at passwords and codes are fixed, see docs/security.md)";

pub(super) const TABLE: &[Variable] = &[
    plain(HTTP, "HOST", "127.0.0.1", "Address to listen on; 0.0.0.0 for all interfaces."),
    plain(HTTP, "PORT", "3000", "Port to listen on; 0 takes a free one."),
    plain(HTTP, "MAX_BODY_BYTES", "262144", "Maximum size of a request body, in bytes (1024 to 67108864)."),
    plain(
        HTTP,
        "BODIES_MAX_BYTES",
        "268435456",
        "Maximum memory of all request bodies together, in bytes (1048576 to 68719476736); a quarter of it for one \
         network. Beyond it: 503.",
    ),
    plain(
        HTTP,
        "MAX_CONNECTIONS",
        "10000",
        "Maximum number of open connections; further ones wait in the listener's queue.",
    ),
    plain(
        HTTP,
        "MAX_CONNECTIONS_PER_ADDRESS",
        "auto",
        "Maximum number of open connections from one address (IPv6: /64), except proxies of TRUSTED_PROXIES. auto: 200 \
         in production, MAX_CONNECTIONS in development.",
    ),
    plain(
        HTTP,
        "IPV6_SITE_FACTOR",
        "4",
        "Wherever a limit counts by address or network, an IPv6 /64 has that limit, and the /48 around it the \
         limit multiplied by this factor (1 to 65536).",
    ),
    plain(
        HTTP,
        "MAX_HEADER_BYTES",
        "16384",
        "Maximum size of request line and headers together, in bytes (1024 to 1048576); at most 100 headers. Beyond \
         it: 431.",
    ),
    plain(HTTP, "HEADER_TIMEOUT", "10s", "A client that has not sent its headers by then is disconnected."),
    plain(
        HTTP,
        "STALL_TIMEOUT",
        "30s",
        "A client that takes nothing of what is sent to it for so long is disconnected (on Linux), sockets included.",
    ),
    plain(
        HTTP,
        "BODY_MIN_RATE",
        "1024",
        "Minimum rate of a request body, in bytes a second after 5 s of grace (1 to 1048576). A slower one, or one \
         without any byte for 10 s, gets 408.",
    ),
    plain(
        HTTP,
        "READ_MIN_RATE",
        "1024",
        "A client that takes fewer bytes a second of what waits for it, after 1 min of grace, is disconnected, sockets \
         included (1 to 1048576).",
    ),
    plain(
        HTTP,
        "WEBSOCKET_UNREAD_BYTES",
        "262144",
        "Bytes that a client of a WebSocket may send, pings included, while it reads nothing of what waits for it; \
         beyond that it is disconnected (1024 to 1073741824).",
    ),
    plain(HTTP, "REQUEST_TIMEOUT", "30s", "A request that has not been answered by then gets 408."),
    plain(HTTP, "SHUTDOWN_TIMEOUT", "15s", "How long requests in progress may take after SIGTERM."),
    plain(
        HTTP,
        "BATCH_MAX_RESULT_BYTES",
        "1048576",
        "Maximum size of the results in one response to a sync batch or a bulk update, in bytes (1024 to 67108864); \
         the first result is always included, beyond the limit only outcomes are.",
    ),
    plain(
        HTTP,
        "HEAVY_WORK_AT_ONCE",
        "2",
        "Maximum number of bodies above 64 kB that are parsed, and menus that are planned or serialised, at once (1 to \
         256); half of it for one restaurant, or one network.",
    ),
    plain(
        HTTP,
        "HEAVY_WORK_WAITING",
        "16",
        "Maximum number of those that wait (0 to 10000); a third of all for one restaurant, or one network. Further \
         ones get 503.",
    ),
    optional(
        HTTP,
        "PUBLIC_URL",
        "https://api.example.com",
        "URL at which clients reach this server. With https, responses have Strict-Transport-Security.",
    ),
    optional(
        HTTP,
        "CORS_ORIGINS",
        "https://shop.example.com, http://localhost:5173",
        "Pages on these origins may call the API and open sockets from a browser. Not set: only pages of this server.",
    ),
    optional(
        HTTP,
        "TRUSTED_PROXIES",
        "10.0.0.0/8, 2001:db8::/32",
        "Addresses of your own proxies; only what they forward about the client is believed. Public ranges must be \
         /12 or narrower (IPv6: /28). Not set: no proxy is trusted.",
    ),
    plain(
        HTTP,
        "FORWARDED_HEADER",
        "x-forwarded-for",
        "The header that those proxies write: x-forwarded-for or forwarded. The other one is not read.",
    ),
    plain(
        LIMITS,
        "RATE_LIMIT_AUTH",
        "auto",
        "Requests to sign up, sign in, recover an account and create a guest, per address (IPv6: /64). 60/1m: a burst \
         of 60, refilled within a minute. auto: 60/1m in production, 3000/1m in development.",
    ),
    plain(
        LIMITS,
        "RATE_LIMIT_USER",
        "auto",
        "All other requests of a signed-in user, or off. auto: 1200/1m in production, 60000/1m in development.",
    ),
    plain(
        LIMITS,
        "RATE_LIMIT_ADDRESS",
        "auto",
        "All other requests without a token, per address, or off. auto: 1200/1m in production, 60000/1m in \
         development.",
    ),
    plain(
        LIMITS,
        "RATE_LIMIT_NETWORK",
        "auto",
        "The same requests of all signed-in users of one network (IPv6: /64) together, or off. auto: 12000/1m in \
         production, 600000/1m in development.",
    ),
    plain(
        LIMITS,
        "WRITES_PER_USER",
        "auto",
        "What a user may write on one node: each request that may write costs one, and one more for each whole \
         kilobyte of its body, images aside; each kilobyte of the orders, quotes, events and stored answers that it \
         wrote costs one with the user's next request; or off. All at once, refilled over the time, so that within the \
         first day it may be twice as much. auto: 100000/24h in production, 5000000/24h in development. Beyond it: \
         429.",
    ),
    plain(
        LIMITS,
        "WRITES_PER_NETWORK",
        "auto",
        "The same for all clients of one network (IPv6: /64) together, signed in or not; or off. auto: 2000000/24h in \
         production, 100000000/24h in development.",
    ),
    plain(
        LIMITS,
        "RATE_LIMIT_REPEATS",
        "auto",
        "Requests of a user beyond RATE_LIMIT_USER, and ten times as many of a network beyond RATE_LIMIT_NETWORK, \
         whose Idempotency-Key is looked up, to repeat a stored response. auto: 120/1m in production, 6000/1m in \
         development.",
    ),
    plain(
        LIMITS,
        "MESSAGES_PER_NUMBER",
        "auto",
        "Messages to one phone number, or requested messages to one e-mail address. auto: 10/24h. Beyond it: 429, or \
         by e-mail.",
    ),
    plain(LIMITS, "MESSAGES_PER_ACCOUNT", "auto", "Codes requested by one account. auto: 20/24h. Beyond it: 429."),
    plain(
        LIMITS,
        "MESSAGES_PER_NETWORK",
        "auto",
        "Codes requested from one network (IPv6: /64). auto: 200/24h in production, 20000/24h in development. Beyond \
         it: 429.",
    ),
    plain(
        LIMITS,
        "COUPON_ATTEMPTS_PER_NETWORK",
        "auto",
        "Unknown coupon codes sent by all accounts of one network (IPv6: /64) together; the limit of one account is \
         20/15m. auto: 100/15m in production, 10000/15m in development. Beyond it: 429.",
    ),
    plain(
        LIMITS,
        "PASSWORD_ATTEMPTS_PER_NETWORK",
        "auto",
        "Wrong passwords from one network (IPv6: /64), for all accounts together; devices that have signed in before \
         are exempt. auto: 200/1h in production, 20000/1h in development. Beyond it: 429.",
    ),
    plain(
        LIMITS,
        "SECOND_FACTOR_ATTEMPTS_PER_NETWORK",
        "auto",
        "Wrong codes of second factors from one network (IPv6: /64), for all accounts together; the limit of one \
         account is 20/24h. auto: 100/24h in production, 10000/24h in development. Beyond it: 429.",
    ),
    plain(
        LIMITS,
        "SIGN_UPS_PER_NETWORK",
        "auto",
        "Sign-ups from one network (IPv6: /64), whether or not the address is new. auto: 500/24h in production, \
         50000/24h in development. Beyond it: 429.",
    ),
    plain(
        LIMITS,
        "GUESTS_PER_NETWORK",
        "auto",
        "Guests created from one network (IPv6: /64); each may have carts. auto: 1000/24h in production, 100000/24h in \
         development. Beyond it: 429.",
    ),
    plain(
        LIMITS,
        "SYNC_DEVICES_PER_NETWORK",
        "auto",
        "Devices that synchronise for the first time from one network (IPv6: /64), for all accounts together; for one \
         account see SYNC_MAX_DEVICES. auto: 1000/24h in production, 100000/24h in development. Beyond it: 429.",
    ),
    plain(LIMITS, "REDIS_OPERATION_TIMEOUT", "50ms", "How long a limit waits for Redis before this node counts alone."),
];
