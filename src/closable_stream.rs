//! Connections that can be closed from elsewhere, also after an upgrade to WebSocket: hyper and the WebSocket library
//! own the stream then, and neither has a function that closes it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Closes one connection. The listener adds it to every request of the connection.
#[derive(Debug, Clone, Default)]
pub struct CloseHandle(CancellationToken);

impl CloseHandle {
    /// From now on reads find the end of the stream, and writes fail.
    pub fn close(&self) {
        self.0.cancel();
    }
}

/// A stream that ends when its [`CloseHandle`] is used.
pub struct ClosableStream<S> {
    stream: S,
    handle: CancellationToken,
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<S> ClosableStream<S> {
    /// Wraps a new connection.
    pub fn new(stream: S, handle: &CloseHandle) -> Self {
        let closed = Box::pin(handle.0.clone().cancelled_owned());
        Self { stream, handle: handle.0.clone(), closed }
    }

    fn check(&self) -> io::Result<()> {
        if self.handle.is_cancelled() { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClosableStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.closed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ClosableStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
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
