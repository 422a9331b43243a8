//! Requests of sockets to join a room, passed to the relay, and their outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use socketioxide::extract::SocketRef;
use tokio::sync::{mpsc, oneshot};

use super::access::RoomAccess;
use super::acknowledgement::Acknowledgement;
use super::room::{Audience, Room};

/// The number of requests that may wait for the relay at once; senders of further ones wait until one of them is
/// answered.
const QUEUE: usize = 1_024;

/// A request of a socket that has all events of the room up to `after`.
pub struct JoinRequest {
    /// The socket that joins.
    pub socket: SocketRef,
    /// The requested room.
    pub room: Room,
    /// Which view of the room's events the socket may see.
    pub audience: Audience,
    /// Events numbered below this had happened when access was checked.
    pub as_of: i64,
    /// The number of the last event that the client has; `None`: it gets events from now on.
    pub after: Option<i64>,
    /// The acknowledgement that is sent when the socket has joined.
    pub acknowledgement: Acknowledgement,
    /// Receives the outcome; the socket's task waits for it.
    pub outcome: oneshot::Sender<JoinOutcome>,
}

/// The outcome of a join request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinOutcome {
    /// The socket has joined, and the client has its acknowledgement.
    Joined,
    /// Not yet: the socket has everything up to this number, and what follows is no longer in the relay's buffer.
    BehindBuffer(i64),
    /// Not yet: the socket has everything up to this number. Ask again, so that other sockets are served in between.
    Continue(i64),
    /// Something has happened since access was checked that may have ended it. Check again.
    RecheckAccess,
    /// No event can have the number that the client gave.
    UnknownNumber,
    /// The socket is disconnected.
    Disconnected,
}

/// The relay as sockets' tasks see it.
#[derive(Clone)]
pub struct RelayHandle {
    requests: mpsc::Sender<JoinRequest>,
    cursor: Arc<AtomicI64>,
}

/// A handle, and the requests that are sent through it.
pub fn channel() -> (RelayHandle, mpsc::Receiver<JoinRequest>) {
    let (sender, requests) = mpsc::channel(QUEUE);
    (RelayHandle { requests: sender, cursor: Arc::default() }, requests)
}

impl RelayHandle {
    /// Publishes the relay's cursor.
    pub fn set_cursor(&self, cursor: i64) {
        self.cursor.store(cursor, Ordering::Release);
    }

    /// The relay's cursor: every event up to this number is final.
    pub fn cursor(&self) -> i64 {
        self.cursor.load(Ordering::Acquire)
    }

    /// Asks the relay to add a socket to a room, and waits for the outcome.
    pub async fn join(
        &self,
        socket: SocketRef,
        room: Room,
        access: RoomAccess,
        after: Option<i64>,
        acknowledgement: Acknowledgement,
    ) -> JoinOutcome {
        let (outcome, result) = oneshot::channel();
        let RoomAccess { audience, as_of, .. } = access;
        let request = JoinRequest { socket, room, audience, as_of, after, acknowledgement, outcome };
        if self.requests.send(request).await.is_err() {
            return JoinOutcome::Disconnected;
        }
        result.await.unwrap_or(JoinOutcome::Disconnected)
    }
}
