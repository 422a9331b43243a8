//! Devices that receive push notifications. Pure.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::profile::Locale;
use crate::ids::DeviceId;
use crate::text::SingleLine;

/// The push service of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum DeviceKind {
    /// Firebase Cloud Messaging: Android, iOS.
    Fcm,
    /// Web Push, in a browser.
    WebPush,
}

/// A device that receives push notifications.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushDevice {
    /// The id of the device.
    pub id: DeviceId,
    /// The push service.
    pub kind: DeviceKind,
    /// The language of the messages, a BCP 47 tag.
    #[schema(example = "it")]
    pub locale: String,
    /// When the device was registered.
    pub created_at: DateTime<Utc>,
    /// When the device was last registered.
    pub updated_at: DateTime<Utc>,
}

/// A device to register.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDevice {
    /// The push service.
    pub kind: DeviceKind,
    /// `fcm`: the registration token. `webpush`: the browser's subscription, as JSON text.
    #[schema(inline)]
    pub target: SingleLine<2000>,
    /// The language of the messages, a BCP 47 tag.
    pub locale: Locale,
}
