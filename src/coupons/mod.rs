//! Coupons: discounts on orders by code.
//!
//! A coupon is worth a share of the lines, an amount off the lines, or the delivery fee. It is redeemed in the
//! transaction that creates the order, within its limits, and released when the order is cancelled. Whether a coupon
//! can be used, and its discount, is decided by pure functions (`rules.rs`); limits on attempts at codes are in
//! `actions/attempt_limits.rs`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};

use crate::ids::{CouponId, RestaurantId};
use crate::money::Money;
use crate::restaurants::tax::Rate;

pub mod actions;
pub mod http;
pub mod requests;
pub mod rules;
pub mod sql;

/// A coupon code, in capitals: words of A–Z and 0–9 joined by hyphens or underscores.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[serde(try_from = "String")]
#[sqlx(transparent)]
pub struct CouponCode(String);

impl CouponCode {
    /// The code in capital letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CouponCode {
    type Error = &'static str;

    /// Ignores case and surrounding spaces.
    fn try_from(text: String) -> Result<Self, &'static str> {
        let code = text.trim().to_ascii_uppercase();
        let letter = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        let words = code.split(['-', '_']).all(|word| !word.is_empty() && word.bytes().all(letter));
        if words && (3..=40).contains(&code.len()) {
            Ok(Self(code))
        } else {
            Err("must be 3 to 40 letters A–Z and digits, in words joined by - or _")
        }
    }
}

impl utoipa::PartialSchema for CouponCode {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[A-Za-z0-9]+([_-][A-Za-z0-9]+)*$"))
            .min_length(Some(3))
            .max_length(Some(40))
            .description(Some("Upper and lower case are one; shown in capitals."))
            .examples([serde_json::json!("WELCOME10")])
            .build()
            .into()
    }
}

impl ToSchema for CouponCode {}

// A new kind is also a value of the type `coupon_kind` and a case of the constraint `coupons_kind_whole` (in a new
// migration, see `migrations/README.md`), and a case in `requests.rs`, in `rules.rs`, in `check/rules.rs` (the rule on
// redeemed coupons), in `tests/it/money_model.rs`, and in `docs/orders.md` (Coupons).
/// What a coupon takes off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "coupon_kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CouponKind {
    /// A share of the lines.
    Percent,
    /// An amount off the lines.
    Amount,
    /// The delivery fee.
    FreeDelivery,
}

/// A coupon, as the restaurant's managers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Coupon {
    /// The id of the coupon.
    pub id: CouponId,
    /// The id of the restaurant.
    pub restaurant_id: RestaurantId,
    /// The code that customers enter.
    #[schema(value_type = String, example = "WELCOME10")]
    pub code: CouponCode,
    /// What the coupon takes off.
    pub kind: CouponKind,
    /// `PERCENT`: the share of the lines, in hundredths of a percent.
    #[schema(value_type = Option<f64>)]
    pub basis_points: Option<Rate>,
    /// `PERCENT`: the largest discount; null: unlimited.
    pub cap: Option<Money>,
    /// `AMOUNT`: the discount, at most the price of the lines.
    pub amount: Option<Money>,
    /// The least that the lines must cost before any discount.
    pub minimum_items: Money,
    /// The beginning of the validity; null: valid from its creation.
    pub valid_from: Option<DateTime<Utc>>,
    /// The end of the validity (exclusive); null: no end.
    pub valid_until: Option<DateTime<Utc>>,
    /// How many orders may use the coupon; null: unlimited.
    pub limit_total: Option<i32>,
    /// How many orders of one customer may use the coupon; null: unlimited.
    pub limit_per_user: Option<i32>,
    /// False: the coupon cannot be used.
    pub active: bool,
    /// The number of orders that use the coupon and are not cancelled.
    pub redeemed: i32,
    /// Increases by one with each change.
    pub version: i64,
    /// When the coupon was created.
    pub created_at: DateTime<Utc>,
    /// When the coupon was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A discount on an order.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Discount {
    /// The code of the coupon.
    #[schema(value_type = String, example = "WELCOME10")]
    pub coupon_code: CouponCode,
    /// What is reduced: the price of the lines, or the delivery fee.
    pub kind: CouponKind,
    /// The amount that is taken off.
    pub amount: Money,
}
