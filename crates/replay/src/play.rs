//! Plays the day: every order from the customer's cart to the destination, each in a separate task.

use std::sync::{Arc, Mutex, PoisonError};

use rand::RngExt;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::actors::Actors;
use crate::clock::DayClock;
use crate::courier::{Courier, Job, OtherDrivers, Worked};
use crate::day::{Day, Meal};
use crate::dispatch::{DispatchState, Dispatcher, JobSenders, Need};
use crate::plane::to_coordinates;
use crate::progress::Progress;
use comanda_client::{CallError, CartLine, NewDeliveryOrder, OrderStatus};

/// Minutes before the first order at which the clock starts, so that couriers are on duty in time.
const PRELUDE: f64 = 5.0;
/// The number of jobs that may wait for a courier.
const MAX_WAITING_JOBS: usize = 4;

/// The content of an order.
pub struct Basket {
    guest: usize,
    lines: Vec<CartLine>,
}

/// Everything that is needed to play a day.
pub struct Stage {
    /// The day that is replayed.
    pub day: Day,
    /// The accounts on the server.
    pub actors: Actors,
    /// The content of each of the day's orders.
    pub baskets: Vec<Basket>,
    /// Minutes before an order is ready at which a courier is requested.
    pub call_ahead: f64,
}

impl Stage {
    /// When a courier is requested for an order, in minutes.
    fn call_at(&self, meal: &Meal) -> f64 {
        meal.placed.max(meal.ready - self.call_ahead)
    }
}

/// An order that the server has acknowledged.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The order's id, `ord_…`.
    pub order: String,
    /// The id of its delivery, `dlv_…`.
    pub delivery: Option<String>,
    /// The index of the customer.
    pub guest: usize,
    /// The index of the restaurant.
    pub kitchen: usize,
}

/// The result of the day.
#[derive(Debug, Default)]
pub struct Played {
    /// Every acknowledged order.
    pub placed: Vec<Placed>,
    /// The minutes from the order to the delivery, for each delivered order.
    pub click_to_door: Vec<f64>,
    /// Orders that were not delivered, with the reason.
    pub failures: Vec<String>,
    /// The results of the couriers.
    pub couriers: Vec<Worked>,
    /// The largest delay of a planned action, in minutes of the day.
    pub worst_lag: f64,
    /// Whether the day was cancelled.
    pub broken_off: bool,
}

/// Determines the content and the customer of every order.
pub fn fill_baskets(day: &Day, actors: &Actors, random: &mut StdRng) -> Vec<Basket> {
    let fill = |kitchen: usize| {
        let menu = &actors.tables[kitchen].items;
        let first = random.random_range(0..menu.len());
        let kinds = random.random_range(1..=menu.len().min(3));
        let lines = menu.iter().cycle().skip(first).take(kinds);
        let lines = lines.map(|item| CartLine { item_id: item.id.clone(), quantity: random.random_range(1..=2) });
        Basket { lines: lines.collect(), guest: random.random_range(0..actors.guests.len()) }
    };
    day.meals.iter().map(|meal| meal.kitchen).map(fill).collect()
}

/// Plays the whole day, or until it is cancelled.
pub async fn play(stage: Arc<Stage>, speed: f64, progress: &Progress, cancel: &CancellationToken) -> Played {
    let clock = DayClock::start(stage.day.begins() - PRELUDE, speed);
    let (dispatch_state, needs, mut dispatcher, mut couriers) = take_places(&stage, &clock, cancel);
    let acknowledged: Arc<Mutex<Vec<Placed>>> = Arc::default();
    let mut orders = JoinSet::new();
    for meal in 0..stage.day.meals.len() {
        let (stage, clock, acknowledged) = (stage.clone(), clock.clone(), acknowledged.clone());
        let life = Life { stage, clock, meal, acknowledged, dispatch_state: dispatch_state.clone() };
        orders.spawn(life.live(needs.clone()));
    }
    // The dispatcher stops when the last order has requested a courier.
    drop(needs);
    let mut played = Played::default();
    loop {
        let life = tokio::select! {
            () = cancel.cancelled() => { played.broken_off = true; break }
            life = orders.join_next() => life,
        };
        match life {
            None => break,
            Some(Ok(Ok(minutes))) => played.click_to_door.push(minutes),
            Some(Ok(Err(reason))) => played.failures.push(reason),
            Some(Err(panic)) => played.failures.push(panic.to_string()),
        }
        progress.step(());
    }
    orders.shutdown().await;
    // Its end tells the couriers that the day has ended.
    dispatcher.shutdown().await;
    while let Some(worked) = couriers.join_next().await {
        let panicked = |panic: tokio::task::JoinError| Worked { fault: Some(panic.to_string()), ..Worked::default() };
        played.couriers.push(worked.unwrap_or_else(panicked));
    }
    played.worst_lag = clock.worst_lag();
    played.placed = std::mem::take(&mut acknowledged.lock().unwrap_or_else(PoisonError::into_inner));
    played
}

