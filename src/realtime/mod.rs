//! Live updates: Socket.IO rooms, which send the event log to users with access.
//!
//! A `room` holds the events on one restaurant, order, delivery, driver or user. A client sends `join` and may join if
//! it may GET the same object (`access`). One `relay` per node reads the log up to the horizon and emits each event to
//! the sockets of its own node; nodes only `wake` each other, and a poll finds events of which a node was not notified.
//! A client that joins with `after` first gets the events it missed, from the table and then from the relay's `ring`
//! buffer of recent events, so that none is missing, repeated or out of order. A client that does not read fast enough
//! is disconnected, so that it never gets events with gaps; it reconnects with `after`. A `session` is the state of one
//! socket; it ends with its token unless the client renews that, and within a second of a revocation (`revocations`).
//! The sockets of a user and of a network are limited in `connection_limits`, and in `engine_sessions` from the
//! handshake on, before anybody has signed in.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use socketioxide::extract::SocketRef;
use socketioxide::handler::ConnectHandler as _;
use socketioxide::{ParserConfig, SocketIo};
use sqlx::postgres::PgConnectOptions;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use connection_limits::ConnectionLimits;
use disconnection::Disconnection;
pub use engine_sessions::EngineSessions;
use relay::Relay;
use socket::SocketContext;

mod access;
mod acknowledgement;
mod backlog;
mod catchup;
mod connection_limits;
mod disconnection;
mod engine_requests;
mod engine_sessions;
mod join_request;
mod relay;
mod revocations;
mod ring;
pub mod room;
mod session;
mod socket;
mod sql;
mod wake;

/// How long closing connections may take.
const CLOSE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);
/// The size of the read buffer of each connection, in bytes. Clients send little.
const READ_BUFFER: usize = 2_048;

/// Adds Socket.IO to a router, within the bounds of the configuration.
pub fn add_sockets(router: Router, app: &Arc<App>) -> (Router, SocketIo, Arc<EngineSessions>) {
    let bounds = &app.config.sockets;
    // No message of a client is binary.
    let parser = ParserConfig::common().max_incoming_binaries(0).max_incoming_binary_buf_size(0);
    let (sockets, io) = SocketIo::builder()
        // Polling is bounded by the first, WebSocket only by the other two.
        .max_payload(bounds.max_message_bytes as u64)
        .ws_max_message_size(bounds.max_message_bytes)
        .ws_max_frame_size(bounds.max_message_bytes)
        .ws_read_buffer_size(READ_BUFFER)
        .max_buffer_size(bounds.buffer_packets)
        .connect_timeout(bounds.connect_timeout)
        .with_parser(parser)
        .build_layer();
    let sessions = Arc::new(EngineSessions::new(Arc::clone(app)));
    let counted = from_fn_with_state(Arc::clone(&sessions), engine_requests::count_sessions);
    (router.layer((counted, sockets)), io, sessions)
}

/// Accepts connections at once; the future that it returns relays events until `stop`, then closes every connection.
///
/// `options` say how to reach the database for the one connection on which nodes wake each other.
pub fn start(
    app: Arc<App>,
    io: SocketIo,
    options: PgConnectOptions,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send {
    let disconnection = Disconnection { tasks: TaskTracker::new(), stop };
    let others = wake::others(&app.config, options, &disconnection);
    let (relay, handle) = Relay::new(Arc::clone(&app), io.clone(), others, disconnection.clone());
    let limits = Arc::new(ConnectionLimits::new(&app.config));
    let context = SocketContext {
        app: Arc::clone(&app),
        relay: handle,
        disconnection: disconnection.clone(),
        limits,
        replays: Arc::new(Semaphore::new(app.config.sockets.replays_at_once)),
        renewal_checks: Arc::new(Semaphore::new(app.config.sockets.room_checks_at_once)),
        revocation_checks: Arc::new(Semaphore::new(app.config.sockets.room_checks_at_once)),
    };
    // Subscribed before the first socket connects.
    let received = app.callers.revocations();
    let on_connect = {
        let context = context.clone();
        move |socket: SocketRef| revocations::check_new_socket(context.clone(), socket)
    };
    io.ns("/", on_connect.with(socket::authenticate(context.clone())));
    async move {
        disconnection.tasks.spawn(relay.run());
        disconnection.tasks.spawn(session::watch(app, io.clone(), disconnection.clone()));
        disconnection.tasks.spawn(revocations::apply(context, io.clone(), received));
        disconnection.tasks.close();
        disconnection.tasks.wait().await;
        // Last, because the relay and the watch use a namespace that closing removes.
        if tokio::time::timeout(CLOSE_TIMEOUT, io.close()).await.is_err() {
            tracing::debug!("some connections did not close in time");
        }
    }
}
