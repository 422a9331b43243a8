//! Requests of managers to create and change coupons.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::{Coupon, CouponCode, CouponKind};
use crate::ids::{CouponId, RestaurantId};
use crate::money::{Amount, Currency, Money};
use crate::problem::{FieldError, Problem};
use crate::restaurants::tax::Rate;
use crate::timestamp::Timestamp;

/// A coupon to create.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewCoupon {
    /// The code that customers enter; upper and lower case are the same.
    #[schema(inline)]
    code: CouponCode,
    kind: CouponKind,
    /// `PERCENT` (required): the share of the lines, in hundredths of a percent.
    #[schema(value_type = Option<f64>, minimum = 0.01, maximum = 10_000)]
    basis_points: Option<Rate>,
    /// `PERCENT`: the largest discount.
    cap: Option<Money>,
    /// `AMOUNT` (required): the amount off the lines.
    amount: Option<Money>,
    /// The least that the lines must cost before any discount.
    minimum_items: Option<Money>,
    /// The beginning of the validity; absent: at once.
    valid_from: Option<Timestamp>,
    /// The end of the validity (exclusive); absent: no end.
    valid_until: Option<Timestamp>,
    /// How many orders may use it; absent: unlimited.
    #[schema(minimum = 1)]
    limit_total: Option<i32>,
    /// How many orders of one customer may use it; absent: unlimited.
    #[schema(minimum = 1)]
    limit_per_user: Option<i32>,
    /// Whether it can be used; default: true.
    #[serde(default = "default_true")]
    active: bool,
}

const fn default_true() -> bool {
    true
}

impl NewCoupon {
    /// The coupon of the request, in the restaurant's currency.
    ///
    /// # Errors
    /// 422 with all invalid fields.
    pub fn into_coupon(
        self,
        restaurant_id: RestaurantId,
        currency: Currency,
        now: DateTime<Utc>,
    ) -> Result<Coupon, Problem> {
        let mut faults = Vec::new();
        let parts = [
            ("/basisPoints", self.basis_points.is_some(), self.kind == CouponKind::Percent),
            ("/amount", self.amount.is_some(), self.kind == CouponKind::Amount),
        ];
        for (pointer, given, needed) in parts.into_iter().filter(|(_, given, needed)| given != needed) {
            let message =
                if needed && !given { "is required for this kind" } else { "is not allowed for this kind of coupon" };
            faults.push(FieldError::invalid(pointer, message));
        }
        if self.cap.is_some() && self.kind != CouponKind::Percent {
            faults.push(FieldError::invalid("/cap", "is not allowed for this kind of coupon"));
        }
        if self.basis_points == Some(Rate::ZERO) {
            faults.push(FieldError::invalid("/basisPoints", "must be more than 0"));
        }
        for (pointer, amount) in [("/cap", self.cap), ("/amount", self.amount)] {
            if amount.is_some_and(|amount| amount.amount == Amount::ZERO) {
                faults.push(FieldError::invalid(format!("{pointer}/amount"), "must be more than 0"));
            }
        }
        let amounts = [("/cap", self.cap), ("/amount", self.amount), ("/minimumItems", self.minimum_items)];
        faults.extend(amounts.into_iter().filter_map(|(pointer, amount)| foreign(pointer, amount?, currency)));
        let coupon = Coupon {
            id: CouponId::new(),
            restaurant_id,
            code: self.code,
            kind: self.kind,
            basis_points: self.basis_points,
            cap: self.cap,
            amount: self.amount,
            minimum_items: self.minimum_items.unwrap_or(Amount::ZERO.of(currency)),
            valid_from: self.valid_from.map(Timestamp::utc),
            valid_until: self.valid_until.map(Timestamp::utc),
            limit_total: self.limit_total,
            limit_per_user: self.limit_per_user,
            active: self.active,
            redeemed: 0,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        faults.extend(limits(&coupon));
        if faults.is_empty() { Ok(coupon) } else { Err(Problem::invalid(faults)) }
    }
}

fn foreign(pointer: &str, amount: Money, currency: Currency) -> Option<FieldError> {
    let message = || format!("must be in {currency}, the restaurant's currency");
    (amount.currency != currency).then(|| FieldError::invalid(format!("{pointer}/currency"), message()))
}

/// Checks validity and limits.
fn limits(coupon: &Coupon) -> Vec<FieldError> {
    let mut faults = Vec::new();
    if coupon.valid_from.zip(coupon.valid_until).is_some_and(|(from, until)| until <= from) {
        faults.push(FieldError::invalid("/validUntil", "must be after validFrom"));
    }
    for (pointer, limit) in [("/limitTotal", coupon.limit_total), ("/limitPerUser", coupon.limit_per_user)] {
        if limit.is_some_and(|limit| limit < 1) {
            faults.push(FieldError::invalid(pointer, "must be at least 1, or null for no limit"));
        }
    }
    if coupon.limit_total.is_some_and(|limit| (1..coupon.redeemed).contains(&limit)) {
        let message = format!("must be at least {}, the number of orders that use it", coupon.redeemed);
        faults.push(FieldError::invalid("/limitTotal", message));
    }
    faults
}

/// Distinguishes a field that is null from one that is absent.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The changes of a coupon; absent fields stay unchanged. Its value cannot be changed.
#[derive(Deserialize, ToSchema)]
#[expect(clippy::option_option, reason = "absent stays, null takes away")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CouponPatch {
    minimum_items: Option<Money>,
    /// The beginning of the validity; null: at once.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Timestamp>)]
    valid_from: Option<Option<Timestamp>>,
    /// The end of the validity (exclusive); null: no end.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Timestamp>)]
    valid_until: Option<Option<Timestamp>>,
    /// How many orders may use it; null: unlimited. Not less than the orders that already use the coupon.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i32>, minimum = 1)]
    limit_total: Option<Option<i32>>,
    /// Orders of one customer that may use it; null: unlimited.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i32>, minimum = 1)]
    limit_per_user: Option<Option<i32>>,
    /// False: the coupon cannot be used.
    active: Option<bool>,
}

impl CouponPatch {
    /// The coupon after the change.
    ///
    /// # Errors
    /// 422 with all invalid fields.
    pub fn apply(self, current: &Coupon) -> Result<Coupon, Problem> {
        let coupon = Coupon {
            minimum_items: self.minimum_items.unwrap_or(current.minimum_items),
            valid_from: self.valid_from.map_or(current.valid_from, |from| from.map(Timestamp::utc)),
            valid_until: self.valid_until.map_or(current.valid_until, |until| until.map(Timestamp::utc)),
            limit_total: self.limit_total.unwrap_or(current.limit_total),
            limit_per_user: self.limit_per_user.unwrap_or(current.limit_per_user),
            active: self.active.unwrap_or(current.active),
            ..current.clone()
        };
        let currency = current.minimum_items.currency;
        let mut faults = limits(&coupon);
        faults.extend(foreign("/minimumItems", coupon.minimum_items, currency));
        if faults.is_empty() { Ok(coupon) } else { Err(Problem::invalid(faults)) }
    }
}
