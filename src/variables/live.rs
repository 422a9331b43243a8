//! Variables of live updates over Socket.IO.

use super::{Variable, plain};

const LIVE: &str = "Live updates";

pub(super) const TABLE: &[Variable] = &[
    plain(
        LIVE,
        "SOCKET_MAX_MESSAGE_BYTES",
        "20000",
        "Largest Socket.IO message from a client, over polling and WebSocket alike.",
    ),
    plain(LIVE, "SOCKET_MAX_ROOMS", "100", "Rooms one socket may join."),
    plain(
        LIVE,
        "SOCKET_MAX_PER_USER",
        "auto",
        "Sockets one user may have open on one node (1 to 1000000). auto: 10 in production, MAX_CONNECTIONS in development.",
    ),
    plain(
        LIVE,
        "SOCKET_MAX_PER_ADDRESS",
        "auto",
        "Sockets open on one node from one address (IPv6: one /64), 1 to 1000000; proxies of TRUSTED_PROXIES aside. auto: 50 in production, MAX_CONNECTIONS in development.",
    ),
    plain(
        LIVE,
        "SOCKET_MAX_SESSIONS",
        "auto",
        "Engine.IO sessions open at once on one node, signed in or not (1 to 1000000); further handshakes are answered 503. auto: MAX_CONNECTIONS.",
    ),
    plain(
        LIVE,
        "SOCKET_MAX_SESSIONS_PER_ADDRESS",
        "auto",
        "The same from one address (IPv6: one /64), 1 to 2000000; further handshakes are answered 429. auto: twice SOCKET_MAX_PER_ADDRESS, at least 100.",
    ),
    plain(
        LIVE,
        "SOCKET_MAX_PENDING",
        "auto",
        "Of SOCKET_MAX_SESSIONS: sessions that are not signed in (1 to 1000000); further handshakes are answered 503. auto: a quarter.",
    ),
    plain(
        LIVE,
        "SOCKET_MAX_PENDING_PER_ADDRESS",
        "auto",
        "The same from one address (1 to 1000000); further handshakes are answered 429. auto: SOCKET_MAX_PER_ADDRESS, at least 50.",
    ),
    plain(
        LIVE,
        "SOCKET_EVENTS",
        "auto",
        "Messages one socket may send, as RATE_LIMIT_AUTH counts; each but `auth:renew` draws from RATE_LIMIT_USER and RATE_LIMIT_NETWORK as well. auto: 100/5s in production (as many at once as it may have rooms, then 20 a second), 60000/1m in development.",
    ),
    plain(
        LIVE,
        "SOCKET_BUFFER_PACKETS",
        "1024",
        "Packets waiting for a slow client; beyond that it is disconnected and resumes with `after`.",
    ),
    plain(LIVE, "SOCKET_BUFFER_BYTES", "1048576", "The same in bytes, one event aside (16384 to 1073741824)."),
    plain(
        LIVE,
        "SOCKET_BUFFER_BYTES_PER_NODE",
        "268435456",
        "The same for all sockets of one node together, and a quarter of it for those of one network; beyond that 16 kB may wait for each (16384 to 1099511627776).",
    ),
    plain(
        LIVE,
        "SOCKET_REPLAYS_AT_ONCE",
        "8",
        "Pages of missed events that are read from the database at once (1 to 1000); further ones wait.",
    ),
    plain(
        LIVE,
        "SOCKET_CONNECT_TIMEOUT",
        "10s",
        "A session that has not signed in by then, or has signed out for so long, is closed.",
    ),
    plain(
        LIVE,
        "EVENT_POLL_INTERVAL",
        "1s",
        "The safety net under wake-ups: how often the event log is looked at anyway.",
    ),
    plain(LIVE, "EVENT_RING", "4096", "Recent events kept in memory for sockets that join or come back."),
];
