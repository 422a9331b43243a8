//! Tax rules: rates, and whether prices include tax. Pure; the tax of an order is computed in `orders/pricing.rs`, and
//! rounded in `money.rs`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};

use crate::fulfilment::Fulfilment;
use crate::money::{Amount, Overflow, Rounding};
use crate::problem::FieldError;

/// The most classes of a restaurant; with the standard rate, an order has tax at up to eight rates.
pub const MAX_TAX_CLASSES: usize = 7;

/// A rate of tax from 0 to 100 %, exact to a ten-thousandth of a percent: New York's 8.875 % is 887.5 basis points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct Rate(i32);

/// The number is not a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be between 0 and 10000 basis points, with two decimals at most")]
pub struct InvalidRate;

impl Rate {
    /// The rate zero.
    pub const ZERO: Self = Self(0);
    /// 100 %, in millionths.
    const WHOLE: u32 = 1_000_000;

    /// From hundredths of a percent.
    ///
    /// # Errors
    /// For more than 100 %.
    pub const fn basis_points(points: u16) -> Result<Self, InvalidRate> {
        if points <= 10_000 { Ok(Self(points as i32 * 100)) } else { Err(InvalidRate) }
    }

    /// From millionths.
    ///
    /// # Errors
    /// For less than 0 % or more than 100 %.
    pub const fn from_millionths(millionths: i32) -> Result<Self, InvalidRate> {
        if 0 <= millionths && millionths <= 1_000_000 { Ok(Self(millionths)) } else { Err(InvalidRate) }
    }

    /// The rate in millionths.
    pub const fn millionths(self) -> u32 {
        self.0.unsigned_abs()
    }

    /// The share of an amount, such as the tax on a price without tax.
    ///
    /// # Errors
    /// When it leaves the range of 64 bits.
    pub fn on_top_of(self, net: Amount, rounding: Rounding) -> Result<Amount, Overflow> {
        net.share(self.millionths(), Self::WHOLE, rounding)
    }

    /// The tax in a price that includes it.
    ///
    /// # Errors
    /// When it leaves the range of 64 bits.
    pub fn within(self, gross: Amount, rounding: Rounding) -> Result<Amount, Overflow> {
        gross.share(self.millionths(), Self::WHOLE + self.millionths(), rounding)
    }
}

impl TryFrom<f64> for Rate {
    type Error = InvalidRate;

    fn try_from(points: f64) -> Result<Self, InvalidRate> {
        let millionths = (points * 100.0).round();
        // A number with at most two decimals is unchanged by the conversion; others are not.
        #[expect(clippy::float_cmp, reason = "the nearest double of a number with two decimals is one number")]
        let exact = millionths / 100.0 == points;
        #[expect(clippy::cast_possible_truncation, reason = "0 to 1,000,000")]
        let rate = Self(millionths as i32);
        if exact && (0.0..=1_000_000.0).contains(&millionths) { Ok(rate) } else { Err(InvalidRate) }
    }
}

impl Serialize for Rate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 100 == 0 {
            serializer.serialize_i32(self.0 / 100)
        } else {
            serializer.serialize_f64(f64::from(self.0) / 100.0)
        }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer)?.try_into().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Rate {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Number)
            .minimum(Some(0))
            .maximum(Some(10_000))
            .multiple_of(Some(0.01))
            .description(Some("Hundredths of a percent, with two decimals at most."))
            .examples([serde_json::json!(1000)])
            .build()
            .into()
    }
}

impl ToSchema for Rate {}

/// The name of a tax class: words of a–z and 0–9 joined by hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
#[serde(try_from = "String")]
#[sqlx(transparent)]
pub struct TaxClass(String);

impl TaxClass {
    /// The class of items without one.
    pub const STANDARD: &str = "standard";
    /// The class of the delivery and the service fee; without it, fees are not taxed.
    pub const FEES: &str = "fees";

