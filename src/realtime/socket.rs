//! The messages of a client over its socket: the handshake, `join`, `leave` and `auth:renew`.
//!
//! A socket is in no room until it sends `join`: `catchup.rs` (`join_room`) checks the access and sends missed events,
//! and `relay.rs` adds it to the room.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use socketioxide::ParserError;
use socketioxide::adapter::LocalAdapter;
use socketioxide::extract::{SocketRef, TryData};
use socketioxide::handler::ConnectMiddleware;
use socketioxide::socket::DisconnectReason;
use tokio::sync::Semaphore;

use super::access::access_to_all;
use super::acknowledgement::Acknowledgement;
use super::connection_limits::ConnectionLimits;
use super::disconnection::Disconnection;
use super::engine_sessions::EngineSession;
use super::join_request::RelayHandle;
use super::room::{Audience, InvalidRoom, Room, RoomChannel};
use super::session::SocketSession;
use crate::accounts::Caller;
use crate::app::App;
use crate::client::Client;
use crate::problem::{Code, Problem};

/// What the handlers of messages share.
#[derive(Clone)]
pub struct SocketContext {
    /// The shared state of the application.
    pub app: Arc<App>,
    /// The relay, which lets sockets into rooms.
    pub relay: RelayHandle,
    /// Disconnects sockets whose session has ended.
    pub disconnection: Disconnection,
    /// The limits on open sockets.
    pub limits: Arc<ConnectionLimits>,
    /// Pages of missed events that are read at once.
    pub replays: Arc<Semaphore>,
    /// Sockets whose rooms are checked again at once with a new token.
    pub renewal_checks: Arc<Semaphore>,
    /// The same after a change of rights, which does not wait for renewals.
    pub revocation_checks: Arc<Semaphore>,
}

/// The `auth` object of the handshake.
#[derive(Deserialize)]
pub struct Handshake {
    token: String,
}

/// The body of `join`: a room, and the number of the last event in it that the client has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JoinMessage {
    room: String,
    after: Option<i64>,
}

/// The body of `leave`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LeaveMessage {
    room: String,
}

/// The body of `auth:renew`: a new token of the same session.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RenewMessage {
    token: String,
}

/// The acknowledgement of `join`: the client has every event of the room up to `seq`.
#[derive(Serialize)]
pub struct Joined {
    /// Always true; false in a negative acknowledgement.
    pub ok: bool,
    /// The name of the room.
    pub room: String,
    /// The number to send as `after` when the client reconnects.
    pub seq: i64,
}

/// The acknowledgement of `leave`.
#[derive(Serialize)]
struct Left {
    ok: bool,
    room: String,
}

/// The acknowledgement of `auth:renew`. `left` are rooms that the user may not see any more; the socket has left them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Renewed {
    ok: bool,
    expires_in: i64,
    left: Vec<String>,
}

/// Accepts a socket with a valid token, within the limits on open sockets, and registers the handlers of its messages
/// before the client learns that it is connected, so that it may send messages at once.
pub fn authenticate(context: SocketContext) -> impl ConnectMiddleware<LocalAdapter, (SocketRef, TryData<Handshake>)> {
    move |socket: SocketRef, TryData(handshake): TryData<Handshake>| {
        let context = context.clone();
        async move {
            let token = handshake.map_err(|_| "unauthorized")?.token;
            socket.extensions.insert(context.open_session(&socket, token).await?);
            context.listen(&socket);
            Ok::<(), &'static str>(())
        }
    }
}

