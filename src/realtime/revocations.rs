//! Applies revocations to sockets: those of ended sessions are disconnected, those of users with fewer rights leave
//! rooms.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use socketioxide::SocketIo;
use socketioxide::extract::SocketRef;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::session::SocketSession;
use super::socket::SocketContext;
use crate::accounts::caller_cache::Revocation;
use crate::ids::{SessionId, UserId};
use crate::problem::{Code, Problem};

/// The longest wait for a socket that is joining a room. After it the socket is disconnected, and the client reconnects
/// with `after`.
const READ_TIMEOUT: Duration = Duration::from_millis(500);

/// The sessions and users that a batch of revocations affects.
#[derive(Default)]
struct Affected {
    sessions: HashSet<SessionId>,
    users: HashSet<UserId>,
}

impl Affected {
    fn by(revocations: &[Revocation]) -> Self {
        let mut affected = Self::default();
        for revocation in revocations {
            match revocation.session {
                Some(session) => affected.sessions.insert(session),
                None => affected.users.insert(revocation.user),
            };
        }
        affected
    }
}

/// Applies revocations to open sockets until the server stops.
pub async fn apply(context: SocketContext, io: SocketIo, mut revocations: Receiver<Arc<[Revocation]>>) {
    loop {
        let affected = match context.disconnection.stop.run_until_cancelled(revocations.recv()).await {
            Some(Ok(batch)) => Some(Affected::by(&batch)),
            // Revocations were lost, so every socket is checked.
            Some(Err(RecvError::Lagged(_))) => None,
            Some(Err(RecvError::Closed)) | None => return,
        };
        for socket in io.sockets() {
            let Ok(session) = SocketSession::of(&socket) else { continue };
            if affected.as_ref().is_some_and(|affected| affected.sessions.contains(&session.id)) {
                context.disconnection.disconnect(socket);
            } else if affected.as_ref().is_none_or(|affected| affected.users.contains(&session.user))
                && session.wait_for_check()
            {
                let (context, stop) = (context.clone(), context.disconnection.stop.clone());
                let tasks = context.disconnection.tasks.clone();
                tasks.spawn(async move { stop.run_until_cancelled(recheck(context, socket)).await });
            }
        }
    }
}

/// Checks a socket again when it is connected and visible to [`apply`]: a revocation between its handshake and this
/// moment would otherwise be missed.
pub async fn check_new_socket(context: SocketContext, socket: SocketRef) {
    let caller = async { SocketSession::of(&socket)?.caller(&context.app).await };
    if caller.await.is_err() {
        context.disconnection.disconnect(socket);
    }
}

/// Checks whether a socket whose user has changed may stay connected, and in its rooms.
async fn recheck(context: SocketContext, socket: SocketRef) {
    if let Err(problem) = context.check(&socket).await {
        if problem.code() != Code::Unauthenticated {
            tracing::warn!(%problem, "the permissions of a socket could not be checked; it is disconnected");
        }
        context.disconnection.disconnect(socket);
    }
}

impl SocketContext {
    async fn check(&self, socket: &SocketRef) -> Result<(), Problem> {
        let session = SocketSession::of(socket)?;
        let _permit = self.revocation_checks.acquire().await.map_err(|_| Problem::busy(1))?;
        let mut rooms = timeout(READ_TIMEOUT, session.rooms.lock()).await.map_err(|_| Problem::busy(1))?;
        session.begin_check();
        let caller = session.caller(&self.app).await?;
        self.leave_forbidden(socket, &caller, &mut rooms).await?;
        Ok(())
    }
}
