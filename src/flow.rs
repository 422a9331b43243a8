//! Limits for clients that read nothing of what is written to their connection, or read too slowly.
//!
//! A client decides how fast it reads, which causes three problems. The WebSocket library answers every ping with a
//! pong and its buffer cannot be limited, so a client that sends pings and does not read takes more and more memory. A
//! client that reads a few bytes a minute holds a connection, its response and its share of the limits for hours. And
//! how many bytes wait for a socket is known only from the bytes that its connection has taken.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// The grace period of the listener's connections. The operating system reports progress only when a third of its send
/// buffer is free, which takes this long with a client at the slowest rate.
pub const READ_GRACE: Duration = Duration::from_mins(1);
/// When nothing was written for this long, the client has taken everything, and the next write has a new grace period.
const PAUSE: Duration = Duration::from_secs(1);

/// The limits of a connection's traffic.
#[derive(Debug, Clone, Copy)]
pub struct FlowLimits {
    /// The minimum rate at which a client must read, in bytes a second.
    pub read_min_rate: u32,
    /// How long bytes may wait for a client before the minimum rate is enforced. Reading faster than the rate earns
    /// further time, but never more than this. Time in which nothing waits does not count.
    pub read_grace: Duration,
    /// How many bytes a client of a WebSocket may send while it does not read.
    pub unread_bytes: u64,
}

/// The bytes that a connection has carried. The listener adds it to every request of the connection.
#[derive(Debug, Clone, Default)]
pub struct FlowCounts(Arc<CarriedBytes>);

#[derive(Debug, Default)]
struct CarriedBytes {
    read: AtomicU64,
    written: AtomicU64,
    is_blocked: AtomicBool,
}

impl FlowCounts {
    /// The bytes received from the client so far.
    pub fn read(&self) -> u64 {
        self.0.read.load(Ordering::Relaxed)
    }

    /// The bytes that the operating system has accepted for the client so far.
    pub fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    /// Whether a write is blocked because the client does not read.
    pub fn is_blocked(&self) -> bool {
        self.0.is_blocked.load(Ordering::Relaxed)
    }
}

/// A connection that fails when its client does not read.
pub struct Flow<S> {
    stream: S,
    limits: FlowLimits,
    counts: FlowCounts,
    /// Whether the connection is a WebSocket: the first bytes of a response said so.
    is_upgraded: bool,
    /// Bytes received while writing was blocked, less those written since. At most this many bytes wait for the client
    /// in response to them.
    unanswered: u64,
    is_cut: bool,
    /// Whether something waits to be written, and so the deadline counts.
    is_waiting: bool,
    /// While nothing waits: how long the next bytes may wait; `None`: the whole grace period.
    left: Option<Duration>,
    /// When the client last took bytes.
    written_at: Option<Instant>,
    deadline: Pin<Box<Sleep>>,
}

impl<S> Flow<S> {
    /// Wraps a new connection.
    pub fn new(stream: S, limits: FlowLimits, counts: FlowCounts) -> Self {
        let deadline = Box::pin(tokio::time::sleep(limits.read_grace));
        let (is_upgraded, is_cut, is_waiting) = (false, false, false);
        let (unanswered, left, written_at) = (0, None, None);
        Self { stream, limits, counts, is_upgraded, unanswered, is_cut, is_waiting, left, written_at, deadline }
    }

    fn check(&self) -> io::Result<()> {
        if self.is_cut { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }

    /// Records the result of a write; `bytes` begins with what was written.
    fn record_write(
        &mut self,
        cx: &mut Context<'_>,
        beginning: &[u8],
        outcome: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.is_upgraded |= beginning.starts_with(b"HTTP/1.1 101");
        let now = Instant::now();
        if !self.is_waiting && self.written_at.is_some_and(|at| now > at + PAUSE) {
            self.left = None;
        }
        match outcome {
            Poll::Ready(Ok(bytes)) => {
                self.record_written(bytes as u64, now);
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.counts.0.is_blocked.store(true, Ordering::Relaxed);
                if !std::mem::replace(&mut self.is_waiting, true) {
                    self.deadline.as_mut().reset(now + self.left.unwrap_or(self.limits.read_grace));
                }
                if self.deadline.as_mut().poll(cx).is_ready() {
                    tracing::debug!("a connection was cut: its client reads too slowly");
                    self.is_cut = true;
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                Poll::Pending
            }
        }
    }

    fn record_written(&mut self, bytes: u64, now: Instant) {
        self.counts.0.written.fetch_add(bytes, Ordering::Relaxed);
        self.counts.0.is_blocked.store(false, Ordering::Relaxed);
        self.unanswered = self.unanswered.saturating_sub(bytes);
        self.written_at = Some(now);
        if std::mem::replace(&mut self.is_waiting, false) {
            self.left = Some(self.deadline.deadline().saturating_duration_since(now));
        }
        let earned = Duration::from_micros(bytes.saturating_mul(1_000_000) / u64::from(self.limits.read_min_rate));
        self.left = self.left.map(|left| (left + earned).min(self.limits.read_grace));
    }

    /// Records received bytes.
    fn record_received(&mut self, bytes: u64) -> io::Result<()> {
        self.counts.0.read.fetch_add(bytes, Ordering::Relaxed);
        if self.is_upgraded && self.counts.is_blocked() {
            self.unanswered = self.unanswered.saturating_add(bytes);
            if self.unanswered > self.limits.unread_bytes {
                tracing::warn!("a socket was disconnected: its client sends messages but does not read");
                self.is_cut = true;
                // Wakes the task that waits to write.
                self.deadline.as_mut().reset(Instant::now());
            }
        }
        self.check()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Flow<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => Poll::Ready(self.record_received((buf.filled().len() - before) as u64)),
            other => other,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Flow<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.record_write(cx, bytes, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        let first = parts.iter().find(|part| !part.is_empty()).map_or(&[][..], |part| part);
        self.record_write(cx, first, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
