//! What somebody may take of a common bound: a share for each user, network or restaurant that has taken something or waits
//! for it, and nothing for all others. Nobody keeps everybody else waiting.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The shares of those who hold one, by whose they are.
#[derive(Debug)]
pub struct Shares<K, S>(Mutex<HashMap<K, Weak<S>>>);

impl<K: Eq + Hash, S> Shares<K, S> {
    /// Shares that nobody holds yet.
    pub fn new() -> Self {
        Self(Mutex::default())
    }

    /// Somebody's share, which lasts for as long as it is held. Those that nobody holds are forgotten when a new one comes.
    pub fn of(&self, whose: K, new: impl FnOnce() -> S) -> Arc<S> {
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&whose).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(new());
        shares.insert(whose, Arc::downgrade(&share));
        share
    }
}

impl<K: Eq + Hash, S> Default for Shares<K, S> {
    fn default() -> Self {
        Self::new()
    }
}
