//! Live events: a Socket.IO connection that joins rooms, reconnects after a failure, and requests missed events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::Session;
use crate::call::{backoff, root_cause};
use crate::packet::{Frame, Packet};

/// How long the server may take to accept a connection or to acknowledge a `join`.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest message that is read.
const MESSAGE_LIMIT: usize = 4 << 20;

/// The messages of a socket to its owner. `connection` is the number of the connection, from one.
#[derive(Debug)]
pub enum News {
    /// A room was joined, and all events up to `seq` were received.
    Joined {
        /// The room that was joined.
        room: String,
        /// The position of the event log.
        seq: u64,
    },
    /// The server refuses a room; the socket has ended.
    Refused {
        /// The room that was refused.
        room: String,
        /// The error of the server.
        reason: String,
    },
    /// An event of a room that was joined.
    Event {
        /// The number of the connection.
        connection: u32,
        /// The event's name, such as `order:new`.
        name: String,
        /// The body of the event.
        body: Value,
    },
    /// The connection was lost and is opened again.
    Broken {
        /// Why it was lost.
        reason: String,
    },
}

/// An open socket; dropping it closes it.
pub struct Socket {
    _keeper: JoinSet<()>,
}

impl Socket {
    /// Opens a socket for a user, joins `rooms`, and sends all messages to `news` with the number `label`.
    pub fn open(session: Arc<Session>, rooms: Vec<String>, label: usize, news: mpsc::Sender<(usize, News)>) -> Self {
        let rooms = rooms.into_iter().map(|room| (room, Mark::default())).collect();
        let mut supervisor = Supervisor { session, rooms, label, news, connection: 0 };
        let mut task = JoinSet::new();
        task.spawn(async move { supervisor.run().await });
        Self { _keeper: task }
    }
}

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why a connection ended.
enum End {
    /// The owner has ended, or the server will never accept this user.
    Final,
    /// Temporary: another attempt is made.
    Broken(String),
}

impl From<tokio_tungstenite::tungstenite::Error> for End {
    fn from(error: tokio_tungstenite::tungstenite::Error) -> Self {
        Self::Broken(root_cause(&error))
    }
}

/// The position in a room's events.
#[derive(Default)]
struct Mark {
    seq: Option<u64>,
    /// Whether this connection has requested the room: earlier events belong to the replay of another room.
    is_requested: bool,
}

/// The task that reconnects one socket.
struct Supervisor {
    session: Arc<Session>,
    rooms: BTreeMap<String, Mark>,
    label: usize,
    news: mpsc::Sender<(usize, News)>,
    connection: u32,
}

impl Supervisor {
    async fn run(&mut self) {
        let mut failures = 0;
        loop {
            self.connection += 1;
            let reason = match self.connected(&mut failures).await {
                End::Final => return,
                End::Broken(reason) => reason,
            };
            if self.report(News::Broken { reason }).await.is_err() {
                return;
            }
            failures += 1;
            tokio::time::sleep(backoff(failures)).await;
        }
    }

    /// Runs one connection from the handshake to its end.
    async fn connected(&mut self, failures: &mut u32) -> End {
        let (mut stream, silence) = match timeout(ANSWER_TIMEOUT, self.enter()).await {
            Err(_) => return End::Broken("the server did not answer the handshake".to_owned()),
            Ok(Err(end)) => return end,
            Ok(Ok(entered)) => entered,
        };
        self.rooms.values_mut().for_each(|mark| mark.is_requested = false);
        for room in self.rooms.keys().cloned().collect::<Vec<_>>() {
            match timeout(ANSWER_TIMEOUT, self.join(&mut stream, &room)).await {
                Err(_) => return End::Broken(format!("the server did not answer the join of {room}")),
                Ok(Err(end)) => return end,
                Ok(Ok(())) => {}
            }
        }
        *failures = 0;
        loop {
            // The server sends pings; if they stop for longer than announced, the connection is dead.
            match timeout(silence, self.next(&mut stream)).await {
                Err(_) => return End::Broken("the server fell silent".to_owned()),
                Ok(Err(end)) => return end,
                Ok(Ok(_)) => {}
            }
        }
    }

