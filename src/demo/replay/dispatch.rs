//! Calls a courier for every order: the server picks the nearest one who is free, and who waits is called for again
//! when somebody becomes free.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::sync::{Notify, mpsc, oneshot};

use super::clock::DayClock;
use super::courier::{Job, Outsiders};
use crate::demo::client::{CallError, Delivery, Session};

/// Assignments that are asked for at once.
const AT_ONCE: usize = 8;
/// Minutes after which the waiting are called for even if nobody is known to have become free.
const ASK_AGAIN: f64 = 5.0;

/// An order that needs a courier.
pub struct Need {
    /// `dlv_…`
    pub delivery: String,
    /// The staff that calls.
    pub staff: Arc<Session>,
    /// What the courier will be told.
    pub job: Job,
    /// Told why when no courier can be called.
    pub failed: oneshot::Sender<String>,
}

/// What orders, couriers and the dispatcher tell each other.
pub struct Floor {
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

impl Floor {
    /// A floor for orders that are to be called for at these minutes, and a crew that has not come yet.
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

/// Where couriers are told their jobs, by the id of the driver.
pub type Desks = HashMap<String, mpsc::Sender<Job>>;

/// Whoever calls couriers.
pub struct Dispatcher {
    /// The couriers of this day.
    pub desks: Desks,
    /// Shared with the couriers.
    pub floor: Arc<Floor>,
    /// The day's clock.
    pub clock: DayClock,
    /// Take what the server gives to drivers who are not of this day.
    pub outsiders: Outsiders,
}

impl Dispatcher {
    /// Calls a courier for every need until there will be no more.
    pub async fn work(mut self, mut needs: mpsc::Receiver<Need>) {
        let mut waiting: VecDeque<Need> = VecDeque::new();
        let (mut open, mut ask_at) = (true, f64::INFINITY);
        while open || !waiting.is_empty() {
            tokio::select! {
                need = needs.recv(), if open => match need {
                    None => open = false,
                    Some(need) => {
                        // Behind somebody for whom nobody was free there is no use in asking.
                        let first = waiting.is_empty();
                        waiting.push_back(need);
                        waiting.extend(std::iter::from_fn(|| needs.try_recv().ok()));
                        if first {
                            self.call(&mut waiting, AT_ONCE).await;
                        }
                    }
                },
                () = self.floor.change.notified() => {
                    let freed = self.floor.freed.swap(0, Ordering::SeqCst);
                    self.call(&mut waiting, freed).await;
                }
                () = self.clock.until(ask_at), if !waiting.is_empty() => {
                    self.call(&mut waiting, 1).await;
                    if self.floor.crew.load(Ordering::SeqCst) == 0 {
                        waiting.drain(..).for_each(|need| self.give_up(need, "no courier is left".to_owned()));
                    }
                }
            }
            ask_at = self.clock.now() + ASK_AGAIN;
        }
        // Without desks the couriers go home.
        self.desks.clear();
        self.outsiders.finish().await;
    }

    /// Calls for the first `width` of those who wait. For whom nobody is free goes on waiting, in the same order.
    async fn call(&mut self, waiting: &mut VecDeque<Need>, width: usize) {
        let width = width.min(AT_ONCE).min(waiting.len());
        let called: Vec<Need> = waiting.drain(..width).collect();
        let answers = join_all(called.iter().map(|need| need.staff.assign(&need.delivery, None))).await;
        let mut unheard = Vec::new();
        for (need, answer) in called.into_iter().zip(answers) {
            match answer {
                Ok(None) => unheard.push(need),
                other => self.hand_over(need, other).await,
            }
        }
        unheard.into_iter().rev().for_each(|need| waiting.push_front(need));
    }

    async fn hand_over(&mut self, need: Need, answer: Result<Option<Delivery>, CallError>) {
        let driver = match answer {
            Err(error) => return self.give_up(need, error.to_string()),
            Ok(delivery) => delivery.and_then(|delivery| delivery.driver),
        };
        let Some(driver) = driver else { return self.give_up(need, "the server assigned nobody".to_owned()) };
        self.floor.settle_one();
        match self.desks.get(&driver.id) {
            // A courier who has gone home for good drops the job, and the order hears of it.
            Some(desk) => drop(desk.send(need.job).await),
            None => self.outsiders.carry(need.staff, driver.place, need.job),
        }
    }

    fn give_up(&self, need: Need, reason: String) {
        self.floor.settle_one();
        // Nobody asks any more when the day was broken off.
        let _ = need.failed.send(reason);
    }
}
