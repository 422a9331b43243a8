//! Statements that write the settings of a restaurant.

use std::collections::HashSet;

use chrono_tz::Tz;
use sqlx::types::Json;

use super::tax;
use crate::fold;
use crate::ids::{ImageId, RestaurantId};
use crate::money::{Amount, Currency, Rounding};
use crate::place::Place;
use crate::problem::{Code, OnConstraint as _, Problem};
use crate::restaurants::Pause;
use crate::restaurants::contact::Contact;
use crate::restaurants::last_orders::LastOrders;
use crate::restaurants::service_fee::ServiceFee;
use crate::restaurants::slots::SlotRules;
use crate::restaurants::tax::{Rate, TaxRoundingLevel, TaxRules};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// The settings of a restaurant.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The name in URLs.
    pub slug: String,
    /// The restaurant's name.
    pub name: String,
    /// The description for customers.
    pub description: Option<String>,
    /// The cuisines it serves.
    pub cuisines: Vec<String>,
    /// The contact data.
    pub contact: Contact,
    /// Street and house number.
    pub address: String,
    /// The location of the restaurant.
    pub place: Place,
    /// The IANA time zone of its hours and order numbers.
    pub timezone: Tz,
    /// The tax rules.
    pub tax: TaxRules,
    /// The delivery fee without zones, in minor units.
    pub delivery_fee: Amount,
    /// The service fee.
    pub service_fee: ServiceFee,
    /// The minimum order, unless a zone has another one, in minor units.
    pub minimum_order: Amount,
    /// Whether orders are accepted automatically.
    pub auto_accept: bool,
    /// The minutes within which an order must be accepted; `None`: `ORDER_ACCEPT_WITHIN`.
    pub accept_minutes: Option<i16>,
    /// Minutes from confirmation to ready.
    pub preparation_minutes: i16,
    /// The slots of scheduled orders.
    pub slots: SlotRules,
    /// Whether it is open around the clock.
    pub always_open: bool,
    /// The last orders and hand-overs.
    pub last_orders: LastOrders,
    /// Whether orders are accepted.
    pub accepting: bool,
}

/// Creates a restaurant.
pub async fn insert(
    tx: &mut Tx,
    scope: &RestaurantScope,
    currency: Currency,
    profile: &Profile,
) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "insert into restaurants (id, slug, name, description, cuisines, address, latitude, longitude, timezone,
             currency, tax_rate, delivery_fee, minimum_order, auto_accept, preparation_minutes, accepting,
             created_at, updated_at, prices_include_tax, accept_minutes, contact, service_fee_rate, service_fee_cap,
             service_fee_fixed, slot_minutes, slot_capacity, schedule_days, tax_rounding, tax_rounding_level,
             always_open,
             last_orders, search_words)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17, $18, $19, $20, $21,
             $22, $23, $24, $25, $26, $27, $28, $29, $30, $31)",
        scope.restaurant() as RestaurantId,
        profile.slug,
        profile.name,
        profile.description,
        &profile.cuisines,
        profile.address,
        profile.place.lat(),
        profile.place.lng(),
        profile.timezone.name(),
        currency as Currency,
        profile.tax.standard as Rate,
        profile.delivery_fee as Amount,
        profile.minimum_order as Amount,
        profile.auto_accept,
        profile.preparation_minutes,
        profile.accepting,
        now,
        profile.tax.included,
        profile.accept_minutes,
        Json(&profile.contact) as _,
        profile.service_fee.share as Rate,
        profile.service_fee.cap as Option<Amount>,
        profile.service_fee.fixed as Amount,
        profile.slots.minutes,
        profile.slots.capacity,
        profile.slots.days_ahead,
        profile.tax.rounding as Rounding,
        profile.tax.level as TaxRoundingLevel,
        profile.always_open,
        Json(profile.last_orders) as _,
        &search_words(profile),
    )
    .execute(tx.connection())
    .await
    .on_constraint("restaurants_slug_key", slug_taken)?;
    tax::set(tx, scope, &profile.tax.classes).await
}

/// The search words of name and cuisines.
fn search_words(profile: &Profile) -> Vec<String> {
    fold::words_of(std::iter::once(profile.name.as_str()).chain(profile.cuisines.iter().map(String::as_str)))
}

