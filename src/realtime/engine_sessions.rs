//! Engine.IO sessions, the transport under Socket.IO: how many are open on this node, and their end.
//!
//! A handshake costs a client one request, without a token, and costs this server some 10 kB until the session ends. So
//! every session is counted from its handshake until the library frees it, for its network and in all, and so are those
//! that are not signed in; beyond the limit, a handshake is refused before any memory is kept for it. The count is an
//! [`EngineSession`] in the extensions of the handshake's request, which the library keeps exactly as long as the
//! session.
//!
//! The library closes a session that has not signed in within `SOCKET_CONNECT_TIMEOUT`, but leaves one open whose
//! socket has been disconnected, by the client or by this server. Such a session is closed here after the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::backlog::{Backlog, NodeBacklog};
use crate::app::App;
use crate::client::Client;
use crate::closable_stream::CloseHandle;
use crate::flow::FlowCounts;
use crate::limits::{Bucket, too_many};
use crate::network::{Network, NetworkCounts};
use crate::problem::Problem;

/// Connections a session may use in its life: a session that is upgraded from polling uses two, and none is upgraded
/// twice.
const MAX_CONNECTIONS_PER_SESSION: usize = 4;

/// The open sessions of this node.
pub struct EngineSessions {
    app: Arc<App>,
    counts: Mutex<Counts>,
    /// The bytes that wait for the sockets of this node.
    node_backlog: Arc<NodeBacklog>,
    /// Sessions that began with polling, by the id that their later requests name.
    by_id: Mutex<HashMap<String, Weak<EngineSession>>>,
}

#[derive(Default)]
struct Counts {
    open: Count,
    /// Of the open sessions, those that are not signed in.
    pending: Count,
}

/// A number of sessions: all, and of each network.
#[derive(Default)]
struct Count {
    all: usize,
    networks: NetworkCounts,
}

impl Count {
    fn add(&mut self, network: Option<Network>) {
        self.all += 1;
        if let Some(network) = network {
            self.networks.add(network, 1);
        }
    }

    fn subtract(&mut self, network: Option<Network>) {
        self.all -= 1;
        if let Some(network) = network {
            self.networks.subtract(network, 1);
        }
    }
}

/// One session; it counts as open until it is dropped.
pub struct EngineSession {
    sessions: Arc<EngineSessions>,
    /// The network of the client; `None`: it came through a trusted proxy that does not name the client's address.
    network: Option<Network>,
    /// The bytes that wait for the client.
    pub backlog: Backlog,
    /// Limits the attempts to sign in.
    tries: Bucket,
    state: Mutex<SessionState>,
}

struct SessionState {
    id: Option<String>,
    /// The number of sockets that are signed in over it; 0: it is pending.
    signed_in: usize,
    pending_since: Instant,
    is_watched: bool,
    is_closed: bool,
    connections: Vec<CloseHandle>,
}

impl EngineSessions {
    /// Counters without open sessions.
    pub fn new(app: Arc<App>) -> Self {
        let bounds = &app.config.sockets;
        let node_backlog = Arc::new(NodeBacklog::new(bounds.buffer_bytes, bounds.buffer_bytes_per_node));
        Self { app, counts: Mutex::default(), node_backlog, by_id: Mutex::default() }
    }

    /// The number of open sessions, and of those that are not signed in.
    pub fn load(&self) -> (usize, usize) {
        let counts = self.counts();
        (counts.open.all, counts.pending.all)
    }

    /// The bytes that wait for all sockets of this node.
    pub fn waiting_bytes(&self) -> usize {
        self.node_backlog.waiting()
    }

