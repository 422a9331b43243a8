//! Collects errors in request bodies of the menu that concern more than one field. Pure.

use std::fmt::Display;

use super::allergens::{Declared, Diet, named_twice};
use super::dayparts::{self, DayPart};
use super::translations::{self, Translations};
use crate::money::{Currency, Money};
use crate::problem::{FieldError, Problem};

/// Collects the errors of a request body: all are counted, the first [`MAX_REPORTED`] are reported.
#[derive(Debug, Default)]
pub struct MenuFaults {
    first: Vec<FieldError>,
    count: usize,
}

/// The most errors that are reported.
pub const MAX_REPORTED: usize = 100;

impl MenuFaults {
    /// Adds an error. Pointer and message are formatted only if the error is reported.
    pub fn note(&mut self, pointer: impl Display, message: impl Display) {
        self.count += 1;
        if self.reports_more() {
            self.first.push(FieldError::invalid(pointer.to_string(), message.to_string()));
        }
    }

    /// Whether another error would be reported.
    pub const fn reports_more(&self) -> bool {
        self.first.len() < MAX_REPORTED
    }

    /// The number of errors.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Checks that a price is in the restaurant's currency.
    pub fn currency(&mut self, pointer: impl Display, price: Money, currency: Currency) {
        if price.currency != currency {
            self.note(
                format_args!("{pointer}/currency"),
                format_args!("must be {currency}, the restaurant's currency"),
            );
        }
    }

    /// Checks the day-parts of a category or an item.
    pub fn day_parts(&mut self, pointer: impl Display, windows: &[DayPart]) {
        if let Err((index, message)) = dayparts::check(windows) {
            self.note(format_args!("{pointer}/dayParts/{index}"), message);
        }
    }

    /// Checks the languages of translations.
    pub fn translations(&mut self, pointer: impl Display, texts: &Translations) {
        if let Some((language, message)) = translations::fault(texts) {
            let language = language.replace('~', "~0").replace('/', "~1");
            self.note(format_args!("{pointer}/translations/{language}"), message);
        }
    }

    /// Checks that allergens and diets are listed once.
    pub fn allergens_and_diets(&mut self, pointer: impl Display, allergens: Option<&[Declared]>, diets: &[Diet]) {
        if let Some(index) = allergens.and_then(named_twice) {
            self.note(format_args!("{pointer}/allergens/{index}"), "is listed more than once");
        }
        if let Some(index) = (1..diets.len()).find(|&index| diets[..index].contains(&diets[index])) {
            self.note(format_args!("{pointer}/diets/{index}"), "is listed more than once");
        }
    }

    /// Checks the smallest and the largest number of choices of a group.
    pub fn choices(&mut self, pointer: impl Display, min: i16, max: i16) {
        if !(1..=99).contains(&max) {
            self.note(format_args!("{pointer}/max"), "must be between 1 and 99");
        }
        if min < 0 || min > max {
            self.note(format_args!("{pointer}/min"), "must be between 0 and max");
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
