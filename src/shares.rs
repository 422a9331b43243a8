//! Shares of a common limit, such as the slots of admission control: one for each user, network or restaurant that uses
//! it at the moment. With shares, one of them cannot use up the whole limit.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Shares in use, by their owner.
#[derive(Debug)]
pub struct Shares<K, S>(Mutex<HashMap<K, Weak<S>>>);

impl<K: Eq + Hash, S> Shares<K, S> {
    /// No share is in use.
    pub fn new() -> Self {
        Self(Mutex::default())
    }

    /// The share of an owner: the one in use, or a new one. A share exists as long as a reference to it is held.
    pub fn of(&self, owner: K, new: impl FnOnce() -> S) -> Arc<S> {
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&owner).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(new());
        shares.insert(owner, Arc::downgrade(&share));
        share
    }
}

impl<K: Eq + Hash, S> Default for Shares<K, S> {
    fn default() -> Self {
        Self::new()
    }
}
