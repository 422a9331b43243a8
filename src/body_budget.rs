//! Limits the memory of all request bodies, from their first byte until the response, for the process and for each
//! network. Otherwise a client could send many large bodies without their last byte, and hold all of them in memory.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use crate::network::{AddressBlock, Network, NetworkCounts};

/// All memory for bodies, or the share of this network, is in use.
#[derive(Debug, thiserror::Error)]
#[error("no memory for the body now")]
pub struct NoRoomForBody;

/// The memory that request bodies may take in this process, in bytes.
#[derive(Debug)]
pub struct BodyBudget {
    all: usize,
    /// The largest number of bytes of one network.
    each: usize,
    used: Mutex<UsedMemory>,
}

#[derive(Debug, Default)]
struct UsedMemory {
    all: usize,
    networks: NetworkCounts,
}

impl BodyBudget {
    /// A budget of `all` bytes, a quarter of them for one network, but at least `largest`.
    pub fn new(all: usize, largest: usize) -> Self {
        Self { all: all.max(largest), each: (all / 4).max(largest), used: Mutex::default() }
    }

    /// The memory of a request from this network; released when dropped.
    pub fn request(self: &Arc<Self>, network: Network) -> Arc<BodyMemory> {
        Arc::new(BodyMemory { budget: Arc::clone(self), network, bytes: AtomicUsize::new(0) })
    }

    fn lock(&self) -> MutexGuard<'_, UsedMemory> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The memory in use by the body of one request.
#[derive(Debug)]
pub struct BodyMemory {
    budget: Arc<BodyBudget>,
    network: Network,
    bytes: AtomicUsize,
}

impl BodyMemory {
    fn take(&self, bytes: usize) -> Result<(), NoRoomForBody> {
        let BodyBudget { all, each, .. } = *self.budget;
        let mut used = self.budget.lock();
        let max = |block: AddressBlock| block.share(each, all);
        if used.all + bytes > all || !used.networks.has_room(self.network, bytes, max) {
            return Err(NoRoomForBody);
        }
        used.all += bytes;
        used.networks.add(self.network, bytes);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// The body with its memory counted; reading it fails with [`NoRoomForBody`] when the budget is exceeded.
    pub fn count(self: &Arc<Self>, body: Body) -> Body {
        Body::new(CountedBody { body, memory: Arc::clone(self) })
    }
}

impl Drop for BodyMemory {
    fn drop(&mut self) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        if bytes == 0 {
            return;
        }
        let mut used = self.budget.lock();
        used.all -= bytes;
        used.networks.subtract(self.network, bytes);
    }
}

struct CountedBody {
    body: Body,
    memory: Arc<BodyMemory>,
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref);
        if let Err(error) = self.memory.take(data.map_or(0, Bytes::len)) {
            return Poll::Ready(Some(Err(axum::Error::new(error))));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
