//! Typed ids: one type for each kind of object, a `UUIDv7` inside, a `TypeID` in JSON (`ord_01jd…`).
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

/// The value of each character of the alphabet; 255: it is none.
const DIGITS: [u8; 256] = {
    let mut digits = [u8::MAX; 256];
    let mut value = 0_u8;
    while (value as usize) < ALPHABET.len() {
        digits[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

/// Writes a uuid as the 26 characters of a `TypeID`: 130 bits, the two highest of them zero.
fn encode(uuid: Uuid, suffix: &mut [u8]) {
    let mut bits = uuid.as_u128();
    for character in suffix.iter_mut().rev() {
        *character = ALPHABET[(bits & 31) as usize];
        bits >>= 5;
    }
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
            let digit = DIGITS[usize::from(*byte)];
            (digit != u8::MAX).then_some((bits << 5) | u128::from(digit))
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
            /// The prefix before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, greater than every id that this process made before.
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id with this uuid, for uuids that were stored without a type.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// A random id of 122 bits, which contains no time and cannot be guessed.
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }

            /// The uuid, for columns without a type.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl $name {
            /// The bytes of the uuid, to be hashed.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// Calls `with` with the id as it is written.
            fn written<T>(self, with: impl FnOnce(&str) -> T) -> T {
                const START: &[u8] = concat!($prefix, "_").as_bytes();
                let mut text = [0_u8; START.len() + SUFFIX_LENGTH];
                text[..START.len()].copy_from_slice(START);
                encode(self.0, &mut text[START.len()..]);
                with(std::str::from_utf8(&text).unwrap_or_default())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.written(|text| f.pad(text))
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
                self.written(|text| serializer.serialize_str(text))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::text::parsed(deserializer)
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
    /// Identifies a user.
    UserId = "usr";
    /// Identifies a session, one sign-in on one device.
    SessionId = "ses";
    /// Identifies a guest, a client without an account.
    GuestId = "gst";
    /// Identifies a saved address of a user.
    AddressId = "adr";
    /// Identifies a device that receives push notifications.
    DeviceId = "dev";
    /// Identifies an invitation to work for a restaurant.
    InvitationId = "inv";
    /// Identifies a restaurant, the tenant.
    RestaurantId = "rst";
    /// Identifies a category of a menu.
    CategoryId = "cat";
    /// Identifies an item of a menu.
    ItemId = "itm";
    /// Identifies a modifier group, such as the size of an item.
    ModifierGroupId = "mgr";
    /// Identifies a modifier of a group.
    ModifierId = "mod";
    /// Identifies an image of a restaurant or an item.
    ImageId = "img";
    /// Identifies a cart at one restaurant.
    CartId = "crt";
    /// Identifies a quote.
    QuoteId = "quo";
    /// Identifies a coupon.
    CouponId = "cpn";
    /// Identifies an order.
    OrderId = "ord";
    /// Identifies an offline operation.
    SyncOperationId = "syn";
    /// Identifies a driver profile.
    DriverId = "drv";
    /// Identifies a delivery.
    DeliveryId = "dlv";
    /// Identifies a notification.
    NotificationId = "ntf";
    /// Identifies a message, a notification on one channel.
    MessageId = "msg";
    /// Identifies a password reset.
    ResetId = "rec";
    /// Identifies a sign-in that waits for the second factor.
    ChallengeId = "chl";
}
