//! Connections below HTTP: raw bytes, a proxy that can fail, a private Redis.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, interval, timeout};

use crate::app::PATIENCE;

/// Sends bytes and reads until the server closes the connection.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.expect("the server closes").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends `head`, then the bytes of `trickle` one by one, until the server closes; returns the response and the time.
pub async fn trickle(address: SocketAddr, head: &str, trickle: u8, pause: Duration) -> (String, Duration) {
    let stream = TcpStream::connect(address).await.unwrap();
    let begun = Instant::now();
    let (mut from, mut to) = stream.into_split();
    to.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut beat = interval(pause);
    let closed = async {
        let reading = from.read_to_end(&mut answer);
        tokio::pin!(reading);
        loop {
            tokio::select! {
                _ = &mut reading => return,
                _ = beat.tick() => { to.write_all(&[trickle]).await.ok(); }
            }
        }
    };
    timeout(PATIENCE, closed).await.expect("the server closes");
    let took = begun.elapsed();
    (String::from_utf8_lossy(&answer).into_owned(), took)
}

/// What a proxy does with the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Forwards what it receives.
    Open,
    /// Reads them and forwards nothing.
    Stalled,
    /// Closes every connection.
    Cut,
}

/// A proxy between two programs that fails on demand.
pub struct Proxy {
    /// The address on which it listens.
    pub address: SocketAddr,
    line: Arc<watch::Sender<Line>>,
}

impl Proxy {
    /// In front of `target`.
    pub async fn before(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let line = Arc::new(watch::Sender::new(Line::Open));
        let states = Arc::clone(&line);
        crate::extract::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (target, state) = (target.clone(), states.subscribe());
                crate::extract::spawn(pass_on(stream, target, state));
            }
        });
        Self { address, line }
    }

    /// From now on.
    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

/// A task that ends with the test's runtime.
#[expect(clippy::disallowed_methods, reason = "ends with the runtime of its test")]
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

async fn pass_on(stream: TcpStream, target: String, mut state: watch::Receiver<Line>) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    let ((mut client_from, mut client_to), (mut server_from, mut server_to)) =
        (stream.into_split(), server.into_split());
    let (mut up, mut down) = (vec![0; 4_096], vec![0; 4_096]);
    loop {
        let line = *state.borrow_and_update();
        let open = line == Line::Open;
        if line == Line::Cut {
            return;
        }
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return },
            read = client_from.read(&mut up), if open => match read {
                Ok(1..) if server_to.write_all(&up[..read.unwrap_or(0)]).await.is_ok() => {}
                _ => return,
            },
            read = server_from.read(&mut down), if open => match read {
                Ok(1..) if client_to.write_all(&down[..read.unwrap_or(0)]).await.is_ok() => {}
                _ => return,
            },
        }
    }
}

/// A Redis for one test, ended with it.
pub struct Redis {
    server: Child,
    /// Its address, as `host:port`.
    pub address: String,
}

impl Redis {
    /// Starts one and waits until it answers.
    pub async fn start() -> Self {
        for _ in 0..10 {
            // Below the range of ephemeral ports; another process may still use it.
            let mut redis = Self::at(rand::random_range(20_000..30_000));
            let own = format!("process_id:{}\r", redis.server.id());
            let (mut beat, begun) = (interval(Duration::from_millis(10)), Instant::now());
            while begun.elapsed() < PATIENCE && redis.server.try_wait().expect("it is ours").is_none() {
                if redis.try_say("INFO server\r\n").await.is_some_and(|answer| answer.contains(&own)) {
                    return redis;
                }
                beat.tick().await;
            }
        }
        panic!("no Redis starts")
    }

    fn at(port: u16) -> Self {
        let server = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server; bin/setup installs it");
        Self { server, address: format!("127.0.0.1:{port}") }
    }

    async fn try_say(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).await.ok()?;
        stream.write_all(command.as_bytes()).await.ok()?;
        let mut answer = [0; 1_024];
        let length = stream.read(&mut answer).await.ok()?;
        Some(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    /// Sends one command as an inline command.
    pub async fn say(&self, command: &str) -> String {
        self.try_say(&format!("{command}\r\n")).await.expect("Redis answers")
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.server.kill().expect("it is ours");
        self.server.wait().expect("it ends");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
