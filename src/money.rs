//! Money: integer minor units of one currency; no floats, and all arithmetic is checked.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use sqlx::Postgres;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef};
use utoipa::ToSchema;

use crate::work;

/// The currencies of ISO 4217 (list one of 2026-01-01) by the number of decimal digits; without funds codes, metals and
/// units of account. `tests/it/currencies/iso4217.csv` contains the list.
const EXPONENT_0: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF";
const EXPONENT_2: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD \
    CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL \
    HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR \
    MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD \
    SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER \
    ZAR ZMW ZWG";
const EXPONENT_3: &str = "BHD IQD JOD KWD LYD OMR TND";

/// Currencies by how many units are worth about one euro, as a power of ten, rounded up. For a currency in no list that
/// is up to about 30 units. Only the order of magnitude matters: it scales [`Currency::largest_named_amount`], which a
/// test holds between a quarter of a million and ten million euros at rates of 2026.
const UNITS_PER_EURO: [(u32, &str); 6] = [
    (0, "AUD AZN BAM BBD BHD BMD BND BSD BZD CAD CHF EUR FJD FKP GBP GIP JOD KWD KYD NZD OMR PAB SGD SHP TND USD"),
    (
        2,
        "AFN ALL BDT BTN CUP CVE DJF DOP DZD EGP ETB GMD GYD HTG INR ISK JMD JPY KES KGS LRD MKD MRU MUR MZN NIO NPR \
         PHP RSD RUB SRD THB TRY TWD UAH UYU VUV XPF ZWG",
    ),
    (3, "AMD AOA ARS CLP CRC HUF IQD KMF KPW KRW KZT LKR MWK NGN PKR RWF SDG SOS VED VES XAF XOF YER"),
    (4, "BIF CDF COP GNF KHR MGA MMK MNT PYG SSP SYP TZS UGX"),
    (5, "IDR LAK LBP UZS VND"),
    (7, "IRR"),
];
/// The power of ten for currencies in none of those lists.
const USUAL_SCALE: u32 = 1;

/// What is known of a currency.
struct KnownCurrency {
    exponent: u32,
    scale: u32,
}

/// Every currency: a menu names one with each of its prices.
static KNOWN: LazyLock<HashMap<[u8; 3], KnownCurrency>> = LazyLock::new(|| {
    let all = [(0, EXPONENT_0), (2, EXPONENT_2), (3, EXPONENT_3)];
    let known = |exponent: u32, code: &str| {
        let scale = UNITS_PER_EURO.iter().find(|(_, list)| list.split_ascii_whitespace().any(|one| one == code));
        let scale = scale.map_or(USUAL_SCALE, |(power, _)| *power);
        Some((code.as_bytes().try_into().ok()?, KnownCurrency { exponent, scale }))
    };
    let codes = all.into_iter().flat_map(|(exponent, list)| list.split(' ').map(move |code| (exponent, code)));
    codes.filter_map(|(exponent, code)| known(exponent, code)).collect()
});

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

    /// The number of decimal digits: 2 for EUR, 0 for JPY, 3 for KWD.
    pub fn exponent(self) -> u32 {
        KNOWN.get(&self.0).map_or(2, |known| known.exponent)
    }

    /// The largest price, fee, tip or other amount that a client may name, in minor units: about a million euros, in
    /// the currency's own scale. 100,000,000 for EUR (1,000,000.00), 1,000,000,000 for JPY, 10,000,000,000,000 for IDR.
    /// Sums that the server computes are limited only by 64 bits.
    pub fn largest_named_amount(self) -> i64 {
        const MILLION: i64 = 1_000_000;
        MILLION * 10_i64.pow(KNOWN.get(&self.0).map_or(USUAL_SCALE, |known| known.scale) + self.exponent())
    }

    /// An amount of minor units as a decimal number with the currency: `1000000.00 EUR`.
    fn written(self, units: i64) -> String {
        let (digits, exponent) = (units.unsigned_abs().to_string(), self.exponent() as usize);
        let padded = format!("{digits:0>width$}", width = exponent + 1);
        let (whole, rest) = padded.split_at(padded.len() - exponent);
        if rest.is_empty() { format!("{whole} {self}") } else { format!("{whole}.{rest} {self}") }
    }
}

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

impl std::str::FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(text: &str) -> Result<Self, UnknownCurrency> {
        let letters = <[u8; 3]>::try_from(text.as_bytes()).map_err(|_| UnknownCurrency)?;
        if KNOWN.contains_key(&letters) { Ok(Self(letters)) } else { Err(UnknownCurrency) }
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
        crate::text::parsed(deserializer)
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
        work::step(1);
        self.0.checked_add(other.0).map(Self).ok_or(Overflow)
    }

    /// The difference of two amounts in minor units.
    pub fn minus(self, other: Self) -> Result<Self, Overflow> {
        work::step(1);
        self.0.checked_sub(other.0).map(Self).ok_or(Overflow)
    }

    /// The amount times a count.
    pub fn times(self, count: u32) -> Result<Self, Overflow> {
        work::step(1);
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
