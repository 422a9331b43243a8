//! Refuses requests that hyper accepts and RFC 9112 does not allow: a bare LF or CR in the head of a request, in the
//! lines between its chunks or in its trailers, requests with both `Content-Length` and `Transfer-Encoding`, and
//! transfer codings other than a single `chunked`. A proxy in front that parses them differently could take one request
//! for two (request smuggling).
//!
//! Bytes pass through [`Framing`] on their way from the connection to hyper. It follows where heads and bodies begin
//! and end, as hyper does, and puts a NUL where a line breaks the rules: hyper answers such a request with 400 and
//! closes the connection. The content of a body is never changed.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The number of bytes of a header line that are checked: the relevant names and values are shorter.
const LOOKED_AT: usize = 128;

/// The position of the next byte in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamPosition {
    /// In the request line or a header.
    Head,
    /// In a body, with the number of remaining bytes.
    Body(u64),
    /// In the line before a chunk, with its size so far.
    ChunkSize(u64),
    /// After the digits of that line.
    ChunkExtension(u64),
    /// In a chunk, with the number of remaining bytes, the line end after it included.
    Chunk(u64),
    /// In the lines after the last chunk, with whether this line has any bytes.
    Trailers(bool),
    /// Another protocol, or refused: nothing is checked.
    Opaque,
}

/// How the head of a request determines the length of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    /// There is no body.
    Nothing,
    /// The number of bytes that `Content-Length` gives.
    Bytes(u64),
    /// In chunks, by `Transfer-Encoding: chunked`.
    Chunked,
}

/// Follows the bytes of one connection.
#[derive(Debug)]
pub struct Framing {
    position: StreamPosition,
    /// The byte before was a CR.
    after_cr: bool,
    /// The beginning of the current line.
    line: Vec<u8>,
    has_request_line: bool,
    length: Length,
    requests_upgrade: bool,
}

impl Default for Framing {
    fn default() -> Self {
        Self {
            position: StreamPosition::Head,
            after_cr: false,
            line: Vec::new(),
            has_request_line: false,
            length: Length::Nothing,
            requests_upgrade: false,
        }
    }
}

impl Framing {
    /// Checks received bytes, and puts a NUL where they break the rules.
    pub fn inspect(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while at < bytes.len() {
            match self.position {
                StreamPosition::Opaque => return,
                StreamPosition::Body(left) | StreamPosition::Chunk(left) => {
                    let here = u64::try_from(bytes.len() - at).unwrap_or(u64::MAX).min(left);
                    at += usize::try_from(here).unwrap_or(usize::MAX);
                    self.position = match (self.position, left - here) {
                        (StreamPosition::Body(_), 0) => StreamPosition::Head,
                        (StreamPosition::Body(_), left) => StreamPosition::Body(left),
                        (_, 0) => StreamPosition::ChunkSize(0),
                        (_, left) => StreamPosition::Chunk(left),
                    };
                }
                StreamPosition::Head => {
                    if !self.takes(bytes[at]) {
                        bytes[at] = 0;
                        self.position = StreamPosition::Opaque;
                    }
                    at += 1;
                }
                StreamPosition::ChunkSize(_) | StreamPosition::ChunkExtension(_) | StreamPosition::Trailers(_) => {
                    if let Some(position) = self.between_chunks(bytes[at]) {
                        self.position = position;
                    } else {
                        bytes[at] = 0;
                        self.position = StreamPosition::Opaque;
                    }
                    at += 1;
                }
            }
        }
    }

    /// Marks that the connection uses another protocol from now on, if a request asked for an upgrade.
    fn switched(&mut self) {
        if self.requests_upgrade {
            self.position = StreamPosition::Opaque;
        }
    }

    /// Processes a byte of a head; `false`: it is not allowed there.
    fn takes(&mut self, byte: u8) -> bool {
        match (byte, self.after_cr) {
            (b'\n', true) => {
                self.after_cr = false;
                self.ends_line()
            }
            (b'\n', false) | (_, true) => false,
            (b'\r', false) => {
                self.after_cr = true;
                true
            }
            (byte, false) => {
                // One more than is read: then it is known that the line was cut.
                if self.line.len() <= LOOKED_AT {
                    self.line.push(byte);
                }
                true
            }
        }
    }