    /// The handshakes of WebSocket, Engine.IO and Socket.IO. Returns the connection and the ping timeout.
    async fn enter(&mut self) -> Result<(Stream, Duration), End> {
        let token = self.session.token().await.map_err(|error| End::Broken(error.to_string()))?;
        let address = self.session.client().socket_address();
        let limits = WebSocketConfig::default().max_message_size(Some(MESSAGE_LIMIT));
        let (mut stream, _) = tokio_tungstenite::connect_async_with_config(address, Some(limits), true).await?;
        let silence = match receive(&mut stream).await? {
            Frame::Open { ping_interval, ping_timeout } => Duration::from_millis(ping_interval + ping_timeout),
            other => return Err(End::Broken(format!("the server began with {other}"))),
        };
        send(&mut stream, Packet::Connect(json!({ "token": token }))).await?;
        loop {
            match receive(&mut stream).await? {
                Frame::Message(Packet::Connect(_)) => return Ok((stream, silence)),
                Frame::Message(Packet::ConnectError(message)) => {
                    // The token may have been revoked or may have expired in the meantime.
                    if message == "unauthorized" {
                        let renewed = self.session.token_instead_of(&token).await;
                        renewed.map_err(|error| End::Broken(error.to_string()))?;
                    }
                    return Err(End::Broken(format!("the server refuses the socket: {message}")));
                }
                Frame::Ping(text) => answer_ping(&mut stream, text).await?,
                _ => {}
            }
        }
    }

    /// Joins a room, and requests the events after the last one that was received.
    async fn join(&mut self, stream: &mut Stream, room: &str) -> Result<(), End> {
        let mut argument = json!({ "room": room });
        let mark = self.rooms.entry(room.to_owned()).or_default();
        mark.is_requested = true;
        if let Some(seq) = mark.seq {
            argument["after"] = json!(seq);
        }
        send(stream, Packet::Event { id: Some(1), name: "join".to_owned(), args: vec![argument] }).await?;
        let answer = loop {
            if let Some(answer) = self.next(stream).await? {
                break answer;
            }
        };
        if answer["ok"] == json!(true) {
            let seq = answer["seq"].as_u64().unwrap_or_default();
            self.rooms.entry(room.to_owned()).or_default().seq.get_or_insert(seq);
            return self.report(News::Joined { room: room.to_owned(), seq }).await;
        }
        let error = &answer["error"];
        let reason = format!("{} {}", error["code"].as_str().unwrap_or("refused"), error["detail"]);
        if matches!(error["status"].as_u64(), Some(401 | 429 | 500..)) {
            return Err(End::Broken(format!("the server does not answer the join of {room} now: {reason}")));
        }
        self.report(News::Refused { room: room.to_owned(), reason }).await?;
        Err(End::Final)
    }

    /// Handles one frame. Events are passed on; returns the content of an acknowledgement.
    async fn next(&mut self, stream: &mut Stream) -> Result<Option<Value>, End> {
        match receive(stream).await? {
            Frame::Ping(text) => answer_ping(stream, text).await?,
            Frame::Close => return Err(End::Broken("the server closed the connection".to_owned())),
            Frame::Message(Packet::Disconnect) => return Err(End::Broken("the server ended the session".to_owned())),
            Frame::Message(Packet::Ack { args, .. }) => {
                return Ok(Some(args.into_iter().next().unwrap_or(Value::Null)));
            }
            Frame::Message(Packet::Event { name, mut args, .. }) => {
                let body = if args.is_empty() { Value::Null } else { args.swap_remove(0) };
                self.remember(&body);
                self.report(News::Event { connection: self.connection, name, body }).await?;
            }
            _ => {}
        }
        Ok(None)
    }

    /// Updates the positions of the rooms that an event belongs to: the next connection resumes there.
    fn remember(&mut self, body: &Value) {
        let Some(seq) = body["seq"].as_u64() else { return };
        for (noun, field) in [("restaurant", "restaurantId"), ("order", "orderId"), ("delivery", "deliveryId")] {
            if let Some(id) = body[field].as_str()
                && let Some(mark) = self.rooms.get_mut(&format!("{noun}:{id}"))
                && mark.is_requested
            {
                mark.seq = Some(mark.seq.map_or(seq, |seen| seen.max(seq)));
            }
        }
    }

    async fn report(&self, news: News) -> Result<(), End> {
        self.news.send((self.label, news)).await.map_err(|_| End::Final)
    }
}

async fn receive(stream: &mut Stream) -> Result<Frame, End> {
    loop {
        return match stream.next().await {
            None => Err(End::Broken("the connection was closed".to_owned())),
            Some(Ok(Message::Text(text))) => Frame::parse(&text).map_err(|error| End::Broken(error.to_string())),
            Some(Ok(Message::Close(frame))) => {
                let reason = frame.map(|frame| frame.to_string()).unwrap_or_default();
                Err(End::Broken(format!("the server closed the connection {reason}")))
            }
            Some(Ok(_)) => continue,
            Some(Err(error)) => Err(error.into()),
        };
    }
}

async fn send(stream: &mut Stream, packet: Packet) -> Result<(), End> {
    Ok(stream.send(Message::text(Frame::Message(packet).to_string())).await?)
}

async fn answer_ping(stream: &mut Stream, text: String) -> Result<(), End> {
    Ok(stream.send(Message::text(Frame::Pong(text).to_string())).await?)
}
