//! Settings of the HTTP listener, read and checked. Defaults and descriptions: `variables/http.rs`. The maximum size of
//! a body is applied in `middleware.rs` (`BodySizes`).

use std::net::IpAddr;
use std::time::Duration;

use axum::http::HeaderValue;
use ipnet::IpNet;

use super::Mode;
use super::source::Reader;
use crate::client::Forwarding;
use crate::network::SiteFactor;

/// The listener and its bounds.
#[derive(Debug, Clone)]
pub struct Http {
    /// `HOST`: address to listen on; 0.0.0.0 for all interfaces.
    pub host: IpAddr,
    /// `PORT`: port to listen on; 0 takes a free one.
    pub port: u16,
    /// `MAX_BODY_BYTES`: maximum size of a request body, in bytes (1024 to 67108864).
    pub max_body_bytes: usize,
    /// `ORDER_EVENTS_MAX_BYTES`: a page of the events of an order ends when they have this many bytes together (65536
    /// to 16777216).
    pub events_max_bytes: i64,
    /// `MENU_MAX_BYTES`: largest whole menu that may be sent, in bytes (1024 to 67108864).
    pub max_menu_bytes: usize,
    /// `BODIES_MAX_BYTES`: maximum memory of all request bodies together, in bytes (1048576 to 68719476736); a quarter
    /// of it for one network. Beyond it: 503.
    pub bodies_max_bytes: usize,
    /// `MAX_CONNECTIONS`: maximum number of open connections; further ones wait in the listener's queue.
    pub max_connections: usize,
    /// `MAX_CONNECTIONS_PER_ADDRESS`: maximum number of open connections from one address (IPv6: /64), except proxies
    /// of `TRUSTED_PROXIES`. auto: 200 in production, `MAX_CONNECTIONS` in development.
    pub max_connections_per_address: usize,
    /// `IPV6_SITE_FACTOR`: how many times the limit of a /64 applies to the /48 around it, wherever a limit counts by
    /// address or network (1 to 65536).
    pub site_factor: SiteFactor,
    /// `MAX_HEADER_BYTES`: largest request line and headers together, in bytes (1024 to 1048576); at most 100
    /// headers. Beyond: 431.
    pub max_header_bytes: usize,
    /// `HEADER_TIMEOUT`: A client that has not sent its headers by then is disconnected.
    pub header_timeout: Duration,
    /// `STALL_TIMEOUT`: A client that reads nothing of what is sent to it for this time is disconnected (on Linux),
    /// sockets included.
    pub stall_timeout: Duration,
    /// `BODY_MIN_RATE`, in bytes a second.
    pub body_min_rate: u32,
    /// `READ_MIN_RATE`, in bytes a second.
    pub read_min_rate: u32,
    /// `WEBSOCKET_UNREAD_BYTES`: bytes that a client of a WebSocket may send, pings included, while it reads nothing of
    /// what waits for it; beyond that it is disconnected (1024 to 1073741824).
    pub websocket_unread_bytes: u64,
    /// `REQUEST_TIMEOUT`: A request that has not been answered by then gets 408.
    pub request_timeout: Duration,
    /// `SHUTDOWN_TIMEOUT`: how long requests in progress may take after SIGTERM.
    pub shutdown_timeout: Duration,
    /// `BATCH_MAX_RESULT_BYTES`: maximum size of the results in one response to a sync batch or a bulk update, in bytes
    /// (1024 to 67108864); the first result is always included, beyond the limit only outcomes are.
    pub batch_max_result_bytes: usize,
    /// `HEAVY_WORK_AT_ONCE`: maximum number of bodies above 64 kB that are parsed, and menus that are planned or
    /// serialised, at once (1 to 256); half of it for one restaurant, or one network.
    pub heavy_at_once: usize,
    /// `HEAVY_WORK_WAITING`: maximum number of those that wait (0 to 10000); a third of all for one restaurant, or one
    /// network. Further ones get 503.
    pub heavy_waiting: usize,
    /// `PUBLIC_URL`: URL at which clients reach this server. With https, responses have Strict-Transport-Security.
    pub public_url: Option<String>,
    /// `CORS_ORIGINS`: pages on these origins may call the API and open sockets from a browser. Not set: only pages of
    /// this server.
    pub cors_origins: Vec<HeaderValue>,
    /// `TRUSTED_PROXIES`: addresses of your own proxies; only what they forward about the client is used. Public ranges
    /// of at most /12 (IPv6: /28). Not set: no proxy is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// `FORWARDED_HEADER`: the header that those proxies write: x-forwarded-for or forwarded. The other one is not
    /// read.
    pub forwarding: Forwarding,
}

