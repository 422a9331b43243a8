//! The relay: the one task of a node that reads the event log and emits to the node's own sockets.
//!
//! It alone emits live events and lets sockets into rooms, between two events, so a socket that joins stands exactly at
//! the relay's cursor. It looks at the log when this node committed something, when another node says so, and in any
//! case after the poll interval. Events above the horizon wait until every older transaction has ended.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use socketioxide::{BroadcastError, SocketError, SocketIo};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::answer::Unsent;
use super::arrival::{self, Arrival, Post, Verdict};
use super::ring::{Ring, Told};
use super::room::{Audience, Channel, Room};
use super::session::{self, Exits, Session};
use super::socket::Joined;
use super::sql::{self, PAGE};
use super::wake::Others;
use crate::app::App;
use crate::events::Recorded;
use crate::ids::DriverId;
use crate::problem::Problem;
use crate::tenancy::PlatformScope;

/// Events a socket gets from the ring in one go.
const PORTION: usize = 256;
/// Rest while events lie above the horizon, doubled up to the longest.
const SHORTEST_REST: Duration = Duration::from_millis(10);
/// The longest rest while there is something to wait for.
const LONGEST_REST: Duration = Duration::from_millis(100);

/// The task's belongings.
pub struct Relay {
    app: Arc<App>,
    io: SocketIo,
    ring: Ring,
    post: Post,
    arrivals: mpsc::Receiver<Arrival>,
    /// Those who have seen more than we have, by another node.
    early: Vec<Arrival>,
    others: Others,
    /// The other nodes do not know yet of something that this node committed.
    owed: bool,
    rest: Duration,
    /// The log could not be read the last time.
    is_blind: bool,
    exits: Exits,
}

impl Relay {
    /// A relay that has not looked yet, and the way to it.
    pub fn new(app: Arc<App>, io: SocketIo, others: Others, exits: Exits) -> (Self, Post) {
        let (post, arrivals) = arrival::door();
        let relay = Self {
            ring: Ring::new(app.config.sockets.ring, 0),
            app,
            io,
            post: post.clone(),
            arrivals,
            early: Vec::new(),
            others,
            owed: false,
            rest: SHORTEST_REST,
            is_blind: false,
            exits,
        };
        (relay, post)
    }

