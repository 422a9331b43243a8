//! The day of a courier: goes on duty, delivers, and goes off duty when no order waits.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::clock::DayClock;
use crate::day::{Pace, Point, Shift};
use crate::dispatch::DispatchState;
use crate::plane::{to_coordinates, to_point};
use comanda_client::{CallError, DeliveryStatus, Place, Session};

/// Minutes between two checks whether the courier may go off duty.
const LOOK_AGAIN: f64 = 1.0;
/// The interval at which a waiting courier reports the location, in real time.
const SIGN_OF_LIFE: Duration = Duration::from_mins(1);
/// How long going off duty at the end may take.
const GOODBYE: Duration = Duration::from_secs(10);

/// One order to deliver.
pub struct Job {
    /// The delivery's id, `dlv_…`.
    pub delivery: String,
    /// The position of the restaurant.
    pub kitchen: Point,
    /// Where the order is delivered.
    pub destination: Point,
    /// When it will be ready, in minutes.
    pub ready_at: f64,
    /// Signals that the order is ready.
    pub ready: oneshot::Receiver<()>,
    /// Receives the minute of the hand-over, or the reason of the failure.
    pub done: oneshot::Sender<Result<f64, String>>,
}

/// The courier's position and the time of the next job.
struct Ride {
    at: Point,
    /// When the next job can begin, in minutes.
    free_at: f64,
    pace: Pace,
    clock: DayClock,
}

impl Ride {
    /// Delivers an order from the restaurant to the destination. Every leg starts at the planned end of the previous
    /// one, so that slow responses do not add up.
    async fn carry(&mut self, session: &Session, shares_location: bool, job: &mut Job) -> Result<f64, String> {
        let arrive = self.free_at.max(self.clock.now()) + self.pace.travel(self.at, job.kitchen);
        self.clock.until(arrive).await;
        let text = |error: CallError| error.to_string();
        self.reach(session, shares_location, job.kitchen).await.map_err(text)?;
        session.advance_delivery(&job.delivery, DeliveryStatus::Arrived, None).await.map_err(text)?;

        (&mut job.ready).await.map_err(|_| "the kitchen never called it ready".to_owned())?;
        let pick_up = (arrive + self.pace.pickup / 2.0).max(job.ready_at);
        self.clock.until(pick_up).await;
        session.advance_delivery(&job.delivery, DeliveryStatus::PickedUp, None).await.map_err(text)?;

        let leave = pick_up + self.pace.pickup / 2.0;
        let hand_over = leave + self.pace.travel(job.kitchen, job.destination) + self.pace.dropoff / 2.0;
        self.clock.until(hand_over).await;
        self.reach(session, shares_location, job.destination).await.map_err(text)?;
        session.advance_delivery(&job.delivery, DeliveryStatus::Delivered, None).await.map_err(text)?;
        self.clock.note_lag(hand_over);
        self.free_at = hand_over + self.pace.dropoff / 2.0;
        Ok(self.clock.now())
    }

    async fn reach(&mut self, session: &Session, shares_location: bool, point: Point) -> Result<(), CallError> {
        self.at = point;
        if !shares_location {
            return Ok(());
        }
        match session.share_location(to_coordinates(point)).await {
            // The day is faster than any vehicle: then they go on duty again at the new location.
            Err(error) if error.status() == Some(422) => session.go_online(to_coordinates(point)).await.map(drop),
            answer => answer,
        }
    }
}

/// The result of a courier's day.
#[derive(Debug, Default)]
pub struct Worked {
    /// Number of orders delivered.
    pub jobs: usize,
    /// Minutes at work after the end of the shift.
    pub overtime: f64,
    /// Why they could not work; `None`: they could.
    pub fault: Option<String>,
}

/// A courier of the day.
pub struct Courier {
    /// The driver on the server.
    pub session: Arc<Session>,
    /// The shift of this courier.
    pub shift: Shift,
    /// The speed, and the times of stops.
    pub pace: Pace,
    /// The day's clock.
    pub clock: DayClock,
    /// The jobs; the end of the channel is the end of the day.
    pub jobs: mpsc::Receiver<Job>,
    /// Shared with the dispatcher.
    pub dispatch_state: Arc<DispatchState>,
    /// Whether this one stays until every order of the day has a courier.
    pub closes: bool,
    /// Cancels the day.
    pub cancel: CancellationToken,
}

