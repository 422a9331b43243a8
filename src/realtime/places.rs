//! How many sockets each user and each network has open on this node. Every socket holds a [`Place`] and gives it up
//! with its end, however that comes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

use crate::client::Client;
use crate::config::Config;
use crate::ids::UserId;

/// Whose sockets are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Holder {
    User(UserId),
    Network(IpNet),
}

/// The sockets that are open, and how many may be.
pub struct Places {
    taken: Mutex<HashMap<Holder, usize>>,
    per_user: usize,
    per_network: usize,
    /// They speak for many.
    proxies: Vec<IpNet>,
}

/// Why a socket is one too many, as its client hears it in `connect_error`.
pub type TooMany = &'static str;

impl Places {
    /// Starts with no connection open.
    pub fn new(config: &Config) -> Self {
        Self {
            taken: Mutex::default(),
            per_user: config.sockets.max_per_user,
            per_network: config.sockets.max_per_address,
            proxies: config.http.trusted_proxies.clone(),
        }
    }

    /// A place among the sockets of a network; `None` for a proxy of ours that does not say for whom it speaks.
    pub fn of_network(self: &Arc<Self>, client: Client) -> Result<Option<Place>, TooMany> {
        if self.proxies.iter().any(|network| network.contains(&client.address())) {
            return Ok(None);
        }
        let place = self.take(Holder::Network(client.network()), self.per_network);
        place.map(Some).ok_or("too_many_sockets_of_address")
    }

    /// A place among the sockets of a user.
    pub fn of_user(self: &Arc<Self>, user: UserId) -> Result<Place, TooMany> {
        self.take(Holder::User(user), self.per_user).ok_or("too_many_sockets_of_user")
    }

    fn take(self: &Arc<Self>, holder: Holder, most: usize) -> Option<Place> {
        let mut taken = self.taken();
        let count = taken.get(&holder).copied().unwrap_or_default();
        if count >= most {
            return None;
        }
        taken.insert(holder, count + 1);
        Some(Place { places: Arc::clone(self), holder })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Holder, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One socket counted; given up when dropped.
pub struct Place {
    places: Arc<Places>,
    holder: Holder,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.places.taken().entry(self.holder) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}
