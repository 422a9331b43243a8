//! The service fee of a restaurant: a share of the lines, with a cap, and a fixed amount. It is set in
//! `restaurants/http.rs`, and added to an order in `orders/pricing.rs`. Pure.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::tax::Rate;
use crate::money::{Amount, Currency, Money, Overflow, Rounding};
use crate::problem::FieldError;

/// The service fee of an order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServiceFee {
    /// The share of the lines before any discount.
    pub share: Rate,
    /// The largest amount of the share; `None`: unlimited.
    pub cap: Option<Amount>,
    /// A fixed amount for each order, in addition to the share.
    pub fixed: Amount,
}

impl ServiceFee {
    /// The fee for lines that cost `items`.
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
    /// The largest amount of the share; null: unlimited.
    #[serde(default)]
    pub cap: Option<Money>,
    /// A fixed amount for each order, in addition to the share.
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
    /// The error of the terms, apart from their currency.
    pub fn fault(&self) -> Option<FieldError> {
        let message = "is not allowed with basisPoints 0, because there is nothing to limit";
        let is_idle = self.cap.is_some() && self.basis_points == Rate::ZERO;
        is_idle.then(|| FieldError::invalid("/serviceFee/cap", message))
    }
}
