//! The listener and its bounds.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::HeaderValue;
use ipnet::IpNet;

use super::Mode;
use super::source::Reader;
use crate::client::Forwarding;

/// The listener and its bounds.
#[derive(Debug, Clone)]
pub struct Http {
    /// `HOST`.
    pub host: IpAddr,
    /// `PORT`.
    pub port: u16,
    /// `MAX_BODY_BYTES`.
    pub max_body_bytes: usize,
    /// `MENU_MAX_BYTES`.
    pub max_menu_bytes: usize,
    /// `MAX_CONNECTIONS`.
    pub max_connections: usize,
    /// `MAX_CONNECTIONS_PER_ADDRESS`.
    pub max_connections_per_address: usize,
    /// `MAX_HEADER_BYTES`.
    pub max_header_bytes: usize,
    /// `HEADER_TIMEOUT`.
    pub header_timeout: Duration,
    /// `STALL_TIMEOUT`.
    pub stall_timeout: Duration,
    /// `BODY_MIN_RATE`, in bytes a second.
    pub body_min_rate: u32,
    /// `REQUEST_TIMEOUT`.
    pub request_timeout: Duration,
    /// `SHUTDOWN_TIMEOUT`.
    pub shutdown_timeout: Duration,
    /// `HEAVY_WORK_AT_ONCE`.
    pub heavy_at_once: usize,
    /// `HEAVY_WORK_WAITING`.
    pub heavy_waiting: usize,
    /// `PUBLIC_URL`.
    pub public_url: Option<String>,
    /// `CORS_ORIGINS`.
    pub cors_origins: Vec<HeaderValue>,
    /// `TRUSTED_PROXIES`.
    pub trusted_proxies: Vec<IpNet>,
    /// `FORWARDED_HEADER`.
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
            max_menu_bytes: reader.number("MENU_MAX_BYTES", 1_024, 64 << 20),
            max_connections,
            max_connections_per_address: per_address,
            max_header_bytes: reader.number("MAX_HEADER_BYTES", 1_024, 1 << 20),
            body_min_rate: reader.number("BODY_MIN_RATE", 1, 1 << 20),
            header_timeout: reader.duration("HEADER_TIMEOUT"),
            stall_timeout: reader.duration("STALL_TIMEOUT"),
            request_timeout: reader.duration("REQUEST_TIMEOUT"),
            shutdown_timeout: reader.duration("SHUTDOWN_TIMEOUT"),
            heavy_at_once: reader.number("HEAVY_WORK_AT_ONCE", 1, 256),
            heavy_waiting: reader.number("HEAVY_WORK_WAITING", 0, 10_000),
            public_url: reader.text("PUBLIC_URL"),
            cors_origins: reader.list("CORS_ORIGINS", "origins such as https://shop.example.com", origin),
            trusted_proxies: reader.list("TRUSTED_PROXIES", "addresses or networks such as 10.0.0.0/8", network),
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

/// A network, or one address as the network of itself.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}