impl SocketContext {
    /// Opens the session of a socket, within the limits on open sockets. The error is the message of `connect_error`.
    async fn open_session(&self, socket: &SocketRef, token: String) -> Result<Arc<SocketSession>, &'static str> {
        let extensions = &socket.req_parts().extensions;
        let client = extensions.get::<Client>().copied();
        let transport = extensions.get::<Arc<EngineSession>>().ok_or("internal")?;
        transport.try_once().map_err(|problem| problem.code().as_str())?;
        // First, so that sockets beyond the limit cost no query.
        let network = self.limits.of_network(client.ok_or("internal")?)?;
        let mut session = SocketSession::open(&self.app, token).await.map_err(|problem| match problem.code() {
            Code::Unauthenticated => "unauthorized",
            code => code.as_str(),
        })?;
        let user = self.limits.of_user(session.user)?;
        let of_network = network.is_some().then_some(client).flatten().map(Client::network);
        session.hold(of_network, network, user, transport.sign_in());
        Ok(Arc::new(session))
    }

    fn listen(self, socket: &SocketRef) {
        let disconnection = self.disconnection.clone();
        let sign_in_timeout = self.app.config.sockets.connect_timeout;
        socket.on_disconnect(async move |socket: SocketRef, reason: DisconnectReason| {
            if matches!(reason, DisconnectReason::ClientNSDisconnect | DisconnectReason::ServerNSDisconnect) {
                disconnection.close_transport_unless_signed_in(&socket, sign_in_timeout);
            }
        });
        let context = self.clone();
        socket.on(
            "join",
            move |socket: SocketRef,
                  TryData(message): TryData<JoinMessage>,
                  acknowledgement: Acknowledgement| async move {
                if let Err(problem) = context.join(&socket, message, &acknowledgement).await {
                    acknowledgement.refuse(&problem);
                }
            },
        );
        let context = self.clone();
        socket.on(
            "leave",
            move |socket: SocketRef,
                  TryData(message): TryData<LeaveMessage>,
                  acknowledgement: Acknowledgement| async move {
                match context.leave(&socket, message).await {
                    Ok(left) => acknowledgement.give(&left),
                    Err(problem) => acknowledgement.refuse(&problem),
                }
            },
        );
        socket.on(
            "auth:renew",
            move |socket: SocketRef,
                  TryData(message): TryData<RenewMessage>,
                  acknowledgement: Acknowledgement| async move {
                match self.renew(&socket, message).await {
                    Ok(renewed) => acknowledgement.give(&renewed),
                    Err(problem) => acknowledgement.refuse(&problem),
                }
            },
        );
        socket.on_fallback(async |socket: SocketRef, acknowledgement: Acknowledgement| {
            let begun = SocketSession::of(&socket).and_then(|session| session.begin_message().map(drop));
            if let Err(problem) = begun {
                return acknowledgement.refuse(&problem);
            }
            let detail = "Unknown event: send join, leave or auth:renew.";
            acknowledgement.refuse(&Problem::new(Code::InvalidRequest, detail));
        });
    }

    async fn join(
        &self,
        socket: &SocketRef,
        message: Result<JoinMessage, ParserError>,
        acknowledgement: &Acknowledgement,
    ) -> Result<(), Problem> {
        let session = SocketSession::of(socket)?;
        let _permit = session.begin_request(&self.app).await?;
        let JoinMessage { room, after } = message.map_err(|error| unreadable(&error, "{room, after?}"))?;
        let room = parse_room(&room)?;
        let mut rooms = session.rooms.lock().await;
        if !rooms.contains_key(&room) && rooms.len() >= self.app.config.sockets.max_rooms {
            return Err(Problem::new(Code::TooManyRequests, "Leave a room before you join another one.")
                .with("limit", self.app.config.sockets.max_rooms));
        }
        // A socket that is in the room already stays there until the relay has decided (`leave_before_joining`).
        match self.join_room(socket, room, after, acknowledgement).await {
            Ok(Some(access)) => _ = rooms.insert(room, access.audience),
            Ok(None) => leave(socket, &mut rooms, room),
            Err(problem) => {
                if is_refusal(problem.code()) || !is_in(socket, &rooms, room) {
                    leave(socket, &mut rooms, room);
                }
                return Err(problem);
            }
        }
        Ok(())
    }

    async fn leave(&self, socket: &SocketRef, message: Result<LeaveMessage, ParserError>) -> Result<Left, Problem> {
        let session = SocketSession::of(socket)?;
        let _permit = session.begin_request(&self.app).await?;
        let room = parse_room(&message.map_err(|error| unreadable(&error, "{room}"))?.room)?;
        let mut rooms = session.rooms.lock().await;
        leave(socket, &mut rooms, room);
        Ok(Left { ok: true, room: room.to_string() })
    }

    async fn renew(&self, socket: &SocketRef, message: Result<RenewMessage, ParserError>) -> Result<Renewed, Problem> {
        let session = SocketSession::of(socket)?;
        let (_permit, is_due) = session.begin_renewal(&self.app).await?;
        let token = message.map_err(|error| unreadable(&error, "{token}"))?.token;
        let (caller, expires_in) = session.renew(&self.app, token).await?;
        // Changes of rights arrive as revocations as well.
        let left = if is_due {
            // Taken before the rooms are locked, so that a revocation of this socket waits for one check at most.
            let _permit = self.renewal_checks.acquire().await.map_err(|_| Problem::busy(1))?;
            self.leave_forbidden(socket, &caller, &mut *session.rooms.lock().await).await?
        } else {
            Vec::new()
        };
        Ok(Renewed { ok: true, expires_in, left: left.iter().map(Room::to_string).collect() })
    }

    /// Removes a socket from the rooms that its user may not see any more, and returns these rooms. Rooms are checked
    /// outside of the slots of requests, so the caller has a permit, of which there are few.
    pub async fn leave_forbidden(
        &self,
        socket: &SocketRef,
        caller: &Caller,
        rooms: &mut HashMap<Room, Audience>,
    ) -> Result<Vec<Room>, Problem> {
        let mut joined: Vec<_> = rooms.iter().map(|(room, audience)| (*room, *audience)).collect();
        // Rooms of restaurants come first, because they have the most events.
        joined.sort_by_key(|(room, _)| !matches!(room, Room::Restaurant(_)));
        let mut left = Vec::new();
        for some in joined.chunks(ROOMS_AT_ONCE) {
            let names: Vec<_> = some.iter().map(|(room, _)| *room).collect();
            let accesses = access_to_all(&self.app, caller, &names).await?;
            for ((_, audience), (room, access)) in some.iter().zip(accesses) {
                let stays = match access {
                    // If the user's view of the room has changed, the client has to join again.
                    Ok(access) => access.audience == *audience,
                    Err(problem) if is_refusal(problem.code()) => false,
                    Err(problem) => return Err(problem),
                };
                if !stays {
                    leave(socket, rooms, room);
                    left.push(room);
                }
            }
        }
        Ok(left)
    }
}

