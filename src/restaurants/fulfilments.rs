//! Sets of fulfilments, for opening hours and other settings.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ArrayBuilder, RefOr, Schema, Type};

use crate::fulfilment::Fulfilment;

/// A set of fulfilments; a list in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fulfilments {
    /// Whether DELIVERY is included.
    pub delivery: bool,
    /// Whether PICKUP is included.
    pub pickup: bool,
    /// Whether `DINE_IN` is included.
    pub dine_in: bool,
}

impl Default for Fulfilments {
    /// All fulfilments, for a span without a list.
    fn default() -> Self {
        Self::ALL
    }
}

impl Fulfilments {
    /// The set of all fulfilments.
    pub const ALL: Self = Self { delivery: true, pickup: true, dine_in: true };
    /// The empty set.
    pub const NONE: Self = Self { delivery: false, pickup: false, dine_in: false };

    /// Whether the set contains a fulfilment.
    pub const fn contains(self, fulfilment: Fulfilment) -> bool {
        match fulfilment {
            Fulfilment::Delivery => self.delivery,
            Fulfilment::Pickup => self.pickup,
            Fulfilment::DineIn => self.dine_in,
        }
    }

    /// The union of two sets.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            delivery: self.delivery || other.delivery,
            pickup: self.pickup || other.pickup,
            dine_in: self.dine_in || other.dine_in,
        }
    }

    /// Whether two sets intersect.
    pub const fn meets(self, other: Self) -> bool {
        (self.delivery && other.delivery) || (self.pickup && other.pickup) || (self.dine_in && other.dine_in)
    }

    /// Whether the set contains all fulfilments.
    pub const fn is_all(&self) -> bool {
        self.delivery && self.pickup && self.dine_in
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        !(self.delivery || self.pickup || self.dine_in)
    }

    /// The fulfilments of the set.
    pub fn iter(self) -> impl Iterator<Item = Fulfilment> {
        let all = [Fulfilment::Delivery, Fulfilment::Pickup, Fulfilment::DineIn];
        all.into_iter().filter(move |fulfilment| self.contains(*fulfilment))
    }
}

impl FromIterator<Fulfilment> for Fulfilments {
    fn from_iter<T: IntoIterator<Item = Fulfilment>>(fulfilments: T) -> Self {
        fulfilments.into_iter().fold(Self::NONE, |set, fulfilment| match fulfilment {
            Fulfilment::Delivery => Self { delivery: true, ..set },
            Fulfilment::Pickup => Self { pickup: true, ..set },
            Fulfilment::DineIn => Self { dine_in: true, ..set },
        })
    }
}

impl Serialize for Fulfilments {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Fulfilments {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named = Vec::<Fulfilment>::deserialize(deserializer)?;
        if named.is_empty() {
            return Err(serde::de::Error::custom("must have at least one fulfilment, or be absent for all of them"));
        }
        Ok(named.into_iter().collect())
    }
}

impl utoipa::PartialSchema for Fulfilments {
    fn schema() -> RefOr<Schema> {
        let words = ["DELIVERY", "PICKUP", "DINE_IN"];
        let one = utoipa::openapi::ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
        ArrayBuilder::new().schema_type(SchemaType::new(Type::Array)).items(one.build()).build().into()
    }
}

impl ToSchema for Fulfilments {}
