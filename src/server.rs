//! The listener: connections within bounds, headers within time, and an end that waits for what is in flight.
//!
//! `axum::serve` has no limit on how long a client may take over its headers, nor on how many connect; hence an accept
//! loop of our own on hyper.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Http;

/// How long the listener rests after the system refused it a connection (too many open files).
const REST: Duration = Duration::from_millis(50);

/// Why nothing can be listened to.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else has the port.
    #[error("{0} is taken by another program: stop it, or choose another with PORT=…")]
    Taken(SocketAddr),
    /// The system says no.
    #[error("{0} cannot be listened to: {1}. Choose another with HOST=… and PORT=…")]
    Refused(SocketAddr, std::io::Error),
}

/// Takes the address.
///
/// # Errors
/// When it is taken or not ours.
pub async fn listen(bounds: &Http) -> Result<TcpListener, ListenError> {
    let address = SocketAddr::new(bounds.host, bounds.port);
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => ListenError::Taken(address),
        _ => ListenError::Refused(address, error),
    })
}

/// Serves until `stop` is cancelled, then waits for requests in flight as long as the configuration says.
pub async fn serve(listener: TcpListener, router: Router, bounds: &Http, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(bounds.max_connections));
    let connections = TaskTracker::new();
    loop {
        let Some((stream, place)) = next(&listener, &places, &stop).await else { break };
        let connection = converse(stream, router.clone(), bounds.header_timeout, stop.clone());
        connections.spawn(async move {
            connection.await;
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(bounds.shutdown_timeout, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "stopping with connections still open");
    }
}

/// The next connection, once there is a place for it; `None` when it is time to stop.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = tokio::select! {
        () = stop.cancelled() => return None,
        place = Arc::clone(places).acquire_owned() => place.ok()?,
    };
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => return Some((stream, place)),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// One connection, to its end.
async fn converse(stream: TcpStream, router: Router, header_timeout: Duration, stop: CancellationToken) {
    // Answers are small and someone waits for them.
    let _ = stream.set_nodelay(true);
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
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
