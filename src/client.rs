//! The client address of a request: the peer of its connection, or the address that a trusted proxy forwards.
//!
//! Forwarded addresses are used only if the connection comes from a proxy that the configuration names. Of these
//! addresses the last one that is not such a proxy is used: the addresses to the left of it could have been written by
//! the client. Only the header that the proxies write is read; any other would come from the client.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use ipnet::IpNet;

use crate::ids::UserId;
use crate::network::Network;
use crate::problem::Problem;

/// The largest number of forwarded addresses that are read.
const MAX_HOPS: usize = 20;

/// The peer of a connection; the listener adds it to every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// The sender of a request, for limits on the resources that one sender uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    /// The user of a valid access token; none for guests and for requests without a token.
    pub user: Option<UserId>,
    /// The network of the client.
    pub network: Network,
}

/// The header that the proxies write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarding {
    /// `X-Forwarded-For: client, proxy`.
    XForwardedFor,
    /// RFC 7239: `Forwarded: for=client, for=proxy`.
    Forwarded,
}

/// The client of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    address: IpAddr,
    is_unnamed: bool,
}

impl Client {
    /// The client of a request with this peer and these headers.
    pub fn of(peer: Peer, headers: &HeaderMap, proxies: &[IpNet], forwarding: Forwarding) -> Self {
        let peer = peer.0.to_canonical();
        let is_proxy = |address: &IpAddr| proxies.iter().any(|network| network.contains(address));
        let (mut address, mut is_unnamed) = (peer, false);
        if is_proxy(&peer) {
            let hops = hops(headers, forwarding);
            is_unnamed = hops.is_empty();
            for hop in hops.into_iter().rev().take(MAX_HOPS) {
                // Addresses left of one that cannot be parsed cannot be trusted.
                let Some(hop) = hop else { break };
                address = hop;
                if !is_proxy(&hop) {
                    break;
                }
            }
        }
        Self { address, is_unnamed }
    }

    /// The IP address the request came from, behind trusted proxies that of the forwarded header.
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// The network of that address.
    pub fn network(self) -> Network {
        Network::of(self.address)
    }

    /// Whether a trusted proxy forwards no address at all, so that its own stands for all of its clients. One that
    /// forwards something that cannot be read does not count: a client could have written that.
    pub const fn is_unnamed(self) -> bool {
        self.is_unnamed
    }
}

/// The forwarded addresses from the farthest to the nearest; `None` for an entry that is not an address.
fn hops(headers: &HeaderMap, forwarding: Forwarding) -> Vec<Option<IpAddr>> {
    let name = match forwarding {
        Forwarding::XForwardedFor => "x-forwarded-for",
        Forwarding::Forwarded => "forwarded",
    };
    // Split as bytes: what a client wrote, left of the proxies' own elements, need not be text.
    let elements = headers
        .get_all(name)
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|element| std::str::from_utf8(element).unwrap_or("?").trim());
    match forwarding {
        Forwarding::XForwardedFor => elements.map(node).collect(),
        Forwarding::Forwarded => elements.map(forwarded_for).collect(),
    }
}

/// The `for=` of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let parameters = element.split(';').filter_map(|parameter| parameter.trim().split_once('='));
    let mut named = parameters.filter(|(name, _)| name.eq_ignore_ascii_case("for"));
    node(named.next()?.1.trim_matches('"'))
}

/// An address, perhaps with a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn node(text: &str) -> Option<IpAddr> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => text,
    };
    let address: Result<IpAddr, _> = bare.parse().or_else(|error| match bare.rsplit_once(':') {
        Some((address, port)) if port.parse::<u16>().is_ok() => address.parse(),
        _ => Err(error),
    });
    address.ok().map(|address| address.to_canonical())
}

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let client = parts.extensions.get::<Self>().copied();
        client.ok_or_else(|| Problem::internal(&"the request has no peer"))
    }
}
