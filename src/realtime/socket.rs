//! What a client can ask for over its socket: to come in, to join a room, to leave it, to stay longer.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use socketioxide::ParserError;
use socketioxide::adapter::LocalAdapter;
use socketioxide::extract::{SocketRef, TryData};
use socketioxide::handler::ConnectMiddleware;
use socketioxide::socket::DisconnectReason;

use super::admission::admit;
use super::answer::Answer;
use super::arrival::Post;
use super::engine_sessions::EngineSession;
use super::places::Places;
use super::room::{Audience, Channel, InvalidRoom, Room};
use super::session::{Exits, Session};
use crate::accounts::Caller;
use crate::app::App;
use crate::client::Client;
use crate::problem::{Code, Problem};

/// What every handler needs.
#[derive(Clone)]
pub struct Desk {
    /// What the app shares.
    pub app: Arc<App>,
    /// The way to the relay.
    pub post: Post,
    /// The way out.
    pub exits: Exits,
    /// How many may be in.
    pub places: Arc<Places>,
}

/// The handshake's `auth`.
#[derive(Deserialize)]
pub struct Handshake {
    token: String,
}

/// `join`: a room, and the last event of it that the client has seen.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    room: String,
    after: Option<i64>,
}

/// Payload of a `leave` message.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Departure {
    room: String,
}

/// Payload of an `auth:renew` message.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Renewal {
    token: String,
}

/// In the room, with everything up to `seq`.
#[derive(Serialize)]
pub struct Joined {
    /// Always true: the room was joined.
    pub ok: bool,
    /// The room that was joined.
    pub room: String,
    /// Send it as `after` to come back.
    pub seq: i64,
}

/// Out of the room.
#[derive(Serialize)]
struct Left {
    ok: bool,
    room: String,
}

/// Renewed; rooms that are closed to the user meanwhile have been left.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Renewed {
    ok: bool,
    expires_in: i64,
    left: Vec<String>,
}

/// Lets in whoever has a good token and not too many sockets, and listens to them from then on: before the client is
/// told that it is in, so that it may ask at once.
pub fn doorkeeper(desk: Desk) -> impl ConnectMiddleware<LocalAdapter, (SocketRef, TryData<Handshake>)> {
    move |socket: SocketRef, TryData(handshake): TryData<Handshake>| {
        let desk = desk.clone();
        async move {
            let token = handshake.map_err(|_| "unauthorized")?.token;
            socket.extensions.insert(desk.admit_socket(&socket, token).await?);
            desk.listen(&socket);
            Ok::<(), &'static str>(())
        }
    }
}

