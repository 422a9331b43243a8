//! Live.
use std::sync::Arc;
use crate::app::App;
use crate::config::Sockets;
use socketioxide::SocketIo;
use socketioxide::layer::SocketIoLayer;
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;
/// Layer.
pub fn layer(_config: &Sockets) -> (SocketIoLayer, SocketIo) { SocketIo::new_layer() }
/// Start.
pub async fn start(_app: Arc<App>, _io: SocketIo, _options: PgConnectOptions, stop: CancellationToken) { stop.cancelled().await; }
