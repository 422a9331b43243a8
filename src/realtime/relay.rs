//! The relay: the one task of a node that reads the event log and emits to the node's own sockets.
//!
//! Only the relay emits live events and adds sockets to rooms, between two events, so that a socket joins exactly at
//! the relay's cursor. It reads the log when this node has committed something, when another node notifies it, and in
//! any case after the poll interval. Events above the horizon wait until every older transaction has ended.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use socketioxide::extract::SocketRef;
use socketioxide::{BroadcastError, SocketError, SocketIo};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::acknowledgement::SendFailure;
use super::disconnection::{Disconnection, is_disconnecting};
use super::join_request::{self, JoinOutcome, JoinRequest, RelayHandle};
use super::ring::{BufferedEvent, EventRing};
use super::room::{Audience, Room, RoomChannel};
use super::session::{self, SocketSession};
use super::socket::Joined;
use super::sql::{self, LogPage, PAGE};
use super::wake::OtherNodes;
use crate::app::App;
use crate::ids::DriverId;
use crate::problem::Problem;
use crate::tenancy::PlatformScope;
use crate::uow::PlatformReader;

/// The most events that a joining socket is sent from the ring buffer at once.
const PORTION: usize = 256;
/// The time between two readings of the log that sockets cause by joining with a number that the relay has not reached.
const JOINS_PACE: Duration = Duration::from_millis(20);
/// The first wait while there are events above the horizon; it doubles up to the longest.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);
/// The longest wait while there are events above the horizon.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// The state of the task.
pub struct Relay {
    app: Arc<App>,
    log: PlatformReader,
    io: SocketIo,
    ring: EventRing,
    /// Where the cursor is published.
    handle: RelayHandle,
    requests: mpsc::Receiver<JoinRequest>,
    /// Requests of sockets that have been sent later events by another node.
    ahead_of_log: Vec<JoinRequest>,
    others: OtherNodes,
    /// Whether other nodes are still to be notified of events that this node has committed.
    must_notify_peers: bool,
    wait: Duration,
    /// Whether the last attempt to read the log failed.
    is_log_unreadable: bool,
    disconnection: Disconnection,
}

impl Relay {
    /// A relay that has not read the log yet, and its handle.
    pub fn new(app: Arc<App>, io: SocketIo, others: OtherNodes, disconnection: Disconnection) -> (Self, RelayHandle) {
        let (handle, requests) = join_request::channel();
        let relay = Self {
            log: app.db.reader(PlatformScope::proven_by("the event relay", None)),
            ring: EventRing::new(app.config.sockets.ring, 0),
            app,
            io,
            handle: handle.clone(),
            requests,
            ahead_of_log: Vec::new(),
            others,
            must_notify_peers: false,
            wait: SHORTEST_WAIT,
            is_log_unreadable: false,
            disconnection,
        };
        (relay, handle)
    }

