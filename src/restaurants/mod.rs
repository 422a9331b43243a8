//! Restaurants: the tenants, with their settings, opening hours and members.
//!
//! An administrator creates a restaurant; its managers run it. Staff permissions come only from rows in `memberships`.
//! Hours are local, half-open spans; whether a restaurant is open is decided by one pure function (`hours.rs`). A pause
//! stops orders until a given time. Delivery areas and fees are in `zones.rs`, tax rates in `tax.rs`, the service fee
//! in `service_fee.rs`, and the slots of scheduled orders in `slots.rs`.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use utoipa::ToSchema;

use crate::actor::MemberRole;
use crate::ids::{RestaurantId, UserId};
use crate::images::Image;
use crate::money::{Money, Rounding};
use crate::place::Place;
use crate::problem::Problem;

pub mod access;
pub mod actions;
pub mod contact;
pub mod event;
pub mod fulfilments;
mod geojson;
pub mod geometry;
pub mod hours;
pub mod http;
pub mod invitations;
pub mod last_orders;
pub mod order_rules;
pub mod service_fee;
pub mod slots;
pub mod sql;
pub mod tax;
pub mod timeline;
pub mod zones;

use contact::Contact;
use fulfilments::Fulfilments;
use hours::{Schedule, Span};
use last_orders::{LastOrders, OpenNow};
use service_fee::ServiceFeeTerms;
use slots::SlotRules;
use tax::{ClassRates, Rate, TaxRoundingLevel, TaxRules};

/// A pause: no orders are accepted until it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Pause {
    /// When the pause ends.
    pub until: DateTime<Utc>,
    /// A reason for customers.
    #[schema(example = "The oven is being repaired")]
    pub reason: String,
}

/// A restaurant and its settings.
#[expect(clippy::struct_excessive_bools, reason = "five independent settings, each with its name in the API")]
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Restaurant {
    /// The id of the restaurant.
    pub id: RestaurantId,
    /// The name in URLs.
    #[schema(example = "night-owl-diner")]
    pub slug: String,
    /// The name of the restaurant.
    pub name: String,
    /// A description for customers.
    pub description: Option<String>,
    /// The cuisines it serves, such as "pizza".
    pub cuisines: Vec<String>,
    /// How customers reach the restaurant.
    pub contact: Contact,
    /// Street and house number.
    pub address: String,
    /// The location of the restaurant.
    pub place: Place,
    /// The IANA time zone.
    #[schema(example = "Europe/Rome")]
    pub timezone: String,
    /// An ISO 4217 code.
    #[schema(value_type = String, example = "EUR")]
    pub currency: crate::money::Currency,
    /// Whether prices and fees include tax; if not, tax is added to them.
    pub prices_include_tax: bool,
    /// The standard tax rate, in hundredths of a percent.
    #[schema(inline)]
    pub tax_basis_points: Rate,
    /// Tax classes with other rates, by fulfilment.
    pub tax_classes: Vec<ClassRates>,
    /// How half a minor unit of tax, service fee, coupon and distance fee is rounded.
    pub tax_rounding: Rounding,
    /// Whether tax is rounded for each line and fee, or for the whole order.
    pub tax_rounding_level: TaxRoundingLevel,
    /// The delivery fee, if the restaurant has no zones.
    pub delivery_fee: Money,
    /// The service fee.
    pub service_fee: ServiceFeeTerms,
    /// The least that the lines must cost.
    pub minimum_order: Money,
    /// Whether new orders are confirmed automatically.
    pub auto_accept: bool,
    /// How many minutes an order may wait to be accepted before the system cancels it; null: `ORDER_ACCEPT_WITHIN`.
    pub accept_minutes: Option<i16>,
    /// Preparation time in minutes, from confirmation to ready.
    pub preparation_minutes: i16,
    /// The slots of scheduled orders.
    pub slots: SlotRules,
    /// False: no orders are accepted for now.
    pub accepting: bool,
    /// The restaurant's image; absent: it has none.
    pub image: Option<Image>,
    /// Open around the clock except for exceptions of the hours; then there are no weekly hours.
    pub always_open: bool,
    /// Weekly opening hours; empty: closed, unless `alwaysOpen` is true.
    pub hours: Vec<Span>,
    /// By fulfilment: until when before closing orders are accepted, and until when after closing they are handed over.
    pub last_orders: LastOrders,
    /// The current opening periods by fulfilment.
    #[serde(skip)]
    pub open: OpenNow,
    /// Whether an order would be accepted now.
    pub open_now: bool,
    /// The fulfilments for which an order would be accepted now. For a delivery the travel time is not included: the
    /// slots for an address are exact.
    #[schema(inline)]
    pub open_for: Fulfilments,
    /// No orders until then; null: no pause.
    pub pause: Option<Pause>,
    /// Increases with every change of the menu.
    pub menu_version: i64,
    /// Increases with every change of the restaurant.
    pub version: i64,
    /// When the restaurant was created.
    pub created_at: DateTime<Utc>,
}

impl Restaurant {
    /// The same restaurant with what depends on the time as it is at an instant: whether it is open, and its pause,
    /// unless it has ended.
    #[must_use]
    pub fn at(self, zone: Tz, schedule: &Schedule, pause: Option<&Pause>, now: DateTime<Utc>) -> Self {
        let pause = pause.filter(|pause| now < pause.until);
        let open = OpenNow::of(self.accepting, pause, schedule, zone, now);
        let open_for = open.takes(self.preparation_minutes, &self.last_orders, now);
        Self { open, open_now: !open_for.is_empty(), open_for, pause: pause.cloned(), ..self }
    }

    /// The time zone of its hours.
    ///
    /// # Errors
    /// When the stored name is not a time zone.
    pub fn zone(&self) -> Result<Tz, Problem> {
        self.timezone.parse().map_err(|error| Problem::internal(&error))
    }

    /// The tax rules of the restaurant.
    pub fn tax_rules(&self) -> TaxRules {
        TaxRules {
            included: self.prices_include_tax,
            rounding: self.tax_rounding,
            level: self.tax_rounding_level,
            standard: self.tax_basis_points,
            classes: self.tax_classes.clone(),
        }
    }
}

/// A restaurant for which the user works, and the role.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// The id of the restaurant.
    pub restaurant_id: RestaurantId,
    /// The name of the restaurant.
    pub restaurant_name: String,
    /// The role at the restaurant.
    pub role: MemberRole,
}

/// A member of a restaurant's staff.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The id of the user.
    pub user_id: UserId,
    /// The e-mail address of the user.
    pub email: String,
    /// Whether the address was verified with a code. Until then the account may belong to somebody else.
    pub email_verified: bool,
    /// The name of the user.
    pub name: String,
    /// The role at the restaurant.
    pub role: MemberRole,
}
