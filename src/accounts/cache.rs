//! The callers this node has seen lately, so that not every request asks the database who is behind its session.
//!
//! What is remembered is right up to a second: every revocation is read from the database by `feed.rs`, which makes
//! this forget. When the feed has not looked for a few seconds, nothing remembered is believed and the database is
//! asked, as if there were no memory at all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::Caller;
use crate::ids::{SessionId, UserId};

/// Nothing is believed for longer, whatever the feed says.
const LIFE: Duration = Duration::from_mins(1);
/// The feed looks at least once a second; one that has not done so for this long cannot be relied on.
const FRESH: Duration = Duration::from_secs(3);
/// Batches of news that a slow listener may be behind.
const NEWS: usize = 256;

/// Something to forget: a session that has ended, or everything about a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revocation {
    /// Whose.
    pub user: UserId,
    /// Which; `None`: the user may do less or more than before.
    pub session: Option<SessionId>,
}

/// What is remembered of a session.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Who.
    pub caller: Caller,
    /// When the session ends.
    pub expires_at: DateTime<Utc>,
    /// The highest number whose access token is known to have been used.
    pub confirmed: i32,
}

/// The memory.
pub struct Callers {
    book: Mutex<Book>,
    most: usize,
    news: broadcast::Sender<Arc<[Revocation]>>,
}

#[derive(Default)]
struct Book {
    entries: HashMap<SessionId, (Known, Instant)>,
    /// Grows with each forgetting: what was read before it is not remembered after it.
    epoch: u64,
    looked: Option<Instant>,
}

impl Callers {
    /// An empty memory for at most so many sessions.
    pub fn new(most: usize) -> Self {
        Self { book: Mutex::default(), most, news: broadcast::Sender::new(NEWS) }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a session, if it can be relied on; else the epoch to hand to [`Callers::remember`].
    pub fn recall(&self, session: SessionId) -> Result<Known, u64> {
        let book = self.book();
        let is_fresh = book.looked.is_some_and(|looked| looked.elapsed() < FRESH);
        let known = book.entries.get(&session).filter(|(_, since)| is_fresh && since.elapsed() < LIFE);
        known.map(|(known, _)| *known).ok_or(book.epoch)
    }

    /// Keeps what was read from the database, unless something was revoked since `epoch`.
    pub fn remember(&self, session: SessionId, known: Known, epoch: u64) {
        let mut book = self.book();
        if book.epoch != epoch {
            return;
        }
        if book.entries.len() >= self.most && !book.entries.contains_key(&session) {
            book.entries.retain(|_, (_, since)| since.elapsed() < LIFE);
            if book.entries.len() >= self.most {
                book.entries.clear();
            }
        }
        book.entries.insert(session, (known, Instant::now()));
    }

    /// The access token of this number has been used; said once a number.
    pub fn confirm(&self, session: SessionId, counter: i32) {
        if let Some((known, _)) = self.book().entries.get_mut(&session) {
            known.confirmed = known.confirmed.max(counter);
        }
    }

    /// Forgets at once what this node itself has just revoked; the others, and sockets, hear of it by the feed.
    pub fn forget(&self, revocation: Revocation) {
        self.book().forget(&revocation);
    }

    /// The feed has looked, and this is what it found.
    pub fn heard(&self, news: Vec<Revocation>) {
        let mut book = self.book();
        for revocation in &news {
            book.forget(revocation);
        }
        book.looked = Some(Instant::now());
        drop(book);
        if !news.is_empty() {
            // Without sockets nobody listens.
            let _ = self.news.send(news.into());
        }
    }

    /// The feed begins to look from here: what was read before may be wrong already.
    pub fn begin(&self) {
        let mut book = self.book();
        book.entries.clear();
        book.epoch += 1;
        book.looked = Some(Instant::now());
    }

    /// The feed is broken: nothing that is remembered can be relied on.
    pub fn deaf(&self) {
        self.book().looked = None;
    }

    /// Revocations from now on. A listener that falls behind by too much is told so and has to ask about everybody.
    pub fn news(&self) -> broadcast::Receiver<Arc<[Revocation]>> {
        self.news.subscribe()
    }
}

impl Book {
    fn forget(&mut self, revocation: &Revocation) {
        self.epoch += 1;
        match revocation.session {
            Some(session) => {
                self.entries.remove(&session);
            }
            None => self.entries.retain(|_, (known, _)| known.caller.user != revocation.user),
        }
    }
}
