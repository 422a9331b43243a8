//! A courier's day: come, carry, go home when nobody waits.

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

/// Minutes between two looks at whether one may go home.
const LOOK_AGAIN: f64 = 1.0;
/// How often a courier who waits says that they are still there, in time of the machine.
const SIGN_OF_LIFE: Duration = Duration::from_mins(1);
/// How long going home at the end may take.
const GOODBYE: Duration = Duration::from_secs(10);

/// One order to carry.
pub struct Job {
    /// The delivery's id, `dlv_…`.
    pub delivery: String,
    /// Where it is cooked.
    pub kitchen: Point,
    /// Where it goes.
    pub destination: Point,
    /// When it will be ready, in minutes.
    pub ready_at: f64,
    /// Says that the kitchen has called it ready.
    pub ready: oneshot::Receiver<()>,
    /// Told when it was handed over, in minutes, or why not.
    pub done: oneshot::Sender<Result<f64, String>>,
}

/// The courier's position and the time of the next job.
struct Ride {
    at: Point,
    /// From when on the next job can begin, in minutes.
    free_at: f64,
    pace: Pace,
    clock: DayClock,
}

impl Ride {
    /// Carries an order from the kitchen to the destination. Every leg starts when the last one was planned to end, so
    /// that slow answers do not add up.
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
            // The day runs faster than any vehicle: then they say where they begin anew.
            Err(error) if error.status() == Some(422) => session.go_online(to_coordinates(point)).await.map(drop),
            answer => answer,
        }
    }
}

/// What became of a courier's day.
#[derive(Debug, Default)]
pub struct Worked {
    /// Number of orders delivered.
    pub jobs: usize,
    /// Minutes at work after the end of the shift.
    pub overtime: f64,
    /// Why they could not work.
    pub fault: Option<String>,
}

/// A courier of the day.
pub struct Courier {
    /// Who it is on the server.
    pub session: Arc<Session>,
    /// When they work, and where they begin.
    pub shift: Shift,
    /// How fast they are.
    pub pace: Pace,
    /// The day's clock.
    pub clock: DayClock,
    /// Where jobs come from; its end is the end of the day.
    pub jobs: mpsc::Receiver<Job>,
    /// Shared with the dispatcher.
    pub dispatch_state: Arc<DispatchState>,
    /// The one who stays until every order of the day has a courier.
    pub closes: bool,
    /// Breaks the day off.
    pub cancel: CancellationToken,
}

/// Where a courier stands in their day.
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
            // Whoever stays on the list would be given orders of the next day that is played.
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
                    // The order may have been given up with the day.
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
                    self.look_around(presence, ride.at).await?;
                    look_at = self.shift.off.max(self.clock.now() + LOOK_AGAIN);
                }
            }
        }
    }

    /// Takes up work when it is time, and goes home when it is time and nobody waits.
    async fn look_around(&self, presence: &mut Presence, at: Point) -> Result<(), CallError> {
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
                // An order was given to them at this moment; its job is on the way.
                Err(error) if error.status() == Some(409) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Stands in for drivers who are on the server but not of this day: its own ones may be nearer. The restaurant's staff
/// then says how far the delivery is.
pub struct OtherDrivers {
    pace: Pace,
    clock: DayClock,
    jobs: JoinSet<()>,
}

impl OtherDrivers {
    /// Starts with no courier at work.
    pub fn new(pace: Pace, clock: DayClock) -> Self {
        Self { pace, clock, jobs: JoinSet::new() }
    }

    /// Carries a job while others are carried.
    pub fn carry(&mut self, staff: Arc<Session>, place: Option<Place>, mut job: Job) {
        let at = place.map_or(job.kitchen, to_point);
        let mut ride = Ride { at, free_at: 0.0, pace: self.pace, clock: self.clock.clone() };
        self.jobs.spawn(async move {
            let result = ride.carry(&staff, false, &mut job).await;
            let _ = job.done.send(result);
        });
    }
    /// Waits until all have arrived.
    pub async fn finish(mut self) {
        while self.jobs.join_next().await.is_some() {}
    }
}
