//! Assigns past deliveries to drivers: each carries one order at a time.

use chrono::{DateTime, TimeDelta, Utc};

use crate::delivery::{Carrier, Vehicle};
use crate::demo::dataset::DemoDriver;
use crate::ids::UserId;
use crate::place::Place;

/// The ratio of the distance along streets to the straight line.
pub const DETOUR: f64 = 1.3;

/// The mean speed in metres a second, stops included.
pub const fn speed(vehicle: Vehicle) -> f64 {
    match vehicle {
        Vehicle::Bicycle => 4.2,
        Vehicle::Scooter => 6.0,
        Vehicle::Car => 5.2,
        Vehicle::Foot => 1.6,
    }
}

/// A driver with the time and place at which they are free.
struct PooledDriver<'t> {
    driver: &'t DemoDriver,
    free_at: DateTime<Utc>,
    place: Place,
}

/// All drivers, with the time at which each is free.
pub struct DriverPool<'t> {
    shifts: Vec<PooledDriver<'t>>,
}

/// The trip of a driver to a restaurant.
pub struct DriverTrip {
    /// Index of the driver.
    pub driver: usize,
    /// The driver as shown with the delivery.
    pub carrier: Carrier,
    /// The reason of the assignment.
    pub because: String,
    /// When the driver was assigned.
    pub called: DateTime<Utc>,
    /// When the driver arrives at the restaurant.
    pub at_kitchen: DateTime<Utc>,
    /// The travel time from the restaurant to the delivery address.
    pub way: TimeDelta,
}

impl<'t> DriverPool<'t> {
    /// All drivers free, at their corners.
    pub fn new(drivers: &'t [DemoDriver]) -> Self {
        let shift =
            |driver: &'t DemoDriver| PooledDriver { driver, free_at: DateTime::UNIX_EPOCH, place: driver.corner };
        Self { shifts: drivers.iter().map(shift).collect() }
    }

    /// The nearest driver who is free at that time, or else the one who is free again first.
    pub fn call(&self, at: DateTime<Utc>, kitchen: Place, destination: Place) -> DriverTrip {
        let free: Vec<_> = (0..self.shifts.len()).filter(|&index| self.shifts[index].free_at <= at).collect();
        let metres = |index: usize| self.shifts[index].place.metres_to(kitchen);
        let nearest = free.iter().copied().min_by(|&one, &other| metres(one).total_cmp(&metres(other)));
        let (driver, because) = if let Some(driver) = nearest {
            (driver, format!("nearest of {} free, {:.0} m from the restaurant", free.len(), metres(driver)))
        } else {
            let next = (0..self.shifts.len()).min_by_key(|&index| self.shifts[index].free_at);
            (next.unwrap_or_default(), "first to be free again".to_owned())
        };
        let PooledDriver { driver: who, free_at, place } = &self.shifts[driver];
        let called = at.max(*free_at);
        let carrier = Carrier {
            id: who.id,
            name: who.person.name.clone(),
            vehicle: who.vehicle.as_str().to_owned(),
            place: None,
        };
        let at_kitchen = called + travel(who.vehicle, *place, kitchen);
        DriverTrip { driver, carrier, because, called, at_kitchen, way: travel(who.vehicle, kitchen, destination) }
    }

    /// The user of a driver.
    pub fn user(&self, driver: usize) -> UserId {
        self.shifts[driver].driver.person.id
    }

    /// Sets when and where a driver is free after a delivery.
    pub fn free_at(&mut self, driver: usize, at: DateTime<Utc>, place: Place) {
        self.shifts[driver].free_at = at;
        self.shifts[driver].place = place;
    }
}

/// A time in seconds, rounded to milliseconds.
pub fn seconds(seconds: f64) -> TimeDelta {
    let time = std::time::Duration::from_secs_f64(seconds.max(0.0));
    TimeDelta::milliseconds(i64::try_from(time.as_millis()).unwrap_or_default())
}

fn travel(vehicle: Vehicle, from: Place, to: Place) -> TimeDelta {
    seconds(from.metres_to(to) * DETOUR / speed(vehicle))
}
