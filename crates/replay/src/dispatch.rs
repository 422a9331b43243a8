//! Requests a courier for every order: the server assigns the nearest available one, and orders without a courier are
//! retried when one becomes available.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;

use crate::clock::DayClock;
use crate::courier::{Job, OtherDrivers};
use comanda_client::{CallError, Delivery, Session};

/// The number of concurrent assignments.
const AT_ONCE: usize = 32;
/// Minutes after which waiting orders are retried even if no courier is known to be available.
const ASK_AGAIN: f64 = 5.0;

/// An order that needs a courier.
pub struct Need {
    /// The delivery's id, `dlv_…`.
    pub delivery: String,
    /// The session of the restaurant's staff.
    pub staff: Arc<Session>,
    /// The job for the courier.
    pub job: Job,
    /// Receives the reason when no courier can be assigned.
    pub failed: oneshot::Sender<String>,
}

/// The state that orders, couriers and the dispatcher share.
pub struct DispatchState {
    /// When a courier is to be requested for each order of the day, in minutes, earliest first.
    due: Vec<f64>,
    /// The number of orders that have a courier, or will never have one.
    assigned: AtomicUsize,
    /// The number of couriers who are on duty or will be.
    crew: AtomicUsize,
    /// The number of couriers who became available since the last retry.
    freed: AtomicUsize,
    change: Notify,
}

impl DispatchState {
    /// The state for orders that need couriers at these minutes, before any courier is on duty.
    pub fn new(mut due: Vec<f64>, crew: usize) -> Self {
        due.sort_by(f64::total_cmp);
        Self { due, assigned: 0.into(), crew: crew.into(), freed: 0.into(), change: Notify::new() }
    }

    /// Whether an order needs a courier at this minute, because none is available or because the server is slow.
    pub fn someone_waits(&self, now: f64) -> bool {
        self.due.partition_point(|due| *due <= now) > self.assigned.load(Ordering::SeqCst)
    }

    /// Records that an order has a courier, or will never have one.
    pub fn count_assigned(&self) {
        self.assigned.fetch_add(1, Ordering::SeqCst);
    }

    /// Records that a courier became available.
    pub fn became_free(&self) {
        self.freed.fetch_add(1, Ordering::SeqCst);
        self.change.notify_one();
    }

    /// Records that a courier takes no more orders.
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
    /// Take the orders that the server assigns to drivers of other runs.
    other_drivers: OtherDrivers,
    /// The waiting orders, in the order of their requests.
    waiting: BTreeMap<u64, Need>,
    requests: JoinSet<AssignmentAnswer>,
    /// Whether no courier was available at the last attempt: then only as many are retried as became available since.
    none_free: bool,
    freed: usize,
}

/// A request for a courier, and the response of the server.
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
        Self { job_senders, dispatch_state, clock, other_drivers, waiting, requests, none_free: false, freed: 0 }
    }

    /// Requests a courier for every order until there are no more.
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

    /// Requests couriers for waiting orders, oldest first, as long as one may be available.
    fn call(&mut self) {
        if self.waiting.is_empty() && self.requests.is_empty() {
            (self.none_free, self.freed) = (false, 0);
        }
        while self.requests.len() < AT_ONCE && (!self.none_free || self.freed > 0) {
            let Some((number, need)) = self.waiting.pop_first() else { return };
            self.freed = self.freed.saturating_sub(1);
            self.requests.spawn(async move {
                let answer = need.staff.assign(&need.delivery, None).await;
                AssignmentAnswer { number, need, answer }
            });
        }
    }

    /// Passes the job to the courier, or puts the request back to its place.
    async fn handle(&mut self, answer: AssignmentAnswer) {
        let AssignmentAnswer { number, need, answer } = answer;
        let driver = match answer {
            Err(error) => return self.give_up(need, error.to_string()),
            Ok(None) => {
                self.none_free = true;
                self.waiting.insert(number, need);
                return;
            }
            Ok(Some(delivery)) => delivery.driver,
        };
        let Some(driver) = driver else { return self.give_up(need, "the server assigned no driver".to_owned()) };
        self.dispatch_state.count_assigned();
        match self.job_senders.get(&driver.id) {
            // A courier who has ended the day drops the job, and the order's task gets an error.
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
        self.dispatch_state.count_assigned();
        // When the day was cancelled, no task waits for the result any more.
        let _ = need.failed.send(reason);
    }
}
