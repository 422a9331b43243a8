//! Variables of live updates over Socket.IO.

use super::{Variable, plain};

const LIVE: &str = "Live updates";

pub(super) const TABLE: &[Variable] = &[
    plain(
        LIVE,
        "SOCKET_MAX_MESSAGE_BYTES",
        "20000",
        "Maximum size of a Socket.IO message of a client, in bytes, over polling and WebSocket.",
    ),
    plain(LIVE, "SOCKET_MAX_ROOMS", "100", "Maximum number of rooms of one socket."),
    plain(
        LIVE,
        "SOCKET_MAX_PER_USER",
        "auto",
        "Maximum number of open sockets of one user on one node (1 to 1000000). auto: 10 in production, \
         MAX_CONNECTIONS in development.",
    ),
    plain(
        LIVE,
        "SOCKET_MAX_PER_ADDRESS",
        "auto",
        "Maximum number of open sockets from one address (IPv6: /64) on one node, except proxies of TRUSTED_PROXIES (1 \
         to 1000000). auto: 50 in production, MAX_CONNECTIONS in development.",
    ),
    plain(
        LIVE,
        "SOCKET_MAX_SESSIONS",
        "auto",
        "Maximum number of open Engine.IO sessions on one node, signed in or not (1 to 1000000); further handshakes \
         get 503. auto: MAX_CONNECTIONS.",
    ),
    plain(
        LIVE,
        "SOCKET_MAX_SESSIONS_PER_ADDRESS",
        "auto",
        "The same for one address (IPv6: /64) (1 to 2000000); further handshakes get 429. auto: twice \
         SOCKET_MAX_PER_ADDRESS, at least 100.",
    ),
    plain(
        LIVE,
        "SOCKET_MAX_PENDING",
        "auto",
        "Maximum number of Engine.IO sessions that are not signed in, within SOCKET_MAX_SESSIONS (1 to 1000000); \
         further handshakes get 503. auto: a quarter.",
    ),
    plain(
        LIVE,
        "SOCKET_MAX_PENDING_PER_ADDRESS",
        "auto",
        "The same for one address (IPv6: /64) (1 to 1000000); further handshakes get 429. auto: \
         SOCKET_MAX_PER_ADDRESS, at least 50.",
    ),
    plain(
        LIVE,
        "SOCKET_EVENTS",
        "auto",
        "Messages of one socket, in the form of RATE_LIMIT_AUTH; each except one `auth:renew` a minute also \
         draws from RATE_LIMIT_USER and RATE_LIMIT_NETWORK. auto: 100/5s in production (as many at once as it may have \
         rooms, then 20 a second), 60000/1m in development.",
    ),
    plain(
        LIVE,
        "SOCKET_BUFFER_PACKETS",
        "1024",
        "Maximum number of packets that wait for a slow client; beyond it the client is disconnected, and resumes with \
         `after`.",
    ),
    plain(
        LIVE,
        "SOCKET_BUFFER_BYTES",
        "1048576",
        "The same in bytes, except that one event may always wait (16384 to 1073741824).",
    ),
    plain(
        LIVE,
        "SOCKET_BUFFER_BYTES_PER_NODE",
        "268435456",
        "The same for all sockets of one node together, and a quarter of it for those of one network; beyond that 16 \
         kB may wait for each (16384 to 1099511627776).",
    ),
    plain(
        LIVE,
        "SOCKET_REPLAYS_AT_ONCE",
        "8",
        "Maximum number of pages of missed events that are read at once (1 to 1000); further ones wait.",
    ),
    plain(
        LIVE,
        "SOCKET_ROOM_CHECKS_AT_ONCE",
        "2",
        "Maximum number of sockets whose rooms are checked again at once after a change of their user's rights, and as \
         many with a new token (1 to 1000); further ones wait.",
    ),
    plain(LIVE, "SOCKET_CONNECT_TIMEOUT", "10s", "A session that has not been signed in for this time is closed."),
    plain(
        LIVE,
        "EVENT_POLL_INTERVAL",
        "1s",
        "How often the event log is read in any case, because notifications may be lost.",
    ),
    plain(LIVE, "EVENT_RING", "4096", "Number of recent events kept in memory for sockets that join or resume."),
];
