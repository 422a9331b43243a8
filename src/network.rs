//! The network that a request comes from, and the limits of networks.
//!
//! An IPv4 address counts as one network. An IPv6 client has at least a /64 (2⁶⁴ addresses), and can easily get a /48,
//! which contains 65,536 of them. So every limit of networks counts both: a /64 has the limit of one network; a /48 has
//! a multiple of it ([`SiteFactor`]), or, where the network gets a share of a fixed total, a larger share
//! ([`AddressBlock::share`]).

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::quota::Quota;

/// The prefix length of an IPv6 subnet; its owner can choose the other bits at will.
const SUBNET_PREFIX: u8 = 64;
/// The prefix length of an IPv6 site (RFC 3177, RFC 6177); its owner can choose the other bits at will.
const SITE_PREFIX: u8 = 48;

/// The network of a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    /// The IPv4 address, or the /64 of IPv6.
    subnet: IpNet,
    /// The /48 of IPv6.
    site: Option<IpNet>,
}

/// Addresses that are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressBlock {
    /// An address of IPv4, or the /64 of an IPv6 address.
    Subnet(IpNet),
    /// The /48 of an IPv6 address.
    Site(IpNet),
}

impl Network {
    /// The network of an address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self { subnet: Ipv4Net::from(address).into(), site: None },
            IpAddr::V6(address) => {
                Self { subnet: block_of(address, SUBNET_PREFIX), site: Some(block_of(address, SITE_PREFIX)) }
            }
        }
    }

    /// The network of all clients whose network is not known, which share its limits.
    pub fn unknown() -> Self {
        Self::of(Ipv4Addr::UNSPECIFIED.into())
    }

    /// The address of IPv4, or the /64 of IPv6.
    pub const fn subnet(self) -> IpNet {
        self.subnet
    }

    /// The /48 of IPv6; `None` for IPv4.
    pub const fn site(self) -> Option<IpNet> {
        self.site
    }

    /// The blocks in which it is counted: first its subnet, then its site.
    pub fn blocks(self) -> impl Iterator<Item = AddressBlock> {
        [Some(AddressBlock::Subnet(self.subnet)), self.site.map(AddressBlock::Site)].into_iter().flatten()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.subnet.fmt(f)
    }
}

impl AddressBlock {
    /// The range of addresses that it consists of.
    pub const fn addresses(self) -> IpNet {
        match self {
            Self::Subnet(addresses) | Self::Site(addresses) => addresses,
        }
    }

    /// The share of the block in a total of `all`. A subnet gets `each`; a site gets `each` and half of the rest.
    pub const fn share(self, each: usize, all: usize) -> usize {
        match self {
            Self::Subnet(_) => each,
            Self::Site(_) => each + all.saturating_sub(each) / 2,
        }
    }
}

impl fmt::Display for AddressBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addresses().fmt(f)
    }
}

fn block_of(address: Ipv6Addr, prefix: u8) -> IpNet {
    Ipv6Net::new(address, prefix).map_or_else(|_| Ipv6Net::from(address), |block| block.trunc()).into()
}

/// `IPV6_SITE_FACTOR`: how many times the limit of a /64 applies to a /48; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteFactor(u32);

impl SiteFactor {
    /// This factor; 0 counts as 1.
    pub const fn new(times: u32) -> Self {
        Self(if times == 0 { 1 } else { times })
    }

    /// The limit of a block, if that of a subnet is `each`.
    pub const fn limit(self, block: AddressBlock, each: usize) -> usize {
        match block {
            AddressBlock::Subnet(_) => each,
            AddressBlock::Site(_) => each.saturating_mul(self.0 as usize),
        }
    }

    /// The quota of a block, if that of a subnet is `each`.
    pub const fn quota(self, block: AddressBlock, each: Quota) -> Quota {
        match block {
            AddressBlock::Subnet(_) => each,
            AddressBlock::Site(_) => self.site_quota(each),
        }
    }

    /// The quota of a site, if that of a subnet is `each`.
    pub const fn site_quota(self, each: Quota) -> Quota {
        each.times(self.0)
    }

    /// A limit of a subnet, multiplied by the factor.
    pub const fn times(self, each: i64) -> i64 {
        each.saturating_mul(self.0 as i64)
    }
}

/// What networks currently use of a resource.
#[derive(Debug, Default)]
pub struct NetworkCounts(HashMap<AddressBlock, usize>);

impl NetworkCounts {
    /// Whether a network may take `amount` more, if a block may have `max(block)` in total.
    pub fn has_room(&self, network: Network, amount: usize, max: impl Fn(AddressBlock) -> usize) -> bool {
        network.blocks().all(|block| self.of(block).saturating_add(amount) <= max(block))
    }

    /// Adds `amount` to what a network has.
    pub fn add(&mut self, network: Network, amount: usize) {
        for block in network.blocks() {
            *self.0.entry(block).or_default() += amount;
        }
    }

    /// Subtracts `amount` from what a network has. A block that has nothing left takes no memory.
    pub fn subtract(&mut self, network: Network, amount: usize) {
        for block in network.blocks() {
            if let Some(count) = self.0.get_mut(&block) {
                *count = count.saturating_sub(amount);
                if *count == 0 {
                    self.0.remove(&block);
                }
            }
        }
    }

    fn of(&self, block: AddressBlock) -> usize {
        self.0.get(&block).copied().unwrap_or_default()
    }
}
