//! The drivers: on duty most of the time, and on the way when they have an order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rand::RngExt as _;

use super::Simulation;
use super::speed::REPORT;
use super::staff::StaffedRestaurant;
use crate::delivery::Vehicle;
use crate::demo::chance;
use crate::demo::city::driver_email;
use crate::demo::seed::speed;
use crate::place;
use comanda_client::{CallError, Delivery, DeliveryStatus, Order, OrderStatus, Place, Session};

/// Failures in a row after which a delivery is left until the next check of open orders.
const PATIENCE: u32 = 5;
/// Simulated minutes between two reports of a waiting driver: a driver without activity gets no deliveries.
const SIGN_OF_LIFE: f64 = 10.0;
/// Simulated minutes between two checks of an order by a driver at the restaurant.
const LOOK: f64 = 0.6;

/// The state of a driver on duty.
struct DriverState {
    session: Arc<Session>,
    vehicle: Vehicle,
    place: Place,
    riding: bool,
}

/// The drivers on duty, by the id of their profile.
#[derive(Default)]
pub struct Drivers {
    drivers: Mutex<HashMap<String, DriverState>>,
}

impl Drivers {
    fn with<T>(&self, id: &str, then: impl FnOnce(&mut DriverState) -> T) -> Option<T> {
        self.drivers.lock().unwrap_or_else(PoisonError::into_inner).get_mut(id).map(then)
    }
}

/// Starts the drivers, one after the other.
pub fn begin(simulation: &Arc<Simulation>) {
    for index in 0..simulation.city.people.drivers.len() {
        simulation.spawn(shifts(Arc::clone(simulation), index));
    }
}

/// Keeps a driver on duty, with short breaks.
async fn shifts(simulation: Arc<Simulation>, index: usize) {
    let email = driver_email(index + 1);
    let mut random = chance::of(&format!("simulator/{email}"));
    #[expect(clippy::cast_precision_loss, reason = "twenty drivers")]
    simulation.speed.wait(index as f64 * 0.1).await;
    let corner = simulation.city.restaurants[index % simulation.city.restaurants.len()].place;
    let mut place = Place { lat: corner.lat(), lng: corner.lng() };
    loop {
        let id = match go_on_duty(&simulation, index, &email, place).await {
            Ok(id) => id,
            Err(error) => {
                super::note("coming on duty", &error);
                simulation.speed.wait(3.0).await;
                continue;
            }
        };
        stay_on_duty(&simulation, &id, random.random_range(60.0..150.0)).await;
        while simulation.drivers.with(&id, |driver_state| driver_state.riding) == Some(true) {
            simulation.speed.wait(1.0).await;
        }
        if let Some((session, last)) =
            simulation.drivers.with(&id, |driver_state| (Arc::clone(&driver_state.session), driver_state.place))
        {
            place = last;
            if let Err(error) = session.go_offline().await {
                super::note("taking a break", &error);
            }
        }
        simulation.speed.wait(random.random_range(8.0..20.0)).await;
    }
}

/// Waits for simulated minutes, and reports the location now and then.
async fn stay_on_duty(simulation: &Simulation, id: &str, minutes: f64) {
    let mut left = minutes;
    while left > 0.0 {
        simulation.speed.wait(left.min(SIGN_OF_LIFE)).await;
        left -= SIGN_OF_LIFE;
        let waiting = simulation.drivers.with(id, |driver_state| {
            (!driver_state.riding).then(|| (Arc::clone(&driver_state.session), driver_state.place))
        });
        if let Some((session, place)) = waiting.flatten()
            && let Err(error) = session.share_location(place).await
        {
            super::note("saying where one waits", &error);
        }
    }
}

async fn go_on_duty(simulation: &Simulation, index: usize, email: &str, place: Place) -> Result<String, CallError> {
    let session = simulation.actors.session(email).await?;
    let profile = session.go_online(place).await?;
    let mut drivers = simulation.drivers.drivers.lock().unwrap_or_else(PoisonError::into_inner);
    let vehicle = simulation.city.people.drivers[index].vehicle;
    drivers.entry(profile.id.clone()).or_insert(DriverState { session, vehicle, place, riding: false });
    Ok(profile.id)
}

