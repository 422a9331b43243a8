//! Acknowledgements: responses to messages of a client. They can be sent again when the buffer is full.

use std::convert::Infallible;
use std::sync::Arc;

use serde::Serialize;
use socketioxide::adapter::LocalAdapter;
use socketioxide::extract::AckSender;
use socketioxide::handler::{FromMessageParts, Value};
use socketioxide::socket::Socket;
use socketioxide::{SendError, SocketError};

use crate::problem::{Problem, ProblemBody};

/// Sends the acknowledgement of one message. Unlike the library's own sender it can be used again after a failure.
#[derive(Clone)]
pub struct Acknowledgement {
    socket: Arc<Socket<LocalAdapter>>,
    number: Option<i64>,
}

impl FromMessageParts<LocalAdapter> for Acknowledgement {
    type Error = Infallible;

    fn from_message_parts(
        socket: &Arc<Socket<LocalAdapter>>,
        _: &mut Value,
        number: &Option<i64>,
    ) -> Result<Self, Infallible> {
        Ok(Self { socket: Arc::clone(socket), number: *number })
    }
}

/// Why something could not be sent to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendFailure {
    /// The socket's send buffer is full.
    BufferFull,
    /// The socket is closed.
    Disconnected,
}

impl From<SendError> for SendFailure {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Socket(SocketError::InternalChannelFull) => Self::BufferFull,
            SendError::Socket(SocketError::Closed) => Self::Disconnected,
            SendError::Serialize(error) => {
                tracing::error!(%error, "an event could not be serialised for a socket");
                Self::Disconnected
            }
        }
    }
}

/// The body of a negative acknowledgement.
#[derive(Serialize)]
struct NegativeAcknowledgement {
    ok: bool,
    error: ProblemBody,
}

impl Acknowledgement {
    /// Sends the acknowledgement, if the client requested one.
    ///
    /// # Errors
    /// When the buffer is full, or the socket is closed.
    pub fn send(&self, body: &impl Serialize) -> Result<(), SendFailure> {
        let mut nothing = Value::Str("".into(), None);
        let Ok(sender) = AckSender::from_message_parts(&self.socket, &mut nothing, &self.number);
        sender.send(body).map_err(SendFailure::from)
    }

    /// Sends the acknowledgement of a message that can be repeated; a failure is ignored.
    pub fn give(&self, body: &impl Serialize) {
        let _ = self.send(body);
    }

    /// Sends a problem. A failure is ignored: a client whose buffer is full has not waited for its acknowledgements.
    pub fn refuse(&self, problem: &Problem) {
        let _ = self.send(&NegativeAcknowledgement { ok: false, error: problem.body(None) });
    }
}