/// Starts the dispatcher and the couriers.
fn take_places(
    stage: &Stage,
    clock: &DayClock,
    cancel: &CancellationToken,
) -> (Arc<DispatchState>, mpsc::Sender<Need>, JoinSet<()>, JoinSet<Worked>) {
    let day = &stage.day;
    let due = day.meals.iter().map(|meal| stage.call_at(meal)).collect();
    let dispatch_state = Arc::new(DispatchState::new(due, day.shifts.len()));
    let last = day.shifts.iter().map(|shift| shift.off).fold(0.0, f64::max);
    let closes = day.shifts.iter().position(|shift| shift.off >= last);
    let (mut job_senders, mut couriers) = (JobSenders::new(), JoinSet::new());
    for (number, (shift, rider)) in day.shifts.iter().zip(&stage.actors.riders).enumerate() {
        let closes = closes == Some(number);
        // Shifts that end before the first order are skipped.
        if shift.off < day.begins() && !closes {
            dispatch_state.left();
            continue;
        }
        let (sender, jobs) = mpsc::channel(MAX_WAITING_JOBS);
        job_senders.insert(rider.driver.clone(), sender);
        let courier = Courier {
            session: rider.session.clone(),
            shift: shift.clone(),
            pace: day.pace,
            clock: clock.clone(),
            jobs,
            dispatch_state: dispatch_state.clone(),
            closes,
            cancel: cancel.clone(),
        };
        couriers.spawn(courier.work());
    }
    let other_drivers = OtherDrivers::new(day.pace, clock.clone());
    let (needs, receiver) = mpsc::channel(day.meals.len());
    let dispatcher = Dispatcher::new(job_senders, dispatch_state.clone(), clock.clone(), other_drivers);
    let mut sender = JoinSet::new();
    sender.spawn(dispatcher.work(receiver));
    (dispatch_state, needs, sender, couriers)
}

/// The steps of one order.
struct Life {
    stage: Arc<Stage>,
    clock: DayClock,
    meal: usize,
    acknowledged: Arc<Mutex<Vec<Placed>>>,
    dispatch_state: Arc<DispatchState>,
}

impl Life {
    /// Plays the order; returns the minutes from the order to the delivery.
    async fn live(self, needs: mpsc::Sender<Need>) -> Result<f64, String> {
        let meal = &self.stage.day.meals[self.meal];
        self.clock.until(meal.placed).await;
        let explain = |reason: String| format!("order {} of {}: {reason}", meal.name, self.stage.day.name);
        let explained = |error: CallError| explain(error.to_string());
        let (order, delivery) = match self.begin().await {
            Ok(begun) => begun,
            Err(reason) => {
                self.dispatch_state.count_assigned();
                return Err(explain(reason));
            }
        };

        self.clock.until(self.stage.call_at(meal)).await;
        let (call_ready, ready) = oneshot::channel();
        let (done, mut handed_over) = oneshot::channel();
        let (failed, mut failure) = oneshot::channel();
        let table = &self.stage.actors.tables[meal.kitchen];
        let kitchen = self.stage.day.kitchens[meal.kitchen].at;
        let job = Job {
            delivery: delivery.clone(),
            kitchen,
            destination: meal.destination,
            ready_at: meal.ready,
            ready,
            done,
        };
        let need = Need { delivery, staff: table.staff.clone(), job, failed };
        needs.send(need).await.map_err(|_| explain("the dispatcher of couriers has ended".to_owned()))?;
        drop(needs);

        self.clock.until(meal.ready).await;
        table.staff.advance(&order, OrderStatus::Ready, None).await.map_err(explained)?;
        // A courier who has dropped the job does not receive it.
        let _ = call_ready.send(());
        let delivered = tokio::select! {
            Ok(reason) = &mut failure => Err(reason),
            result = &mut handed_over => result.unwrap_or_else(|_| Err("the courier vanished".to_owned())),
        };
        Ok(delivered.map_err(explain)? - meal.placed)
    }

    /// Places and confirms the order; returns the order and its delivery.
    async fn begin(&self) -> Result<(String, String), String> {
        let order = self.place().await.map_err(|error| error.to_string())?;
        let delivery = self.begin_cooking(&order).await.map_err(|error| error.to_string())?;
        let delivery = delivery.ok_or_else(|| format!("{order} is confirmed but has no delivery"))?;
        Ok((order, delivery))
    }

    /// The customer fills the cart and places the order.
    async fn place(&self) -> Result<String, CallError> {
        let (stage, meal) = (&self.stage, &self.stage.day.meals[self.meal]);
        let (basket, restaurant) = (&stage.baskets[self.meal], &stage.actors.tables[meal.kitchen].restaurant);
        let guest = &stage.actors.guests[basket.guest];
        let _guard = guest.ordering.lock().await;
        let cart = guest.session.put_cart(restaurant, &basket.lines).await?;
        let address = format!("Door {:.0} {:.0}", meal.destination.x, meal.destination.y);
        let order = NewDeliveryOrder { cart_id: cart.id, address, place: to_coordinates(meal.destination) };
        let order = guest.session.place_order(&order, &Uuid::new_v4().to_string()).await?.id;
        let placed = Placed { order: order.clone(), delivery: None, guest: basket.guest, kitchen: meal.kitchen };
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push(placed);
        Ok(order)
    }

    /// The restaurant confirms the order and starts preparation; returns the delivery.
    async fn begin_cooking(&self, order: &str) -> Result<Option<String>, CallError> {
        let staff = &self.stage.actors.tables[self.stage.day.meals[self.meal].kitchen].staff;
        staff.advance(order, OrderStatus::Confirmed, None).await?;
        staff.advance(order, OrderStatus::Preparing, None).await?;
        let delivery = staff.delivery_of(order).await?.map(|delivery| delivery.id);
        let mut acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(placed) = acknowledged.iter_mut().rfind(|placed| placed.order == order) {
            placed.delivery.clone_from(&delivery);
        }
        Ok(delivery)
    }
}
