//! Sends a client the events between the last one that it has and the relay's cursor, without gaps and repetitions.
//! Events are never deleted, so every `after` can be answered: events older than the relay's buffer are read from the
//! table. Without `after` a client gets no earlier events and no state, only the events after the relay's cursor
//! (`relay.rs`, `decide`).

use std::collections::HashSet;
use std::time::Duration;

use socketioxide::extract::SocketRef;
use tokio::time::{Instant, sleep};

use super::access::{RoomAccess, room_access};
use super::acknowledgement::{Acknowledgement, SendFailure};
use super::disconnection::is_disconnecting;
use super::join_request::JoinOutcome;
use super::ring::BufferedEvent;
use super::room::{Audience, Room};
use super::session::{READ_TIMEOUT, SocketSession};
use super::socket::SocketContext;
use super::sql::{self, PAGE};
use crate::problem::Problem;

impl SocketContext {
    /// Sends a socket the events it missed, and then adds it to the room. Returns its access; `None`: it was
    /// disconnected meanwhile.
    ///
    /// # Errors
    /// 404 when access ended meanwhile.
    pub async fn join_room(
        &self,
        socket: &SocketRef,
        room: Room,
        after: Option<i64>,
        acknowledgement: &Acknowledgement,
    ) -> Result<Option<RoomAccess>, Problem> {
        let session = SocketSession::of(socket)?;
        let mut access = self.room_access(&session, room).await?;
        let mut reached = after;
        let mut backoff = Backoff::new();
        loop {
            match self.relay.join(socket.clone(), room, access, reached, acknowledgement.clone()).await {
                JoinOutcome::Joined => return Ok(Some(access)),
                JoinOutcome::Disconnected => return Ok(None),
                JoinOutcome::RecheckAccess => access = self.room_access(&session, room).await?,
                JoinOutcome::UnknownNumber => {
                    return Err(Problem::invalid_field(
                        "/after",
                        "is not the number of an event yet: join without it and get the current state",
                    ));
                }
                JoinOutcome::BehindBuffer(seq) => match self.replay(socket, room, seq, access).await? {
                    Some(seq) => reached = Some(seq),
                    None => return Ok(None),
                },
                JoinOutcome::Continue(seq) => {
                    if reached != Some(seq) {
                        backoff = Backoff::new();
                    }
                    reached = Some(seq);
                    if !self.wait_for(socket, &mut backoff).await {
                        return Ok(None);
                    }
                }
            }
        }
    }

    async fn room_access(&self, session: &SocketSession, room: Room) -> Result<RoomAccess, Problem> {
        let caller = session.caller(&self.app).await?;
        room_access(&self.app, &caller, room).await
    }

    /// Emits events of a room from the table up to the relay's current cursor, which it returns; `None`: the socket was
    /// disconnected.
    async fn replay(
        &self,
        socket: &SocketRef,
        room: Room,
        after: i64,
        access: RoomAccess,
    ) -> Result<Option<i64>, Problem> {
        let up_to = self.relay.cursor();
        let mut reached = after;
        loop {
            let RoomAccess { restaurant, tenancy, audience, .. } = access;
            // Held while a page is read and not while it is sent, so that clients that read slowly do not delay others.
            let permit = self.replays.acquire().await.map_err(|error| Problem::internal(&error))?;
            let read = self.app.db.read(tenancy, move |tx| {
                Box::pin(async move {
                    let page = sql::of_room(tx, restaurant, room, reached, up_to).await?;
                    // The driver's own room holds events of ended deliveries, too. A driver reads other rooms only
                    // while assigned to the delivery.
                    let ended = match room {
                        Room::Driver(driver) => sql::ended(tx, driver, &page).await?,
                        _ => HashSet::new(),
                    };
                    Ok((page, ended))
                })
            });
            let (page, ended) = read.await?;
            drop(permit);
            let is_last = page.len() < PAGE;
            for event in page {
                let event = BufferedEvent::new(event).map_err(|error| Problem::internal(&error))?;
                if !self.emit(socket, &event, audience, event.is_about(&ended)).await? {
                    return Ok(None);
                }
                reached = event.seq;
            }
            if is_last {
                return Ok(Some(up_to.max(after)));
            }
        }
    }

    /// Emits to one socket, and waits while its buffer is full. Returns false when it is disconnected.
    async fn emit(
        &self,
        socket: &SocketRef,
        event: &BufferedEvent,
        audience: Audience,
        is_over: bool,
    ) -> Result<bool, Problem> {
        let mut backoff = Backoff::new();
        loop {
            let sent = event.emit(socket, audience, is_over).map_err(|error| Problem::internal(&error))?;
            match sent {
                Ok(()) => return Ok(true),
                Err(SendFailure::Disconnected) => return Ok(false),
                Err(SendFailure::BufferFull) => {
                    if !self.wait_for(socket, &mut backoff).await {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Waits for a client to read. Returns false if the client has read nothing for [`READ_TIMEOUT`], and is then
    /// disconnected, or if it has disconnected itself.
    async fn wait_for(&self, socket: &SocketRef, backoff: &mut Backoff) -> bool {
        let still_there = socket.connected() && !is_disconnecting(socket);
        if still_there && backoff.is_over() {
            self.disconnection.disconnect(socket.clone());
            return false;
        }
        backoff.wait().await;
        still_there
    }
}

/// Growing waits while a client reads nothing.
struct Backoff {
    since: Instant,
    pause: Duration,
}

impl Backoff {
    fn new() -> Self {
        Self { since: Instant::now(), pause: Duration::from_millis(2) }
    }

    fn is_over(&self) -> bool {
        self.since.elapsed() > READ_TIMEOUT
    }

    async fn wait(&mut self) {
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_millis(100));
    }
}
