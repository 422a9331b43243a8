//! Socket.IO and its bounds.

use std::time::Duration;

use super::Mode;
use super::source::Reader;
use crate::quota::Quota;

/// Socket.IO and its bounds.
#[derive(Debug, Clone)]
pub struct Sockets {
    /// `SOCKET_MAX_MESSAGE_BYTES`.
    pub max_message_bytes: usize,
    /// `SOCKET_MAX_ROOMS`.
    pub max_rooms: usize,
    /// `SOCKET_EVENTS`.
    pub events: Quota,
    /// `SOCKET_MAX_PER_USER`.
    pub max_per_user: usize,
    /// `SOCKET_MAX_PER_ADDRESS`.
    pub max_per_address: usize,
    /// `SOCKET_MAX_SESSIONS`.
    pub max_sessions: usize,
    /// `SOCKET_MAX_SESSIONS_PER_ADDRESS`.
    pub max_sessions_per_address: usize,
    /// `SOCKET_MAX_PENDING`.
    pub max_pending: usize,
    /// `SOCKET_MAX_PENDING_PER_ADDRESS`.
    pub max_pending_per_address: usize,
    /// `SOCKET_BUFFER_PACKETS`.
    pub buffer_packets: usize,
    /// `SOCKET_CONNECT_TIMEOUT`.
    pub connect_timeout: Duration,
    /// `EVENT_POLL_INTERVAL`.
    pub poll_interval: Duration,
    /// `EVENT_RING`.
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
            connect_timeout: reader.duration("SOCKET_CONNECT_TIMEOUT"),
            poll_interval: reader.duration("EVENT_POLL_INTERVAL"),
            ring: reader.number("EVENT_RING", 16, 1_000_000),
        }
    }
}
