//! Why a coupon cannot be used, and what it saves. Pure. The kinds of coupons are in `mod.rs`. Uses are counted in
//! `sql.rs` (`redeem`), under the lock of the coupon's row.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Coupon, CouponCode, CouponKind};
use crate::ids::CouponId;
use crate::money::{Amount, Overflow, Rounding};
use crate::problem::{Code, Problem};

/// A coupon, and how often a customer has used it.
#[derive(Debug, Clone)]
pub struct CouponState {
    /// The coupon that was found for the code.
    pub coupon: Coupon,
    /// The number of the customer's orders that use it and have not been cancelled.
    pub used: i64,
    /// Whether the customer's e-mail address or phone number was verified.
    pub is_customer_verified: bool,
}

/// The order that a coupon is to be used for.
#[derive(Debug, Clone, Copy)]
pub struct Purchase {
    /// The sum of the lines before any discount.
    pub items: Amount,
    /// The delivery fee; `None` for pickup and dine-in.
    pub delivery_fee: Option<Amount>,
    /// When the order is placed.
    pub at: DateTime<Utc>,
    /// How shares are rounded to minor units.
    pub rounding: Rounding,
}

/// What a coupon saves on an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saving {
    /// The id of the coupon used.
    pub coupon: CouponId,
    /// The code of the coupon used.
    pub code: CouponCode,
    /// Whether it is off the lines or the delivery fee.
    pub kind: CouponKind,
    /// The reduction of the lines or of the delivery fee.
    pub amount: Amount,
}

/// Why a coupon cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CouponRefusal {
    /// No active coupon has this code.
    Unknown,
    /// It is not valid yet.
    NotYet,
    /// It is not valid any more.
    Expired,
    /// Its limit on all orders is reached.
    UsedUp,
    /// It is limited for each customer, and the customer has verified neither e-mail address nor phone number.
    Unverified,
    /// Its limit on orders of one customer is reached.
    AlreadyUsed,
    /// The lines cost less than its minimum.
    Minimum,
    /// It pays the delivery fee, and the order is not delivered.
    NoDelivery,
    /// It would not reduce this order.
    SavesNothing,
}

impl CouponState {
    /// The reason why the coupon cannot be used for an order; `None`: it can.
    pub fn refusal(&self, purchase: Purchase) -> Option<CouponRefusal> {
        let Coupon { kind, valid_from, valid_until, limit_total, limit_per_user, redeemed, .. } = &self.coupon;
        let rules = [
            (!self.coupon.active, CouponRefusal::Unknown),
            (valid_from.is_some_and(|from| purchase.at < from), CouponRefusal::NotYet),
            (valid_until.is_some_and(|until| purchase.at >= until), CouponRefusal::Expired),
            // Accounts cost nothing, so unverified ones are not different customers.
            (limit_per_user.is_some() && !self.is_customer_verified, CouponRefusal::Unverified),
            (limit_per_user.is_some_and(|limit| self.used >= limit.into()), CouponRefusal::AlreadyUsed),
            (limit_total.is_some_and(|limit| *redeemed >= limit), CouponRefusal::UsedUp),
            (purchase.items < self.coupon.minimum_items.amount, CouponRefusal::Minimum),
            (*kind == CouponKind::FreeDelivery && purchase.delivery_fee.is_none(), CouponRefusal::NoDelivery),
        ];
        rules.into_iter().find_map(|(holds, refusal)| holds.then_some(refusal))
    }

    /// The problem of a refusal, which says what the customer can do.
    pub fn problem(&self, refusal: CouponRefusal) -> Problem {
        let Coupon { code, valid_from, valid_until, minimum_items, limit_per_user, .. } = &self.coupon;
        let problem = match refusal {
            CouponRefusal::Unknown => return unknown(code),
            CouponRefusal::NotYet => {
                let detail = "Order without it, or after validFrom.";
                Problem::new(Code::CouponNotYet, detail).with("validFrom", valid_from)
            }
            CouponRefusal::Expired => {
                Problem::new(Code::CouponExpired, "Order without it.").with("validUntil", valid_until)
            }
            CouponRefusal::UsedUp => {
                Problem::new(Code::CouponUsedUp, "All uses of the coupon are taken. Order without it.")
            }
            CouponRefusal::Unverified => {
                let detail = "The coupon is for customers with a verified e-mail address or phone number. Verify one \
                              (POST /api/me/email/code or /api/me/phone/code), or order without the coupon.";
                Problem::new(Code::CouponUnverified, detail)
            }
            CouponRefusal::AlreadyUsed => {
                let detail = "You have used this coupon as often as one customer may. Order without it.";
                Problem::new(Code::CouponAlreadyUsed, detail).with("limitPerUser", limit_per_user)
            }
            CouponRefusal::Minimum => {
                let detail = "Add items worth at least minimumItems, or order without it.";
                Problem::new(Code::CouponMinimum, detail).with("minimumItems", minimum_items)
            }
            CouponRefusal::NoDelivery => Problem::new(
                Code::CouponNotApplicable,
                "The coupon pays the delivery fee. Choose delivery, or order without it.",
            ),
            CouponRefusal::SavesNothing => {
                let why = match self.coupon.kind {
                    CouponKind::FreeDelivery => "The delivery is free already",
                    CouponKind::Percent => "The discount on this order rounds to zero",
                    CouponKind::Amount => "The order has no amount to reduce",
                };
                let detail = format!("{why}, so the coupon would save nothing. Order without it; it stays unused.");
                Problem::new(Code::CouponNotApplicable, detail)
            }
        };
        problem.with("couponCode", code)
    }

    /// What the coupon saves, at most what there is to pay. A coupon that saves nothing is not redeemed, see
    /// [`Saving::refusal`].
    ///
    /// # Errors
    /// When the share leaves the range of 64 bits.
    pub fn saving(&self, purchase: Purchase) -> Result<Saving, Overflow> {
        let Coupon { id, code, kind, basis_points, cap, amount, .. } = &self.coupon;
        let amount = match kind {
            CouponKind::Percent => {
                let share = basis_points.unwrap_or_default().on_top_of(purchase.items, purchase.rounding)?;
                cap.map_or(share, |cap| share.min(cap.amount))
            }
            CouponKind::Amount => amount.map_or(Amount::ZERO, |amount| amount.amount).min(purchase.items),
            CouponKind::FreeDelivery => purchase.delivery_fee.unwrap_or_default(),
        };
        Ok(Saving { coupon: *id, code: code.clone(), kind: *kind, amount })
    }
}

impl Saving {
    /// The refusal of a saving of zero.
    pub fn refusal(&self) -> Option<CouponRefusal> {
        (self.amount <= Amount::ZERO).then_some(CouponRefusal::SavesNothing)
    }

    /// The reduction of the lines.
    pub fn off_lines(&self) -> Amount {
        if self.kind == CouponKind::FreeDelivery { Amount::ZERO } else { self.amount }
    }

    /// The reduction of the delivery fee.
    pub fn off_delivery(&self) -> Amount {
        if self.kind == CouponKind::FreeDelivery { self.amount } else { Amount::ZERO }
    }
}

/// The problem of an unknown code, and equally of an inactive coupon.
pub fn unknown(code: &CouponCode) -> Problem {
    let detail = "Check the spelling of the code, or order without it. Repeated wrong codes are rate limited.";
    Problem::new(Code::CouponUnknown, detail).with("couponCode", code)
}
