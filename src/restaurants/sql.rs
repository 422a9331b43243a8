//! Every statement on restaurants; in this file those that read them.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use sqlx::types::Json;
use uuid::Uuid;

use super::contact::Contact;
use super::fulfilments::Fulfilments;
use super::hours::Schedule;
use super::last_orders::{LastOrders, OpenNow};
use super::order_rules::{OrderRules, RulesOfDay};
use super::service_fee::ServiceFee;
use super::slots::SlotRules;
use super::tax::{Rate, TaxRoundingLevel};
use super::{Pause, Restaurant};
use crate::ids::RestaurantId;
use crate::images::Image;
use crate::money::{Amount, Currency, Rounding};
use crate::place::Place;
use crate::problem::Problem;
use crate::uow::Tx;

pub mod hours;
pub mod invitations;
pub mod members;
pub mod profile;
pub mod search;
pub mod tax;
pub mod zones;

pub use members::{
    MemberAccess, change_role, member_access, member_access_at, member_roles, members, memberships_of, put_member,
    remove_member, require_second_factor, requires_second_factor,
};
pub use profile::{Profile, insert, lock, next_version, set_pause, update};

use hours::{StoredException, StoredSpan};
use tax::StoredClass;
use zones::StoredZone;

/// A restaurant's row, with the hours that decide whether it is open.
#[expect(clippy::struct_excessive_bools, reason = "a row of the table, as it is")]
struct Row {
    id: RestaurantId,
    slug: String,
    name: String,
    description: Option<String>,
    cuisines: Vec<String>,
    contact: Json<Contact>,
    address: String,
    latitude: f64,
    longitude: f64,
    timezone: String,
    currency: Currency,
    prices_include_tax: bool,
    tax_rate: Rate,
    tax_rounding: Rounding,
    tax_rounding_level: TaxRoundingLevel,
    delivery_fee: Amount,
    service_fee_rate: Rate,
    service_fee_cap: Option<Amount>,
    service_fee_fixed: Amount,
    minimum_order: Amount,
    auto_accept: bool,
    accept_minutes: Option<i16>,
    preparation_minutes: i16,
    slot_minutes: i16,
    slot_capacity: Option<i32>,
    schedule_days: i16,
    always_open: bool,
    last_orders: Json<LastOrders>,
    accepting: bool,
    paused_until: Option<DateTime<Utc>>,
    pause_reason: Option<String>,
    menu_version: i64,
    version: i64,
    created_at: DateTime<Utc>,
    image: Option<Json<Image>>,
    weekly: Json<Vec<StoredSpan>>,
    exceptions: Json<Vec<StoredException>>,
    tax_classes: Json<Vec<StoredClass>>,
    zones: Option<Json<Vec<StoredZone>>>,
}

impl Row {
    fn into_restaurant(self, now: DateTime<Utc>) -> Result<Restaurant, Problem> {
        self.into_restaurant_and_schedule(now).map(|(restaurant, _)| restaurant)
    }

    fn pause(&self) -> Option<Pause> {
        let (until, reason) = self.paused_until.zip(self.pause_reason.as_ref())?;
        Some(Pause { until, reason: reason.clone() })
    }