/// The state of a courier's day.
#[derive(Clone, Copy, PartialEq)]
enum Presence {
    NotYet,
    AtWork,
    /// Since when, in minutes.
    Left(f64),
}

impl Courier {
    /// Works until the day ends.
    pub async fn work(mut self) -> Worked {
        let mut worked = Worked::default();
        let mut presence = Presence::NotYet;
        let cancel = self.cancel.clone();
        tokio::select! {
            () = cancel.cancelled() => {}
            result = self.spend_day(&mut worked, &mut presence) => {
                worked.fault = result.err().map(|error| error.to_string());
            }
        }
        if presence == Presence::AtWork {
            // A driver who stays on duty would be assigned orders of the next replay.
            match timeout(GOODBYE, self.session.go_offline()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => worked.fault = worked.fault.or(Some(error.to_string())),
                Err(_) => worked.fault = worked.fault.or(Some("the server did not let them go home".to_owned())),
            }
            presence = Presence::Left(self.clock.now());
        }
        if let Presence::Left(since) = presence {
            worked.overtime = (since - self.shift.off).max(0.0);
        }
        worked
    }

    async fn spend_day(&mut self, worked: &mut Worked, presence: &mut Presence) -> Result<(), CallError> {
        let mut ride = Ride { at: self.shift.at, free_at: self.shift.on, pace: self.pace, clock: self.clock.clone() };
        let mut look_at = self.shift.on;
        let mut signs = interval(SIGN_OF_LIFE);
        loop {
            tokio::select! {
                _ = signs.tick(), if *presence == Presence::AtWork => {
                    ride.reach(&self.session, true, ride.at).await?;
                }
                job = self.jobs.recv() => {
                    let Some(mut job) = job else { return Ok(()) };
                    let result = ride.carry(&self.session, true, &mut job).await;
                    worked.jobs += usize::from(result.is_ok());
                    // The order may have been cancelled with the day.
                    let _ = job.done.send(result);
                    match presence {
                        Presence::Left(since) => {
                            *since = self.clock.now();
                            self.session.go_offline().await?;
                        }
                        _ => self.dispatch_state.became_free(),
                    }
                }
                () = self.clock.until(look_at), if !matches!(presence, Presence::Left(_)) => {
                    self.update_presence(presence, ride.at).await?;
                    look_at = self.shift.off.max(self.clock.now() + LOOK_AGAIN);
                }
            }
        }
    }

    /// Goes on duty at the beginning of the shift, and off duty at its end if no order waits.
    async fn update_presence(&self, presence: &mut Presence, at: Point) -> Result<(), CallError> {
        if *presence == Presence::NotYet {
            let came = self.session.go_online(to_coordinates(at)).await;
            if came.is_err() {
                self.dispatch_state.left();
            }
            came?;
            *presence = Presence::AtWork;
            self.dispatch_state.became_free();
        } else if self.clock.now() >= self.shift.off
            && !self.closes
            && !self.dispatch_state.someone_waits(self.clock.now())
        {
            match self.session.go_offline().await {
                Ok(()) => {
                    *presence = Presence::Left(self.clock.now());
                    self.dispatch_state.left();
                }
                // An order was just assigned to them; its job follows.
                Err(error) if error.status() == Some(409) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Replaces drivers of the server that are not of this day, which may be nearer than its own ones. The restaurant's
/// staff then update the deliveries.
pub struct OtherDrivers {
    pace: Pace,
    clock: DayClock,
    jobs: JoinSet<()>,
}

impl OtherDrivers {
    /// Starts without any job.
    pub fn new(pace: Pace, clock: DayClock) -> Self {
        Self { pace, clock, jobs: JoinSet::new() }
    }

    /// Delivers a job concurrently with others.
    pub fn carry(&mut self, staff: Arc<Session>, place: Option<Place>, mut job: Job) {
        let at = place.map_or(job.kitchen, to_point);
        let mut ride = Ride { at, free_at: 0.0, pace: self.pace, clock: self.clock.clone() };
        self.jobs.spawn(async move {
            let result = ride.carry(&staff, false, &mut job).await;
            let _ = job.done.send(result);
        });
    }
    /// Waits until all jobs have ended.
    pub async fn finish(mut self) {
        while self.jobs.join_next().await.is_some() {}
    }
}
