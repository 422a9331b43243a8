//! Live updates with the official Socket.IO client, over WebSocket and over long polling.

mod bounds;
mod rooms;
mod handshakes;
mod live;
mod log;
mod nodes;
mod limits;
mod phone;
mod relations;
mod stage;

/// Everything is tested on both.
const TRANSPORTS: [&str; 2] = ["websocket", "polling"];
