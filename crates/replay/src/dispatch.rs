//! Calls a courier for every order: the server picks the nearest one who is free, and who waits is called for again
//! when somebody becomes free.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;

use crate::clock::DayClock;
use crate::courier::{Job, OtherDrivers};
use comanda_client::{CallError, Delivery, Session};

/// Assignments that are asked for at once.
const AT_ONCE: usize = 32;
/// Minutes after which the waiting are called for even if nobody is known to have become free.
const ASK_AGAIN: f64 = 5.0;

/// An order that needs a courier.
pub struct Need {
    /// The delivery's id, `dlv_…`.
    pub delivery: String,
    /// The staff that calls.
    pub staff: Arc<Session>,
    /// What the courier will be told.
    pub job: Job,
    /// Told why when no courier can be called.
    pub failed: oneshot::Sender<String>,
}

/// The state that orders, couriers and the dispatcher share.
pub struct DispatchState {
    /// When each order of the day is to be called for, in minutes, earliest first.
    due: Vec<f64>,
    /// Orders that have a courier, or never will.
    settled: AtomicUsize,
    /// Couriers who work or will come.
    crew: AtomicUsize,
    /// Couriers who became free since the waiting were last called for.
    freed: AtomicUsize,
    change: Notify,
}

impl DispatchState {
    /// The state for orders that are to be called for at these minutes, and a crew that has not come yet.
    pub fn new(mut due: Vec<f64>, crew: usize) -> Self {
        due.sort_by(f64::total_cmp);
        Self { due, settled: 0.into(), crew: crew.into(), freed: 0.into(), change: Notify::new() }
    }

    /// Whether an order needs a courier at this minute, be it that nobody is free or that the server is behind.
    pub fn someone_waits(&self, now: f64) -> bool {
        self.due.partition_point(|due| *due <= now) > self.settled.load(Ordering::SeqCst)
    }

    /// An order has a courier, or never will have one.
    pub fn settle_one(&self) {
        self.settled.fetch_add(1, Ordering::SeqCst);
    }

    /// A courier can take an order.
    pub fn became_free(&self) {
        self.freed.fetch_add(1, Ordering::SeqCst);
        self.change.notify_one();
    }

    /// A courier will take no more orders.
    pub fn left(&self) {
        self.crew.fetch_sub(1, Ordering::SeqCst);
        self.change.notify_one();
    }
}

/// The senders of jobs to couriers, by the id of the driver.
pub type JobSenders = HashMap<String, mpsc::Sender<Job>>;

/// Assigns couriers to orders.
pub struct Dispatcher {
    job_senders: JobSenders,
    dispatch_state: Arc<DispatchState>,
    clock: DayClock,
    /// Take what the server gives to drivers who are not of this day.
    other_drivers: OtherDrivers,
    /// Who waits to be called for, by the order in which they came.
    waiting: BTreeMap<u64, Need>,
    requests: JoinSet<AssignmentAnswer>,
    /// Whether nobody was free at the last answer: then only so many are called for as have become free since.
    nobody_free: bool,
    freed: usize,
}

/// A need that was called for, and what the server said.
struct AssignmentAnswer {
    number: u64,
    need: Need,
    answer: Result<Option<Delivery>, CallError>,
}

impl Dispatcher {
    /// A dispatcher of the couriers with these senders.
    pub fn new(
        job_senders: JobSenders,
        dispatch_state: Arc<DispatchState>,
        clock: DayClock,
        other_drivers: OtherDrivers,
    ) -> Self {
        let (waiting, requests) = (BTreeMap::new(), JoinSet::new());
        Self { job_senders, dispatch_state, clock, other_drivers, waiting, requests, nobody_free: false, freed: 0 }
    }

    /// Calls a courier for every need until there will be no more.
    pub async fn work(mut self, mut needs: mpsc::Receiver<Need>) {
        let (mut open, mut came) = (true, 0);
        while open || !self.waiting.is_empty() || !self.requests.is_empty() {
            let ask_at = self.clock.now() + ASK_AGAIN;
            tokio::select! {
                need = needs.recv(), if open => match need {
                    None => open = false,
                    Some(need) => {
                        came += 1;
                        self.waiting.insert(came, need);
                    }
                },
                Some(answered) = self.requests.join_next() => {
                    if let Ok(answer) = answered {
                        self.handle(answer).await;
                    }
                }
                () = self.dispatch_state.change.notified() => {
                    self.freed += self.dispatch_state.freed.swap(0, Ordering::SeqCst);
                }
                () = self.clock.until(ask_at), if !self.waiting.is_empty() => {
                    self.freed += 1;
                    self.give_up_without_crew();
                }
            }
            self.call();
        }
        // Without senders the couriers end their day.
        self.job_senders.clear();
        self.other_drivers.finish().await;
    }

    /// Calls for those who wait, the first to come first, as far as there is hope that somebody is free.
    fn call(&mut self) {
        if self.waiting.is_empty() && self.requests.is_empty() {
            (self.nobody_free, self.freed) = (false, 0);
        }
        while self.requests.len() < AT_ONCE && (!self.nobody_free || self.freed > 0) {
            let Some((number, need)) = self.waiting.pop_first() else { return };
            self.freed = self.freed.saturating_sub(1);
            self.requests.spawn(async move {
                let answer = need.staff.assign(&need.delivery, None).await;
                AssignmentAnswer { number, need, answer }
            });
        }
    }

    /// Tells a courier, or lets the need wait on in its old place.
    async fn handle(&mut self, answer: AssignmentAnswer) {
        let AssignmentAnswer { number, need, answer } = answer;
        let driver = match answer {
            Err(error) => return self.give_up(need, error.to_string()),
            Ok(None) => {
                self.nobody_free = true;
                self.waiting.insert(number, need);
                return;
            }
            Ok(Some(delivery)) => delivery.driver,
        };
        let Some(driver) = driver else { return self.give_up(need, "the server assigned nobody".to_owned()) };
        self.dispatch_state.settle_one();
        match self.job_senders.get(&driver.id) {
            // A courier who has gone home for good drops the job, and the order hears of it.
            Some(sender) => drop(sender.send(need.job).await),
            None => self.other_drivers.carry(need.staff, driver.place, need.job),
        }
    }

    fn give_up_without_crew(&mut self) {
        if self.dispatch_state.crew.load(Ordering::SeqCst) == 0 {
            for need in std::mem::take(&mut self.waiting).into_values() {
                self.give_up(need, "no courier is left".to_owned());
            }
        }
    }

    fn give_up(&self, need: Need, reason: String) {
        self.dispatch_state.settle_one();
        // Nobody asks any more when the day was broken off.
        let _ = need.failed.send(reason);
    }
}
