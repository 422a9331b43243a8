//! Settings of Socket.IO, read and checked. Defaults and descriptions: `variables/sockets.rs`.

use std::time::Duration;

use super::Mode;
use super::source::Reader;
use crate::quota::Quota;

/// Socket.IO and its bounds.
#[derive(Debug, Clone)]
pub struct Sockets {
    /// `SOCKET_MAX_MESSAGE_BYTES`: maximum size of a Socket.IO message of a client, in bytes, over polling and
    /// WebSocket.
    pub max_message_bytes: usize,
    /// `SOCKET_MAX_ROOMS`: maximum number of rooms of one socket.
    pub max_rooms: usize,
    /// `SOCKET_EVENTS`: messages of one socket, in the form of `RATE_LIMIT_AUTH`; each except one `auth:renew` a minute
    /// also draws from `RATE_LIMIT_USER` and `RATE_LIMIT_NETWORK`. auto: 100/5s in production (as many at once as it
    /// may have rooms, then 20 a second), 60000/1m in development.
    pub events: Quota,
    /// `SOCKET_MAX_PER_USER`: maximum number of open sockets of one user on one node (1 to 1000000). auto: 10 in
    /// production, `MAX_CONNECTIONS` in development.
    pub max_per_user: usize,
    /// `SOCKET_MAX_PER_ADDRESS`: maximum number of open sockets from one address (IPv6: /64) on one node, except
    /// proxies of `TRUSTED_PROXIES` (1 to 1000000). auto: 50 in production, `MAX_CONNECTIONS` in development.
    pub max_per_address: usize,
    /// `SOCKET_MAX_SESSIONS`: maximum number of open Engine.IO sessions on one node, signed in or not (1 to 1000000);
    /// further handshakes get 503. auto: `MAX_CONNECTIONS`.
    pub max_sessions: usize,
    /// `SOCKET_MAX_SESSIONS_PER_ADDRESS`: the same for one address (IPv6: /64) (1 to 2000000); further handshakes get
    /// 429. auto: twice `SOCKET_MAX_PER_ADDRESS`, at least 100.
    pub max_sessions_per_address: usize,
    /// `SOCKET_MAX_PENDING`: maximum number of Engine.IO sessions that are not signed in, within `SOCKET_MAX_SESSIONS`
    /// (1 to 1000000); further handshakes get 503. auto: a quarter.
    pub max_pending: usize,
    /// `SOCKET_MAX_PENDING_PER_ADDRESS`: the same for one address (IPv6: /64) (1 to 1000000); further handshakes get
    /// 429. auto: `SOCKET_MAX_PER_ADDRESS`, at least 50.
    pub max_pending_per_address: usize,
    /// `SOCKET_BUFFER_PACKETS`: maximum number of packets that wait for a slow client; beyond it the client is
    /// disconnected, and resumes with `after`.
    pub buffer_packets: usize,
    /// `SOCKET_BUFFER_BYTES`: the same in bytes, except that one event may always wait (16384 to 1073741824).
    pub buffer_bytes: usize,
    /// `SOCKET_BUFFER_BYTES_PER_NODE`: the same for all sockets of one node together, and a quarter of it for those of
    /// one network; beyond that 16 kB may wait for each (16384 to 1099511627776).
    pub buffer_bytes_per_node: usize,
    /// `SOCKET_REPLAYS_AT_ONCE`: maximum number of pages of missed events that are read at once (1 to 1000); further
    /// ones wait.
    pub replays_at_once: usize,
    /// `SOCKET_ROOM_CHECKS_AT_ONCE`: maximum number of sockets whose rooms are checked again at once after a change of
    /// their user's rights, and as many with a new token (1 to 1000).
    pub room_checks_at_once: usize,
    /// `SOCKET_CONNECT_TIMEOUT`: A session that has not been signed in for this time is closed.
    pub connect_timeout: Duration,
    /// `EVENT_POLL_INTERVAL`: how often the event log is read in any case, because notifications may be lost.
    pub poll_interval: Duration,
    /// `EVENT_RING`: number of recent events kept in memory for sockets that join or resume.
    pub ring: usize,
}

impl Sockets {
    pub(super) fn gather(reader: &mut Reader<'_>, mode: Mode, connections: usize) -> Self {
        let by_mode = |production: usize| if mode == Mode::Production { production } else { connections };
        let events = match mode {
            Mode::Production => Quota::new(100, Duration::from_secs(5)),
            Mode::Development => Quota::new(60_000, Duration::from_mins(1)),
        };
        let max_sessions = reader.number_or_auto("SOCKET_MAX_SESSIONS", connections, 1, 1_000_000);
        let max_per_address = reader.number_or_auto("SOCKET_MAX_PER_ADDRESS", by_mode(50), 1, 1_000_000);
        Self {
            max_message_bytes: reader.number("SOCKET_MAX_MESSAGE_BYTES", 1_024, 16 << 20),
            max_rooms: reader.number("SOCKET_MAX_ROOMS", 1, 100_000),
            events: reader.value("SOCKET_EVENTS", "a number and a time such as 100/5s, or auto", events, |text| {
                if text == "auto" { Some(events) } else { Quota::parse(text) }
            }),
            max_per_user: reader.number_or_auto("SOCKET_MAX_PER_USER", by_mode(10), 1, 1_000_000),
            max_per_address,
            max_sessions,
            max_sessions_per_address: reader.number_or_auto(
                "SOCKET_MAX_SESSIONS_PER_ADDRESS",
                max_per_address.saturating_mul(2).max(100),
                1,
                2_000_000,
            ),
            max_pending: reader.number_or_auto("SOCKET_MAX_PENDING", (max_sessions / 4).max(1), 1, 1_000_000),
            max_pending_per_address: reader.number_or_auto(
                "SOCKET_MAX_PENDING_PER_ADDRESS",
                max_per_address.max(50),
                1,
                1_000_000,
            ),
            buffer_packets: reader.number("SOCKET_BUFFER_PACKETS", 16, 65_536),
            buffer_bytes: reader.number("SOCKET_BUFFER_BYTES", 16_384, 1 << 30),
            buffer_bytes_per_node: reader.number("SOCKET_BUFFER_BYTES_PER_NODE", 16_384, 1 << 40),
            replays_at_once: reader.number("SOCKET_REPLAYS_AT_ONCE", 1, 1_000),
            room_checks_at_once: reader.number("SOCKET_ROOM_CHECKS_AT_ONCE", 1, 1_000),
            connect_timeout: reader.duration("SOCKET_CONNECT_TIMEOUT"),
            poll_interval: reader.duration("EVENT_POLL_INTERVAL"),
            ring: reader.number("EVENT_RING", 16, 1_000_000),
        }
    }
}