impl Http {
    pub(super) fn gather(reader: &mut Reader<'_>, mode: Mode) -> Self {
        let localhost = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        let max_connections = reader.number("MAX_CONNECTIONS", 1, 1_000_000);
        let per_address = if mode == Mode::Production { max_connections.min(200) } else { max_connections };
        let per_address = reader.number_or_auto("MAX_CONNECTIONS_PER_ADDRESS", per_address, 1, 1_000_000);
        Self {
            host: reader
                .value("HOST", "an IP address such as 127.0.0.1 or 0.0.0.0", localhost, |text| text.parse().ok()),
            port: reader.number("PORT", 0, u16::MAX),
            max_body_bytes: reader.number("MAX_BODY_BYTES", 1_024, 64 << 20),
            events_max_bytes: reader.number("ORDER_EVENTS_MAX_BYTES", 65_536, 16 << 20),
            max_menu_bytes: reader.number("MENU_MAX_BYTES", 1_024, 64 << 20),
            bodies_max_bytes: reader.number("BODIES_MAX_BYTES", 1 << 20, 64 << 30),
            max_connections,
            max_connections_per_address: per_address,
            site_factor: SiteFactor::new(reader.number("IPV6_SITE_FACTOR", 1, 65_536)),
            max_header_bytes: reader.number("MAX_HEADER_BYTES", 1_024, 1 << 20),
            body_min_rate: reader.number("BODY_MIN_RATE", 1, 1 << 20),
            read_min_rate: reader.number("READ_MIN_RATE", 1, 1 << 20),
            websocket_unread_bytes: reader.number("WEBSOCKET_UNREAD_BYTES", 1_024, 1 << 30),
            header_timeout: reader.duration("HEADER_TIMEOUT"),
            stall_timeout: reader.duration("STALL_TIMEOUT"),
            request_timeout: reader.duration("REQUEST_TIMEOUT"),
            shutdown_timeout: reader.duration("SHUTDOWN_TIMEOUT"),
            batch_max_result_bytes: reader.number("BATCH_MAX_RESULT_BYTES", 1_024, 64 << 20),
            heavy_at_once: reader.number("HEAVY_WORK_AT_ONCE", 1, 256),
            heavy_waiting: reader.number("HEAVY_WORK_WAITING", 0, 10_000),
            public_url: reader.text("PUBLIC_URL"),
            cors_origins: reader.list("CORS_ORIGINS", "origins such as https://shop.example.com", origin),
            trusted_proxies: trusted_proxies(reader),
            forwarding: reader.value(
                "FORWARDED_HEADER",
                "x-forwarded-for or forwarded",
                Forwarding::XForwardedFor,
                |text| match text {
                    "x-forwarded-for" => Some(Forwarding::XForwardedFor),
                    "forwarded" => Some(Forwarding::Forwarded),
                    _ => None,
                },
            ),
        }
    }
}

/// Scheme, host, perhaps a port; no path, and never `*` or `null`.
fn origin(text: &str) -> Option<HeaderValue> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let is_bare = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    HeaderValue::from_str(text).ok().filter(|_| is_bare)
}

/// Address ranges that are not used on the public internet, so their addresses belong to the operator's own networks.
const PRIVATE: [&str; 9] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];
/// The shortest prefix of a public range of proxies, in bits: a shorter one also contains addresses of others.
const NARROW_V4: u8 = 12;
const NARROW_V6: u8 = 28;
/// The most public IPv4 addresses of all ranges together: a 256th of all addresses.
const MAX_PUBLIC_V4: u64 = 1 << 24;
/// The same for IPv6, in ranges of /28: a 65,536th of all addresses.
const MAX_PUBLIC_V6: u64 = 1 << 12;

/// `TRUSTED_PROXIES`. Ranges that contain addresses of the general public are refused: a client with such an address
/// could choose the address that all limits use for it.
fn trusted_proxies(reader: &mut Reader<'_>) -> Vec<IpNet> {
    let proxies = reader.list("TRUSTED_PROXIES", "addresses or networks such as 10.0.0.0/8", network);
    let private: Vec<IpNet> = PRIVATE.iter().filter_map(|range| range.parse().ok()).collect();
    let is_public = |proxy: &&IpNet| !private.iter().any(|range| range.contains(*proxy));
    let (mut v4, mut v6) = (0_u64, 0_u64);
    for proxy in proxies.iter().filter(is_public) {
        let is_narrow = match proxy {
            IpNet::V4(range) => {
                v4 += 1 << (32 - range.prefix_len());
                range.prefix_len() >= NARROW_V4
            }
            IpNet::V6(range) => {
                v6 += 1 << NARROW_V6.saturating_sub(range.prefix_len());
                range.prefix_len() >= NARROW_V6
            }
        };
        if !is_narrow {
            reader.faults.push(format!(
                "TRUSTED_PROXIES: {proxy} holds public addresses of many others, who could then claim to be anybody: \
                 list the addresses of your proxies, in ranges of at most /{NARROW_V4} (IPv6: /{NARROW_V6})"
            ));
        }
    }
    if v4 > MAX_PUBLIC_V4 || v6 > MAX_PUBLIC_V6 {
        reader.faults.push(
            "TRUSTED_PROXIES: the ranges together hold too many public addresses, of which others could claim to be \
             anybody: list the addresses of your proxies only"
                .into(),
        );
    }
    proxies
}

/// A network; a single address counts as a network of one address.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}