/// The slug, or else the first of `slug-2`, `slug-3` … that no restaurant has: branches of a chain have one name.
pub async fn free_slug(tx: &mut Tx, preferred: String) -> Result<String, Problem> {
    let taken = sqlx::query_scalar!("select slug from restaurants where starts_with(slug, left($1, 70))", preferred)
        .fetch_all(tx.connection())
        .await?;
    let taken: HashSet<_> = taken.into_iter().collect();
    // At most 80 characters, all of them ASCII, as slugs are.
    let base = preferred.get(..70).unwrap_or(&preferred).trim_end_matches('-');
    let numbered = (2..).map(|number: u32| format!("{base}-{number}"));
    let mut candidates = std::iter::once(preferred.clone()).chain(numbered);
    candidates.find(|slug| !taken.contains(slug)).ok_or_else(slug_taken)
}

fn slug_taken() -> Problem {
    Problem::new(Code::AlreadyExists, "Another restaurant has this slug. Choose another slug.")
}

/// Locks a restaurant against other changes, and returns its version.
pub async fn lock(tx: &mut Tx, scope: &RestaurantScope) -> Result<(), Problem> {
    sqlx::query!("select id from restaurants where id = $1 for no key update", scope.restaurant() as RestaurantId)
        .fetch_optional(tx.connection())
        .await?
        .map(|_| ())
        .ok_or_else(Problem::not_found)
}

/// Writes the settings.
pub async fn update(tx: &mut Tx, scope: &RestaurantScope, profile: &Profile) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "update restaurants set slug = $2, name = $3, description = $4, cuisines = $5, address = $6, latitude = $7,
             longitude = $8, timezone = $9, tax_rate = $10, delivery_fee = $11, minimum_order = $12,
             auto_accept = $13, preparation_minutes = $14, accepting = $15, version = version + 1, updated_at = $16,
             prices_include_tax = $17, accept_minutes = $18, contact = $19, service_fee_rate = $20,
             service_fee_cap = $21, service_fee_fixed = $22, slot_minutes = $23, slot_capacity = $24, schedule_days =
             $25,
             tax_rounding = $26, tax_rounding_level = $27, always_open = $28, last_orders = $29, search_words = $30
         where id = $1",
        scope.restaurant() as RestaurantId,
        profile.slug,
        profile.name,
        profile.description,
        &profile.cuisines,
        profile.address,
        profile.place.lat(),
        profile.place.lng(),
        profile.timezone.name(),
        profile.tax.standard as Rate,
        profile.delivery_fee as Amount,
        profile.minimum_order as Amount,
        profile.auto_accept,
        profile.preparation_minutes,
        profile.accepting,
        now,
        profile.tax.included,
        profile.accept_minutes,
        Json(&profile.contact) as _,
        profile.service_fee.share as Rate,
        profile.service_fee.cap as Option<Amount>,
        profile.service_fee.fixed as Amount,
        profile.slots.minutes,
        profile.slots.capacity,
        profile.slots.days_ahead,
        profile.tax.rounding as Rounding,
        profile.tax.level as TaxRoundingLevel,
        profile.always_open,
        Json(profile.last_orders) as _,
        &search_words(profile),
    )
    .execute(tx.connection())
    .await
    .on_constraint("restaurants_slug_key", slug_taken)?;
    tax::set(tx, scope, &profile.tax.classes).await
}

/// Begins a pause, or ends it before its time. `false`: it already has this pause, or it is not paused.
pub async fn set_pause(tx: &mut Tx, scope: &RestaurantScope, pause: Option<&Pause>) -> Result<bool, Problem> {
    let now = tx.now();
    let changed = sqlx::query!(
        "update restaurants set paused_until = $2, pause_reason = $3, version = version + 1, updated_at = $4
         where id = $1
             and case when $2::timestamptz is null then paused_until > $4
                      else (paused_until, pause_reason) is distinct from ($2, $3) end",
        scope.restaurant() as RestaurantId,
        pause.map(|pause| pause.until),
        pause.map(|pause| &pause.reason),
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Increments the version, after a change in another table.
pub async fn next_version(tx: &mut Tx, scope: &RestaurantScope) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "update restaurants set version = version + 1, updated_at = $2 where id = $1",
        scope.restaurant() as RestaurantId,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Sets the image; `None` removes it. `false`: nothing changed, because this was its image already, or it had none.
pub async fn set_image(tx: &mut Tx, scope: &RestaurantScope, id: Option<ImageId>) -> Result<bool, Problem> {
    let now = tx.now();
    let changed = sqlx::query!(
        "update restaurants set image_id = $2, version = version + 1, updated_at = $3
         where id = $1 and image_id is distinct from $2",
        scope.restaurant() as RestaurantId,
        id as Option<ImageId>,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(changed.rows_affected() == 1)
}
