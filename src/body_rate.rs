//! The minimum rate of request bodies: without it, a client that sends a byte now and then would keep a connection and
//! its memory in use.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

/// How long a body may take before its rate is checked.
const GRACE: Duration = Duration::from_secs(5);

/// Longest time without any byte, however much has arrived before: otherwise a body sent at once, but for its last
/// byte, could wait for hours.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);

/// The body arrived more slowly than the minimum rate.
#[derive(Debug, thiserror::Error)]
#[error("the body arrives too slowly")]
pub struct BodyTooSlow;

/// The body arrives in pieces that are far too small: each costs as much as a large one.
#[derive(Debug, thiserror::Error)]
#[error("the body arrives in too small pieces")]
pub struct BodyFragmented;

/// Pieces of a body that may be small.
const FREE_PIECES: u64 = 1_000;
/// The minimum mean size of further pieces, in bytes.
const PIECE: u64 = 64;

/// Makes reading the request's body fail with [`BodyTooSlow`] when it arrives at less than this rate, in bytes a
/// second, after a grace period of 5 seconds, or not at all for 10 seconds; and with [`BodyFragmented`] when it arrives
/// in thousands of pieces of a few bytes.
pub fn with_minimum_rate(request: Request, bytes_a_second: u32) -> Request {
    // An empty body needs no deadline.
    if request.body().is_end_stream() {
        return request;
    }
    request.map(|body| {
        let begun = Instant::now();
        let deadline = Box::pin(tokio::time::sleep_until(begun + GRACE));
        Body::new(MinimumRateBody { body, bytes_a_second, begun, received: 0, pieces: 0, deadline })
    })
}

/// A body with a deadline that every received byte postpones.
struct MinimumRateBody {
    body: Body,
    bytes_a_second: u32,
    begun: Instant,
    received: u64,
    pieces: u64,
    deadline: Pin<Box<Sleep>>,
}

impl HttpBody for MinimumRateBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref) {
                self.received += data.len() as u64;
                self.pieces += 1;
                if self.pieces > FREE_PIECES + self.received / PIECE {
                    return Poll::Ready(Some(Err(axum::Error::new(BodyFragmented))));
                }
                let earned = Duration::from_millis(self.received * 1_000 / u64::from(self.bytes_a_second));
                let deadline = (self.begun + GRACE + earned).min(Instant::now() + LONGEST_SILENCE);
                self.deadline.as_mut().reset(deadline);
            }
            return Poll::Ready(frame);
        }
        ready!(self.deadline.as_mut().poll(context));
        Poll::Ready(Some(Err(axum::Error::new(BodyTooSlow))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