    /// Counts a new session.
    ///
    /// # Errors
    /// 429 when its network, 503 when this node has reached its limit; 429 for handshakes beyond `RATE_LIMIT_ADDRESS`.
    pub(super) async fn open(self: &Arc<Self>, client: Client) -> Result<Arc<EngineSession>, Problem> {
        let bounds = &self.app.config.sockets;
        let network = (!client.is_unnamed()).then(|| client.network());
        if let Some(network) = network {
            let decision = self.app.limits.draw_for_handshake(network).await;
            if !decision.allowed {
                return Err(too_many(decision.wait));
            }
        }
        {
            let mut counts = self.counts();
            let sites = self.app.config.http.site_factor;
            let has_room = |count: &Count, each: usize| {
                network.is_none_or(|network| count.networks.has_room(network, 1, |block| sites.limit(block, each)))
            };
            let is_within = has_room(&counts.open, bounds.max_sessions_per_address)
                && has_room(&counts.pending, bounds.max_pending_per_address);
            if !is_within {
                tracing::warn!(client = %client.address(), "a socket was refused: its network has too many sessions");
                return Err(too_many(bounds.connect_timeout));
            }
            if counts.open.all >= bounds.max_sessions || counts.pending.all >= bounds.max_pending {
                tracing::warn!("a socket was refused: too many sessions on this node");
                return Err(Problem::busy(rand::random_range(1..=3)));
            }
            counts.open.add(network);
            counts.pending.add(network);
        }
        let state = SessionState {
            id: None,
            signed_in: 0,
            pending_since: Instant::now(),
            is_watched: false,
            is_closed: false,
            connections: Vec::new(),
        };
        let tries = Bucket::new(bounds.events, &self.app.clock);
        let backlog = Backlog::new(Arc::clone(&self.node_backlog), network);
        Ok(Arc::new(EngineSession { sessions: Arc::clone(self), network, backlog, tries, state: Mutex::new(state) }))
    }

    pub(super) fn named(&self, id: &str) -> Option<Arc<EngineSession>> {
        self.by_id().get(id).and_then(Weak::upgrade)
    }

    /// Sets the id of a new session, by which its later requests find it.
    pub(super) fn set_id(&self, session: &Arc<EngineSession>, id: String) {
        session.state().id = Some(id.clone());
        self.by_id().insert(id, Arc::downgrade(session));
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn by_id(&self) -> MutexGuard<'_, HashMap<String, Weak<EngineSession>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EngineSession {
    /// Takes an attempt to sign in.
    ///
    /// # Errors
    /// 429 for attempts beyond `SOCKET_EVENTS`.
    pub fn try_once(&self) -> Result<(), Problem> {
        self.tries.draw()
    }

    /// Marks the session as signed in until the result is dropped.
    pub fn sign_in(self: &Arc<Self>) -> SignedInSession {
        let mut state = self.state();
        state.signed_in += 1;
        if state.signed_in == 1 {
            self.sessions.counts().pending.subtract(self.network);
        }
        drop(state);
        SignedInSession(Arc::clone(self))
    }

    /// Whether the caller has to [`watch`] it from now on: true once.
    pub fn begin_watch(&self) -> bool {
        !std::mem::replace(&mut self.state().is_watched, true)
    }

    /// Records the connection that the session uses now.
    pub(super) fn use_connection(&self, connection: CloseHandle, carried: Option<FlowCounts>) {
        if let Some(carried) = carried {
            self.backlog.use_connection(carried);
        }
        let mut state = self.state();
        if state.is_closed || state.connections.len() >= MAX_CONNECTIONS_PER_SESSION {
            connection.close();
            drop(state);
            return self.close();
        }
        state.connections.push(connection);
    }

    /// Closes the session: at once if it has a WebSocket, else with the client's next request, or with the heartbeat.
    fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        for connection in state.connections.drain(..) {
            connection.close();
        }
    }

    /// Whether the session was closed by the server.
    pub(super) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    fn state(&self) -> MutexGuard<'_, SessionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for EngineSession {
    fn drop(&mut self) {
        let (id, is_pending) = {
            let mut state = self.state();
            (state.id.take(), state.signed_in == 0)
        };
        if let Some(id) = id {
            self.sessions.by_id().remove(&id);
        }
        let mut counts = self.sessions.counts();
        counts.open.subtract(self.network);
        if is_pending {
            counts.pending.subtract(self.network);
        }
    }
}

/// Marks a session as signed in. When the last mark is dropped, the session is pending again.
pub struct SignedInSession(Arc<EngineSession>);

impl Drop for SignedInSession {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.signed_in -= 1;
        if state.signed_in == 0 {
            state.pending_since = Instant::now();
            self.0.sessions.counts().pending.add(self.0.network);
        }
    }
}

/// Closes a session when it has not been signed in for this long; returns when the session has ended.
pub async fn watch(session: Weak<EngineSession>, sign_in_timeout: Duration) {
    loop {
        sleep(sign_in_timeout).await;
        let Some(session) = session.upgrade() else { return };
        let is_late = {
            let state = session.state();
            state.signed_in == 0 && state.pending_since.elapsed() >= sign_in_timeout
        };
        if is_late {
            return session.close();
        }
    }
}
