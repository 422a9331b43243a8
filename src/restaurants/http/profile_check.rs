//! Checks of a restaurant's profile that concern more than one field.

use super::hours;
use crate::money::{Currency, Money};
use crate::problem::{FieldError, Problem};
use crate::restaurants::hours::{Span, faults_of_week};
use crate::restaurants::service_fee::ServiceFeeTerms;
use crate::restaurants::sql::Profile;
use crate::restaurants::tax::TaxRules;

/// The amounts of the request, whose currency is not checked yet.
#[derive(Clone, Copy)]
pub struct Fees {
    pub delivery_fee: Option<Money>,
    pub minimum_order: Option<Money>,
    pub service: ServiceFeeTerms,
}

impl Fees {
    fn faults(self, currency: Currency) -> impl Iterator<Item = FieldError> {
        let named = [
            ("/deliveryFee", self.delivery_fee),
            ("/minimumOrder", self.minimum_order),
            ("/serviceFee/cap", self.service.cap),
            ("/serviceFee/fixed", self.service.fixed),
        ];
        let foreign = named.into_iter().filter(move |(_, fee)| fee.is_some_and(|fee| fee.currency != currency));
        let message = format!("must be in {currency}, the restaurant's currency");
        foreign.map(move |(pointer, _)| FieldError::invalid(pointer, message.clone())).chain(self.service.fault())
    }
}

/// Checks the profile with its fees and weekly hours.
///
/// # Errors
/// 422 with all invalid fields.
pub fn check(profile: &Profile, currency: Currency, fees: Fees, spans: &[Span]) -> Result<(), Problem> {
    let mut faults = Vec::new();
    let slug_is_good = !profile.slug.is_empty()
        && profile.slug.split('-').all(|word| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        });
    if !slug_is_good {
        faults.push(FieldError::invalid("/slug", "must be words of a–z and 0–9 joined by hyphens; choose a slug"));
    }
    faults.extend(fees.faults(currency));
    faults.extend(profile.slots.faults());
    faults.extend(profile.contact.faults(profile.timezone));
    faults.extend(TaxRules::faults(&profile.tax.classes));
    if !(1..=480).contains(&profile.preparation_minutes) {
        faults.push(FieldError::invalid("/preparationMinutes", "must be between 1 and 480"));
    }
    if profile.accept_minutes.is_some_and(|minutes| !(1..=120).contains(&minutes)) {
        faults.push(FieldError::invalid("/acceptMinutes", "must be between 1 and 120"));
    }
    if profile.cuisines.len() > 20 {
        faults.push(FieldError::invalid("/cuisines", "must have at most 20 entries"));
    }
    faults.extend(hours::named("/hours", faults_of_week(spans)));
    faults.extend(hours::contradicts(profile.always_open, "/hours", spans));
    faults.extend(profile.last_orders.faults());
    if faults.is_empty() { Ok(()) } else { Err(Problem::invalid(faults)) }
}