/// Rooms of one socket that are checked with the same statements.
const ROOMS_AT_ONCE: usize = 200;

/// Whether a socket receives the events of a room.
fn is_in(socket: &SocketRef, rooms: &HashMap<Room, Audience>, room: Room) -> bool {
    let channel = rooms.get(&room).map(|audience| RoomChannel::of(room, *audience).to_string());
    channel.is_some_and(|channel| socket.rooms().iter().any(|joined| **joined == *channel))
}

/// Removes a socket from a room, if it is in it.
fn leave(socket: &SocketRef, rooms: &mut HashMap<Room, Audience>, room: Room) {
    if let Some(audience) = rooms.remove(&room) {
        socket.leave(RoomChannel::of(room, audience).to_string());
        if let Ok(session) = SocketSession::of(socket) {
            session.stops_carrying(room);
        }
    }
}

/// Whether an error is a refusal, and not a temporary failure.
const fn is_refusal(code: Code) -> bool {
    matches!(code, Code::NotFound | Code::Forbidden | Code::SecondFactorRequired)
}

/// Parses a room. An id that cannot exist gets the same error as one that does not exist.
fn parse_room(text: &str) -> Result<Room, Problem> {
    text.parse().map_err(|error| match error {
        InvalidRoom::Kind => Problem::invalid_field("/room", error.to_string()),
        InvalidRoom::Id(_) => Problem::not_found(),
    })
}

fn unreadable(_: &ParserError, form: &str) -> Problem {
    Problem::new(Code::InvalidRequest, format!("Send exactly one object of the form {form}."))
}