    /// The class's name, as items and modifiers use it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TaxClass {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let words = text.split('-').all(|word| !word.is_empty() && word.bytes().all(letter));
        if words && text.len() <= 40 {
            Ok(Self(text))
        } else {
            Err("must be words of a–z and 0–9 joined by hyphens, at most 40 characters")
        }
    }
}

impl utoipa::PartialSchema for TaxClass {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[a-z0-9]+(-[a-z0-9]+)*$"))
            .max_length(Some(40))
            .examples([serde_json::json!("drinks")])
            .build()
            .into()
    }
}

impl ToSchema for TaxClass {}

/// The rates by fulfilment, in hundredths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = TaxRates)]
pub struct Rates {
    /// For delivery, in hundredths of a percent.
    #[schema(inline)]
    pub delivery: Rate,
    /// For pickup, in hundredths of a percent.
    #[schema(inline)]
    pub pickup: Rate,
    /// For dine-in, in hundredths of a percent.
    #[schema(inline)]
    pub dine_in: Rate,
}

/// A tax class of a restaurant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = TaxClassRates)]
pub struct ClassRates {
    /// The name that items and modifiers use. `standard` is the class of those without one, `fees` is the class of
    /// delivery and service fees.
    #[schema(inline)]
    pub name: TaxClass,
    /// The rates by fulfilment.
    pub basis_points: Rates,
}

/// The amounts on which tax is rounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "tax_rounding_level", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaxRoundingLevel {
    /// Once for each rate on each line and each fee: a line's tax never depends on the other lines.
    #[default]
    Line,
    /// Once for each rate on the sum of all lines and fees; the tax is then split over them by largest remainder.
    Order,
}

/// The tax rules of a restaurant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxRules {
    /// Whether prices and fees include tax; otherwise it is added to them.
    pub included: bool,
    /// How half a minor unit is rounded.
    #[serde(default)]
    pub rounding: Rounding,
    /// The amounts on which tax is rounded.
    #[serde(default)]
    pub level: TaxRoundingLevel,
    /// The rate of items without a class, unless there is a class named `standard`.
    pub standard: Rate,
    /// The tax classes.
    pub classes: Vec<ClassRates>,
}

impl TaxRules {
    fn named(&self, name: &str, fulfilment: Fulfilment) -> Option<Rate> {
        let class = self.classes.iter().find(|class| class.name.as_str() == name)?;
        Some(match fulfilment {
            Fulfilment::Delivery => class.basis_points.delivery,
            Fulfilment::Pickup => class.basis_points.pickup,
            Fulfilment::DineIn => class.basis_points.dine_in,
        })
    }

    /// The rate of a class; without one, or for an unknown name, the standard rate.
    pub fn rate(&self, class: Option<&TaxClass>, fulfilment: Fulfilment) -> Rate {
        let own = class.and_then(|class| self.named(class.as_str(), fulfilment));
        own.or_else(|| self.named(TaxClass::STANDARD, fulfilment)).unwrap_or(self.standard)
    }

    /// The rate of fees; `None`: they are not taxed.
    pub fn rate_of_fees(&self, fulfilment: Fulfilment) -> Option<Rate> {
        self.named(TaxClass::FEES, fulfilment)
    }

    /// The errors of tax classes in a request.
    pub fn faults(classes: &[ClassRates]) -> Vec<FieldError> {
        let mut faults = Vec::new();
        if classes.len() > MAX_TAX_CLASSES {
            faults.push(FieldError::invalid("/taxClasses", format!("must be at most {MAX_TAX_CLASSES}")));
        }
        for (index, class) in classes.iter().enumerate() {
            if classes[..index].iter().any(|earlier| earlier.name == class.name) {
                faults.push(FieldError::invalid(
                    format!("/taxClasses/{index}/name"),
                    "is the name of more than one tax class",
                ));
            }
        }
        faults
    }
}

/// A part of a line's price, with its tax class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaxedPart {
    /// The tax class; `None`: the standard one.
    pub class: Option<TaxClass>,
    /// The amount of the part.
    pub amount: Amount,
}
