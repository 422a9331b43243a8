//! Shared code of the benchmarks: servers in separate processes, their processor time, and a plain HTTP client.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use comanda::clock::Clock;
use comanda::config::{Config, Source};
use comanda::database::DatabaseServer;
use comanda::serve;
use nix::sys::time::TimeValLike as _;
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// The configuration of production, without rate limits.
pub fn config(database: &str, redis: &str) -> Config {
    let pairs = [
        ("PORT", "0"),
        ("DATABASE_URL", database),
        ("REDIS_URL", if redis == "-" { "" } else { redis }),
        ("RATE_LIMIT_ADDRESS", "off"),
        ("RATE_LIMIT_USER", "off"),
        ("RATE_LIMIT_AUTH", "1000000/1m"),
        ("JWT_SECRET", "a secret for measuring that is long enough"),
        ("JWT_REFRESH_SECRET", "another secret for measuring, long enough too"),
        ("SEAL_SECRET", "a third secret for measuring, as long as those"),
        ("PASSWORD_HASHES_WAITING", "16"),
        ("PASSWORD_HASH_WAIT", "250ms"),
        ("JWT_EXPIRES_IN", "2h"),
        ("MENU_CACHE_LIFE", "10m"),
        ("ORDER_MAX_SCHEDULED", "500"),
        ("QUOTE_MAX_OPEN", "10000"),
        ("WRITES_PER_USER", "off"),
        ("WRITES_PER_NETWORK", "off"),
    ];
    // BENCH_SETTINGS="NAME=value NAME=value" overrides these.
    let overrides = std::env::var("BENCH_SETTINGS").unwrap_or_default();
    let overrides = overrides.split_whitespace().filter_map(|pair| pair.split_once('='));
    Config::read(&Source::from_pairs(pairs.into_iter().chain(overrides))).unwrap_or_else(|faults| panic!("{faults}"))
}

/// Runs Comanda as a server until the process that started this one has ended.
pub async fn serve(database: &str, redis: &str) {
    let config = config(database, redis);
    let _telemetry = config.log.dir.is_some().then(|| comanda::telemetry::begin(&config.log).unwrap());
    let reached = DatabaseServer::find(&config).await.unwrap();
    let running = serve::start(config, &reached, Clock::System, false).await.unwrap();
    println!("{}", running.address);
    orphaned().await;
    running.stop().await;
}

/// Waits until the process that started this one has ended, which closes the pipe of standard input.
pub async fn orphaned() {
    let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
}

/// The process id of the PostgreSQL server of a data folder.
pub fn postmaster(folder: &str) -> u32 {
    let file = std::fs::read_to_string(format!("{folder}/data/postmaster.pid")).unwrap();
    file.lines().next().unwrap().parse().unwrap()
}

/// A server in a separate process: this program, started with other arguments.
pub struct Server {
    child: Child,
    /// The address on which it listens.
    pub address: String,
}

impl Server {
    /// Starts the server, and waits for the line with its address. It runs on the processors of
    /// `BENCH_SERVER_PROCESSORS`, if that is set.
    pub fn start(words: &[&str]) -> Self {
        let program = std::env::current_exe().unwrap();
        // taskset replaces itself with the program, so the process id stays the same.
        let mut command = match std::env::var("BENCH_SERVER_PROCESSORS") {
            Ok(processors) => {
                let mut command = Command::new("taskset");
                command.args(["--cpu-list", &processors]).arg(program);
                command
            }
            Err(_) => Command::new(program),
        };
        let mut child = command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { child, address: address.trim().to_owned() }
    }

    /// Its resident memory, in MiB.
    pub fn resident(&self) -> f64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap_or_default();
        statm.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok()).unwrap_or_default() / 256.0
    }

    /// The processor time of the server so far, in nanoseconds, ended threads included.
    pub fn nanoseconds(&self) -> u64 {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let time = clock_getcpuclockid(pid).and_then(ClockId::now).unwrap();
        u64::try_from(time.num_nanoseconds()).unwrap()
    }

    /// Its processor time so far, in seconds.
    pub fn processor(&self) -> f64 {
        processor(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The fields of `/proc/<pid>/stat` after the program's name, beginning with the state.
fn stat(pid: u32) -> Vec<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// The processor time of clock ticks (hundredths of a second), in seconds.
fn seconds(fields: &[String], which: &[usize]) -> f64 {
    let ticks = |index: &usize| fields.get(*index).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    which.iter().map(ticks).sum::<f64>() / 100.0
}

/// Processor time of a process so far, in seconds.
pub fn processor(pid: u32) -> f64 {
    seconds(&stat(pid), &[11, 12])
}

/// Processor time of PostgreSQL so far, in seconds: the postmaster's, that of its processes, and that of those which
/// have ended.
pub fn processor_of_postgres(postmaster: u32) -> f64 {
    let own = seconds(&stat(postmaster), &[11, 12, 13, 14]);
    own + children(postmaster).into_iter().map(processor).sum::<f64>()
}

/// Waits until the connections of other programs have ended, so that their processor time is counted. A connection that
/// is still open after a second was opened by the server meanwhile.
pub async fn only(postmaster: u32, processes: usize) {
    for _ in 0..100 {
        if children(postmaster).len() <= processes {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// The processes of PostgreSQL other than the postmaster.
pub fn children(postmaster: u32) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid).get(1).is_some_and(|parent| *parent == postmaster.to_string())).collect()
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The initial size of the read buffer in bytes; it grows for longer responses. Small, because hundreds of connections
/// are opened while times are measured.
const INITIAL_BUFFER: usize = 64 << 10;

/// One connection for many requests.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Opens a connection to the server from a separate address, because the resources of each network are limited.
    pub async fn open(address: &str) -> Self {
        static OPENED: AtomicU16 = AtomicU16::new(0);
        let [high, low] = OPENED.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 1, high, low), 0))).unwrap();
        let stream = socket.connect(address.parse().unwrap()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: vec![0; INITIAL_BUFFER] }
    }

    /// Sends the bytes of a request, and reads the whole response: status and body.
    pub async fn send(&mut self, request: &[u8]) -> (u16, &[u8]) {
        self.stream.write_all(request).await.unwrap();
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await.unwrap();
            assert!(read > 0, "the server closed the connection");
            filled += read;
            let Some(head) = self.buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n") else {
                continue;
            };
            let text = std::str::from_utf8(&self.buffer[..head]).unwrap().to_ascii_lowercase();
            let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
            let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            let end = head + 4 + length.and_then(|length| length.parse::<usize>().ok()).unwrap_or_default();
            if self.buffer.len() <= end {
                self.buffer.resize(end + 1, 0);
            }
            while filled < end {
                let read = self.stream.read(&mut self.buffer[filled..]).await.unwrap();
                assert!(read > 0, "the server closed the connection");
                filled += read;
            }
            return (status, &self.buffer[head + 4..end]);
        }
    }

    /// Sends a JSON request, which must succeed, and returns the JSON response.
    pub async fn ask(&mut self, method: &str, path: &str, token: &str, key: Option<&str>, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: bench\r\ncontent-length: {}\r\n", body.len());
        if !body.is_empty() {
            head.push_str("content-type: application/json\r\n");
        }
        if !token.is_empty() {
            let _ = write!(head, "authorization: Bearer {token}\r\n");
        }
        if let Some(key) = key {
            let _ = write!(head, "idempotency-key: {key}\r\n");
        }
        let (status, answer) = self.send(format!("{head}\r\n{body}").as_bytes()).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {}", String::from_utf8_lossy(answer));
        if answer.is_empty() { Value::Null } else { serde_json::from_slice(answer).unwrap() }
    }
}
