//! Admission control: how many requests are processed at once, and which ones wait or are refused when there are more.
//!
//! A server that starts every request answers none in time once it gets more than it can process. So a request takes a
//! slot before its first query. Without a free slot it waits in the queue of its priority, if the expected wait
//! (requests ahead of it times the mean time that a request holds a slot) is short enough for its priority; else it is
//! refused at once with 503, before its token and its body are read. Some slots are reserved for critical requests. One
//! user holds at most a quarter of the slots, one network half of them and one IPv6 /48 three quarters, however many
//! requests they send: further requests wait until one of the same user or network ends. After Google's "Addressing
//! Cascading Failures" and Amazon's "Using load shedding to avoid overload".

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout};

use crate::client::Sender;
use crate::limits::{Subject, SubjectPart};
use crate::permission::Operation;
use crate::shares::Shares;

/// The priority of requests when there are not enough slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Exports, logs and lists for administrators: may use half of the slots.
    Deferrable,
    /// All other requests: may use three quarters of the slots.
    Normal,
    /// Requests that a kitchen or a driver needs to go on working: may use every slot.
    Critical,
}

impl Priority {
    const HIGHEST_FIRST: [Self; 3] = [Self::Critical, Self::Normal, Self::Deferrable];

    /// The priority of an operation; `None` for those that take no slot: operations that do not use the database, those
    /// with a limit of their own (password hashing, images, whole menus), and batches of offline operations, which take
    /// a slot for each part of their work and none while they wait for their worker.
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

    /// The number of slots that requests of this priority may use.
    const fn share(self, slots: usize) -> usize {
        let share = match self {
            Self::Critical => slots,
            Self::Normal => slots - slots / 4,
            Self::Deferrable => slots / 2,
        };
        if share == 0 { 1 } else { share }
    }

    /// The longest expected wait with which a request joins the queue; `longest` is the longest wait of the
    /// configuration. The expected wait is a mean; the margin of a factor of two or more keeps the number of
    /// requests small that wait and are refused in the end, because such a request costs nearly as much as a served
    /// one.
    fn acceptable_wait(self, longest: Duration) -> Duration {
        match self {
            Self::Critical => longest / 2,
            Self::Normal => longest / 4,
            Self::Deferrable => longest / 8,
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
    state: Mutex<Occupancy>,
    /// Requests that were refused early and are not in the log yet.
    refused_early: AtomicU64,
    /// The shares of users and networks that hold slots, or wait for one.
    senders: Shares<SubjectPart, SenderShare>,
}

/// The slots that one user or network may hold.
#[derive(Debug)]
struct SenderShare {
    slots: u32,
    free: Arc<Semaphore>,
    /// Requests that wait until another one of the same user or network ends.
    waiting: AtomicU32,
}

/// One slot of a share, in use.
#[derive(Debug)]
struct SharePermit {
    _permit: OwnedSemaphorePermit,
    _share: Arc<SenderShare>,
}

/// Counts a request as waiting until it is dropped.
struct Waits<'a>(&'a AtomicU32);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl SenderShare {
    fn new(slots: usize) -> Self {
        let slots = slots.max(1);
        Self {
            slots: u32::try_from(slots).unwrap_or(u32::MAX),
            free: Arc::new(Semaphore::new(slots)),
            waiting: AtomicU32::new(0),
        }
    }

    /// Waits until another request of the sender ends, if that is expected soon enough.
    async fn acquire(
        self: Arc<Self>,
        mean_held: Duration,
        acceptable: Duration,
        longest: Duration,
    ) -> Result<SharePermit, Overloaded> {
        let free = Arc::clone(&self.free);
        let permit = if let Ok(permit) = Arc::clone(&free).try_acquire_owned() {
            permit
        } else {
            let ahead = self.waiting.fetch_add(1, Ordering::Relaxed);
            let _waits = Waits(&self.waiting);
            if mean_held.saturating_mul(ahead + 1) / self.slots > acceptable {
                return Err(Overloaded);
            }
            timeout(longest, free.acquire_owned()).await.ok().and_then(Result::ok).ok_or(Overloaded)?
        };
        Ok(SharePermit { _permit: permit, _share: self })
    }
}

/// A slot within the shares of its sender; given back when dropped.
#[derive(Debug)]
pub struct Admitted {
    _slot: AdmissionSlot,
    _permits: Vec<SharePermit>,
}

#[derive(Debug, Default)]
struct Occupancy {
    taken: usize,
    /// Mean time for which a request holds a slot; each request counts as the longest wait at most.
    mean_held: Duration,
    /// By priority, lowest first.
    queues: [Queue; 3],
}

/// The requests of one priority that wait, oldest first.
#[derive(Debug, Default)]
struct Queue(VecDeque<oneshot::Sender<AdmissionSlot>>);

impl Queue {
    /// Removes requests at the front whose client has gone or whose wait was too long.
    fn clear_front(&mut self) {
        while self.0.front().is_some_and(oneshot::Sender::is_closed) {
            self.0.pop_front();
        }
    }
}

/// A mean with the weight of the latest values: 31/32 old, 1/32 new.
fn moving_mean(old: Duration, new: Duration) -> Duration {
    (old * 31 + new) / 32
}

/// One request's slot; given back when dropped.
#[derive(Debug)]
pub struct AdmissionSlot {
    shared: Option<Arc<Shared>>,
    since: Instant,
}

/// There is no slot, and none is expected in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overloaded;

impl Admission {
    /// With this many slots, and the longest wait for one.
    pub fn new(slots: usize, longest_wait: Duration) -> Self {
        Self::expecting(slots, longest_wait, Duration::ZERO)
    }

