//! Live updates: Socket.IO rooms that carry the event log to whoever may see it.
//!
//! A `room` is a slice of the log: what concerns one restaurant, order, delivery, driver or user. A client asks to
//! `join` one and is let in by the function that guards the GET of the same thing (`admission`). One `relay` a node
//! reads the log behind the horizon and emits each event to the sockets of its own node; nodes only `wake` each
//! other, and a poll is the safety net under that. Whoever joins with `after` first gets what they missed, from the
//! table and then from the relay's `ring` of recent events, so that nothing is left out, doubled or out of order.
//! A client that cannot keep up is disconnected, never served with gaps: it comes back with `after`. A `session` is
//! what is known of one socket; it ends with its token unless the client renews that, and
//! within a second of a revocation (`review`). How many a user and a network may have open is counted in `places`, and
//! in `engine_sessions` from the handshake on, before anybody has signed in.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use socketioxide::extract::SocketRef;
use socketioxide::handler::ConnectHandler as _;
use socketioxide::{ParserConfig, SocketIo};
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
pub use engine_sessions::EngineSessions;
use places::Places;
use relay::Relay;
use session::Exits;
use socket::Desk;

mod admission;
mod answer;
mod arrival;
mod catchup;
mod engine_sessions;
mod places;
mod relay;
mod review;
mod ring;
pub mod room;
mod session;
mod socket;
mod sql;
mod wake;

/// How long closing connections may take.
const FAREWELL: std::time::Duration = std::time::Duration::from_secs(2);
/// Read from a connection at once, kept for each of them: clients send little.
const READ_BUFFER: usize = 2_048;

/// Socket.IO around the router, within the bounds of the configuration.
pub fn around(router: Router, app: &Arc<App>) -> (Router, SocketIo, Arc<EngineSessions>) {
    let bounds = &app.config.sockets;
    // Nothing we take is binary.
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
    let counted = from_fn_with_state(Arc::clone(&sessions), engine_sessions::count);
    (router.layer(sockets).layer(counted), io, sessions)
}

/// Opens the doors at once; the future it returns carries events until `stop`, then closes every connection.
///
/// `options` say how to reach the database for the one connection on which nodes wake each other.
pub fn start(
    app: Arc<App>,
    io: SocketIo,
    options: PgConnectOptions,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send {
    let exits = Exits { tasks: TaskTracker::new(), stop };
    let others = wake::others(&app.config, options, &exits);
    let (relay, post) = Relay::new(Arc::clone(&app), io.clone(), others, exits.clone());
    let places = Arc::new(Places::new(&app.config));
    let desk = Desk { app: Arc::clone(&app), post, exits: exits.clone(), places };
    // Heard from before the first socket comes in.
    let news = app.callers.news();
    let welcome = {
        let desk = desk.clone();
        move |socket: SocketRef| review::welcome(desk.clone(), socket)
    };
    io.ns("/", welcome.with(socket::doorkeeper(desk.clone())));
    async move {
        exits.tasks.spawn(relay.run());
        exits.tasks.spawn(session::watch(app, io.clone(), exits.clone()));
        exits.tasks.spawn(review::follow(desk, io.clone(), news));
        exits.tasks.close();
        exits.tasks.wait().await;
        // Only now: the relay and the watch reach for a namespace that closing takes away.
        if tokio::time::timeout(FAREWELL, io.close()).await.is_err() {
            tracing::debug!("some connections did not close in time");
        }
    }
}
