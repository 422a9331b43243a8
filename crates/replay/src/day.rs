//! A real delivery day, read from a folder of four TAB-separated files with a header row each.
//!
//! `orders.txt` (columns `order x y placement_time restaurant ready_time`), `restaurants.txt` (`restaurant x y`),
//! `couriers.txt` (`courier x y on_time off_time`) and `instance_parameters.txt` (`meters_per_minute` and the minutes
//! that a pickup and a drop-off take). Positions are metres on a plane, times are minutes from the start of the day.

use std::collections::HashMap;
use std::path::Path;

use crate::table::{DayError, Row, Table};

/// Metres. A day with points farther than this from its origin is refused.
const FARTHEST: f64 = 200_000.0;
/// Minutes: ten days.
const LATEST: f64 = 14_400.0;

/// A point on the day's plane, in metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// To the east, in metres.
    pub x: f64,
    /// To the north, in metres.
    pub y: f64,
}

impl Point {
    /// The straight distance to another point, in metres.
    pub fn distance(self, other: Self) -> f64 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}

/// A restaurant of the day.
#[derive(Debug, Clone, PartialEq)]
pub struct DayRestaurant {
    /// Its name in the file.
    pub name: String,
    /// Where it is on the map.
    pub at: Point,
}

/// A courier's shift.
#[derive(Debug, Clone, PartialEq)]
pub struct Shift {
    /// The courier's name in the file.
    pub name: String,
    /// The position at the beginning.
    pub at: Point,
    /// The beginning, in minutes.
    pub on: f64,
    /// The planned end, in minutes.
    pub off: f64,
}

/// An order of the day.
#[derive(Debug, Clone, PartialEq)]
pub struct Meal {
    /// Its name in the file.
    pub name: String,
    /// The guest's destination.
    pub destination: Point,
    /// When it is placed, in minutes.
    pub placed: f64,
    /// When it is ready, in minutes.
    pub ready: f64,
    /// The index of its restaurant.
    pub kitchen: usize,
}

/// The speed of couriers, and the times of their stops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Metres a minute.
    pub metres_per_minute: f64,
    /// Minutes at the restaurant, half of them before the pickup.
    pub pickup: f64,
    /// Minutes at the destination, half of them before the hand-over.
    pub dropoff: f64,
}

impl Pace {
    /// Minutes from one point to another, rounded up to whole minutes.
    pub fn travel(&self, from: Point, to: Point) -> f64 {
        (from.distance(to) / self.metres_per_minute).ceil()
    }
}

/// The data of one day.
#[derive(Debug, Clone, PartialEq)]
pub struct Day {
    /// The folder's name.
    pub name: String,
    /// The restaurants, in the order of the file.
    pub kitchens: Vec<DayRestaurant>,
    /// The shifts, in the order of the file.
    pub shifts: Vec<Shift>,
    /// The orders, by the time of placement.
    pub meals: Vec<Meal>,
    /// The speed of couriers, and the times of their stops.
    pub pace: Pace,
}

impl Day {
    /// Reads a folder.
    pub fn read(folder: &Path) -> Result<Self, DayError> {
        let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
        let kitchens = read_kitchens(&Table::read(folder, "restaurants.txt")?)?;
        let shifts = read_shifts(&Table::read(folder, "couriers.txt")?)?;
        let meals = read_meals(&Table::read(folder, "orders.txt")?, &kitchens)?;
        let pace = read_pace(&Table::read(folder, "instance_parameters.txt")?)?;
        Ok(Self { name, kitchens, shifts, meals, pace })
    }

    /// When the first order is placed, in minutes.
    pub fn begins(&self) -> f64 {
        self.meals.first().map_or(0.0, |meal| meal.placed)
    }
}

fn read_kitchens(table: &Table) -> Result<Vec<DayRestaurant>, DayError> {
    let [name, x, y] = table.columns(["restaurant", "x", "y"])?;
    let kitchens =
        table.rows().map(|row| Ok(DayRestaurant { name: row.text(name)?.to_owned(), at: point(&row, x, y)? }));
    let kitchens = kitchens.collect::<Result<Vec<_>, DayError>>()?;
    table.once(name)?;
    Ok(kitchens)
}

fn read_shifts(table: &Table) -> Result<Vec<Shift>, DayError> {
    let [name, x, y, on, off] = table.columns(["courier", "x", "y", "on_time", "off_time"])?;
    let mut shifts = Vec::new();
    for row in table.rows() {
        let shift = Shift {
            name: row.text(name)?.to_owned(),
            at: point(&row, x, y)?,
            on: row.number(on, "a number of minutes", 0.0..=LATEST)?,
            off: row.number(off, "a number of minutes", 0.0..=LATEST)?,
        };
        if shift.off < shift.on {
            return Err(row.fault(off, format!("the shift ends at {} before it begins at {}", shift.off, shift.on)));
        }
        shifts.push(shift);
    }
    table.once(name)?;
    Ok(shifts)
}

fn read_meals(table: &Table, kitchens: &[DayRestaurant]) -> Result<Vec<Meal>, DayError> {
    let [name, x, y, placed, kitchen, ready] =
        table.columns(["order", "x", "y", "placement_time", "restaurant", "ready_time"])?;
    let by_name: HashMap<&str, usize> = kitchens.iter().map(|kitchen| kitchen.name.as_str()).zip(0..).collect();
    let mut meals = Vec::new();
    for row in table.rows() {
        let cook = row.text(kitchen)?;
        let cook = *by_name
            .get(cook)
            .ok_or_else(|| row.fault(kitchen, format!("{cook:?} is not a restaurant of restaurants.txt")))?;
        let meal = Meal {
            name: row.text(name)?.to_owned(),
            destination: point(&row, x, y)?,
            placed: row.number(placed, "a number of minutes", 0.0..=LATEST)?,
            ready: row.number(ready, "a number of minutes", 0.0..=LATEST)?,
            kitchen: cook,
        };
        if meal.ready < meal.placed {
            return Err(row.fault(ready, format!("ready at {} before it was placed at {}", meal.ready, meal.placed)));
        }
        meals.push(meal);
    }
    table.once(name)?;
    meals.sort_by(|one, other| one.placed.total_cmp(&other.placed));
    Ok(meals)
}

fn read_pace(table: &Table) -> Result<Pace, DayError> {
    let [speed, pickup, dropoff] =
        table.columns(["meters_per_minute", "pickup service minutes", "dropoff service minutes"])?;
    let row = table.only_row()?;
    Ok(Pace {
        metres_per_minute: row.number(speed, "a speed above 0", 1.0..=100_000.0)?,
        pickup: row.number(pickup, "a number of minutes", 0.0..=LATEST)?,
        dropoff: row.number(dropoff, "a number of minutes", 0.0..=LATEST)?,
    })
}

fn point(row: &Row<'_>, x: usize, y: usize) -> Result<Point, DayError> {
    let metres = |column| row.number(column, "a number of metres", -FARTHEST..=FARTHEST);
    Ok(Point { x: metres(x)?, y: metres(y)? })
}
