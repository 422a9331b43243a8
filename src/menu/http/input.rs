//! Types and checks that request bodies of the menu share.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::menu::faults::MenuFaults;
use crate::problem::Problem;
use crate::restaurants;
use crate::restaurants::tax::TaxClass;
use crate::tenancy::RestaurantScope;
use crate::timestamp::Timestamp;
use crate::uow::Tx;

/// Whether an item or modifier is switched on.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AvailabilityUpdate)]
pub struct Availability {
    /// Whether it can be ordered.
    pub available: bool,
    /// When it becomes available again automatically; absent: off until it is switched on.
    pub until: Option<Timestamp>,
}

impl Availability {
    /// Refuses an `until` that has passed, is too far away, or is set for something that is switched on.
    ///
    /// # Errors
    /// 422 for `until`.
    pub fn check(self, now: DateTime<Utc>) -> Result<Self, Problem> {
        let fault = match self.until.map(Timestamp::utc) {
            Some(_) if self.available => "is not allowed with available: true",
            Some(until) if until <= now => "must be in the future",
            Some(until) if until > now + TimeDelta::days(366) => "must be within a year",
            None | Some(_) => return Ok(self),
        };
        Err(Problem::invalid_field("/until", fault))
    }
}

/// Distinguishes a field that is null from one that is absent.
#[expect(clippy::option_option, reason = "absent is one thing, null another")]
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// The default of fields that are true when absent.
pub const fn default_true() -> bool {
    true
}

/// The refusal of a number above a limit.
pub fn too_many(what: &str, max: usize, variable: &str) -> Problem {
    let detail =
        format!("makes one more than the {max} {what} that a menu may have ({variable} of the server's configuration)");
    Problem::invalid_field("", detail)
}

/// More of all together than there may be.
pub fn too_many_together(what: &str, count: usize, max: usize, variable: &str) -> Problem {
    let detail = format!(
        "would give the menu {count} {what}, and {max} are the most ({variable} of the server's configuration)"
    );
    Problem::invalid_field("", detail)
}

impl MenuFaults {
    /// Checks that the restaurant has a tax class.
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
            && !restaurants::sql::tax::has_class(tx, scope.restaurant(), class).await?
        {
            self.note(format!("{pointer}/taxClass"), "is not one of the restaurant's taxClasses");
        }
        Ok(())
    }
}
