//! Restaurants: the tenants, their opening hours, and who works for them.
//!
//! An administrator creates a restaurant; its managers run it. Staff permission is a row in `memberships` and nothing
//! else. Hours are local, half-open spans; whether a restaurant is open is one pure function (`hours.rs`). A pause stops
//! orders until a time that it names. Where it delivers, and at which fee, is in `zones.rs`; at which rates it is taxed,
//! in `tax.rs`; what it takes for its service, in `service_fee.rs`; for which times one may order ahead, in `slots.rs`.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use utoipa::ToSchema;

use crate::actor::MemberRole;
use crate::ids::{RestaurantId, UserId};
use crate::money::{Money, Rounding};
use crate::pictures::Image;
use crate::place::Place;
use crate::problem::Problem;

pub mod area;
pub mod contact;
pub mod event;
pub mod fulfilments;
pub mod geometry;
pub mod hours;
pub mod http;
pub mod image;
pub mod invitations;
pub mod last_orders;
pub mod members;
pub mod opening;
pub mod search;
pub mod security;
pub mod service_fee;
pub mod slots;
pub mod sql;
pub mod staff;
pub mod tax;
pub mod timeline;
pub mod zones;

use contact::Contact;
use fulfilments::Fulfilments;
use hours::Span;
use last_orders::{LastOrders, OpenNow};
use service_fee::ServiceFeeTerms;
use slots::SlotRules;
use tax::{ClassRates, Rate, TaxRoundingLevel, TaxRules};

/// No orders for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Pause {
    /// When it ends by itself.
    pub until: DateTime<Utc>,
    /// Why, for the guests.
    #[schema(example = "The oven is being repaired")]
    pub reason: String,
}

/// A restaurant, as everybody may see it.
#[expect(clippy::struct_excessive_bools, reason = "five things that are so or not, each by its name on the wire")]
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Restaurant {
    /// Its id.
    pub id: RestaurantId,
    /// Its name in addresses.
    #[schema(example = "night-owl-diner")]
    pub slug: String,
    /// Its name.
    pub name: String,
    /// What it is like.
    pub description: Option<String>,
    /// What it cooks.
    pub cuisines: Vec<String>,
    /// How guests reach it.
    pub contact: Contact,
    /// Street and number.
    pub address: String,
    /// Where that is.
    pub place: Place,
    /// IANA zone.
    #[schema(example = "Europe/Rome")]
    pub timezone: String,
    /// ISO 4217.
    #[schema(value_type = String, example = "EUR")]
    pub currency: crate::money::Currency,
    /// Prices and fees hold the tax already; else it is added to them.
    pub prices_include_tax: bool,
    /// Tax on what has no class, in hundredths of a percent.
    #[schema(inline)]
    pub tax_basis_points: Rate,
    /// Tax on what has a class, by fulfilment.
    pub tax_classes: Vec<ClassRates>,
    /// Which way half a minor unit goes, of tax, of shares such as the service fee and coupons, and of distance fees.
    pub tax_rounding: Rounding,
    /// Whether tax is rounded on each line and fee, or on the whole order.
    pub tax_rounding_level: TaxRoundingLevel,
    /// Added to every delivery.
    pub delivery_fee: Money,
    /// What it takes for its service.
    pub service_fee: ServiceFeeTerms,
    /// Lines must come to this at least.
    pub minimum_order: Money,
    /// New orders are confirmed at once.
    pub auto_accept: bool,
    /// How long an order may wait for an answer before the system cancels it, in minutes; null: as everywhere.
    pub accept_minutes: Option<i16>,
    /// From confirmation to ready, in minutes.
    pub preparation_minutes: i16,
    /// How it takes orders for later.
    pub slots: SlotRules,
    /// False: takes no orders for the moment.
    pub accepting: bool,
    /// Its picture.
    pub image: Option<Image>,
    /// Open around the clock, but for the exceptions of its hours; then there are no weekly hours.
    pub always_open: bool,
    /// Weekly opening hours; empty: closed, unless it is always open.
    pub hours: Vec<Span>,
    /// Until when before closing orders are taken, and until when after closing they are handed over, by fulfilment.
    pub last_orders: LastOrders,
    /// For which it is open at the moment, and until when.
    #[serde(skip)]
    pub open: OpenNow,
    /// Whether an order for now would be taken at the time of the answer: it is open, and the last order is not over.
    pub open_now: bool,
    /// For which fulfilments an order for now would be taken at the time of the answer. For a delivery the way to the door
    /// counts besides: the slots for a door say it exactly.
    #[schema(inline)]
    pub open_for: Fulfilments,
    /// No orders until then; null: no pause.
    pub pause: Option<Pause>,
    /// Grows with every change of the menu.
    pub menu_version: i64,
    /// Grows with every change of the restaurant.
    pub version: i64,
    /// When it joined.
    pub created_at: DateTime<Utc>,
}

impl Restaurant {
    /// The zone in which its hours are meant.
    ///
    /// # Errors
    /// When it is none.
    pub fn zone(&self) -> Result<Tz, Problem> {
        self.timezone.parse().map_err(|error| Problem::internal(&error))
    }

    /// How it taxes what it sells.
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

/// Where a user works, and as what.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// The restaurant.
    pub restaurant_id: RestaurantId,
    /// Its name.
    pub restaurant_name: String,
    /// The rank.
    pub role: MemberRole,
}

/// Somebody who works for a restaurant.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The user.
    pub user_id: UserId,
    /// Their address.
    pub email: String,
    /// Their name.
    pub name: String,
    /// Their rank.
    pub role: MemberRole,
}
