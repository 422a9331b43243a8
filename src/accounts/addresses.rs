//! The addresses that a user saves. Pure.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::AddressId;
use crate::place::Place;
use crate::text::{MultiLine, SingleLine};

/// An address saved by the user.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavedAddress {
    /// The id of the address.
    pub id: AddressId,
    /// A label such as "Home" or "Office".
    #[schema(example = "Home")]
    pub label: Option<String>,
    /// Street and house number.
    #[schema(example = "Via del Pratello 12")]
    pub address: String,
    /// The coordinates; null: not stated.
    pub place: Option<Place>,
    /// A note for drivers, such as floor or bell.
    pub note: Option<String>,
    /// When the address was created.
    pub created_at: DateTime<Utc>,
    /// When the address was last changed.
    pub updated_at: DateTime<Utc>,
}

/// The content of a saved address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAddress {
    /// A label such as "Home" or "Office".
    #[schema(inline)]
    pub label: Option<SingleLine<60>>,
    /// Street and house number.
    #[schema(inline)]
    pub address: MultiLine<300>,
    /// The coordinates; null: not stated.
    pub place: Option<Place>,
    /// A note for drivers, such as floor or bell.
    #[schema(inline)]
    pub note: Option<MultiLine<300>>,
}
