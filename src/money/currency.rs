//! Currencies: the codes of ISO 4217, their decimal digits, and the largest amount that clients may send in each.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use sqlx::Postgres;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef};
use utoipa::ToSchema;

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

/// The properties of a currency.
struct CurrencyProperties {
    exponent: u32,
    scale: u32,
}

/// Every currency by its code: a hash map, because a menu has a currency in each of its prices.
static CURRENCIES: LazyLock<HashMap<[u8; 3], CurrencyProperties>> = LazyLock::new(|| {
    let all = [(0, EXPONENT_0), (2, EXPONENT_2), (3, EXPONENT_3)];
    let known = |exponent: u32, code: &str| {
        let scale = UNITS_PER_EURO.iter().find(|(_, list)| list.split_ascii_whitespace().any(|one| one == code));
        let scale = scale.map_or(USUAL_SCALE, |(power, _)| *power);
        Some((code.as_bytes().try_into().ok()?, CurrencyProperties { exponent, scale }))
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
        CURRENCIES.get(&self.0).map_or(2, |one| one.exponent)
    }

    /// The largest price, fee, tip or other amount that a client may name, in minor units: about a million euros, in
    /// the currency's own scale. 100,000,000 for EUR (1,000,000.00), 1,000,000,000 for JPY, 10,000,000,000,000 for IDR.
    /// Sums that the server computes are limited only by 64 bits.
    pub fn largest_named_amount(self) -> i64 {
        const MILLION: i64 = 1_000_000;
        MILLION * 10_i64.pow(CURRENCIES.get(&self.0).map_or(USUAL_SCALE, |one| one.scale) + self.exponent())
    }

    /// An amount of minor units as a decimal number with the currency: `1000000.00 EUR`.
    pub(super) fn written(self, units: i64) -> String {
        let (digits, exponent) = (units.unsigned_abs().to_string(), self.exponent() as usize);
        let padded = format!("{digits:0>width$}", width = exponent + 1);
        let (whole, rest) = padded.split_at(padded.len() - exponent);
        if rest.is_empty() { format!("{whole} {self}") } else { format!("{whole}.{rest} {self}") }
    }
}

impl std::str::FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(text: &str) -> Result<Self, UnknownCurrency> {
        let letters = <[u8; 3]>::try_from(text.as_bytes()).map_err(|_| UnknownCurrency)?;
        if CURRENCIES.contains_key(&letters) { Ok(Self(letters)) } else { Err(UnknownCurrency) }
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
