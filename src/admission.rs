//! Admission control: how many requests are worked on at once, and which ones wait or are refused when there are more.
//!
//! A server that starts everything it is sent answers nothing in time once it is sent more than it can do. So a request
//! takes a slot before it asks the database anything. Without a free slot it waits, unless the expected wait is longer
//! than its priority may wait: then it is refused at once with 503, before anything else is done for it. Some slots are
//! kept for what matters most. How long a request may wait depends on how long there has been a queue: a short burst is
//! waited for; but where everybody has been waiting for long, nobody waits long any more, because the queue would only
//! make every answer late (the controlled delay of "Fail at Scale", ACM Queue 13(8), 2015). The rest follows Google's
//! "Addressing Cascading Failures" and Amazon's "Using load shedding to avoid overload".

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

    /// How long a request may wait, of the longest wait that is configured, when there has been a queue for so long.
    pub fn longest_wait(self, configured: Duration, queued_for: Duration) -> Duration {
        let in_a_burst = self.longest_wait_in_a_burst(configured);
        if queued_for > in_a_burst { in_a_burst / STANDING_QUEUE } else { in_a_burst }
    }

    fn longest_wait_in_a_burst(self, longest: Duration) -> Duration {
        match self {
            Self::Critical => longest,
            Self::Normal => longest / 2,
            Self::Deferrable => longest / 4,
        }
    }
}

/// A queue in which everybody waited long, for as long as one may wait in a burst, lets them wait so much less.
const STANDING_QUEUE: u32 = 10;

/// The slots of this node.
#[derive(Debug, Clone)]
pub struct Admission(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    slots: usize,
    longest_wait: Duration,
    state: Mutex<Occupancy>,
}

#[derive(Debug, Default)]
struct Occupancy {
    taken: usize,
    /// Mean time for which a request holds a slot.
    mean_held: Duration,
    /// By priority, lowest first.
    queues: [Queue; 3],
}

/// The requests of one priority that wait, oldest first.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Since when everybody has waited for a considerable time; null while slots are to be had.
    standing_since: Option<Instant>,
    /// When the last of them got a slot, if others were waiting then.
    last_turn: Option<Instant>,
    /// Mean time between two of them while others wait; zero until it has been measured.
    mean_turn: Duration,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    slot: oneshot::Sender<Slot>,
}

impl Queue {
    /// Notes how long one request waited: longer than it may in a standing queue, and the queue may be standing; a
    /// quarter of that, and it is none.
    fn note_wait(&mut self, waited: Duration, longest_when_standing: Duration, now: Instant) {
        if waited >= longest_when_standing {
            self.standing_since.get_or_insert(now);
        } else if waited < longest_when_standing / 4 {
            self.standing_since = None;
        }
    }

    /// Forgets those at the front that have given up: there is a queue since they came.
    fn clear_front(&mut self) {
        while self.waiting.front().is_some_and(|waiting| waiting.slot.is_closed()) {
            if let Some(gone) = self.waiting.pop_front() {
                self.standing_since.get_or_insert(gone.since);
            }
        }
    }
}

/// A mean with the weight of the latest values: 15/16 old, 1/16 new.
fn moving_mean(old: Duration, new: Duration) -> Duration {
    (old * 15 + new) / 16
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
        let state = Mutex::new(Occupancy { mean_held, ..Occupancy::default() });
        Self(Arc::new(Shared { slots: slots.max(1), longest_wait, state }))
    }

    /// Takes a slot, waiting for it if that is worth it.
    ///
    /// # Errors
    /// [`Overloaded`] at once when the expected wait is too long, and after the wait when it was longer than expected.
    pub async fn enter(&self, priority: Priority) -> Result<Slot, Overloaded> {
        let (granted, patience) = {
            let mut state = self.0.lock();
            let patience = match state.decide(priority, &self.0) {
                Decision::Admit => {
                    state.taken += 1;
                    return Ok(Slot::granted(&self.0));
                }
                Decision::Refuse => return Err(Overloaded),
                Decision::Wait(patience) => patience,
            };
            let (slot, granted) = oneshot::channel();
            state.queues[priority as usize].waiting.push_back(Waiting { since: Instant::now(), slot });
            (granted, patience)
        };
        match timeout(patience, granted).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) | Err(_) => Err(Overloaded),
        }
    }

    /// Whether [`Admission::enter`] would refuse now: then nothing need be done for the request at all.
    pub fn would_refuse(&self, priority: Priority) -> bool {
        matches!(self.0.lock().decide(priority, &self.0), Decision::Refuse)
    }

    /// Requests that hold a slot, and requests that wait for one.
    pub fn load(&self) -> (usize, usize) {
        let state = self.0.lock();
        let waits = |queue: &Queue| queue.waiting.iter().filter(|waiting| !waiting.slot.is_closed()).count();
        (state.taken, state.queues.iter().map(waits).sum())
    }
}

