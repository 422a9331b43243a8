//! A cache of callers by session, so that not every request reads its session from the database.
//!
//! Entries are at most a second out of date: `revocation_listener.rs` reads every revocation from the database and
//! removes what it affects. When the listener has not read for a few seconds, no entry is used and every request reads
//! the database.
//!
//! Written here instead of with moka: a session is kept only if nothing was revoked since it was read, which has to be
//! decided under the same lock as the revocations (`epoch`); moka has no such conditional insertion.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::Caller;
use crate::ids::{SessionId, UserId};

/// The longest time that an entry is used.
const LIFE: Duration = Duration::from_mins(1);
/// The listener reads at least once a second; when it has not for this long, no entry is used.
const FRESH: Duration = Duration::from_secs(3);
/// The number of batches of revocations that a slow receiver may be behind.
const CHANNEL_CAPACITY: usize = 256;

/// A revocation: of one session, or of what is cached of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revocation {
    /// The user whose session or permissions changed.
    pub user: UserId,
    /// The session that has ended; `None`: the roles or rights of the user have changed.
    pub session: Option<SessionId>,
}

/// A cached session.
#[derive(Debug, Clone, Copy)]
pub struct CachedSession {
    /// The user behind the session, with roles.
    pub caller: Caller,
    /// When the session ends.
    pub expires_at: DateTime<Utc>,
    /// The highest number whose access token is known to have been used.
    pub confirmed: i32,
}

/// The cache. It also passes revocations on to sockets.
pub struct Callers {
    state: Mutex<CacheState>,
    max: usize,
    /// Sessions that were found to have ended, and not to be valid since.
    ended: Mutex<HashSet<SessionId>>,
    revocations: broadcast::Sender<Arc<[Revocation]>>,
}

#[derive(Default)]
struct CacheState {
    entries: HashMap<SessionId, (CachedSession, Instant)>,
    /// Incremented by each revocation: what was read from the database before it is not cached after it.
    epoch: u64,
    /// When the listener has last read the revocations; `None`: it is disconnected.
    last_read: Option<Instant>,
}

impl Callers {
    /// An empty cache for at most `max` sessions.
    pub fn new(max: usize) -> Self {
        Self {
            state: Mutex::default(),
            max,
            ended: Mutex::default(),
            revocations: broadcast::Sender::new(CHANNEL_CAPACITY),
        }
    }

    fn state(&self) -> MutexGuard<'_, CacheState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cached session, if it can be used; else the epoch to pass to [`Callers::remember`].
    pub fn cached(&self, session: SessionId) -> Result<CachedSession, u64> {
        let state = self.state();
        let is_fresh = state.last_read.is_some_and(|read| read.elapsed() < FRESH);
        let known = state.entries.get(&session).filter(|(_, since)| is_fresh && since.elapsed() < LIFE);
        known.map(|(known, _)| *known).ok_or(state.epoch)
    }

    /// Caches what was read from the database, unless anything was revoked since `epoch`.
    pub fn remember(&self, session: SessionId, known: CachedSession, epoch: u64) {
        self.ended().remove(&session);
        let mut state = self.state();
        if state.epoch != epoch {
            return;
        }
        if state.entries.len() >= self.max && !state.entries.contains_key(&session) {
            state.entries.retain(|_, (_, since)| since.elapsed() < LIFE);
            if state.entries.len() >= self.max {
                state.entries.clear();
            }
        }
        state.entries.insert(session, (known, Instant::now()));
    }

    fn ended(&self) -> MutexGuard<'_, HashSet<SessionId>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that a session was found to have ended, for the limits that a request draws from. It is forgotten when
    /// the session is valid again, because its account was enabled. When there are more than the cache may hold, all
    /// are forgotten.
    pub fn remember_end(&self, session: SessionId) {
        let mut ended = self.ended();
        if ended.len() >= self.max {
            ended.clear();
        }
        ended.insert(session);
    }

    /// Whether a session is known to have ended.
    pub fn has_ended(&self, session: SessionId) -> bool {
        self.ended().contains(&session)
    }

    /// Records that the access token of this number has been used.
    pub fn confirm(&self, session: SessionId, counter: i32) {
        if let Some((known, _)) = self.state().entries.get_mut(&session) {
            known.confirmed = known.confirmed.max(counter);
        }
    }

    /// Applies a revocation of this node at once. Other nodes, and sockets, receive it from the listener.
    pub fn revoke(&self, revocation: Revocation) {
        self.state().revoke(&revocation);
    }

    /// Applies the revocations that the listener has read; called for each reading, also when there are none.
    pub fn apply(&self, revocations: Vec<Revocation>) {
        let mut state = self.state();
        for revocation in &revocations {
            state.revoke(revocation);
        }
        state.last_read = Some(Instant::now());
        drop(state);
        if !revocations.is_empty() {
            // Fails when there are no receivers.
            let _ = self.revocations.send(revocations.into());
        }
    }

    /// Empties the cache when the listener starts to read, because entries may be out of date.
    pub fn begin(&self) {
        let mut state = self.state();
        state.entries.clear();
        state.epoch += 1;
        state.last_read = Some(Instant::now());
    }

    /// Stops the use of the cache while the listener is disconnected.
    pub fn disconnected(&self) {
        self.state().last_read = None;
    }

    /// Subscribes to revocations from now on. A receiver that lags behind gets an error and has to check every session
    /// again.
    pub fn revocations(&self) -> broadcast::Receiver<Arc<[Revocation]>> {
        self.revocations.subscribe()
    }
}

impl CacheState {
    fn revoke(&mut self, revocation: &Revocation) {
        self.epoch += 1;
        match revocation.session {
            Some(session) => {
                self.entries.remove(&session);
            }
            None => self.entries.retain(|_, (known, _)| known.caller.user != revocation.user),
        }
    }
}
