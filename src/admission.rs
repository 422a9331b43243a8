//! Admission control: how many requests are worked on at once, and which ones wait or are refused when there are more.
//!
//! A server that starts everything it is sent answers nothing in time once it is sent more than it can do. So a request
//! takes a slot before it asks the database anything. Without a free slot it waits, unless the wait that is to be
//! expected (requests ahead of it times the mean time that a request holds a slot) is longer than its priority may
//! wait: then it is refused at once with 503, which costs next to nothing. Some slots are kept for what matters most.
//! The idea is that of Google's "Addressing Cascading Failures" and Amazon's "Using load shedding to avoid overload".

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{FromRequest as _, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::app::App;
use crate::permission::Operation;
use crate::problem::Problem;
use crate::wire::unreadable;

/// Which requests are served first when not all can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Exports, logs and lists for administrators: may use half of the slots.
    Deferrable,
    /// Everything that is not named elsewhere: may use three quarters of the slots.
    Normal,
    /// Without these a kitchen or a driver stands still: may use every slot.
    Critical,
}

impl Priority {
    const HIGHEST_FIRST: [Self; 3] = [Self::Critical, Self::Normal, Self::Deferrable];

    /// The priority of an operation; `None` for those that take no slot: what answers without the database, what has
    /// a bound of its own (password hashing, pictures, whole menus, batches of offline operations).
    pub const fn of(operation: Operation) -> Option<Self> {
        match operation {
            Operation::PlaceOrder
            | Operation::UpdateOrderStatus
            | Operation::UpdateOrderPromise
            | Operation::AssignDelivery
            | Operation::UpdateDeliveryStatus
            | Operation::SetAvailability
            | Operation::Refresh
            | Operation::Logout => Some(Self::Critical),
            Operation::ExportMenu
            | Operation::GetMenuDocument
            | Operation::ListStockLedger
            | Operation::ListUsers
            | Operation::ListOutbox
            | Operation::ListDrivers
            | Operation::BulkUpdateOrders => Some(Self::Deferrable),
            Operation::GetHealth
            | Operation::GetLiveness
            | Operation::Register
            | Operation::Login
            | Operation::CompleteLogin
            | Operation::ChangePassword
            | Operation::ForgotPassword
            | Operation::ResetPassword
            | Operation::AddSecondFactor
            | Operation::ConfirmSecondFactor
            | Operation::RemoveSecondFactor
            | Operation::SetImage
            | Operation::SetItemImage
            | Operation::PutMenu
            | Operation::ImportMenu
            | Operation::CopyMenu
            | Operation::SyncOperations => None,
            _ => Some(Self::Normal),
        }
    }

    /// How many of all slots it may use.
    const fn share(self, slots: usize) -> usize {
        let share = match self {
            Self::Critical => slots,
            Self::Normal => slots - slots / 4,
            Self::Deferrable => slots / 2,
        };
        if share == 0 { 1 } else { share }
    }

    /// How long it may wait, of the longest wait that is configured.
    fn patience(self, longest: Duration) -> Duration {
        match self {
            Self::Critical => longest,
            Self::Normal => longest / 2,
            Self::Deferrable => longest / 4,
        }
    }
}

/// The slots of this node.
#[derive(Debug, Clone)]
pub struct Admission(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    slots: usize,
    longest_wait: Duration,
    state: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    taken: usize,
    /// Mean time for which a request holds a slot, with the weight of the latest ones: 15/16 old, 1/16 new.
    mean_held: Duration,
    /// By priority, lowest first.
    waiting: [VecDeque<oneshot::Sender<Slot>>; 3],
}

/// One request's slot; given back when dropped.
#[derive(Debug)]
pub struct Slot {
    shared: Option<Arc<Shared>>,
    since: Instant,
}

/// There was no slot, and there will be none in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overloaded;

