//! Sockets of somebody who may do less than before: sent away, or out of rooms, as soon as the node hears of it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use socketioxide::SocketIo;
use socketioxide::extract::SocketRef;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::session::Session;
use super::socket::Desk;
use crate::accounts::cache::Revocation;
use crate::ids::{SessionId, UserId};
use crate::problem::{Code, Problem};

/// A socket that is busy joining for longer is sent away instead; it comes back with `after`.
const PATIENCE: Duration = Duration::from_millis(500);

/// Whom a batch of news is about.
#[derive(Default)]
struct Concerned {
    sessions: HashSet<SessionId>,
    users: HashSet<UserId>,
}

impl Concerned {
    fn by(news: &[Revocation]) -> Self {
        let mut concerned = Self::default();
        for revocation in news {
            match revocation.session {
                Some(session) => concerned.sessions.insert(session),
                None => concerned.users.insert(revocation.user),
            };
        }
        concerned
    }
}

/// Follows the news of revocations until it is time to stop.
pub async fn follow(desk: Desk, io: SocketIo, mut news: Receiver<Arc<[Revocation]>>) {
    loop {
        let concerned = match desk.exits.stop.run_until_cancelled(news.recv()).await {
            Some(Ok(batch)) => Some(Concerned::by(&batch)),
            // News were lost: everybody is looked at.
            Some(Err(RecvError::Lagged(_))) => None,
            Some(Err(RecvError::Closed)) | None => return,
        };
        for socket in io.sockets() {
            let Ok(session) = Session::of(&socket) else { continue };
            if concerned.as_ref().is_some_and(|concerned| concerned.sessions.contains(&session.id)) {
                desk.exits.part(socket);
            } else if concerned.as_ref().is_none_or(|concerned| concerned.users.contains(&session.user)) {
                let (desk, stop) = (desk.clone(), desk.exits.stop.clone());
                let tasks = desk.exits.tasks.clone();
                tasks.spawn(async move { stop.run_until_cancelled(look_again(desk, socket)).await });
            }
        }
    }
}

/// Looks at a socket once more, right after it came in and can be seen by [`follow`]: what was revoked between its
/// handshake and this moment would otherwise be missed.
pub async fn welcome(desk: Desk, socket: SocketRef) {
    let caller = async { Session::of(&socket)?.caller(&desk.app).await };
    if caller.await.is_err() {
        desk.exits.part(socket);
    }
}

/// Looks at a socket whose user changed: whether it may be here, and in its rooms.
async fn look_again(desk: Desk, socket: SocketRef) {
    if let Err(problem) = desk.check(&socket).await {
        if problem.code() != Code::Unauthenticated {
            tracing::warn!(%problem, "the permissions of a socket could not be checked; it is disconnected");
        }
        desk.exits.part(socket);
    }
}

impl Desk {
    async fn check(&self, socket: &SocketRef) -> Result<(), Problem> {
        let session = Session::of(socket)?;
        let caller = session.caller(&self.app).await?;
        let mut rooms = timeout(PATIENCE, session.rooms.lock()).await.map_err(|_| Problem::busy(1))?;
        self.leave_forbidden(socket, &caller, &mut rooms).await?;
        Ok(())
    }
}