    /// Relays until it is time to stop.
    pub async fn run(mut self) {
        let stop = self.exits.stop.clone();
        stop.run_until_cancelled(self.begin()).await;
        let appended = self.app.db.appended();
        let mut next_look = Instant::now();
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = appended.notified() => self.owed = true,
                () = self.others.told() => {}
                () = sleep_until(next_look) => {}
                Some(arrival) = self.arrivals.recv() => {
                    self.receive(arrival);
                    if self.early.is_empty() {
                        continue;
                    }
                }
            }
            let rest = self.look().await;
            next_look = Instant::now() + rest;
        }
    }

    /// Finds out where the log stands: what happened before is told to whoever asks for it with `after`.
    async fn begin(&mut self) {
        loop {
            let everything = PlatformScope::proven_by("the event relay", None);
            match self.app.db.read(everything, |tx| Box::pin(sql::log(tx))).await {
                Ok(log) => {
                    self.ring = Ring::new(self.app.config.sockets.ring, log.horizon - 1);
                    self.post.set_cursor(self.ring.cursor());
                    return;
                }
                Err(problem) => sleep(self.blind(&problem)).await,
            }
        }
    }

    /// Emits what is new and says how long to wait before looking again.
    async fn look(&mut self) -> Duration {
        let held_back = match self.drain().await {
            Ok(held_back) => held_back,
            Err(problem) => return self.blind(&problem),
        };
        self.is_blind = false;
        for arrival in std::mem::take(&mut self.early) {
            if arrival.after.is_some_and(|after| after > self.ring.cursor()) {
                let _ = arrival.verdict.send(Verdict::Unheard);
            } else {
                self.receive(arrival);
            }
        }
        if !held_back {
            self.rest = SHORTEST_REST;
            return self.app.config.sockets.poll_interval;
        }
        let rest = self.rest;
        self.rest = (rest * 2).min(LONGEST_REST);
        rest
    }

    /// The log cannot be read: said once, tried again with each poll.
    fn blind(&mut self, problem: &Problem) -> Duration {
        if !self.is_blind {
            tracing::warn!(%problem, "the event log cannot be read; no events are sent until it can");
        }
        self.is_blind = true;
        self.app.config.sockets.poll_interval
    }

    /// Emits everything below the horizon; true when there is something above it.
    async fn drain(&mut self) -> Result<bool, Problem> {
        let mut emitted = false;
        loop {
            let (log, page) = self.read_page().await?;
            let is_last = page.len() < PAGE;
            emitted |= !page.is_empty();
            for event in page {
                let seq = event.seq;
                match Told::new(event) {
                    Ok(event) => self.emit(event).await,
                    Err(error) => {
                        tracing::error!(%error, seq, "an event cannot be read; it is left out");
                        self.ring.advance(seq);
                    }
                }
            }
            if is_last {
                self.ring.advance(log.horizon - 1);
            }
            self.post.set_cursor(self.ring.cursor());
            if is_last {
                let held_back = log.newest.is_some_and(|newest| newest >= log.horizon);
                if self.owed && (emitted || !held_back) {
                    self.others.tell();
                    self.owed = held_back;
                }
                return Ok(held_back);
            }
            while let Ok(arrival) = self.arrivals.try_recv() {
                self.receive(arrival);
            }
        }
    }

    /// What is new, once it is on disk: nobody hears of anything that a crash could take back.
    async fn read_page(&self) -> Result<(sql::Log, Vec<Recorded>), Problem> {
        let ticket = self.app.db.ticket().await?;
        let everything = PlatformScope::proven_by("the event relay", None);
        let cursor = self.ring.cursor();
        let read = self.app.db.read(everything, move |tx| {
            Box::pin(async move {
                let log = sql::log(tx).await?;
                let page = sql::between(tx, cursor, log.horizon).await?;
                Ok((log, page))
            })
        });
        let (log, page) = read.await?;
        if !page.is_empty() {
            self.app.db.durable(ticket).await?;
        }
        Ok((log, page))
    }

    /// To every socket in the event's rooms, once, whatever number of them it is in. Drivers whose part in a delivery ends
    /// with the event are out of its rooms before they could hear what comes after it.
    async fn emit(&mut self, event: Told) {
        let rooms: Vec<String> = event.rooms.iter().map(Room::to_string).collect();
        let sent = self.io.to(rooms.clone()).emit(&event.name, &event.body).await;
        let is_full = |fault: &SocketError| matches!(fault, SocketError::InternalChannelFull);
        match sent {
            Err(BroadcastError::Socket(faults)) if faults.iter().any(is_full) => {
                self.part_from_the_slow(rooms.clone(), &event);
            }
            Err(BroadcastError::Socket(_)) | Ok(()) => {}
            Err(error) => tracing::error!(%error, seq = event.seq, "an event could not be emitted"),
        }
        self.tell_drivers(&event, rooms);
        self.ring.push(event);
        // Lets the connections write: a burst must not fill the buffer of a client that keeps up.
        tokio::task::yield_now().await;
    }

    /// The drivers' part of [`Relay::emit`]: a view of their own, and for whom it is the last of the delivery, the end.
    fn tell_drivers(&self, event: &Told, heard_already: Vec<String>) {
        if event.driver_rooms.is_empty() {
            // To no room means to everybody, in Socket.IO.
            return;
        }
        let channels = event.driver_rooms.iter().map(|room| (*room, driver_channel(*room)));
        let channels: Vec<_> = channels.collect();
        let names: Vec<_> = channels.iter().map(|(_, name)| name.clone()).collect();
        for socket in self.io.to(names).except(heard_already).sockets() {
            let Ok(session) = Session::of(&socket) else { continue };
            let Some(driver) = session.driver() else { continue };
            match event.emit(&socket, Audience::Driver(driver), false) {
                Ok(Err(Unsent::Full)) => self.exits.part(socket),
                Ok(Ok(()) | Err(Unsent::Gone)) => {}
                Err(error) => tracing::error!(%error, seq = event.seq, "an event could not be serialised for a driver"),
            }
        }
        if event.carriage.is_none() {
            return;
        }
        for (room, name) in channels.into_iter().filter(|(room, _)| !matches!(room, Room::Driver(_))) {
            for socket in self.io.to(name.clone()).sockets() {
                let Ok(session) = Session::of(&socket) else { continue };
                if session.is_ended_by(event, room) {
                    socket.leave(name.clone());
                    session.carries_no_more(room);
                    let stop = self.exits.stop.clone();
                    let forget = async move { stop.run_until_cancelled(session::forget_room(socket, room)).await };
                    self.exits.tasks.spawn(forget);
                }
            }
        }
    }

    /// Somebody's buffer was full, and the library does not say whose: the event goes to each once more, which a
    /// client knows by its number, and whoever still has no room for it is disconnected.
    fn part_from_the_slow(&self, rooms: Vec<String>, event: &Told) {
        for socket in self.io.to(rooms).sockets() {
            if socket.emit(&event.name, &event.body).map_err(Unsent::from) == Err(Unsent::Full) {
                self.exits.part(socket);
            }
        }
    }

    /// Lets a socket in, or says what is missing.
    fn receive(&mut self, arrival: Arrival) {
        if arrival.after.is_some_and(|after| after > self.ring.cursor()) {
            // Another node has told it more than we know; the next look shows it, or shows that it cannot be.
            return self.early.push(arrival);
        }
        let verdict = self.judge(&arrival);
        // Nobody waits for it any more: then the socket is gone, and so are its rooms.
        let _ = arrival.verdict.send(verdict);
    }

    fn judge(&self, arrival: &Arrival) -> Verdict {
        let Arrival { socket, room, audience, answer, .. } = arrival;
        let (room, audience, cursor) = (*room, *audience, self.ring.cursor());
        if let Audience::Driver(driver) = audience
            && self.is_outdated(arrival, driver)
        {
            return Verdict::Reconsider;
        }
        let mut reached = arrival.after.unwrap_or(cursor);
        let Some(missed) = self.ring.since(reached, room, audience) else {
            return Verdict::Behind(reached);
        };
        // What a driver missed is told as they may know it now: where a delivery went ended with their part in it.
        let ended = match audience {
            Audience::Driver(driver) => self.ring.ended_since(reached, driver),
            Audience::Full => HashSet::new(),
        };
        for (count, event) in missed.enumerate() {
            if count == PORTION {
                return Verdict::NotYet(reached);
            }
            match event.emit(socket, audience, event.is_about(&ended)) {
                Ok(Ok(())) => reached = event.seq,
                Ok(Err(Unsent::Full)) => return Verdict::NotYet(reached),
                Ok(Err(Unsent::Gone)) => return Verdict::Gone,
                Err(error) => tracing::error!(%error, seq = event.seq, "an event could not be serialised for a driver"),
            }
        }
        match answer.send(&Joined { ok: true, room: room.to_string(), seq: cursor }) {
            Ok(()) => {}
            Err(Unsent::Full) => return Verdict::NotYet(cursor),
            Err(Unsent::Gone) => return Verdict::Gone,
        }
        if let (Audience::Driver(driver), Ok(session)) = (audience, Session::of(socket)) {
            session.carries(room, driver, arrival.as_of);
        }
        socket.join(Channel::of(room, audience).to_string());
        if !socket.connected() || session::is_parting(socket) {
            // It left while it came in, and nobody would clean up after it.
            socket.leave_all();
            return Verdict::Gone;
        }
        Verdict::In
    }

    /// Whether something was told since a driver was let in that may have ended the reason.
    fn is_outdated(&self, arrival: &Arrival, driver: DriverId) -> bool {
        if matches!(arrival.room, Room::Driver(_)) {
            return false;
        }
        // What is no longer in the ring may have been such an event too.
        let Some(mut later) = self.ring.since(arrival.as_of - 1, arrival.room, arrival.audience) else { return true };
        later.any(|event| event.ends_carriage_of(driver))
    }
}

/// What Socket.IO calls the drivers' part of a room.
fn driver_channel(room: Room) -> String {
    Channel { room, is_for_drivers: true }.to_string()
}