    /// Relays events until the server stops.
    pub async fn run(mut self) {
        let stop = self.disconnection.stop.clone();
        stop.run_until_cancelled(self.begin()).await;
        let appended = self.app.db.appended();
        let (mut last_read, mut next_read) = (Instant::now(), Instant::now());
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = appended.notified() => self.must_notify_peers = true,
                () = self.others.notified() => {}
                () = sleep_until(next_read) => {}
                Some(request) = self.requests.recv() => {
                    self.receive(request);
                    if !self.ahead_of_log.is_empty() {
                        // One reading serves all join requests, however many there are.
                        next_read = next_read.min(last_read + JOINS_PACE);
                    }
                    continue;
                }
            }
            let wait = self.emit_new().await;
            last_read = Instant::now();
            next_read = last_read + wait;
        }
    }

    /// Reads where the log ends. Earlier events are sent only to sockets that request them with `after`.
    async fn begin(&mut self) {
        loop {
            match self.log.read(|connection| Box::pin(sql::after(connection, i64::MAX))).await {
                Ok(log) => {
                    self.ring = EventRing::new(self.app.config.sockets.ring, log.horizon - 1);
                    self.handle.set_cursor(self.ring.cursor());
                    return;
                }
                Err(problem) => sleep(self.log_unreadable(&problem)).await,
            }
        }
    }

    /// Emits new events, and returns how long to wait before the next reading.
    async fn emit_new(&mut self) -> Duration {
        let held_back = match self.emit_to_horizon().await {
            Ok(held_back) => held_back,
            Err(problem) => return self.log_unreadable(&problem),
        };
        self.is_log_unreadable = false;
        for request in std::mem::take(&mut self.ahead_of_log) {
            if request.after.is_some_and(|after| after > self.ring.cursor()) {
                let _ = request.outcome.send(JoinOutcome::UnknownNumber);
            } else {
                self.receive(request);
            }
        }
        if !held_back {
            self.wait = SHORTEST_WAIT;
            return self.app.config.sockets.poll_interval;
        }
        let wait = self.wait;
        self.wait = (wait * 2).min(LONGEST_WAIT);
        wait
    }

    /// Logs that the event log cannot be read, once until it can be read again, and returns the wait before the next
    /// attempt.
    fn log_unreadable(&mut self, problem: &Problem) -> Duration {
        if !self.is_log_unreadable {
            tracing::warn!(%problem, "the event log cannot be read; no events are sent until it can");
        }
        self.is_log_unreadable = true;
        self.app.config.sockets.poll_interval
    }

    /// Emits everything below the horizon; true when there is something above it.
    async fn emit_to_horizon(&mut self) -> Result<bool, Problem> {
        let mut emitted = false;
        loop {
            let LogPage { events, horizon, newest, .. } = self.read_page().await?;
            let is_last = events.len() < PAGE;
            emitted |= !events.is_empty();
            for event in events {
                let seq = event.seq;
                match BufferedEvent::new(event) {
                    Ok(event) => self.emit(event).await,
                    Err(error) => {
                        tracing::error!(%error, seq, "an event in the log cannot be read; it is skipped");
                        self.ring.advance(seq);
                    }
                }
            }
            if is_last {
                self.ring.advance(horizon - 1);
            }
            self.handle.set_cursor(self.ring.cursor());
            if is_last {
                let held_back = newest.is_some_and(|newest| newest >= horizon);
                if self.must_notify_peers && (emitted || !held_back) {
                    self.others.notify();
                    self.must_notify_peers = held_back;
                }
                return Ok(held_back);
            }
            while let Ok(request) = self.requests.try_recv() {
                self.receive(request);
            }
        }
    }

    /// The next page of events, once it is on disk, so that no event is emitted that a crash could undo.
    async fn read_page(&self) -> Result<LogPage, Problem> {
        let ticket = self.app.db.ticket().await?;
        let cursor = self.ring.cursor();
        let page = self.log.read(|connection| Box::pin(sql::after(connection, cursor))).await?;
        if !page.events.is_empty() && !page.is_on_disk {
            self.app.db.durable(ticket).await?;
        }
        Ok(page)
    }

    /// Emits an event once to every socket in any of its rooms. Drivers whose delivery ends with the event leave its
    /// rooms before the next event is emitted.
    async fn emit(&mut self, event: BufferedEvent) {
        let rooms: Vec<String> = event.rooms.iter().map(Room::to_string).collect();
        for socket in self.io.to(rooms.clone()).sockets() {
            if !event.is_admitted(&socket) {
                self.disconnection.disconnect(socket);
            }
        }
        let sent = self.io.to(rooms.clone()).emit(&event.name, &event.body).await;
        let is_full = |fault: &SocketError| matches!(fault, SocketError::InternalChannelFull);
        match sent {
            Err(BroadcastError::Socket(faults)) if faults.iter().any(is_full) => {
                self.disconnect_slow_consumers(rooms.clone(), &event);
            }
            Err(BroadcastError::Socket(_)) | Ok(()) => {}
            Err(error) => tracing::error!(%error, seq = event.seq, "an event could not be emitted"),
        }
        self.emit_to_drivers(&event, rooms);
        self.ring.push(event);
        // Lets the connections write: a burst must not fill the buffer of a client that keeps up.
        tokio::task::yield_now().await;
    }

    /// The part of [`Relay::emit`] for drivers: they get a view of their own, and those whose delivery ends with the
    /// event leave its rooms.
    fn emit_to_drivers(&self, event: &BufferedEvent, already_sent: Vec<String>) {
        if event.driver_rooms.is_empty() {
            // In Socket.IO, no room means every socket.
            return;
        }
        let channels = event.driver_rooms.iter().map(|room| (*room, driver_channel(*room)));
        let channels: Vec<_> = channels.collect();
        let names: Vec<_> = channels.iter().map(|(_, name)| name.clone()).collect();
        for socket in self.io.to(names).except(already_sent).sockets() {
            let Ok(session) = SocketSession::of(&socket) else { continue };
            let Some(driver) = session.driver() else { continue };
            match event.emit(&socket, Audience::Driver(driver), false) {
                Ok(Err(SendFailure::BufferFull)) => self.disconnection.disconnect(socket),
                Ok(Ok(()) | Err(SendFailure::Disconnected)) => {}
                Err(error) => tracing::error!(%error, seq = event.seq, "an event could not be serialised for a driver"),
            }
        }
        if event.drivers.is_none() {
            return;
        }
        for (room, name) in channels.into_iter().filter(|(room, _)| !matches!(room, Room::Driver(_))) {
            for socket in self.io.to(name.clone()).sockets() {
                let Ok(session) = SocketSession::of(&socket) else { continue };
                if session.is_ended_by(event, room) {
                    socket.leave(name.clone());
                    session.stops_carrying(room);
                    let stop = self.disconnection.stop.clone();
                    let leave = async move { stop.run_until_cancelled(session::leave_room(socket, room)).await };
                    self.disconnection.tasks.spawn(leave);
                }
            }
        }
    }

    /// Disconnects sockets whose send buffer is full. The library does not say which these are, so the event is emitted
    /// to each socket again, which clients recognise by its number, and those whose buffer is still full are
    /// disconnected.
    fn disconnect_slow_consumers(&self, rooms: Vec<String>, event: &BufferedEvent) {
        for socket in self.io.to(rooms).sockets() {
            if socket.emit(&event.name, &event.body).map_err(SendFailure::from) == Err(SendFailure::BufferFull) {
                self.disconnection.disconnect(socket);
            }
        }
    }

    /// Handles a join request, and sends its outcome.
    fn receive(&mut self, request: JoinRequest) {
        if request.after.is_some_and(|after| after > self.ring.cursor()) {
            // Another node has sent later events. The next reading finds them, or shows that the number is wrong.
            return self.ahead_of_log.push(request);
        }
        let outcome = self.decide(&request);
        // Fails when the socket's task has ended; then the socket is in no room any more.
        let _ = request.outcome.send(outcome);
    }

    fn decide(&self, request: &JoinRequest) -> JoinOutcome {
        let JoinRequest { socket, room, audience, acknowledgement, .. } = request;
        let (room, audience, cursor) = (*room, *audience, self.ring.cursor());
        if let Audience::Driver(driver) = audience
            && self.is_outdated(request, driver)
        {
            return JoinOutcome::RecheckAccess;
        }
        let own = RoomChannel::of(room, audience).to_string();
        leave_before_joining(socket, room, audience, request.after.is_some());
        let mut reached = request.after.unwrap_or(cursor);
        let Some(missed) = self.ring.since(reached, room, audience) else {
            return JoinOutcome::BehindBuffer(reached);
        };
        // Missed events show a driver what they may see now: the address of a delivery only while they carry it.
        let ended = match audience {
            Audience::Driver(driver) => self.ring.ended_since(reached, driver),
            Audience::Full => HashSet::new(),
        };
        for (count, event) in missed.enumerate() {
            if count == PORTION {
                return JoinOutcome::Continue(reached);
            }
            match event.emit(socket, audience, event.is_about(&ended)) {
                Ok(Ok(())) => reached = event.seq,
                Ok(Err(SendFailure::BufferFull)) => return JoinOutcome::Continue(reached),
                Ok(Err(SendFailure::Disconnected)) => return JoinOutcome::Disconnected,
                Err(error) => tracing::error!(%error, seq = event.seq, "an event could not be serialised for a driver"),
            }
        }
        match acknowledgement.send(&Joined { ok: true, room: room.to_string(), seq: cursor }) {
            Ok(()) => {}
            Err(SendFailure::BufferFull) => {
                socket.leave(own);
                return JoinOutcome::Continue(cursor);
            }
            Err(SendFailure::Disconnected) => return JoinOutcome::Disconnected,
        }
        if let (Audience::Driver(driver), Ok(session)) = (audience, SocketSession::of(socket)) {
            session.record_driver(room, driver, request.as_of);
        }
        socket.join(own);
        if !socket.connected() || is_disconnecting(socket) {
            // It was disconnected while it joined. Nothing else removes it from the room.
            socket.leave_all();
            return JoinOutcome::Disconnected;
        }
        JoinOutcome::Joined
    }

    /// Whether an event since the access check may have ended the driver's access.
    fn is_outdated(&self, request: &JoinRequest, driver: DriverId) -> bool {
        if matches!(request.room, Room::Driver(_)) {
            return false;
        }
        // Events that are no longer in the buffer may have ended it, too.
        let Some(mut later) = self.ring.since(request.as_of - 1, request.room, request.audience) else { return true };
        later.any(|event| event.ends_delivery_of(driver))
    }
}

/// Prepares a socket that may be in the room already. With `after`, it leaves the room: the events since then are sent
/// again, before new ones. Without, it stays, and misses none. It always leaves the channel of the other audience.
fn leave_before_joining(socket: &SocketRef, room: Room, audience: Audience, has_after: bool) {
    let own = RoomChannel::of(room, audience);
    socket.leave(RoomChannel { is_for_drivers: !own.is_for_drivers, ..own }.to_string());
    if has_after {
        socket.leave(own.to_string());
    }
    if audience == Audience::Full
        && let Ok(session) = SocketSession::of(socket)
    {
        session.stops_carrying(room);
    }
}

/// The name of a room's channel for drivers in Socket.IO.
fn driver_channel(room: Room) -> String {
    RoomChannel { room, is_for_drivers: true }.to_string()
}