    fn into_restaurant_and_schedule(self, now: DateTime<Utc>) -> Result<(Restaurant, Schedule), Problem> {
        let pause = self.pause();
        let schedule = hours::schedule(self.always_open, self.weekly, self.exceptions);
        let service_fee =
            ServiceFee { share: self.service_fee_rate, cap: self.service_fee_cap, fixed: self.service_fee_fixed };
        let restaurant = Restaurant {
            id: self.id,
            slug: self.slug,
            name: self.name,
            description: self.description,
            cuisines: self.cuisines,
            contact: self.contact.0,
            address: self.address,
            place: Place::new(self.latitude, self.longitude).map_err(|error| Problem::internal(&error))?,
            timezone: self.timezone,
            currency: self.currency,
            prices_include_tax: self.prices_include_tax,
            tax_basis_points: self.tax_rate,
            tax_classes: tax::classes(self.tax_classes)?,
            tax_rounding: self.tax_rounding,
            tax_rounding_level: self.tax_rounding_level,
            delivery_fee: self.delivery_fee.of(self.currency),
            service_fee: service_fee.terms(self.currency),
            minimum_order: self.minimum_order.of(self.currency),
            auto_accept: self.auto_accept,
            accept_minutes: self.accept_minutes,
            preparation_minutes: self.preparation_minutes,
            slots: SlotRules {
                minutes: self.slot_minutes,
                capacity: self.slot_capacity,
                days_ahead: self.schedule_days,
            },
            accepting: self.accepting,
            always_open: self.always_open,
            last_orders: self.last_orders.0,
            open: OpenNow::default(),
            open_now: false,
            open_for: Fulfilments::default(),
            pause: None,
            image: self.image.map(|image| image.0),
            hours: schedule.weekly.clone(),
            menu_version: self.menu_version,
            version: self.version,
            created_at: self.created_at,
        };
        let zone = restaurant.zone()?;
        Ok((restaurant.at(zone, &schedule, pause.as_ref(), now), schedule))
    }
}

/// Restaurants with their weekly hours and the exceptions of them from two days before `$today`, a date in UTC, to
/// `$last`. The local date differs from that in UTC by at most a day, and a span of the day before may still be open.
/// To determine whether it is open now, two days after today are enough, because a span of the next day may follow
/// without a gap. `$zones` is the expression that selects delivery zones.
macro_rules! restaurants {
    ($today:tt, $last:tt, $zones:tt, $which:tt, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"select r.id, slug, name, description, cuisines, contact as "contact: _", address, latitude, longitude,
                      timezone, currency, prices_include_tax, tax_rate, tax_rounding as "tax_rounding: _",
                      tax_rounding_level as "tax_rounding_level: _", delivery_fee, service_fee_rate, service_fee_cap,
                      service_fee_fixed, minimum_order, auto_accept, accept_minutes, preparation_minutes, slot_minutes,
                      slot_capacity, schedule_days, always_open, last_orders as "last_orders: _", accepting,
                      paused_until, pause_reason,
                      coalesce((select m.version from menus m where m.restaurant_id = r.id), 1) as "menu_version!",
                      version, created_at,
                      (select shown from images i where i.restaurant_id = r.id and i.id = r.image_id) as "image: _",
                      weekly.spans as "weekly!: _", exceptions.days as "exceptions!: _",
                      (select coalesce(json_agg(t order by t.name), '[]') from tax_classes t
                       where t.restaurant_id = r.id) as "tax_classes!: _",
                      "# + $zones + r#" as "zones: _"
               from restaurants r
               cross join lateral (
                   select coalesce(json_agg(json_build_object('weekday', weekday, 'opens', opens, 'closes', closes,
                              'delivery', delivery, 'pickup', pickup, 'dine_in', dine_in)
                              order by weekday, opens), '[]') as spans
                   from opening_hours where restaurant_id = r.id) weekly
               cross join lateral (
                   select coalesce(json_agg(json_build_object('day', d.day, 'note', d.note, 'spans', (
                              select coalesce(json_agg(json_build_object('opens', opens, 'closes', closes,
                                  'delivery', delivery, 'pickup', pickup, 'dine_in', dine_in) order by opens), '[]')
                              from exceptional_hours h where h.restaurant_id = r.id and h.day = d.day))), '[]') as days
                   from exceptional_days d where d.restaurant_id = r.id
                     and d.day between "# + $today + "::date - 2 and " + $last + ") exceptions " + $which,
            $($argument),+
        )
    };
}

/// Reads one restaurant; `None`: there is none with this id.
pub async fn get(tx: &mut Tx, restaurant: RestaurantId) -> Result<Option<Restaurant>, Problem> {
    let now = tx.now();
    let row = restaurants!(
        "$2",
        "$2::date + 2",
        "null::json",
        "where r.id = $1",
        restaurant as RestaurantId,
        now.date_naive()
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| row.into_restaurant(now)).transpose()
}

