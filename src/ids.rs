//! Ids that cannot be mixed: one type a noun, a `UUIDv7` inside, a `TypeID` on the wire (`ord_01jd…`).
//!
//! `TypeID` 0.3: a prefix, an underscore, and the 128 bits of the uuid as 26 characters of Crockford's base32 in
//! lower case (<https://github.com/jetify-com/typeid>). A `UUIDv7` begins with its time, so ids sort by age.

use std::fmt;

use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX_LENGTH: usize = 26;

/// Why a text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be an id of the form {prefix}_ followed by 26 characters")]
pub struct InvalidId {
    prefix: &'static str,
}

/// Writes a uuid as the 26 characters of a `TypeID`: 130 bits, the two highest of them zero.
fn encode(uuid: Uuid) -> String {
    let mut bits = uuid.as_u128();
    let mut suffix = [b'0'; SUFFIX_LENGTH];
    for character in suffix.iter_mut().rev() {
        *character = ALPHABET[(bits & 31) as usize];
        bits >>= 5;
    }
    suffix.iter().map(|&byte| char::from(byte)).collect()
}

/// Reads the 26 characters back; `None` for a wrong length, a character outside the alphabet or more than 128 bits.
fn decode(suffix: &str) -> Option<Uuid> {
    let bytes = suffix.as_bytes();
    // The first character carries three bits only.
    if bytes.len() != SUFFIX_LENGTH || bytes[0] > b'7' {
        return None;
    }
    bytes
        .iter()
        .try_fold(0_u128, |bits, byte| {
            let digit = ALPHABET.iter().position(|letter| letter == byte)?;
            Some((bits << 5) | digit as u128)
        })
        .map(Uuid::from_u128)
}

fn parse(prefix: &'static str, text: &str) -> Result<Uuid, InvalidId> {
    text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).and_then(decode).ok_or(InvalidId { prefix })
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
        #[sqlx(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// What stands before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, later than every id this process made before.
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id with this uuid inside, for what was stored without its type.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// An id that says nothing of its time and cannot be guessed: 122 random bits.
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }

            /// The uuid inside, for the few places that speak to PostgreSQL without a typed column.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl $name {
            /// The bytes of the uuid, to be hashed.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", $prefix, encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse($prefix, text).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::String)
                    .pattern(Some(concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{25}$")))
                    .examples([serde_json::json!(concat!($prefix, "_01jd3k9y5xfmt8zq2v7c4n6b0e"))])
                    .build()
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    )*};
}

ids! {
    /// A person who signed up.
    UserId = "usr";
    /// One sign-in on one device.
    SessionId = "ses";
    /// Somebody without an account.
    GuestId = "gst";
    /// A place a user has things brought to.
    AddressId = "adr";
    /// Where pushes to a user go.
    DeviceId = "dev";
    /// Somebody is to work for a restaurant.
    InvitationId = "inv";
    /// A restaurant: the tenant.
    RestaurantId = "rst";
    /// A chapter of a menu.
    CategoryId = "cat";
    /// Something that can be ordered.
    ItemId = "itm";
    /// A question about an item, such as its size.
    ModifierGroupId = "mgr";
    /// An answer to it.
    ModifierId = "mod";
    /// Identifies an image of a restaurant or an item.
    ImageId = "img";
    /// A customer's basket at one restaurant.
    CartId = "crt";
    /// What a basket costs, promised until a time.
    QuoteId = "quo";
    /// Something off for whoever knows its code.
    CouponId = "cpn";
    /// Identifies an order, whatever its restaurant.
    OrderId = "ord";
    /// Something that was done offline.
    SyncOperationId = "syn";
    /// The profile of a user who delivers.
    DriverId = "drv";
    /// The way of an order to the delivery address.
    DeliveryId = "dlv";
    /// Something that somebody is told.
    NotificationId = "ntf";
    /// A notification on its way over one channel.
    MessageId = "msg";
    /// A request to recover an account.
    ResetId = "rec";
    /// Half a sign-in.
    ChallengeId = "chl";
}
