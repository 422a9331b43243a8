//! What the menu's bodies have in common, and what single fields cannot know.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::allergens::{Declared, Diet, named_twice};
use super::dayparts::{self, DayPart};
use super::translations::{self, Translations};
use crate::money::{Currency, Money};
use crate::problem::{FieldError, Problem};
use crate::restaurants;
use crate::restaurants::tax::TaxClass;
use crate::tenancy::RestaurantScope;
use crate::timestamp::Timestamp;
use crate::uow::Tx;

/// Most portions a stock can count.
const LARGEST_STOCK: i32 = 1_000_000;

/// Portions of a counted stock: 0 to 1,000,000.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "i32")]
#[schema(value_type = i32, minimum = 0, maximum = 1_000_000)]
pub struct Stock(pub i32);

impl TryFrom<i32> for Stock {
    type Error = &'static str;

    fn try_from(portions: i32) -> Result<Self, &'static str> {
        let in_range = (0..=LARGEST_STOCK).contains(&portions);
        if in_range { Ok(Self(portions)) } else { Err("must be between 0 and 1000000") }
    }
}

/// Whether an item or modifier is switched on.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AvailabilityUpdate)]
pub struct Availability {
    /// Whether it can be ordered.
    pub available: bool,
    /// Off until then, and on again by itself; absent: off until somebody switches it on.
    pub until: Option<Timestamp>,
}

impl Availability {
    /// Refuses an end that has passed, is too far away to be meant, or has nothing to end.
    ///
    /// # Errors
    /// The fault of `until`.
    pub fn check(self, now: DateTime<Utc>) -> Result<Self, Problem> {
        let fault = match self.until.map(Timestamp::utc) {
            Some(_) if self.available => "has no place where it is switched on",
            Some(until) if until <= now => "must be in the future",
            Some(until) if until > now + TimeDelta::days(366) => "must be within a year",
            None | Some(_) => return Ok(self),
        };
        Err(Problem::invalid_field("/until", fault))
    }
}

/// Tells a field that is null from one that is absent.
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// True, for fields that are so when absent.
pub const fn yes() -> bool {
    true
}

/// Collects what is wrong with a body: all of it is counted, and the first of it told.
#[derive(Debug, Default)]
pub struct Faults {
    first: Vec<FieldError>,
    count: usize,
}

/// So many faults are told.
pub const MOST_TOLD: usize = 100;

impl Faults {
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

    /// A tax class that the restaurant does not have.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tax_class(
        &mut self,
        tx: &mut Tx,
        scope: &RestaurantScope,
        pointer: &str,
        class: Option<&TaxClass>,
    ) -> Result<(), Problem> {
        if let Some(class) = class
            && !restaurants::sql::tax::knows(tx, scope.restaurant(), class).await?
        {
            self.note(format!("{pointer}/taxClass"), "is none of the restaurant's taxClasses");
        }
        Ok(())
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

/// One more than there may be.
pub fn too_many(what: &str, most: usize, variable: &str) -> Problem {
    let detail = format!(
        "makes one more than the {most} {what} that a menu may have ({variable} of the server's configuration)"
    );
    Problem::invalid_field("", detail)
}