impl Desk {
    /// Opens a socket's session, within the bounds on how many there may be. A refusal is what the client hears in
    /// `connect_error`.
    async fn admit_socket(&self, socket: &SocketRef, token: String) -> Result<Arc<Session>, &'static str> {
        let extensions = &socket.req_parts().extensions;
        let client = extensions.get::<Client>().copied();
        let transport = extensions.get::<Arc<EngineSession>>().ok_or("internal")?;
        transport.try_once().map_err(|problem| problem.code().word())?;
        // First of all, so that nobody makes the database work with sockets beyond their number.
        let network = self.places.of_network(client.ok_or("internal")?)?;
        let mut session = Session::open(&self.app, token).await.map_err(|problem| match problem.code() {
            Code::Unauthenticated => "unauthorized",
            code => code.word(),
        })?;
        let user = self.places.of_user(session.user)?;
        session.hold(network, user, transport.sign_in());
        Ok(Arc::new(session))
    }

    fn listen(self, socket: &SocketRef) {
        let exits = self.exits.clone();
        let patience = self.app.config.sockets.connect_timeout;
        socket.on_disconnect(async move |socket: SocketRef, reason: DisconnectReason| {
            if matches!(reason, DisconnectReason::ClientNSDisconnect | DisconnectReason::ServerNSDisconnect) {
                exits.close_transport_unless_signed_in(&socket, patience);
            }
        });
        let desk = self.clone();
        socket.on("join", move |socket: SocketRef, TryData(wish): TryData<Wish>, answer: Answer| async move {
            if let Err(problem) = desk.join(&socket, wish, &answer).await {
                answer.refuse(&problem);
            }
        });
        let desk = self.clone();
        socket.on("leave", move |socket: SocketRef, TryData(wish): TryData<Departure>, answer: Answer| async move {
            match desk.leave(&socket, wish).await {
                Ok(left) => answer.give(&left),
                Err(problem) => answer.refuse(&problem),
            }
        });
        socket.on("auth:renew", move |socket: SocketRef, TryData(wish): TryData<Renewal>, answer: Answer| async move {
            match self.renew(&socket, wish).await {
                Ok(renewed) => answer.give(&renewed),
                Err(problem) => answer.refuse(&problem),
            }
        });
        socket.on_fallback(async |socket: SocketRef, answer: Answer| {
            if let Err(problem) = Session::of(&socket).and_then(|session| session.turn().map(drop)) {
                return answer.refuse(&problem);
            }
            let detail = "Unknown event: send join, leave or auth:renew.";
            answer.refuse(&Problem::new(Code::InvalidRequest, detail));
        });
    }

    async fn join(&self, socket: &SocketRef, wish: Result<Wish, ParserError>, answer: &Answer) -> Result<(), Problem> {
        let session = Session::of(socket)?;
        let _turn = session.turn()?;
        let Wish { room, after } = wish.map_err(|error| unreadable(&error, "{room, after?}"))?;
        let room = named(&room)?;
        let mut rooms = session.rooms.lock().await;
        // Joining again starts anew: with `after`, what was missed comes again before what is new.
        leave(socket, &mut rooms, room);
        if rooms.len() >= self.app.config.sockets.max_rooms {
            return Err(Problem::new(Code::TooManyRequests, "Leave a room before you join another one.")
                .with("limit", self.app.config.sockets.max_rooms));
        }
        if let Some(admitted) = self.bring_in(socket, room, after, answer).await? {
            rooms.insert(room, admitted.audience);
        }
        Ok(())
    }

    async fn leave(&self, socket: &SocketRef, wish: Result<Departure, ParserError>) -> Result<Left, Problem> {
        let session = Session::of(socket)?;
        let _turn = session.turn()?;
        let room = named(&wish.map_err(|error| unreadable(&error, "{room}"))?.room)?;
        let mut rooms = session.rooms.lock().await;
        leave(socket, &mut rooms, room);
        Ok(Left { ok: true, room: room.to_string() })
    }

    async fn renew(&self, socket: &SocketRef, wish: Result<Renewal, ParserError>) -> Result<Renewed, Problem> {
        let session = Session::of(socket)?;
        let _turn = session.turn()?;
        let token = wish.map_err(|error| unreadable(&error, "{token}"))?.token;
        let (caller, expires_in) = session.renew(&self.app, token).await?;
        let left = self.leave_forbidden(socket, &caller, &mut *session.rooms.lock().await).await?;
        Ok(Renewed { ok: true, expires_in, left: left.iter().map(Room::to_string).collect() })
    }

    /// Takes a socket out of the rooms that its user may not see any more; says which.
    pub async fn leave_forbidden(
        &self,
        socket: &SocketRef,
        caller: &Caller,
        rooms: &mut HashMap<Room, Audience>,
    ) -> Result<Vec<Room>, Problem> {
        let mut left = Vec::new();
        for (&room, audience) in rooms.iter() {
            match admit(&self.app, caller, room).await {
                Ok(admitted) if admitted.audience == *audience => {}
                // In another capacity they see less, or more: they join again.
                Ok(_) => left.push(room),
                Err(problem) if is_for_good(problem.code()) => left.push(room),
                Err(problem) => return Err(problem),
            }
        }
        for room in &left {
            leave(socket, rooms, *room);
        }
        Ok(left)
    }
}

/// Takes a socket out of a room, if it is there.
fn leave(socket: &SocketRef, rooms: &mut HashMap<Room, Audience>, room: Room) {
    if let Some(audience) = rooms.remove(&room) {
        socket.leave(Channel::of(room, audience).to_string());
        if let Ok(session) = Session::of(socket) {
            session.carries_no_more(room);
        }
    }
}

/// A refusal by permission, as against a fault that may pass.
const fn is_for_good(code: Code) -> bool {
    matches!(code, Code::NotFound | Code::Forbidden | Code::SecondFactorRequired)
}

/// What cannot be the id of anything is answered as what is not there.
fn named(text: &str) -> Result<Room, Problem> {
    text.parse().map_err(|error| match error {
        InvalidRoom::Kind => Problem::invalid_field("/room", error.to_string()),
        InvalidRoom::Id(_) => Problem::not_found(),
    })
}

fn unreadable(_: &ParserError, wanted: &str) -> Problem {
    Problem::new(Code::InvalidRequest, format!("Send exactly one object of the form {wanted}."))
}