impl Admission {
    /// So many slots, and the longest wait for one.
    pub fn new(slots: usize, longest_wait: Duration) -> Self {
        Self::expecting(slots, longest_wait, Duration::ZERO)
    }

    /// The same, with what is taken for the mean time that a request holds a slot until that has been measured.
    pub fn expecting(slots: usize, longest_wait: Duration, mean_held: Duration) -> Self {
        let state = Mutex::new(Queue { mean_held, ..Queue::default() });
        Self(Arc::new(Shared { slots: slots.max(1), longest_wait, state }))
    }

    /// Takes a slot, waiting for it if that is worth it.
    ///
    /// # Errors
    /// [`Overloaded`] at once when the expected wait is too long, and after the wait when it was longer than expected.
    pub async fn enter(&self, priority: Priority) -> Result<Slot, Overloaded> {
        let patience = priority.patience(self.0.longest_wait);
        let granted = {
            let mut queue = self.0.lock();
            // All of a priority wait equally long, so those that have given up are in front.
            for waiting in &mut queue.waiting {
                while waiting.front().is_some_and(oneshot::Sender::is_closed) {
                    waiting.pop_front();
                }
            }
            let ahead: usize = queue.waiting[priority as usize..].iter().map(VecDeque::len).sum();
            if ahead == 0 && queue.taken < priority.share(self.0.slots) {
                queue.taken += 1;
                return Ok(Slot::granted(&self.0));
            }
            let turns = u32::try_from(ahead + 1).unwrap_or(u32::MAX);
            let slots = u32::try_from(priority.share(self.0.slots)).unwrap_or(u32::MAX);
            if queue.mean_held.saturating_mul(turns) / slots > patience {
                return Err(Overloaded);
            }
            let (slot, granted) = oneshot::channel();
            queue.waiting[priority as usize].push_back(slot);
            granted
        };
        match timeout(patience, granted).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) | Err(_) => Err(Overloaded),
        }
    }

    /// Requests that hold a slot, and requests that wait for one.
    pub fn load(&self) -> (usize, usize) {
        let queue = self.0.lock();
        let waits = |waiting: &VecDeque<oneshot::Sender<Slot>>| waiting.iter().filter(|slot| !slot.is_closed()).count();
        (queue.taken, queue.waiting.iter().map(waits).sum())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn granted(shared: &Arc<Shared>) -> Self {
        Self { shared: Some(Arc::clone(shared)), since: Instant::now() }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        let mut queue = shared.lock();
        queue.taken -= 1;
        queue.mean_held = (queue.mean_held * 15 + self.since.elapsed()) / 16;
        for priority in Priority::HIGHEST_FIRST {
            while queue.taken < priority.share(shared.slots) {
                let Some(next) = queue.waiting[priority as usize].pop_front() else { break };
                match next.send(Slot::granted(&shared)) {
                    Ok(()) => queue.taken += 1,
                    // Whoever waited has gone: the slot was never taken, so it is not given back either.
                    Err(mut unclaimed) => unclaimed.shared = None,
                }
            }
        }
    }
}

/// Takes a slot for the request, or refuses it.
pub async fn admit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let operation = request.extensions().get::<Operation>().copied();
    let Some(priority) = operation.and_then(Priority::of) else { return next.run(request).await };
    // A body that arrives slowly must not hold a slot meanwhile.
    let request = match read_whole(request).await {
        Ok(request) => request,
        Err(problem) => return problem.into_response(),
    };
    let Ok(_slot) = app.admission.enter(priority).await else {
        tracing::warn!(?priority, "refused: too many requests at once");
        // Not all at the same moment again.
        return Problem::busy(rand::random_range(1..=3)).into_response();
    };
    next.run(request).await
}

async fn read_whole(request: Request) -> Result<Request, Problem> {
    if request.body().is_end_stream() {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    let read = Bytes::from_request(Request::new(body), &()).await.map_err(|rejection| unreadable(&rejection))?;
    Ok(Request::from_parts(parts, Body::from(read)))
}
