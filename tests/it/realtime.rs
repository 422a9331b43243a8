//! Live updates with the official Socket.IO client, over WebSocket and over long polling.

mod bounds;
mod handshakes;
mod limits;
mod live;
mod log;
mod nodes;
mod phone;
mod relations;
mod rooms;
mod stage;

/// Everything is tested on both.
const TRANSPORTS: [&str; 2] = ["websocket", "polling"];
