//! Which notifications a user wants, and by which channels. Pure. They are only stored: this version sends no
//! notifications about orders and no marketing.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The channels of one kind of notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationChannels {
    /// By push notification to devices.
    pub push: bool,
    /// By text message.
    pub sms: bool,
    /// Notifications by e-mail.
    pub email: bool,
}

impl NotificationChannels {
    const ALL: Self = Self { push: true, sms: true, email: true };
    const NONE: Self = Self { push: false, sms: false, email: false };
}

/// Which notifications the user wants. Only stored: this version sends no notifications about orders and no marketing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationPreferences {
    /// Codes, password changes, new devices; cannot be switched off.
    pub security: NotificationChannels,
    /// The status of the user's orders.
    pub order: NotificationChannels,
    /// Offers and news.
    pub marketing: NotificationChannels,
}

impl NotificationPreferences {
    /// The default: notifications of orders, no marketing.
    pub const DEFAULT: Self = Self {
        security: NotificationChannels::ALL,
        order: NotificationChannels::ALL,
        marketing: NotificationChannels::NONE,
    };

    /// Preferences with these channels; security notifications are always sent.
    pub const fn chosen(order: NotificationChannels, marketing: NotificationChannels) -> Self {
        Self { security: NotificationChannels::ALL, order, marketing }
    }
}
