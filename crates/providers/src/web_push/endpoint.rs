//! Which endpoints are asked. They come from browsers, so without this check anybody could make the server send
//! requests to hosts of its own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::http::{NoPublicAddress, is_loopback};

/// The hosts of the push services of Chrome, Firefox, Safari and Edge.
pub const PUSH_SERVICES: [&str; 4] =
    ["fcm.googleapis.com", "*.push.services.mozilla.com", "*.push.apple.com", "*.notify.windows.com"];

/// The longest endpoint.
const LONGEST: usize = 2048;

/// Which endpoints are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointPolicy {
    /// Hosts: `push.example.com`, or `*.example.com` for all below it, but not itself. [`PUSH_SERVICES`], and others
    /// that an operator allows.
    pub hosts: Vec<String>,
    /// Whether http on this machine is allowed too: for a fake.
    pub allows_loopback: bool,
}

impl Default for EndpointPolicy {
    /// The [`PUSH_SERVICES`] only.
    fn default() -> Self {
        Self { hosts: PUSH_SERVICES.map(str::to_owned).to_vec(), allows_loopback: false }
    }
}

impl EndpointPolicy {
    /// The URL of an endpoint that is allowed: https, the usual port, a host of the list, no credentials.
    pub fn check(&self, endpoint: &str) -> Option<Url> {
        // Parsers of URLs disagree about these.
        let is_odd = |sign: char| sign.is_control() || sign.is_whitespace() || sign == '\\';
        if endpoint.len() > LONGEST || endpoint.chars().any(is_odd) {
            return None;
        }
        let url = Url::parse(endpoint).ok()?;
        let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        // An address instead of a name is never in the list.
        let host = url.host_str()?;
        let is_service = url.scheme() == "https"
            && url.port().is_none()
            && host.parse::<IpAddr>().is_err()
            && self.hosts.iter().any(|allowed| is_host(allowed, host));
        let is_fake = self.allows_loopback && url.scheme() == "http" && is_loopback(&url);
        (is_plain && (is_service || is_fake)).then_some(url)
    }
}

fn is_host(allowed: &str, host: &str) -> bool {
    match allowed.strip_prefix("*.") {
        Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => host == allowed,
    }
}

/// Whether an address is one of the public Internet, by IANA's registries of special-purpose addresses (RFC 6890).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

const fn is_public_v4(address: Ipv4Addr) -> bool {
    let is_special = matches!(
        address.octets(),
        [0 | 10 | 127 | 224..=255, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [192, 168, ..]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
    );
    !is_special
}

const fn is_public_v6(address: Ipv6Addr) -> bool {
    // Only 2000::/3 is assigned; of it not Teredo and other protocols (2001::/23), documentation, and 6to4.
    match address.segments() {
        [0x2001, 0..=0x1ff | 0x0db8, ..] | [0x2002 | 0x3fff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// Resolves names to public addresses only, so that a name of the list that points into a private network is not asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct PublicResolver;

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(NoPublicAddress.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}
