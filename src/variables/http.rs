//! Variables of the HTTP listener.

use super::{Variable, optional, plain};

const HTTP: &str = "HTTP";

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
        "A client that reads nothing of what is sent to it for this time is disconnected (on Linux), sockets included.",
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
];
