//! The listener: limits on connections, a time limit for headers, and a shutdown that waits for requests in progress.
//!
//! `axum::serve` limits neither the time of a client's headers nor the number of connections, so this is an accept loop
//! with hyper.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1::UpgradeableConnection;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::client::Peer;
use crate::closable_stream::{ClosableStream, CloseHandle};
use crate::config::Http;
use crate::flow::{Flow, FlowCounts, FlowLimits, READ_GRACE};
use crate::framing::Strict;
use crate::network::{AddressBlock, Network, NetworkCounts};

/// How long the listener waits after accepting failed (too many open files).
const REST: Duration = Duration::from_millis(50);

/// The size of the operating system's send buffer of a connection, in bytes; Linux doubles it for its own needs.
const SEND_BUFFER: usize = 128 << 10;

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The port is in use.
    #[error("{0} is in use by another program: stop it, or choose another port with PORT=…")]
    AddressInUse(SocketAddr),
    /// The operating system refused.
    #[error("cannot listen on {0}: {1}. Choose another address with HOST=… and PORT=…")]
    Refused(SocketAddr, std::io::Error),
}

/// Binds the address.
///
/// # Errors
/// When it is in use or is not an address of this machine.
pub async fn listen(bounds: &Http) -> Result<TcpListener, ListenError> {
    let address = SocketAddr::new(bounds.host, bounds.port);
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => ListenError::AddressInUse(address),
        _ => ListenError::Refused(address, error),
    })
}

/// Serves until `stop` is cancelled, then waits for requests in progress, up to the time of the configuration.
pub async fn serve(listener: TcpListener, router: Router, bounds: &Http, stop: CancellationToken) {
    let permits = Arc::new(Semaphore::new(bounds.max_connections));
    let per_network = Arc::new(ConnectionCounts::default());
    let connections = TaskTracker::new();
    loop {
        let Some((stream, peer, permit)) = next(&listener, &permits, &stop).await else { break };
        // A connection beyond the limit is closed at once. A trusted proxy has the connections of many clients.
        let is_proxy = bounds.trusted_proxies.iter().any(|network| network.contains(&peer.0));
        let (each, sites) = (bounds.max_connections_per_address, bounds.site_factor);
        let max = |block| if is_proxy { usize::MAX } else { sites.limit(block, each) };
        let Some(entry) = ConnectionCounts::add(&per_network, peer, max) else { continue };
        let connection = serve_connection(stream, peer, router.clone(), bounds, stop.clone());
        connections.spawn(async move {
            connection.await;
            drop((permit, entry));
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(bounds.shutdown_timeout, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "stopping with connections still open");
    }
}

/// The next connection, once the limit on connections allows it; `None` when the server stops.
async fn next(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, Peer, OwnedSemaphorePermit)> {
    let permit = tokio::select! {
        () = stop.cancelled() => return None,
        permit = Arc::clone(permits).acquire_owned() => permit.ok()?,
    };
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => return Some((stream, Peer(address.ip().to_canonical()), permit)),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// The number of open connections of each network.
#[derive(Debug, Default)]
struct ConnectionCounts(Mutex<NetworkCounts>);

/// Counts as one open connection until it is dropped.
struct Entry {
    counts: Arc<ConnectionCounts>,
    network: Network,
}

impl ConnectionCounts {
    fn open(&self) -> MutexGuard<'_, NetworkCounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a new connection; `None` when its network has reached the limit.
    fn add(counts: &Arc<Self>, peer: Peer, max: impl Fn(AddressBlock) -> usize) -> Option<Entry> {
        let network = Network::of(peer.0);
        let mut open = counts.open();
        if !open.has_room(network, 1, max) {
            return None;
        }
        open.add(network, 1);
        Some(Entry { counts: Arc::clone(counts), network })
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.counts.open().subtract(self.network, 1);
    }
}

/// Serves one connection until it ends.
fn serve_connection(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    bounds: &Http,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send + 'static {
    // Responses are small and must not be delayed.
    let _ = stream.set_nodelay(true);
    give_up_on_stalled(&stream, bounds.stall_timeout);
    bound_send_buffer(&stream);
    let (close_handle, counts) = (CloseHandle::default(), FlowCounts::default());
    let limits = FlowLimits {
        read_min_rate: bounds.read_min_rate,
        read_grace: READ_GRACE,
        unread_bytes: bounds.websocket_unread_bytes,
    };
    let stream = Strict::new(ClosableStream::new(Flow::new(stream, limits, counts.clone()), &close_handle));
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(close_handle.clone());
        request.extensions_mut().insert(counts.clone());
        router.clone().oneshot(request)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_timeout)
        .max_header_size(bounds.max_header_bytes)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    to_the_end(connection, stop)
}

/// Limits the system's send buffer: otherwise it grows to megabytes for each connection, and everything in it counts as
/// sent. If that fails, clients that read are not affected.
fn bound_send_buffer(stream: &TcpStream) {
    use nix::sys::socket::{setsockopt, sockopt};
    if let Err(error) = setsockopt(stream, sockopt::SndBuf, &SEND_BUFFER) {
        tracing::debug!(%error, "the send buffer of a connection could not be limited; it may use more memory");
    }
}

/// Has the system close a connection whose client acknowledges nothing for `limit`, for responses and for sockets. If
/// that fails, clients that read are not affected.
#[cfg(target_os = "linux")]
fn give_up_on_stalled(stream: &TcpStream, limit: Duration) {
    use nix::sys::socket::{setsockopt, sockopt};
    let milliseconds = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = setsockopt(stream, sockopt::TcpUserTimeout, &milliseconds) {
        tracing::debug!(%error, "the TCP timeout of a connection could not be set; a stalled client is noticed late");
    }
}

/// Only Linux has this option.
#[cfg(not(target_os = "linux"))]
fn give_up_on_stalled(_: &TcpStream, _: Duration) {}

async fn to_the_end<S>(
    connection: UpgradeableConnection<TokioIo<Strict<ClosableStream<Flow<TcpStream>>>>, S>,
    stop: CancellationToken,
) where
    S: HttpService<Incoming, ResBody = Body> + Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send,
{
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
