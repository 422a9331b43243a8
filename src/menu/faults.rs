//! What is wrong with the body of a request on the menu, beyond what single fields can tell. Pure.

use super::allergens::{Declared, Diet, named_twice};
use super::dayparts::{self, DayPart};
use super::translations::{self, Translations};
use crate::money::{Currency, Money};
use crate::problem::{FieldError, Problem};

/// Collects the faults of a request body: all are counted, the first [`MOST_TOLD`] are reported.
#[derive(Debug, Default)]
pub struct MenuFaults {
    first: Vec<FieldError>,
    count: usize,
}

/// The number of faults that are reported.
pub const MOST_TOLD: usize = 100;

impl MenuFaults {
    /// Notes a fault.
    pub fn note(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.count += 1;
        if self.first.len() < MOST_TOLD {
            self.first.push(FieldError::invalid(pointer, message));
        }
    }

    /// How many there are.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// A price in another currency than the restaurant's.
    pub fn currency(&mut self, pointer: &str, price: Money, currency: Currency) {
        if price.currency != currency {
            self.note(format!("{pointer}/currency"), format!("must be {currency}, the restaurant's currency"));
        }
    }

    /// Windows that cannot be.
    pub fn day_parts(&mut self, pointer: &str, windows: &[DayPart]) {
        if let Err((index, message)) = dayparts::check(windows) {
            self.note(format!("{pointer}/dayParts/{index}"), message);
        }
    }

    /// Languages that cannot be.
    pub fn translations(&mut self, pointer: &str, texts: &Translations) {
        if let Some((language, message)) = translations::fault(texts) {
            let language = language.replace('~', "~0").replace('/', "~1");
            self.note(format!("{pointer}/translations/{language}"), message);
        }
    }

    /// Allergens and diets that are named twice.
    pub fn food(&mut self, pointer: &str, allergens: Option<&[Declared]>, diets: &[Diet]) {
        if let Some(index) = allergens.and_then(named_twice) {
            self.note(format!("{pointer}/allergens/{index}"), "is listed more than once");
        }
        if let Some(index) = (1..diets.len()).find(|&index| diets[..index].contains(&diets[index])) {
            self.note(format!("{pointer}/diets/{index}"), "is listed more than once");
        }
    }

    /// How many choices may be made.
    pub fn choices(&mut self, pointer: &str, min: i16, max: i16) {
        if !(1..=99).contains(&max) {
            self.note(format!("{pointer}/max"), "must be between 1 and 99");
        }
        if min < 0 || min > max {
            self.note(format!("{pointer}/min"), "must be between 0 and max");
        }
    }

    /// Ends here if there is any.
    ///
    /// # Errors
    /// The first of them.
    pub fn end(&mut self) -> Result<(), Vec<FieldError>> {
        if self.count == 0 { Ok(()) } else { Err(std::mem::take(&mut self.first)) }
    }

    /// Refuses if there is any.
    ///
    /// # Errors
    /// All of them.
    pub fn none(self) -> Result<(), Problem> {
        if self.count == 0 { Ok(()) } else { Err(Problem::invalid(self.first)) }
    }
}