    /// The same, with an initial value for the mean time that a request holds a slot.
    pub fn expecting(slots: usize, longest_wait: Duration, mean_held: Duration) -> Self {
        let state = Mutex::new(Occupancy { mean_held, ..Occupancy::default() });
        Self(Arc::new(Shared {
            slots: slots.max(1),
            longest_wait,
            state,
            refused_early: AtomicU64::new(0),
            senders: Shares::new(),
        }))
    }

    /// Takes a slot for a sender's request: first of the user's share, then of the network's, then of all.
    ///
    /// # Errors
    /// [`Overloaded`] as [`Admission::enter`], and when the wait for the sender's own share would be too long.
    pub async fn enter_for(&self, sender: Sender, priority: Priority) -> Result<Admitted, Overloaded> {
        let slots = self.0.slots;
        let parts = sender.user.map(Subject::User).into_iter().chain([Subject::Network(sender.network)]);
        let (longest, mean) = (self.0.longest_wait, self.0.lock().mean_held);
        let mut permits = Vec::with_capacity(3);
        for part in parts.flat_map(Subject::parts) {
            let slots = match part {
                SubjectPart::User(_) => slots / 4,
                SubjectPart::Block(block) => block.share(slots / 2, slots),
            };
            let share = self.0.senders.of(part, || SenderShare::new(slots));
            permits.push(share.acquire(mean, priority.acceptable_wait(longest), longest).await?);
        }
        Ok(Admitted { _slot: self.enter(priority).await?, _permits: permits })
    }

    /// Takes a slot, and waits for it if the expected wait is acceptable.
    ///
    /// # Errors
    /// [`Overloaded`] at once when the expected wait is too long, and after the wait when it was longer than expected.
    pub async fn enter(&self, priority: Priority) -> Result<AdmissionSlot, Overloaded> {
        let granted = {
            let mut state = self.0.lock();
            match state.decide(priority, &self.0) {
                Decision::Admit => {
                    state.taken += 1;
                    return Ok(AdmissionSlot::granted(&self.0));
                }
                Decision::Refuse => return Err(Overloaded),
                Decision::Wait => {}
            }
            let (slot, granted) = oneshot::channel();
            state.queues[priority as usize].0.push_back(slot);
            granted
        };
        match timeout(self.0.longest_wait, granted).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) | Err(_) => Err(Overloaded),
        }
    }

    /// Whether [`Admission::enter`] would refuse now, so that the request can be refused before any other work.
    pub fn would_refuse(&self, priority: Priority) -> bool {
        matches!(self.0.lock().decide(priority, &self.0), Decision::Refuse)
    }

    /// Counts a request that was refused because of [`Admission::would_refuse`].
    pub fn count_refusal(&self) {
        self.0.refused_early.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of requests that were counted as refused since the last call.
    pub fn take_refusals(&self) -> u64 {
        self.0.refused_early.swap(0, Ordering::Relaxed)
    }

    /// The number of requests that hold a slot, and of those that wait for one.
    pub fn load(&self) -> (usize, usize) {
        let state = self.0.lock();
        let waits = |queue: &Queue| queue.0.iter().filter(|waiting| !waiting.is_closed()).count();
        (state.taken, state.queues.iter().map(waits).sum())
    }
}

/// The decision on a request for a slot.
enum Decision {
    Admit,
    Wait,
    Refuse,
}

impl Occupancy {
    fn decide(&mut self, priority: Priority, shared: &Shared) -> Decision {
        self.queues.iter_mut().for_each(Queue::clear_front);
        let ahead: usize = self.queues[priority as usize..].iter().map(|queue| queue.0.len()).sum();
        if ahead == 0 && self.taken < priority.share(shared.slots) {
            return Decision::Admit;
        }
        // The expected wait if each slot is held for the mean time.
        let rounds = u32::try_from(ahead + 1).unwrap_or(u32::MAX);
        let slots = u32::try_from(priority.share(shared.slots)).unwrap_or(u32::MAX);
        let expected = self.mean_held.saturating_mul(rounds) / slots;
        if expected > priority.acceptable_wait(shared.longest_wait) { Decision::Refuse } else { Decision::Wait }
    }

    /// Gives free slots to waiting requests, highest priority first.
    fn grant_free_slots(&mut self, shared: &Arc<Shared>) {
        for priority in Priority::HIGHEST_FIRST {
            let share = priority.share(shared.slots);
            let queue = &mut self.queues[priority as usize];
            while self.taken < share {
                let Some(next) = queue.0.pop_front() else { break };
                match next.send(AdmissionSlot::granted(shared)) {
                    Ok(()) => self.taken += 1,
                    // The waiting request is gone: the slot was not taken, so it must not be released.
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

impl AdmissionSlot {
    fn granted(shared: &Arc<Shared>) -> Self {
        Self { shared: Some(Arc::clone(shared)), since: Instant::now() }
    }
}

impl Drop for AdmissionSlot {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        let mut state = shared.lock();
        state.taken -= 1;
        // Limited, so that one long stall does not make the mean refuse requests long afterwards.
        let held = self.since.elapsed().min(shared.longest_wait);
        state.mean_held = moving_mean(state.mean_held, held);
        state.grant_free_slots(&shared);
    }
}
