//! The text frames of Socket.IO v4 over WebSocket: Engine.IO v4 frames that contain Socket.IO packets.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

/// One Engine.IO frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// The first frame of the server, with the interval of its pings.
    Open {
        /// Milliseconds between two pings of the server.
        ping_interval: u64,
        /// Milliseconds after which an unanswered ping ends the connection.
        ping_timeout: u64,
    },
    /// The other side closes the connection.
    Close,
    /// Must be answered by a pong with the same text.
    Ping(String),
    /// The answer to a ping.
    Pong(String),
    /// A Socket.IO packet.
    Message(Packet),
    /// A no-op packet (`6`), which is skipped.
    Noop,
}

/// One Socket.IO packet of the default namespace.
#[derive(Debug, Clone, PartialEq)]
pub enum Packet {
    /// From a client: its token. From the server: the connection is accepted.
    Connect(Value),
    /// The server (or the client) ends this namespace.
    Disconnect,
    /// An event; with an id, the other side acknowledges it.
    Event {
        /// The id for the acknowledgement.
        id: Option<u64>,
        /// The event's name.
        name: String,
        /// The arguments of the event.
        args: Vec<Value>,
    },
    /// The acknowledgement of an event.
    Ack {
        /// The event's id.
        id: u64,
        /// The arguments of the acknowledgement.
        args: Vec<Value>,
    },
    /// The server refuses the connection.
    ConnectError(String),
}

/// A frame that is not of this protocol, or of a part of it that is not supported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// The type is missing.
    #[error("the frame is empty")]
    Empty,
    /// Not one of the protocol's types.
    #[error("{0:?} is not a type of frame")]
    UnknownType(char),
    /// The content is not the JSON of this type of frame.
    #[error("the frame's content is not what its type asks for: {0}")]
    Content(String),
    /// Binary attachments and other namespaces are not supported.
    #[error("{0} is not spoken here")]
    Unsupported(&'static str),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OpenContent {
    ping_interval: u64,
    ping_timeout: u64,
}

impl Frame {
    /// Parses the text of one WebSocket message.
    pub fn parse(text: &str) -> Result<Self, PacketError> {
        let (kind, rest) = first(text)?;
        Ok(match kind {
            '0' => {
                let OpenContent { ping_interval, ping_timeout } = json(rest)?;
                Self::Open { ping_interval, ping_timeout }
            }
            '1' => Self::Close,
            '2' => Self::Ping(rest.to_owned()),
            '3' => Self::Pong(rest.to_owned()),
            '4' => Self::Message(Packet::parse(rest)?),
            '5' => return Err(PacketError::Unsupported("an upgrade of a WebSocket")),
            '6' => Self::Noop,
            other => return Err(PacketError::UnknownType(other)),
        })
    }
}

impl Packet {
    fn parse(text: &str) -> Result<Self, PacketError> {
        let (kind, rest) = first(text)?;
        if matches!(kind, '5' | '6') {
            return Err(PacketError::Unsupported("a binary packet"));
        }
        if rest.starts_with('/') {
            return Err(PacketError::Unsupported("another namespace"));
        }
        match kind {
            '0' if rest.is_empty() => Ok(Self::Connect(Value::Null)),
            '0' => Ok(Self::Connect(json(rest)?)),
            '1' => Ok(Self::Disconnect),
            '2' => {
                let (id, content) = leading_id(rest)?;
                let mut args: Vec<Value> = json(content)?;
                if !args.first().is_some_and(Value::is_string) {
                    return Err(PacketError::Content("an event begins with its name".to_owned()));
                }
                let name = args.remove(0).as_str().unwrap_or_default().to_owned();
                Ok(Self::Event { id, name, args })
            }
            '3' => {
                let (id, content) = leading_id(rest)?;
                let id = id.ok_or_else(|| PacketError::Content("an acknowledgement begins with an id".to_owned()))?;
                Ok(Self::Ack { id, args: json(content)? })
            }
            '4' => {
                let content: Value = json(rest)?;
                let message = content.get("message").and_then(Value::as_str).unwrap_or("without a reason");
                Ok(Self::ConnectError(message.to_owned()))
            }
            other => Err(PacketError::UnknownType(other)),
        }
    }
}

fn first(text: &str) -> Result<(char, &str), PacketError> {
    let mut letters = text.chars();
    let kind = letters.next().ok_or(PacketError::Empty)?;
    Ok((kind, letters.as_str()))
}

fn leading_id(text: &str) -> Result<(Option<u64>, &str), PacketError> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return Ok((None, rest));
    }
    let id = digits.parse().map_err(|_| PacketError::Content(format!("the id {digits} is too large")))?;
    Ok((Some(id), rest))
}

fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, PacketError> {
    serde_json::from_str(text).map_err(|error| PacketError::Content(error.to_string()))
}

/// The frame as it is sent.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { ping_interval, ping_timeout } => {
                write!(f, r#"0{{"pingInterval":{ping_interval},"pingTimeout":{ping_timeout}}}"#)
            }
            Self::Close => f.write_str("1"),
            Self::Ping(text) => write!(f, "2{text}"),
            Self::Pong(text) => write!(f, "3{text}"),
            Self::Message(packet) => write!(f, "4{packet}"),
            Self::Noop => f.write_str("6"),
        }
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(Value::Null) => f.write_str("0"),
            Self::Connect(content) => write!(f, "0{content}"),
            Self::Disconnect => f.write_str("1"),
            Self::Event { id, name, args } => {
                let content: Value = std::iter::once(Value::from(name.as_str())).chain(args.iter().cloned()).collect();
                match id {
                    Some(id) => write!(f, "2{id}{content}"),
                    None => write!(f, "2{content}"),
                }
            }
            Self::Ack { id, args } => write!(f, "3{id}{}", Value::from(args.clone())),
            Self::ConnectError(message) => write!(f, "4{}", serde_json::json!({ "message": message })),
        }
    }
}
