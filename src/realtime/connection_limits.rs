//! Limits on the number of sockets that each user and each network has open on this node. Every socket holds a
//! [`Permit`] for each, which is released when the socket is dropped.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

use crate::client::Client;
use crate::config::Config;
use crate::ids::UserId;

/// The user or the network whose sockets are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Holder {
    User(UserId),
    Network(IpNet),
}

/// The numbers of open sockets, and their limits.
pub struct ConnectionLimits {
    open: Mutex<HashMap<Holder, usize>>,
    per_user: usize,
    per_network: usize,
    /// Networks of trusted proxies, which send the connections of many clients.
    proxies: Vec<IpNet>,
}

/// The reason of a refused connection, as the client receives it in `connect_error`.
pub type LimitReached = &'static str;

impl ConnectionLimits {
    /// Counters without open sockets, with the limits of the configuration.
    pub fn new(config: &Config) -> Self {
        Self {
            open: Mutex::default(),
            per_user: config.sockets.max_per_user,
            per_network: config.sockets.max_per_address,
            proxies: config.http.trusted_proxies.clone(),
        }
    }

    /// A permit for a socket of a network; `None` for a trusted proxy that does not name the client's address.
    pub fn of_network(self: &Arc<Self>, client: Client) -> Result<Option<Permit>, LimitReached> {
        if self.proxies.iter().any(|network| network.contains(&client.address())) {
            return Ok(None);
        }
        let permit = self.take(Holder::Network(client.network()), self.per_network);
        permit.map(Some).ok_or("too_many_sockets_of_address")
    }

    /// A permit for a socket of a user.
    pub fn of_user(self: &Arc<Self>, user: UserId) -> Result<Permit, LimitReached> {
        self.take(Holder::User(user), self.per_user).ok_or("too_many_sockets_of_user")
    }

    fn take(self: &Arc<Self>, holder: Holder, most: usize) -> Option<Permit> {
        let mut open = self.open();
        let count = open.get(&holder).copied().unwrap_or_default();
        if count >= most {
            return None;
        }
        open.insert(holder, count + 1);
        Some(Permit { limits: Arc::clone(self), holder })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Holder, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts as one open socket until it is dropped.
pub struct Permit {
    limits: Arc<ConnectionLimits>,
    holder: Holder,
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.limits.open().entry(self.holder) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}
