//! Limits on the number of sockets that each user and each network has open on this node. Every socket holds a
//! [`Permit`] for each, which is released when the socket is dropped. The rooms of a socket are limited in `socket.rs`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::client::Client;
use crate::config::Config;
use crate::ids::UserId;
use crate::network::{Network, NetworkCounts, SiteFactor};

/// The user or the network whose sockets are counted together.
#[derive(Debug, Clone, Copy)]
enum Holder {
    User(UserId),
    Network(Network),
}

/// The open sockets.
#[derive(Debug, Default)]
struct OpenSockets {
    users: HashMap<UserId, usize>,
    networks: NetworkCounts,
}

/// The numbers of open sockets, and their limits.
pub struct ConnectionLimits {
    open: Mutex<OpenSockets>,
    per_user: usize,
    per_network: usize,
    sites: SiteFactor,
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
            sites: config.http.site_factor,
        }
    }

    /// A permit for a socket of a network; `None` for a trusted proxy that does not name the client's address.
    pub fn of_network(self: &Arc<Self>, client: Client) -> Result<Option<Permit>, LimitReached> {
        if client.is_unnamed() {
            return Ok(None);
        }
        let network = client.network();
        let networks = &mut self.open().networks;
        if !networks.has_room(network, 1, |block| self.sites.limit(block, self.per_network)) {
            return Err("too_many_sockets_of_address");
        }
        networks.add(network, 1);
        Ok(Some(self.permit(Holder::Network(network))))
    }

    /// A permit for a socket of a user.
    pub fn of_user(self: &Arc<Self>, user: UserId) -> Result<Permit, LimitReached> {
        let users = &mut self.open().users;
        let count = users.get(&user).copied().unwrap_or_default();
        if count >= self.per_user {
            return Err("too_many_sockets_of_user");
        }
        users.insert(user, count + 1);
        Ok(self.permit(Holder::User(user)))
    }

    fn permit(self: &Arc<Self>, holder: Holder) -> Permit {
        Permit { limits: Arc::clone(self), holder }
    }

    fn open(&self) -> MutexGuard<'_, OpenSockets> {
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
        let mut open = self.limits.open();
        match self.holder {
            Holder::Network(network) => open.networks.subtract(network, 1),
            Holder::User(user) => {
                if let Entry::Occupied(mut count) = open.users.entry(user) {
                    *count.get_mut() -= 1;
                    if *count.get() == 0 {
                        count.remove();
                    }
                }
            }
        }
    }
}
