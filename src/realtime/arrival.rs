//! The door between a socket's task and the relay: who wants in, and what became of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use socketioxide::extract::SocketRef;
use tokio::sync::{mpsc, oneshot};

use super::admission::Admitted;
use super::answer::Answer;
use super::room::{Audience, Room};

/// Sockets that may wait at the door at once; further ones wait outside of it.
const DOOR: usize = 1_024;

/// A socket that wants into a room and has seen everything of it up to `after`.
pub struct Arrival {
    /// The socket that asks to join.
    pub socket: SocketRef,
    /// The room it asks for.
    pub room: Room,
    /// In which capacity.
    pub audience: Audience,
    /// Events numbered below this had happened when that was decided.
    pub as_of: i64,
    /// `None`: from now on.
    pub after: Option<i64>,
    /// What the client hears the moment it is in.
    pub answer: Answer,
    /// Where its task waits.
    pub verdict: oneshot::Sender<Verdict>,
}

/// What became of an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is in and has been told.
    In,
    /// Not yet: it has everything up to this number, and the rest is only in the table.
    Behind(i64),
    /// Not yet: it has everything up to this number, and now let others have a turn.
    NotYet(i64),
    /// Something has happened since it was let in that may have ended the reason: it is decided anew.
    Reconsider,
    /// No event can have carried that number.
    Unheard,
    /// It is not there any more.
    Gone,
}

/// The way to the relay.
#[derive(Clone)]
pub struct Post {
    arrivals: mpsc::Sender<Arrival>,
    cursor: Arc<AtomicI64>,
}

/// A door: the way to it, and what comes through it.
pub fn door() -> (Post, mpsc::Receiver<Arrival>) {
    let (sender, arrivals) = mpsc::channel(DOOR);
    (Post { arrivals: sender, cursor: Arc::default() }, arrivals)
}

impl Post {
    /// Says where the relay stands.
    pub fn set_cursor(&self, cursor: i64) {
        self.cursor.store(cursor, Ordering::Release);
    }

    /// Every event up to this number is final.
    pub fn cursor(&self) -> i64 {
        self.cursor.load(Ordering::Acquire)
    }

    /// Asks to be let in.
    pub async fn arrive(
        &self,
        socket: SocketRef,
        room: Room,
        admitted: Admitted,
        after: Option<i64>,
        answer: Answer,
    ) -> Verdict {
        let (verdict, told) = oneshot::channel();
        let Admitted { audience, as_of, .. } = admitted;
        let arrival = Arrival { socket, room, audience, as_of, after, answer, verdict };
        if self.arrivals.send(arrival).await.is_err() {
            return Verdict::Gone;
        }
        told.await.unwrap_or(Verdict::Gone)
    }
}