/// What becomes of a request that asks for a slot.
enum Decision {
    Admit,
    /// For so long at most.
    Wait(Duration),
    Refuse,
}

impl Occupancy {
    fn decide(&mut self, priority: Priority, shared: &Shared) -> Decision {
        self.queues.iter_mut().for_each(Queue::clear_front);
        let ahead: usize = self.queues[priority as usize..].iter().map(|queue| queue.waiting.len()).sum();
        let share = priority.share(shared.slots);
        if ahead == 0 && self.taken < share {
            return Decision::Admit;
        }
        let queue = &self.queues[priority as usize];
        let queued_for = queue.standing_since.map(|since| since.elapsed()).unwrap_or_default();
        let patience = priority.longest_wait(shared.longest_wait, queued_for);
        let turns = |ahead: usize| u32::try_from(ahead + 1).unwrap_or(u32::MAX);
        let by_slots = self.mean_held.saturating_mul(turns(ahead)) / u32::try_from(share).unwrap_or(u32::MAX);
        let by_turns = queue.mean_turn.saturating_mul(turns(queue.waiting.len()));
        if by_slots.max(by_turns) > patience { Decision::Refuse } else { Decision::Wait(patience) }
    }

    /// Hands free slots to those who wait, the highest priority first.
    fn hand_on(&mut self, shared: &Arc<Shared>) {
        for priority in Priority::HIGHEST_FIRST {
            let share = priority.share(shared.slots);
            let queue = &mut self.queues[priority as usize];
            let longest_when_standing = priority.longest_wait(shared.longest_wait, Duration::MAX);
            while self.taken < share {
                queue.clear_front();
                let Some(next) = queue.waiting.pop_front() else {
                    queue.standing_since = None;
                    break;
                };
                match next.slot.send(Slot::granted(shared)) {
                    Ok(()) => {
                        self.taken += 1;
                        let now = Instant::now();
                        queue.note_wait(now - next.since, longest_when_standing, now);
                        if let Some(last) = queue.last_turn {
                            queue.mean_turn = moving_mean(queue.mean_turn, now - last);
                        }
                        queue.last_turn = (!queue.waiting.is_empty()).then_some(now);
                    }
                    // Whoever waited has gone: the slot was never taken, so it is not given back either.
                    Err(mut unclaimed) => unclaimed.shared = None,
                }
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Occupancy> {
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
        let mut state = shared.lock();
        state.taken -= 1;
        state.mean_held = moving_mean(state.mean_held, self.since.elapsed());
        state.hand_on(&shared);
    }
}

/// Refuses a request for which there will be no slot in time, before its body, its token and its limits are looked at.
pub async fn refuse_early(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let priority = request.extensions().get::<Operation>().copied().and_then(Priority::of);
    match priority {
        Some(priority) if app.admission.would_refuse(priority) => overloaded(priority),
        _ => next.run(request).await,
    }
}

fn overloaded(priority: Priority) -> Response {
    tracing::debug!(?priority, "refused: too many requests at once");
    // Not all at the same moment again.
    Problem::busy(rand::random_range(1..=3)).into_response()
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
    let Ok(_slot) = app.admission.enter(priority).await else { return overloaded(priority) };
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