/// Assigns a driver to an order and follows the delivery until its end.
pub async fn call(simulation: Arc<Simulation>, kitchen: Arc<StaffedRestaurant>, order: String) {
    let Some(_in_hand) = simulation.take(&format!("ride/{order}")) else { return };
    let delivery = loop {
        match assigned(&kitchen.staff, &order).await {
            Ok(Some(delivery)) if delivery.driver.is_some() => break delivery,
            // No driver is available.
            Ok(Some(_)) => simulation.speed.wait(2.0).await,
            Ok(None) => return,
            Err(error) => {
                super::note("calling a driver", &error);
                simulation.speed.wait(2.0).await;
            }
        }
    };
    let Some(driver) = delivery.driver.as_ref().map(|driver| driver.id.clone()) else { return };
    let session = simulation.drivers.with(&driver, |driver_state| {
        driver_state.riding = true;
        Arc::clone(&driver_state.session)
    });
    // A driver outside the simulation does not act: then the restaurant delivers the order.
    let ride = DeliveryTask {
        simulation: &simulation,
        session: session.unwrap_or_else(|| Arc::clone(&kitchen.staff)),
        driver: &driver,
    };
    ride.deliver(delivery).await;
    simulation.drivers.with(&driver, |driver_state| driver_state.riding = false);
}

/// The order's delivery with its driver, or without one if none is available; `None`: there is nothing to deliver.
async fn assigned(staff: &Session, order: &str) -> Result<Option<Delivery>, CallError> {
    let Some(delivery) = staff.delivery_of(order).await? else { return Ok(None) };
    if delivery.status > DeliveryStatus::PickedUp {
        return Ok(None);
    }
    if delivery.driver.is_some() {
        return Ok(Some(delivery));
    }
    Ok(Some(staff.assign(&delivery.id, None).await?.unwrap_or(delivery)))
}

/// A delivery: the way to the restaurant, and on to the delivery address.
struct DeliveryTask<'w> {
    simulation: &'w Simulation,
    session: Arc<Session>,
    driver: &'w str,
}

impl DeliveryTask<'_> {
    async fn deliver(&self, mut delivery: Delivery) {
        let mut failures = 0;
        while failures < PATIENCE {
            match self.next_step(&delivery).await {
                Ok(Some(next)) => (delivery, failures) = (next, 0),
                Ok(None) => return,
                Err(error) => {
                    super::note("riding", &error);
                    failures += 1;
                    self.simulation.speed.wait(1.0).await;
                    if let Ok(now) = self.session.delivery(&delivery.id).await {
                        delivery = now;
                    }
                }
            }
        }
    }

    /// Performs the next step of the delivery, after the way to it.
    async fn next_step(&self, delivery: &Delivery) -> Result<Option<Delivery>, CallError> {
        let to = match delivery.status {
            DeliveryStatus::Assigned => {
                self.travel(delivery.pickup.place).await?;
                DeliveryStatus::Arrived
            }
            DeliveryStatus::Arrived => {
                if !self.food_is_ready(&delivery.order_id).await? {
                    return self.session.delivery(&delivery.id).await.map(Some);
                }
                self.simulation.speed.wait(0.5).await;
                DeliveryStatus::PickedUp
            }
            DeliveryStatus::PickedUp => {
                self.travel(delivery.dropoff.place).await?;
                self.simulation.speed.wait(1.0).await;
                DeliveryStatus::Delivered
            }
            _ => return Ok(None),
        };
        self.session.advance_delivery(&delivery.id, to, None).await.map(Some)
    }

    /// Checks whether the order is ready; waits a little if not.
    async fn food_is_ready(&self, order: &str) -> Result<bool, CallError> {
        let Order { status, .. } = self.session.order(order).await?;
        let ready = status == OrderStatus::Ready;
        if !ready {
            self.simulation.speed.wait(LOOK).await;
        }
        Ok(ready)
    }

    /// Moves the driver north or south, then east or west, and reports the locations.
    async fn travel(&self, to: Option<Place>) -> Result<(), CallError> {
        let driver_state =
            self.simulation.drivers.with(self.driver, |driver_state| (driver_state.place, driver_state.vehicle));
        let (Some(to), Some((from, vehicle))) = (to, driver_state) else { return Ok(()) };
        let corner = Place { lat: from.lat, lng: to.lng };
        for (from, to) in [(from, corner), (corner, to)] {
            let takes = metres(from, to) / speed(vehicle) / 60.0;
            let steps = (takes / REPORT).ceil().max(1.0);
            let mut done = 0.0;
            while done < steps {
                self.simulation.speed.wait(takes / steps).await;
                done += 1.0;
                let share = done / steps;
                let here =
                    Place { lat: interpolate(from.lat, to.lat, share), lng: interpolate(from.lng, to.lng, share) };
                self.simulation.drivers.with(self.driver, |driver_state| driver_state.place = here);
                self.session.share_location(here).await?;
            }
        }
        Ok(())
    }
}

fn interpolate(from: f64, to: f64, share: f64) -> f64 {
    // Rounded to seven decimals, which is about a centimetre.
    ((from + (to - from) * share) * 1e7).round() / 1e7
}

fn metres(from: Place, to: Place) -> f64 {
    let on_the_map = |place: Place| place::Place::new(place.lat, place.lng);
    match (on_the_map(from), on_the_map(to)) {
        (Ok(from), Ok(to)) => from.metres_to(to),
        _ => 0.0,
    }
}
