//! Money: integer minor units of one currency, never a float, never an unchecked sum.

use std::fmt;

use serde::{Deserialize, Serialize};
use sqlx::Postgres;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef};
use utoipa::ToSchema;

/// The currencies of ISO 4217 in circulation, by the number of digits behind the point.
const EXPONENT_0: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
const EXPONENT_2: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD \
    CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL \
    HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR \
    MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD \
    SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER \
    ZAR ZMW ZWG";
const EXPONENT_3: &str = "BHD IQD JOD KWD LYD OMR TND";

/// A currency of ISO 4217, by its three letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency([u8; 3]);

/// The text is not a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a currency code of ISO 4217 in capitals, such as EUR")]
pub struct UnknownCurrency;

impl Currency {
    /// The three letters.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }

    /// Digits behind the point: 2 for EUR, 0 for JPY, 3 for KWD.
    pub fn exponent(self) -> u32 {
        let has = |list: &str| list.split(' ').any(|code| code == self.code());
        if has(EXPONENT_0) {
            0
        } else if has(EXPONENT_3) {
            3
        } else {
            2
        }
    }
}

impl std::str::FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(text: &str) -> Result<Self, UnknownCurrency> {
        let known =
            [EXPONENT_2, EXPONENT_0, EXPONENT_3].iter().flat_map(|list| list.split(' ')).any(|code| code == text);
        let letters = <[u8; 3]>::try_from(text.as_bytes()).map_err(|_| UnknownCurrency)?;
        if known { Ok(Self(letters)) } else { Err(UnknownCurrency) }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Currency {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::Type::String)
            .pattern(Some("^[A-Z]{3}$"))
            .description(Some("Currency code of ISO 4217."))
            .examples([serde_json::json!("EUR")])
            .build()
            .into()
    }
}

impl ToSchema for Currency {}

impl sqlx::Type<Postgres> for Currency {
    fn type_info() -> PgTypeInfo {
        <String as sqlx::Type<Postgres>>::type_info()
    }

    fn compatible(ty: &PgTypeInfo) -> bool {
        <String as sqlx::Type<Postgres>>::compatible(ty)
    }
}

impl<'r> sqlx::Decode<'r, Postgres> for Currency {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(<&str as sqlx::Decode<Postgres>>::decode(value)?.parse()?)
    }
}

impl sqlx::Encode<'_, Postgres> for Currency {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <&str as sqlx::Encode<Postgres>>::encode_by_ref(&self.code(), buffer)
    }
}

/// Minor units (cents) of a currency that is known from where the amount stands. Arithmetic is checked. What a client names
/// is read as [`Money`]; a bare amount is read only from what the house wrote itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Amount(i64);

/// A sum left the range of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the amount is too large")]
pub struct Overflow;

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many minor units.
    pub const fn minor(units: i64) -> Self {
        Self(units)
    }

    /// The minor units.
    pub const fn units(self) -> i64 {
        self.0
    }

    /// The sum.
    pub fn plus(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_add(other.0).map(Self).ok_or(Overflow)
    }

    /// The difference.
    pub fn minus(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_sub(other.0).map(Self).ok_or(Overflow)
    }

    /// So many of it.
    pub fn times(self, count: u32) -> Result<Self, Overflow> {
        self.0.checked_mul(i64::from(count)).map(Self).ok_or(Overflow)
    }

    /// So many parts of so many, rounded half to even: the one rounding rule of the house.
    ///
    /// # Errors
    /// When the share leaves the range of 64 bits, or there are no parts.
    pub fn share(self, parts: u32, of: u32) -> Result<Self, Overflow> {
        let (product, whole) = (i128::from(self.0) * i128::from(parts), i128::from(of));
        let quotient = product.checked_div_euclid(whole).ok_or(Overflow)?;
        let up = match (product.rem_euclid(whole) * 2).cmp(&whole) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Greater => 1,
            std::cmp::Ordering::Equal => quotient.rem_euclid(2),
        };
        i64::try_from(quotient + up).map(Self).map_err(|_| Overflow)
    }

    /// Spreads it over amounts in proportion to them, so that the parts add up to it: each gets its share rounded down,
    /// and what is left goes, a unit each, to those whose share was cut the most, the first of equals first.
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

    /// As it goes over the wire.
    pub const fn of(self, currency: Currency) -> Money {
        Money { amount: self, currency }
    }

    /// The sum of many.
    pub fn sum(amounts: impl IntoIterator<Item = Self>) -> Result<Self, Overflow> {
        amounts.into_iter().try_fold(Self::ZERO, Self::plus)
    }
}

impl Serialize for Amount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

/// The largest price, fee or tip a client may name, in minor units.
pub const LARGEST_NAMED_AMOUNT: i64 = 100_000_000;

/// An amount and its currency, as it goes over the wire. A client may name at most 100,000,000 minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "RawMoney")]
pub struct Money {
    /// Minor units (cents) of the currency.
    #[schema(value_type = i64, example = 1250, minimum = 0)]
    pub amount: Amount,
    /// ISO 4217.
    pub currency: Currency,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMoney {
    amount: i64,
    currency: Currency,
}

/// Reads what the house wrote itself: sums may be larger than what a client may name.
///
/// # Errors
/// When it is not an amount and its currency.
pub fn kept<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
    let RawMoney { amount, currency } = RawMoney::deserialize(deserializer)?;
    Ok(Amount::minor(amount).of(currency))
}

impl TryFrom<RawMoney> for Money {
    type Error = &'static str;

    fn try_from(raw: RawMoney) -> Result<Self, &'static str> {
        if (0..=LARGEST_NAMED_AMOUNT).contains(&raw.amount) {
            Ok(Amount::minor(raw.amount).of(raw.currency))
        } else {
            Err("amount must be between 0 and 100000000 minor units")
        }
    }
}