    fn ends_line(&mut self) -> bool {
        let line = std::mem::take(&mut self.line);
        let is_cut = line.len() > LOOKED_AT;
        match (self.has_request_line, line.is_empty()) {
            // Empty lines before a request are ignored (RFC 9112, 2.2).
            (false, true) => true,
            (false, false) => {
                self.has_request_line = true;
                self.requests_upgrade = false;
                true
            }
            (true, false) => self.takes_header(&line, is_cut),
            (true, true) => {
                self.ends_head();
                true
            }
        }
    }

    /// A header; of one that is cut, the end is not known.
    fn takes_header(&mut self, line: &[u8], is_cut: bool) -> bool {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return true };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if is_cut && [&b"content-length"[..], b"transfer-encoding"].iter().any(|one| name.eq_ignore_ascii_case(one)) {
            // Zeros or blanks in front: a reader of the whole line would find another end of the body.
            return false;
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let Some(bytes) = digits.and_then(|digits| digits.parse().ok()) else { return false };
            // A second length is refused, even if it is the same.
            return std::mem::replace(&mut self.length, Length::Bytes(bytes)) == Length::Nothing;
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            // Other codings are not supported, and a reader that applies `chunked` twice finds another end.
            let was = std::mem::replace(&mut self.length, Length::Chunked);
            return was == Length::Nothing && value.eq_ignore_ascii_case(b"chunked");
        }
        self.requests_upgrade |= name.eq_ignore_ascii_case(b"upgrade");
        true
    }

    fn ends_head(&mut self) {
        self.has_request_line = false;
        self.position = match std::mem::replace(&mut self.length, Length::Nothing) {
            Length::Chunked => StreamPosition::ChunkSize(0),
            Length::Bytes(bytes @ 1..) => StreamPosition::Body(bytes),
            Length::Bytes(0) | Length::Nothing => StreamPosition::Head,
        };
    }

    /// The position after a byte of the lines between chunks, or after the last chunk; `None`: the byte is not allowed
    /// there, because a line ends with CR LF and contains neither. Other errors in these lines are found by hyper,
    /// which parses sizes strictly.
    fn between_chunks(&mut self, byte: u8) -> Option<StreamPosition> {
        let is_line_end = byte == b'\n';
        if is_line_end != self.after_cr {
            return None;
        }
        self.after_cr = byte == b'\r';
        if self.after_cr {
            return Some(self.position);
        }
        Some(match self.position {
            StreamPosition::ChunkSize(0) | StreamPosition::ChunkExtension(0) if is_line_end => {
                StreamPosition::Trailers(false)
            }
            StreamPosition::ChunkSize(size) | StreamPosition::ChunkExtension(size) if is_line_end => {
                StreamPosition::Chunk(size.saturating_add(2))
            }
            StreamPosition::ChunkSize(size) => match char::from(byte).to_digit(16) {
                Some(digit) => size
                    .checked_mul(16)
                    .map_or(StreamPosition::Opaque, |size| StreamPosition::ChunkSize(size | u64::from(digit))),
                None => StreamPosition::ChunkExtension(size),
            },
            StreamPosition::Trailers(false) if is_line_end => StreamPosition::Head,
            StreamPosition::Trailers(_) => StreamPosition::Trailers(!is_line_end),
            other => other,
        })
    }
}

/// A connection whose bytes are checked before hyper reads them.
pub struct Strict<S> {
    stream: S,
    framing: Framing,
}

impl<S> Strict<S> {
    /// Wraps a new connection.
    pub fn new(stream: S) -> Self {
        Self { stream, framing: Framing::default() }
    }

    /// The first bytes of a response show whether the connection changes its protocol.
    fn answers(&mut self, bytes: &[u8]) {
        if bytes.starts_with(b"HTTP/1.1 101") {
            self.framing.switched();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.framing.inspect(&mut buf.filled_mut()[before..]);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.answers(bytes);
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(first) = parts.iter().find(|part| !part.is_empty()) {
            self.answers(first);
        }
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
