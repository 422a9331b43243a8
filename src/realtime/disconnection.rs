//! The disconnection of a socket by the server, and the end of its connection.

use std::sync::Arc;
use std::time::Duration;

use socketioxide::SocketError;
use socketioxide::extract::SocketRef;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::engine_sessions::{self, EngineSession};
use super::session::{READ_TIMEOUT, SocketSession};

/// The longest pause between two attempts to send the disconnect packet.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Disconnects sockets, and closes their connections.
#[derive(Clone)]
pub struct Disconnection {
    /// Runs the tasks that disconnect sockets.
    pub tasks: TaskTracker,
    /// Cancelled when the server stops.
    pub stop: CancellationToken,
}

impl Disconnection {
    /// Removes a socket from all rooms and disconnects it once its send buffer was sent.
    pub fn disconnect(&self, socket: SocketRef) {
        if let Ok(session) = SocketSession::of(&socket)
            && session.begin_disconnecting()
        {
            return;
        }
        socket.leave_all();
        let stop = self.stop.clone();
        self.tasks.spawn(async move { stop.run_until_cancelled(send_disconnect(socket)).await });
    }

    /// Closes the connection of a disconnected socket, unless another socket signs in over it within
    /// `SOCKET_CONNECT_TIMEOUT`.
    pub fn close_transport_unless_signed_in(&self, socket: &SocketRef, sign_in_timeout: Duration) {
        let transport = socket.req_parts().extensions.get::<Arc<EngineSession>>();
        if let Some(transport) = transport.filter(|transport| transport.begin_watch()) {
            let (stop, watched) = (self.stop.clone(), Arc::downgrade(transport));
            self.tasks.spawn(stop.run_until_cancelled_owned(engine_sessions::watch(watched, sign_in_timeout)));
        }
    }
}

/// Whether the socket is being disconnected by the server.
pub fn is_disconnecting(socket: &SocketRef) -> bool {
    SocketSession::of(socket).is_ok_and(|session| session.is_disconnecting())
}

/// Sends the disconnect packet. While the buffer is full, it tries again until the heartbeat must have ended the
/// connection.
async fn send_disconnect(socket: SocketRef) {
    let since = Instant::now();
    let mut wait = Duration::from_millis(10);
    while let Err(SocketError::InternalChannelFull) = socket.clone().disconnect() {
        if since.elapsed() > READ_TIMEOUT * 2 {
            tracing::debug!(socket = %socket.id, "a client does not read; its connection ends when the heartbeat times \
                                                  out");
            return;
        }
        sleep(wait).await;
        wait = (wait * 2).min(MAX_PAUSE);
    }
}
