//! Collects errors in request bodies of the menu that concern more than one field. Pure.

use super::allergens::{Declared, Diet, named_twice};
use super::dayparts::{self, DayPart};
use super::translations::{self, Translations};
use crate::money::{Currency, Money};
use crate::problem::{FieldError, Problem};

/// Collects the errors of a request body: all are counted, the first [`MOST_TOLD`] are reported.
#[derive(Debug, Default)]
pub struct MenuFaults {
    first: Vec<FieldError>,
    count: usize,
}

/// The most errors that are reported.
pub const MOST_TOLD: usize = 100;

impl MenuFaults {
    /// Adds an error.
    pub fn note(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.count += 1;
        if self.first.len() < MOST_TOLD {
            self.first.push(FieldError::invalid(pointer, message));
        }
    }

    /// The number of errors.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Checks that a price is in the restaurant's currency.
    pub fn currency(&mut self, pointer: &str, price: Money, currency: Currency) {
        if price.currency != currency {
            self.note(format!("{pointer}/currency"), format!("must be {currency}, the restaurant's currency"));
        }
    }

    /// Checks the windows of day-parts.
    pub fn day_parts(&mut self, pointer: &str, windows: &[DayPart]) {
        if let Err((index, message)) = dayparts::check(windows) {
            self.note(format!("{pointer}/dayParts/{index}"), message);
        }
    }

    /// Checks the languages of translations.
    pub fn translations(&mut self, pointer: &str, texts: &Translations) {
        if let Some((language, message)) = translations::fault(texts) {
            let language = language.replace('~', "~0").replace('/', "~1");
            self.note(format!("{pointer}/translations/{language}"), message);
        }
    }

    /// Checks that no allergen or diet is listed twice.
    pub fn food(&mut self, pointer: &str, allergens: Option<&[Declared]>, diets: &[Diet]) {
        if let Some(index) = allergens.and_then(named_twice) {
            self.note(format!("{pointer}/allergens/{index}"), "is listed more than once");
        }
        if let Some(index) = (1..diets.len()).find(|&index| diets[..index].contains(&diets[index])) {
            self.note(format!("{pointer}/diets/{index}"), "is listed more than once");
        }
    }

    /// Checks the numbers of choices.
    pub fn choices(&mut self, pointer: &str, min: i16, max: i16) {
        if !(1..=99).contains(&max) {
            self.note(format!("{pointer}/max"), "must be between 1 and 99");
        }
        if min < 0 || min > max {
            self.note(format!("{pointer}/min"), "must be between 0 and max");
        }
    }

    /// Ends the collection.
    ///
    /// # Errors
    /// The first errors, if there are any.
    pub fn end(&mut self) -> Result<(), Vec<FieldError>> {
        if self.count == 0 { Ok(()) } else { Err(std::mem::take(&mut self.first)) }
    }

    /// Refuses the request if there are errors.
    ///
    /// # Errors
    /// 422 with the errors.
    pub fn none(self) -> Result<(), Problem> {
        if self.count == 0 { Ok(()) } else { Err(Problem::invalid(self.first)) }
    }
}
