//! Money: integer minor units of one currency; no floats, and all arithmetic is checked.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::step_count;

mod currency;

pub use currency::{Currency, UnknownCurrency};

/// How an amount exactly between two whole numbers is rounded; every other amount is rounded to the nearer one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = RoundingMode)]
#[sqlx(type_name = "rounding_mode", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Rounding {
    /// To the larger number: 0.5 becomes 1, 2.5 becomes 3. Most tax offices require it.
    #[default]
    HalfUp,
    /// To the even number: 0.5 becomes 0, 2.5 becomes 2.
    HalfEven,
}

/// Minor units (cents) of a currency that is known from the context. Arithmetic is checked. Amounts of clients are read
/// as [`Money`]; a bare amount is read only from data that the service wrote itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Amount(i64);

/// A sum left the range of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("adds up to an amount that is too large: it exceeds 9223372036854775807 minor units")]
pub struct Overflow;

impl Amount {
    /// The amount zero, in any currency.
    pub const ZERO: Self = Self(0);

    /// An amount of minor units.
    pub const fn minor(units: i64) -> Self {
        Self(units)
    }

    /// The number of minor units.
    pub const fn units(self) -> i64 {
        self.0
    }

    /// The sum of two amounts in minor units.
    pub fn plus(self, other: Self) -> Result<Self, Overflow> {
        step_count::step(1);
        self.0.checked_add(other.0).map(Self).ok_or(Overflow)
    }

    /// The difference of two amounts in minor units.
    pub fn minus(self, other: Self) -> Result<Self, Overflow> {
        step_count::step(1);
        self.0.checked_sub(other.0).map(Self).ok_or(Overflow)
    }

    /// The amount times a count.
    pub fn times(self, count: u32) -> Result<Self, Overflow> {
        step_count::step(1);
        self.0.checked_mul(i64::from(count)).map(Self).ok_or(Overflow)
    }

    /// The share `parts / of`, rounded to whole minor units. Apart from [`Amount::spread`], the only function that
    /// rounds money.
    ///
    /// # Errors
    /// When the share leaves the range of 64 bits, or there are no parts.
    pub fn share(self, parts: u32, of: u32, rounding: Rounding) -> Result<Self, Overflow> {
        let (product, whole) = (i128::from(self.0) * i128::from(parts), i128::from(of));
        let quotient = product.checked_div_euclid(whole).ok_or(Overflow)?;
        let up = match ((product.rem_euclid(whole) * 2).cmp(&whole), rounding) {
            (std::cmp::Ordering::Less, _) => 0,
            (std::cmp::Ordering::Greater, _) | (std::cmp::Ordering::Equal, Rounding::HalfUp) => 1,
            (std::cmp::Ordering::Equal, Rounding::HalfEven) => quotient.rem_euclid(2),
        };
        i64::try_from(quotient + up).map(Self).map_err(|_| Overflow)
    }

    /// Splits the amount in proportion to the amounts `over`, so that the parts add up to it (largest remainder): each
    /// gets its share rounded down, and the remaining units go one each to the shares with the largest remainders,
    /// first come first for equal ones.
    ///
    /// # Errors
    /// When an amount is negative, or there is nothing to spread it over.
    pub fn spread(self, over: &[Self]) -> Result<Vec<Self>, Overflow> {
        let whole: i128 = over.iter().map(|amount| i128::from(amount.0)).sum();
        if self.0 == 0 {
            return Ok(vec![Self::ZERO; over.len()]);
        }
        if self.0 < 0 || whole == 0 || over.iter().any(|amount| amount.0 < 0) {
            return Err(Overflow);
        }
        let exact: Vec<_> = over.iter().map(|amount| i128::from(self.0) * i128::from(amount.0)).collect();
        let mut parts: Vec<_> = exact.iter().map(|product| product / whole).collect();
        let mut cut: Vec<_> = (0..over.len()).collect();
        cut.sort_by_key(|index| std::cmp::Reverse(exact[*index] % whole));
        let left = i128::from(self.0) - parts.iter().sum::<i128>();
        for index in cut.into_iter().take(usize::try_from(left).map_err(|_| Overflow)?) {
            parts[index] += 1;
        }
        parts.into_iter().map(|part| i64::try_from(part).map(Self).map_err(|_| Overflow)).collect()
    }

    /// The amount with its currency.
    pub const fn of(self, currency: Currency) -> Money {
        Money { amount: self, currency }
    }

    /// The sum of amounts.
    pub fn sum(amounts: impl IntoIterator<Item = Self>) -> Result<Self, Overflow> {
        amounts.into_iter().try_fold(Self::ZERO, Self::plus)
    }
}

impl Serialize for Amount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

/// An amount and its currency, as in requests and responses. A client may send at most about a million euros, in the
/// currency's own scale ([`Currency::largest_named_amount`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "RawMoney")]
pub struct Money {
    /// The amount in minor units of the currency (cents). The largest amount that a client may send depends on the
    /// currency: 100,000,000 for EUR (1,000,000.00), 10,000,000,000,000 for IDR.
    #[schema(value_type = i64, example = 1250, minimum = 0)]
    pub amount: Amount,
    /// An ISO 4217 code.
    pub currency: Currency,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMoney {
    amount: i64,
    currency: Currency,
}

/// Reads an amount that the server stored: sums may be larger than what a client may send.
///
/// # Errors
/// When it is not an amount and its currency.
pub fn stored<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
    let RawMoney { amount, currency } = RawMoney::deserialize(deserializer)?;
    Ok(Amount::minor(amount).of(currency))
}

/// As [`stored`], for optional amounts.
///
/// # Errors
/// As [`stored`].
pub fn stored_if_any<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Money>, D::Error> {
    let raw = Option::<RawMoney>::deserialize(deserializer)?;
    Ok(raw.map(|RawMoney { amount, currency }| Amount::minor(amount).of(currency)))
}

impl TryFrom<RawMoney> for Money {
    type Error = String;

    fn try_from(raw: RawMoney) -> Result<Self, String> {
        let max = raw.currency.largest_named_amount();
        if (0..=max).contains(&raw.amount) {
            return Ok(Amount::minor(raw.amount).of(raw.currency));
        }
        let written = raw.currency.written(max);
        Err(format!("amount must be between 0 and {max} minor units ({written})"))
    }
}
