//! What a restaurant takes for its service: a share of the lines, at most a cap, and a fixed amount. Pure.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::tax::Rate;
use crate::money::{Amount, Currency, Money, Overflow, Rounding};
use crate::problem::FieldError;

/// What is charged on every order for the restaurant's service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServiceFee {
    /// So much of the lines before any discount.
    pub share: Rate,
    /// The share is no more than this.
    pub cap: Option<Amount>,
    /// Once an order, besides the share.
    pub fixed: Amount,
}

impl ServiceFee {
    /// The fee on lines of so much.
    ///
    /// # Errors
    /// When it leaves the range of 64 bits.
    pub fn on(self, items: Amount, rounding: Rounding) -> Result<Amount, Overflow> {
        let share = self.share.on_top_of(items, rounding)?;
        self.cap.map_or(share, |cap| share.min(cap)).plus(self.fixed)
    }

    /// The service fee as in requests and responses.
    pub fn terms(self, currency: Currency) -> ServiceFeeTerms {
        ServiceFeeTerms {
            basis_points: self.share,
            cap: self.cap.map(|cap| cap.of(currency)),
            fixed: Some(self.fixed.of(currency)),
        }
    }
}

/// The service fee of a restaurant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceFeeTerms {
    /// The share of the lines before any discount, in hundredths of a percent.
    #[serde(default)]
    #[schema(inline)]
    pub basis_points: Rate,
    /// The share is no more than this; null: without a cap.
    #[serde(default)]
    pub cap: Option<Money>,
    /// Once an order, besides the share.
    #[serde(default)]
    pub fixed: Option<Money>,
}

impl From<ServiceFeeTerms> for ServiceFee {
    fn from(terms: ServiceFeeTerms) -> Self {
        let fixed = terms.fixed.map_or(Amount::ZERO, |fixed| fixed.amount);
        Self { share: terms.basis_points, cap: terms.cap.map(|cap| cap.amount), fixed }
    }
}

impl ServiceFeeTerms {
    /// What about them cannot be, besides their currency.
    pub fn fault(&self) -> Option<FieldError> {
        let message = "has no place beside basisPoints of 0: there is nothing to cap";
        let is_idle = self.cap.is_some() && self.basis_points == Rate::ZERO;
        is_idle.then(|| FieldError::invalid("/serviceFee/cap", message))
    }
}
