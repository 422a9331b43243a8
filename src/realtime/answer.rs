//! Acknowledgements: what a client hears back, even when its buffer is full at the moment.

use std::convert::Infallible;
use std::sync::Arc;

use serde::Serialize;
use socketioxide::adapter::LocalAdapter;
use socketioxide::extract::AckSender;
use socketioxide::handler::{FromMessageParts, Value};
use socketioxide::socket::Socket;
use socketioxide::{SendError, SocketError};

use crate::problem::{Problem, ProblemBody};

/// The way back to whoever sent a message. Unlike the library's own sender it can be tried again.
#[derive(Clone)]
pub struct Answer {
    socket: Arc<Socket<LocalAdapter>>,
    number: Option<i64>,
}

impl FromMessageParts<LocalAdapter> for Answer {
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
pub enum Unsent {
    /// Too much is waiting for it already.
    Full,
    /// It is not there any more.
    Gone,
}

impl From<SendError> for Unsent {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Socket(SocketError::InternalChannelFull) => Self::Full,
            SendError::Socket(SocketError::Closed) => Self::Gone,
            SendError::Serialize(error) => {
                tracing::error!(%error, "an event could not be serialised for a socket");
                Self::Gone
            }
        }
    }
}

/// What a refusal looks like.
#[derive(Serialize)]
struct Refused {
    ok: bool,
    error: ProblemBody,
}

impl Answer {
    /// Sends it, if the client asked for an answer.
    ///
    /// # Errors
    /// When the buffer is full, or nobody is there.
    pub fn send(&self, body: &impl Serialize) -> Result<(), Unsent> {
        let mut nothing = Value::Str("".into(), None);
        let Ok(sender) = AckSender::from_message_parts(&self.socket, &mut nothing, &self.number);
        sender.send(body).map_err(Unsent::from)
    }

    /// Answers something that can be asked again.
    pub fn give(&self, body: &impl Serialize) {
        let _ = self.send(body);
    }

    /// Refuses. Whoever asks faster than they read loses the answer; they cannot have waited for it.
    pub fn refuse(&self, problem: &Problem) {
        let _ = self.send(&Refused { ok: false, error: problem.body(None) });
    }
}
