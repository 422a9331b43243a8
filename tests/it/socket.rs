//! A minimal Socket.IO client over WebSocket that reports what it receives and how the connection ends.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// A message that a socket received.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// An event: its name and its argument.
    Event(String, Value),
    /// The acknowledgement of a message.
    Answer(Value),
    /// The end of the connection.
    Ended,
}

/// An open socket.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// A limit that is reached only if the message never arrives.
const NEVER: Duration = Duration::from_secs(20);

impl Socket {
    /// Connects with a token; `Err`: the server's error.
    pub async fn open(base: &str, token: &str) -> Result<Self, String> {
        Self::open_from(base, token, None).await
    }

    /// The same, with the client's address from a proxy.
    pub async fn open_from(base: &str, token: &str, forwarded_for: Option<&str>) -> Result<Self, String> {
        let mut socket = Self::bare(base, "", forwarded_for).await?;
        socket.packet().await.ok_or("no opening")?;
        socket.send(format!("40{}", json!({ "token": token }))).await;
        match socket.packet().await {
            Some(text) if text.starts_with("40") => Ok(socket),
            other => Err(other.unwrap_or_default()),
        }
    }

    /// A WebSocket to the server, with `query` in the address, before any message.
    pub async fn bare(base: &str, query: &str, forwarded_for: Option<&str>) -> Result<Self, String> {
        let url = format!("{}/socket.io/?EIO=4&transport=websocket{query}", base.replacen("http", "ws", 1));
        let mut request = url.into_client_request().unwrap();
        if let Some(address) = forwarded_for {
            request.headers_mut().insert("x-forwarded-for", address.parse().unwrap());
        }
        let (stream, _) = tokio_tungstenite::connect_async(request).await.map_err(|error| error.to_string())?;
        Ok(Self { stream })
    }

    /// Sends a packet as it is.
    pub async fn send(&mut self, text: String) {
        // A closed connection shows when it is read.
        let _ = self.stream.send(Message::Text(text.into())).await;
    }

    /// The next packet that is not a heartbeat; `None`: the connection ended.
    pub async fn packet(&mut self) -> Option<String> {
        loop {
            match self.stream.next().await? {
                Ok(Message::Text(text)) if text.as_str() == "2" => self.send("3".to_owned()).await,
                Ok(Message::Text(text)) => return Some(text.to_string()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next message.
    pub async fn receive(&mut self) -> Received {
        let packet = timeout(NEVER, self.packet()).await.expect("something is heard");
        let Some(packet) = packet else { return Received::Ended };
        if packet.starts_with("41") {
            return Received::Ended;
        }
        let body = packet.find('[').map_or(Value::Null, |start| serde_json::from_str(&packet[start..]).unwrap());
        match packet.as_bytes() {
            [b'4', b'2', ..] => Received::Event(body[0].as_str().unwrap_or_default().to_owned(), body[1].clone()),
            _ => Received::Answer(body[0].clone()),
        }
    }

    /// Sends a message; returns the events before the acknowledgement, and the acknowledgement.
    pub async fn asks(&mut self, name: &str, argument: &Value) -> (Vec<String>, Value) {
        let (before, answer) = self.asks_and_receives(name, argument).await;
        (before.into_iter().map(|(name, _)| name).collect(), answer)
    }

    /// The same, with complete events.
    pub async fn asks_and_receives(&mut self, name: &str, argument: &Value) -> (Vec<(String, Value)>, Value) {
        self.send(format!("420{}", json!([name, argument]))).await;
        let mut before = Vec::new();
        loop {
            match self.receive().await {
                Received::Answer(answer) => return (before, answer),
                Received::Event(name, body) => before.push((name, body)),
                Received::Ended => return (before, Value::Null),
            }
        }
    }

    /// Sends an argument that need not be JSON; null: the connection ended.
    pub async fn asks_raw(&mut self, name: &str, argument: &str) -> Value {
        self.send(format!("420[{},{argument}]", json!(name))).await;
        loop {
            match self.receive().await {
                Received::Answer(answer) => return answer,
                Received::Event(..) => {}
                Received::Ended => return Value::Null,
            }
        }
    }

    /// Connects with an `auth` that need not be JSON; `None`: the connection ended without an error, or was accepted.
    pub async fn open_raw(base: &str, auth: &str) -> Option<String> {
        let mut socket = Self::bare(base, "", None).await.ok()?;
        socket.packet().await?;
        socket.send(format!("40{auth}")).await;
        let answer = timeout(NEVER, socket.packet()).await.ok().flatten();
        answer.filter(|text| text.starts_with("44"))
    }

    /// Joins a room and returns the acknowledgement.
    pub async fn joins(&mut self, room: &str) -> Value {
        self.asks("join", &json!({ "room": room })).await.1
    }
}
