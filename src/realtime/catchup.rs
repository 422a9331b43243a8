//! Catching up: from the last event a client has seen to where the relay stands, without a gap and without a repeat.

use std::collections::HashSet;
use std::time::Duration;

use socketioxide::extract::SocketRef;
use tokio::time::{Instant, sleep};

use super::admission::{Admitted, admit};
use super::answer::{Answer, Unsent};
use super::arrival::Verdict;
use super::ring::Told;
use super::room::{Audience, Room};
use super::session::{self, PATIENCE, Session};
use super::socket::Desk;
use super::sql::{self, PAGE};
use crate::problem::Problem;

impl Desk {
    /// Brings a socket to where the relay stands, and in; says in which capacity, `None` when it went away meanwhile.
    ///
    /// # Errors
    /// 404 when the reason to let it in ended while it was brought in.
    pub async fn bring_in(
        &self,
        socket: &SocketRef,
        room: Room,
        after: Option<i64>,
        answer: &Answer,
    ) -> Result<Option<Admitted>, Problem> {
        let session = Session::of(socket)?;
        let mut admitted = self.admit(&session, room).await?;
        let mut reached = after;
        let mut patience = Patience::new();
        loop {
            match self.post.arrive(socket.clone(), room, admitted, reached, answer.clone()).await {
                Verdict::In => return Ok(Some(admitted)),
                Verdict::Gone => return Ok(None),
                Verdict::Reconsider => admitted = self.admit(&session, room).await?,
                Verdict::Unheard => {
                    return Err(Problem::invalid_field(
                        "/after",
                        "is not the number of an event yet: join without it and get the current state",
                    ));
                }
                Verdict::Behind(seq) => match self.replay(socket, room, seq, admitted).await? {
                    Some(seq) => reached = Some(seq),
                    None => return Ok(None),
                },
                Verdict::NotYet(seq) => {
                    if reached != Some(seq) {
                        patience = Patience::new();
                    }
                    reached = Some(seq);
                    if !self.wait_for(socket, &mut patience).await {
                        return Ok(None);
                    }
                }
            }
        }
    }

    async fn admit(&self, session: &Session, room: Room) -> Result<Admitted, Problem> {
        let caller = session.caller(&self.app).await?;
        admit(&self.app, &caller, room).await
    }

    /// Emits a room's events from the table, up to where the relay stands now; says how far that was.
    async fn replay(
        &self,
        socket: &SocketRef,
        room: Room,
        after: i64,
        admitted: Admitted,
    ) -> Result<Option<i64>, Problem> {
        let up_to = self.post.cursor();
        let mut reached = after;
        loop {
            let Admitted { restaurant, who, audience, .. } = admitted;
            let read = self.app.db.read(who, move |tx| {
                Box::pin(async move {
                    let page = sql::of_room(tx, restaurant, room, reached, up_to).await?;
                    // A driver's own room outlives their deliveries; whoever reads another room carries what it is about.
                    let ended = match room {
                        Room::Driver(driver) => sql::ended(tx, driver, &page).await?,
                        _ => HashSet::new(),
                    };
                    Ok((page, ended))
                })
            });
            let (page, ended) = read.await?;
            let is_last = page.len() < PAGE;
            for event in page {
                let event = Told::new(event).map_err(|error| Problem::internal(&error))?;
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

    /// Emits to one socket, waiting while its buffer is full; false when it is gone.
    async fn emit(&self, socket: &SocketRef, event: &Told, audience: Audience, is_over: bool) -> Result<bool, Problem> {
        let mut patience = Patience::new();
        loop {
            let sent = event.emit(socket, audience, is_over).map_err(|error| Problem::internal(&error))?;
            match sent {
                Ok(()) => return Ok(true),
                Err(Unsent::Gone) => return Ok(false),
                Err(Unsent::Full) => {
                    if !self.wait_for(socket, &mut patience).await {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Waits a little for a client to read; one that reads nothing for long is sent away.
    async fn wait_for(&self, socket: &SocketRef, patience: &mut Patience) -> bool {
        let still_there = socket.connected() && !session::is_parting(socket);
        if still_there && patience.is_over() {
            self.exits.part(socket.clone());
            return false;
        }
        patience.rest().await;
        still_there
    }
}

/// Growing rests while nothing moves.
struct Patience {
    since: Instant,
    rest: Duration,
}

impl Patience {
    fn new() -> Self {
        Self { since: Instant::now(), rest: Duration::from_millis(2) }
    }

    fn is_over(&self) -> bool {
        self.since.elapsed() > PATIENCE
    }

    async fn rest(&mut self) {
        sleep(self.rest).await;
        self.rest = (self.rest * 2).min(Duration::from_millis(100));
    }
}