/// Reads a restaurant for the decision on an order, with the exceptions of its hours up to `last_day` and its delivery
/// zones around `place`, in one statement. `None`: there is no such restaurant.
pub async fn order_rules(
    tx: &mut Tx,
    restaurant: RestaurantId,
    place: Option<Place>,
    last_day: NaiveDate,
) -> Result<Option<OrderRules>, Problem> {
    let now = tx.now();
    let row = restaurants!(
        "$2",
        "$5::date",
        "case when $3::float8 is not null and exists (select from delivery_zones z where z.restaurant_id = r.id) then
             coalesce((select json_agg(z order by z.position) from delivery_zones z where z.restaurant_id = r.id
                       and $3 between z.west and z.east and $4::float8 between z.south and z.north), '[]') end",
        "where r.id = $1",
        restaurant as RestaurantId,
        now.date_naive(),
        place.map(Place::lng),
        place.map(Place::lat),
        last_day,
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(mut row) = row else { return Ok(None) };
    let zones = row.zones.take().map(|zones| zones.0.into_iter().map(StoredZone::into_zone).collect());
    let (restaurant, schedule) = row.into_restaurant_and_schedule(now)?;
    Ok(Some(OrderRules { restaurant, schedule: Arc::new(schedule), zones: zones.transpose()? }))
}

/// Reads a restaurant with everything at it that orders depend on, for all instants of the current UTC day. `None`:
/// there is no such restaurant.
pub async fn rules_of_day(
    tx: &mut Tx,
    restaurant: RestaurantId,
    last_day: NaiveDate,
) -> Result<Option<RulesOfDay>, Problem> {
    let now = tx.now();
    let row = restaurants!(
        "$2",
        "$3::date",
        "(select json_agg(z order by z.position) from delivery_zones z where z.restaurant_id = r.id)",
        "where r.id = $1",
        restaurant as RestaurantId,
        now.date_naive(),
        last_day,
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(mut row) = row else { return Ok(None) };
    let zones = row.zones.take().map(|zones| zones.0.into_iter().map(StoredZone::into_bounded_zone).collect());
    let pause = row.pause();
    let (restaurant, schedule) = row.into_restaurant_and_schedule(now)?;
    RulesOfDay::new(now.date_naive(), restaurant, schedule, pause, zones.transpose()?).map(Some)
}

/// The preparation time of a restaurant, from confirmation to ready.
pub async fn preparation(tx: &mut Tx, restaurant: RestaurantId) -> Result<TimeDelta, Problem> {
    let row = sqlx::query!("select preparation_minutes from restaurants where id = $1", restaurant as RestaurantId)
        .fetch_optional(tx.connection())
        .await?
        .ok_or_else(Problem::not_found)?;
    Ok(TimeDelta::minutes(row.preparation_minutes.into()))
}

/// The rules of the slots of a restaurant, and its time zone.
pub async fn slot_rules(tx: &mut Tx, restaurant: RestaurantId) -> Result<(SlotRules, Tz), Problem> {
    let row = sqlx::query!(
        "select slot_minutes, slot_capacity, schedule_days, timezone from restaurants where id = $1",
        restaurant as RestaurantId,
    )
    .fetch_optional(tx.connection())
    .await?
    .ok_or_else(Problem::not_found)?;
    let rules = SlotRules { minutes: row.slot_minutes, capacity: row.slot_capacity, days_ahead: row.schedule_days };
    Ok((rules, row.timezone.parse().map_err(|error| Problem::internal(&error))?))
}

/// These restaurants, in any order.
pub async fn among(tx: &mut Tx, restaurants: &[Uuid]) -> Result<Vec<Restaurant>, Problem> {
    let now = tx.now();
    let rows = restaurants!("$2", "$2::date + 2", "null::json", "where r.id = any($1)", restaurants, now.date_naive());
    let rows = rows.fetch_all(tx.connection()).await?;
    rows.into_iter().map(|row| row.into_restaurant(now)).collect()
}
