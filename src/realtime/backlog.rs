//! Limits the bytes that wait for clients that do not read: for each socket, for all sockets of a network, and for all
//! sockets of this node.
//!
//! The socket library limits the number of waiting packets, not their size, and does not report what it has sent. So
//! emitted bytes are counted here, and bytes that the connection has taken are subtracted. For a WebSocket these are
//! known from its [`FlowCounts`], minus the bytes that the client sent meanwhile, because the library may have answered
//! them with as many bytes (pongs); for polling from the responses.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::flow::FlowCounts;
use crate::network::{AddressBlock, Network, NetworkCounts};

/// Bytes that may wait for each socket even if the limit of its network or of the node is reached, so that clients that
/// read still get their events.
const FLOOR: usize = 16 << 10;
/// If nothing was written for this long although the connection could be written to, it has taken everything.
const IDLE: Duration = Duration::from_secs(1);

/// The bytes that wait for all sockets of this node, and the limits.
#[derive(Debug)]
pub struct NodeBacklog {
    waiting: AtomicUsize,
    networks: Mutex<NetworkCounts>,
    per_socket: usize,
    per_network: usize,
    per_node: usize,
}

impl NodeBacklog {
    /// Empty counters with limits in bytes; a network may have a quarter of that of the node.
    pub fn new(per_socket: usize, per_node: usize) -> Self {
        let (waiting, networks) = (AtomicUsize::new(0), Mutex::default());
        Self { waiting, networks, per_socket, per_network: (per_node / 4).max(per_socket), per_node }
    }

    /// The bytes that wait for all sockets together.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn has_room(&self, network: Option<Network>, bytes: usize) -> bool {
        let max = |block: AddressBlock| block.share(self.per_network, self.per_node);
        self.waiting().saturating_add(bytes) <= self.per_node
            && network.is_none_or(|network| self.networks().has_room(network, bytes, max))
    }

    fn add(&self, network: Option<Network>, bytes: usize) {
        self.waiting.fetch_add(bytes, Ordering::Relaxed);
        if let Some(network) = network {
            self.networks().add(network, bytes);
        }
    }

    fn subtract(&self, network: Option<Network>, bytes: usize) {
        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(network) = network {
            self.networks().subtract(network, bytes);
        }
    }

    fn networks(&self) -> MutexGuard<'_, NetworkCounts> {
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes that wait for one client.
#[derive(Debug)]
pub struct Backlog {
    node: Arc<NodeBacklog>,
    /// The client's network; `None`: not known, and only the other limits count.
    network: Option<Network>,
    state: Mutex<WaitingState>,
}

#[derive(Debug)]
struct WaitingState {
    waiting: usize,
    /// The WebSocket, and the bytes that it had carried at the last check.
    connection: Option<TakenByClient>,
}

#[derive(Debug)]
struct TakenByClient {
    counts: FlowCounts,
    read: u64,
    written: u64,
    written_at: Instant,
}

impl TakenByClient {
    /// How many more bytes the client has taken, apart from responses to its own bytes.
    fn take(&mut self, now: Instant) -> usize {
        let (read, written) = (self.counts.read(), self.counts.written());
        let taken = (written - self.written).saturating_sub(read - self.read);
        if written != self.written {
            self.written_at = now;
        }
        (self.read, self.written) = (read, written);
        usize::try_from(taken).unwrap_or(usize::MAX)
    }

    fn is_idle(&self, now: Instant) -> bool {
        !self.counts.is_blocked() && now > self.written_at + IDLE
    }
}

impl Backlog {
    /// The backlog of a new client; nothing waits for it.
    pub const fn new(node: Arc<NodeBacklog>, network: Option<Network>) -> Self {
        Self { node, network, state: Mutex::new(WaitingState { waiting: 0, connection: None }) }
    }

    /// Sets the connection over which waiting bytes are sent from now on.
    pub fn use_connection(&self, counts: FlowCounts) {
        let (read, written) = (counts.read(), counts.written());
        self.state().connection = Some(TakenByClient { counts, read, written, written_at: Instant::now() });
    }

    /// Counts bytes that are about to be emitted; false: the limit of waiting bytes is reached, for this client, its
    /// network or this node. A client for which nothing waits may always be sent one event.
    #[must_use]
    pub fn admit(&self, bytes: usize) -> bool {
        let mut state = self.state();
        self.subtract_taken(&mut state);
        let waiting = state.waiting.saturating_add(bytes);
        let has_room = waiting <= self.node.per_socket && (waiting <= FLOOR || self.node.has_room(self.network, bytes));
        if state.waiting > 0 && !has_room {
            return false;
        }
        state.waiting = waiting;
        self.node.add(self.network, bytes);
        true
    }

    /// Counts bytes as sent.
    pub fn release(&self, bytes: usize) {
        self.subtract(&mut self.state(), bytes);
    }

    fn subtract_taken(&self, state: &mut WaitingState) {
        let now = Instant::now();
        let Some(connection) = &mut state.connection else { return };
        let taken = connection.take(now);
        let taken = if connection.is_idle(now) { state.waiting } else { taken };
        self.subtract(state, taken);
    }

    fn subtract(&self, state: &mut WaitingState, bytes: usize) {
        let bytes = bytes.min(state.waiting);
        state.waiting -= bytes;
        self.node.subtract(self.network, bytes);
    }

    fn state(&self) -> MutexGuard<'_, WaitingState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        let waiting = self.state().waiting;
        self.node.subtract(self.network, waiting);
    }
}
