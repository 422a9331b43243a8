//! Every statement on orders, their lines and the daily numbers.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde_json::json;
use sqlx::types::Json;
use uuid::Uuid;

use super::pricing::Sums;
use super::status::StatusChange;
use super::{Fulfilment, Order, OrderLine, OrderStatus, SoldModifier, TaxAt, Totals};
use crate::cart::StoredLine;
use crate::coupons::{self, CouponCode};
use crate::events::{self, Event, Recorded};
use crate::ids::{CartId, DriverId, ItemId, ModifierId, OrderId, QuoteId, RestaurantId, UserId};
use crate::menu;
use crate::menu::allergens::Effective;
use crate::money::{Amount, Currency};
use crate::place::Place;
use crate::problem::{OnConstraint as _, Problem};
use crate::restaurants::MemberRole;
use crate::restaurants::slots::Slot;
use crate::restaurants::tax::Rate;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// Orders without their lines.
macro_rules! orders {
    ([$($which:tt)+], $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"select id, number, restaurant_id, customer_id, cart_id, quote_id, fulfilment, status, version, currency,
                      items_total, tax_total, tax_included, tax_rates as "tax_rates: _", tax_nets as "tax_nets: _",
                      tax_amounts as "tax_amounts: _", delivery_fee, service_fee, tip, discount, total, address,
                      latitude, longitude, delivery_zone, lead_minutes, dining_table, note,
                      coupon_code as "coupon_code: _", scheduled_from, scheduled_until, slot, accept_by, promised_at,
                      cancellable_until, cancel_reason, placed_at, updated_at, closed_at
               from orders o "# + $($which)+,
            $($argument),+
        )
    };
}

pub mod answers;
pub mod history;
pub mod list;
pub mod quotes;
pub mod slots;

/// An order's row.
struct Row {
    id: OrderId,
    number: i32,
    restaurant_id: RestaurantId,
    customer_id: UserId,
    cart_id: Option<CartId>,
    quote_id: Option<QuoteId>,
    fulfilment: Fulfilment,
    status: OrderStatus,
    version: i64,
    currency: Currency,
    items_total: Amount,
    tax_total: Amount,
    tax_included: Amount,
    tax_rates: Vec<Rate>,
    tax_nets: Vec<Amount>,
    tax_amounts: Vec<Amount>,
    delivery_fee: Amount,
    service_fee: Amount,
    tip: Amount,
    discount: Amount,
    total: Amount,
    address: Option<String>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    delivery_zone: Option<String>,
    lead_minutes: i16,
    dining_table: Option<String>,
    note: Option<String>,
    coupon_code: Option<CouponCode>,
    scheduled_from: Option<DateTime<Utc>>,
    scheduled_until: Option<DateTime<Utc>>,
    slot: Option<DateTime<Utc>>,
    accept_by: Option<DateTime<Utc>>,
    promised_at: Option<DateTime<Utc>>,
    cancellable_until: Option<DateTime<Utc>>,
    cancel_reason: Option<String>,
    placed_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
}

/// A line's row.
struct LineRow {
    order_id: OrderId,
    line: i16,
    menu_item_id: ItemId,
    name: String,
    unit_price: Amount,
    quantity: i32,
    line_total: Amount,
    modifiers: Json<Vec<SoldModifier>>,
    taxes: Json<Vec<TaxAt>>,
    allergens: Json<Effective>,
    note: Option<String>,
}

impl LineRow {
    fn into_line(self, currency: Currency) -> OrderLine {
        OrderLine {
            line: self.line,
            item_id: self.menu_item_id,
            name: self.name,
            quantity: self.quantity,
            modifiers: self.modifiers.0,
            allergens: self.allergens.0,
            unit_price: self.unit_price.of(currency),
            total: self.line_total.of(currency),
            taxes: self.taxes.0,
            note: self.note,
        }
    }
}

impl Row {
    fn into_order(self, items: Vec<OrderLine>) -> Order {
        let of = |amount: Amount| amount.of(self.currency);
        let schedule = self.scheduled_from.zip(self.scheduled_until);
        let scheduled_for = schedule.map(|(starts_at, ends_at)| Slot { starts_at, ends_at });
        let by_rate = self.tax_rates.iter().zip(&self.tax_nets).zip(&self.tax_amounts);
        let by_rate = by_rate.map(|((rate, net), tax)| TaxAt { basis_points: *rate, net: of(*net), tax: of(*tax) });
        Order {
            id: self.id,
            number: self.number,
            restaurant_id: self.restaurant_id,
            customer_id: self.customer_id,
            cart_id: self.cart_id,
            quote_id: self.quote_id,
            fulfilment: self.fulfilment,
            status: self.status,
            version: self.version,
            currency: self.currency,
            items,
            totals: Totals {
                items: of(self.items_total),
                tax: of(self.tax_total),
                included_tax: of(self.tax_included),
                taxes: by_rate.collect(),
                delivery_fee: of(self.delivery_fee),
                service_fee: of(self.service_fee),
                tip: of(self.tip),
                discount: of(self.discount),
                total: of(self.total),
            },
            address: self.address,
            place: Place::from_columns(self.latitude, self.longitude),
            delivery_zone: self.delivery_zone,
            lead_minutes: self.lead_minutes,
            table: self.dining_table,
            note: self.note,
            coupon_code: self.coupon_code,
            scheduled_for,
            slot: self.slot,
            accept_by: self.accept_by,
            promised_at: self.promised_at,
            cancellable_until: self.cancellable_until,
            cancel_reason: self.cancel_reason,
            placed_at: self.placed_at,
            updated_at: self.updated_at,
            closed_at: self.closed_at,
        }
    }
}

/// Puts the lines under their orders.
async fn with_lines(tx: &mut Tx, rows: Vec<Row>) -> Result<Vec<Order>, Problem> {
    let restaurants: Vec<_> = rows.iter().map(|row| row.restaurant_id.uuid()).collect();
    let orders: Vec<_> = rows.iter().map(|row| row.id.uuid()).collect();
    let mut lines = sqlx::query_as!(
        LineRow,
        r#"select i.order_id, i.line, i.menu_item_id, i.name, i.unit_price, i.quantity, i.line_total, i.note,
                  i.modifiers as "modifiers: _", i.allergens as "allergens: _", i.taxes as "taxes: _"
           from unnest($1::uuid[], $2::uuid[]) as wanted(restaurant, id)
           join order_items i on i.restaurant_id = wanted.restaurant and i.order_id = wanted.id
           order by i.order_id, i.line"#,
        &restaurants,
        &orders,
    )
    .fetch_all(tx.connection())
    .await?;
    let take = |row: Row| {
        let mine = lines.extract_if(.., |line| line.order_id == row.id);
        let items = mine.map(|line| line.into_line(row.currency)).collect();
        row.into_order(items)
    };
    Ok(rows.into_iter().map(take).collect())
}

/// What a caller is to an order, and whose it is.
pub struct Party {
    /// Whose order it is to cook.
    pub restaurant: RestaurantId,
    /// The caller placed it.
    pub is_customer: bool,
    /// The caller works for the restaurant.
    pub rank: Option<MemberRole>,
    /// The caller carries it.
    pub is_carrier: bool,
}

/// What a user is to an order; `None` for an order that is not there or not theirs to see.
pub async fn party(
    tx: &mut Tx,
    order: OrderId,
    user: UserId,
    driver: Option<DriverId>,
) -> Result<Option<Party>, Problem> {
    let party = sqlx::query_as!(
        Party,
        r#"select o.restaurant_id as restaurant, o.customer_id = $2 as "is_customer!",
                  m.role as "rank?: MemberRole", d.id is not null as "is_carrier!"
           from orders o
           left join memberships m on m.restaurant_id = o.restaurant_id and m.user_id = $2
               and second_factor_suffices(m.restaurant_id, m.user_id)
           left join deliveries d on d.restaurant_id = o.restaurant_id and d.order_id = o.id and d.driver_id = $3
           where o.id = $1"#,
        order as OrderId,
        user as UserId,
        driver as Option<DriverId>,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(party)
}

/// One order.
pub async fn get(tx: &mut Tx, scope: &RestaurantScope, id: OrderId) -> Result<Option<Order>, Problem> {
    let row = orders!(["where restaurant_id = $1 and id = $2"], scope.restaurant() as RestaurantId, id as OrderId)
        .fetch_optional(tx.connection())
        .await?;
    let rows = row.into_iter().collect();
    Ok(with_lines(tx, rows).await?.pop())
}

/// One order, locked until the transaction ends.
pub async fn lock(tx: &mut Tx, scope: &RestaurantScope, id: OrderId) -> Result<Option<Order>, Problem> {
    sqlx::query!(
        "select id from orders where restaurant_id = $1 and id = $2 for no key update",
        scope.restaurant() as RestaurantId,
        id as OrderId,
    )
    .fetch_optional(tx.connection())
    .await?;
    get(tx, scope, id).await
}

/// An order about to be placed.
pub struct NewOrder {
    /// Its id.
    pub id: OrderId,
    /// Who places it.
    pub customer: UserId,
    /// From which cart, if from one.
    pub cart: Option<CartId>,
    /// From which quote, if from one.
    pub quote: Option<QuoteId>,
    /// How it reaches the guest.
    pub fulfilment: Fulfilment,
    /// Of the restaurant.
    pub currency: Currency,
    /// What it costs.
    pub sums: Sums,
    /// The coupon it uses.
    pub coupon_code: Option<CouponCode>,
    /// Where to.
    pub address: Option<String>,
    /// Where that is.
    pub place: Option<Place>,
    /// The zone that has it.
    pub delivery_zone: Option<String>,
    /// From ready to the door.
    pub lead_minutes: i16,
    /// Which table.
    pub table: Option<String>,
    /// A wish.
    pub note: Option<String>,
    /// For when; `None`: as soon as can be.
    pub scheduled: Option<Slot>,
    /// The slot it takes, where slots are bounded.
    pub slot: Option<DateTime<Utc>>,
    /// Until when the restaurant has to answer.
    pub accept_by: Option<DateTime<Utc>>,
    /// The restaurant's zone: the daily number begins at its midnight, on the day for which the order is.
    pub zone: Tz,
}

/// What placing came to.
pub enum Placed {
    /// Under this number.
    Numbered {
        /// The number people call out.
        number: i32,
        /// Something was taken to the last portion.
        sold_out: bool,
    },
    /// Of these items not enough is left; nothing was written.
    OutOfStock,
}

/// Takes stock, draws the day's number, writes order and lines, and closes the cart: one statement, short locks.
///
/// Stock rows are locked in the order of their ids, items before modifiers, so two orders of the same things never wait
/// for each other in a circle. What is taken is written to the ledger. If one thing falls short, nothing is written and the transaction must be rolled back.
#[expect(clippy::too_many_lines, reason = "one statement and its arguments")]
pub async fn insert(
    tx: &mut Tx,
    scope: &RestaurantScope,
    order: &NewOrder,
    lines: &[StoredLine],
) -> Result<Placed, Problem> {
    let now = tx.now();
    let due = order.scheduled.map_or(now, |slot| slot.starts_at);
    let day: NaiveDate = due.with_timezone(&order.zone).date_naive();
    let items: Vec<_> = lines.iter().map(|line| line.item_id.uuid()).collect();
    let names: Vec<_> = lines.iter().map(|line| line.name.clone()).collect();
    let prices: Vec<_> = lines.iter().map(|line| line.price.units()).collect();
    let quantities: Vec<_> = lines.iter().map(|line| line.quantity).collect();
    let counted: Vec<_> = lines.iter().map(|line| line.stock.is_some()).collect();
    let notes: Vec<_> = lines.iter().map(|line| line.note.clone()).collect();
    let modifiers: Vec<_> = lines.iter().map(|line| json!(line.modifiers(order.currency))).collect();
    let allergens: Vec<_> = lines.iter().map(|line| json!(line.allergens)).collect();
    let line_taxes: Vec<_> = order.sums.lines.iter().map(|line| json!(TaxAt::all(line, order.currency))).collect();
    let taxes = &order.sums.taxes;
    let tax_rates: Vec<_> = taxes.iter().map(|share| share.rate).collect();
    let tax_nets: Vec<_> = taxes.iter().map(|share| share.net).collect();
    let tax_amounts: Vec<_> = taxes.iter().map(|share| share.tax).collect();
    let (taken_modifiers, taken_counts) = counted_modifiers(lines);
    let row = sqlx::query!(
        r#"with wanted as materialized (
               select * from unnest($4::uuid[], $5::text[], $6::bigint[], $7::int[], $8::bool[], $9::text[],
                       $25::json[], $26::json[], $31::json[])
                   with ordinality as w(item, name, price, quantity, counted, note, modifiers, allergens, taxes, line)
           ), need as materialized (
               select item, sum(quantity)::int as quantity from wanted where counted group by item order by item
           ), locked as materialized (
               select i.id, n.quantity from need n
               join menu_items i on i.restaurant_id = $1 and i.id = n.item
               where i.stock >= n.quantity
               order by i.id for no key update of i
           ), items as materialized (
               select (select count(*) from locked) = (select count(*) from need) as ok
           ), locked_modifiers as materialized (
               select m.id, n.quantity from items
               cross join unnest($27::uuid[], $28::int[]) as n(modifier, quantity)
               join modifiers m on m.restaurant_id = $1 and m.id = n.modifier
               where items.ok and m.stock >= n.quantity
               order by m.id for no key update of m
           ), enough as materialized (
               select ok and (select count(*) from locked_modifiers) = cardinality($27::uuid[]) as ok from items
           ), taken as (
               update menu_items i set stock = i.stock - l.quantity, updated_at = $3
               from locked l, enough where enough.ok and i.restaurant_id = $1 and i.id = l.id
               returning i.id, l.quantity, i.stock
           ), taken_modifiers as (
               update modifiers m set stock = m.stock - l.quantity, updated_at = $3
               from locked_modifiers l, enough where enough.ok and m.restaurant_id = $1 and m.id = l.id
               returning m.id, l.quantity, m.stock
           ), written as (
               insert into stock_ledger (restaurant_id, item_id, modifier_id, order_id, delta, reason, at)
               select $1::uuid, id, null::uuid, $2::uuid, -quantity, 'SOLD', $3::timestamptz from taken
               union all select $1, null, id, $2, -quantity, 'SOLD', $3 from taken_modifiers
           ), counter as (
               insert into day_counters as c (restaurant_id, day, last_number)
               select $1, $10, 1 from enough where ok
               on conflict (restaurant_id, day) do update set last_number = c.last_number + 1
               returning last_number
           ), placed as (
               insert into orders (restaurant_id, id, customer_id, cart_id, day, number, fulfilment, status, currency,
                   items_total, tax_total, delivery_fee, service_fee, tip, discount, total, address, latitude,
                   longitude, dining_table, note, delivery_zone, lead_minutes, placed_at, updated_at, created_at,
                   tax_included, tax_rates, tax_nets, tax_amounts, accept_by, cancellable_until, quote_id, coupon_code,
                   scheduled_from, scheduled_until, slot)
               select $1, $2, $11, $12, $10, last_number, $13, 'PENDING', $14, $15, $16, $17, $36, $18, $37, $19, $20,
                   $21, $22, $23, $24, $29, $30, $3, $3, $3, $32, $33, $34, $35, $38, $38,
                   $39, $40, $41, $42, $43
               from counter
               returning number
           ), sold as (
               insert into order_items (restaurant_id, order_id, line, menu_item_id, name, unit_price, quantity,
                   line_total, note, modifiers, allergens, taxes)
               select $1, $2, line, item, name, price, quantity, price * quantity, note, modifiers, allergens, taxes
               from wanted, enough where ok
           ), closed as (
               update carts set status = 'ORDERED', order_id = $2, version = version + 1, updated_at = $3
               from enough where ok and restaurant_id = $1 and id = $12
           )
           select number, exists (select from taken where stock = 0)
                       or exists (select from taken_modifiers where stock = 0) as "sold_out!"
           from placed"#,
        scope.restaurant() as RestaurantId,
        order.id as OrderId,
        now,
        &items,
        &names,
        &prices,
        &quantities,
        &counted,
        &notes as &[Option<String>],
        day,
        order.customer as UserId,
        order.cart as Option<CartId>,
        order.fulfilment as Fulfilment,
        order.currency as Currency,
        order.sums.items as Amount,
        order.sums.tax as Amount,
        order.sums.delivery_fee as Amount,
        order.sums.tip as Amount,
        order.sums.total as Amount,
        order.address,
        order.place.map(Place::lat),
        order.place.map(Place::lng),
        order.table,
        order.note,
        &modifiers,
        &allergens,
        &taken_modifiers,
        &taken_counts,
        order.delivery_zone,
        order.lead_minutes,
        &line_taxes,
        order.sums.included_tax as Amount,
        &tax_rates as &[Rate],
        &tax_nets as &[Amount],
        &tax_amounts as &[Amount],
        order.sums.service_fee as Amount,
        order.sums.discount as Amount,
        order.accept_by,
        order.quote as Option<QuoteId>,
        order.coupon_code.as_ref().map(CouponCode::as_str),
        order.scheduled.map(|slot| slot.starts_at),
        order.scheduled.map(|slot| slot.ends_at),
        order.slot,
    )
    .fetch_optional(tx.connection())
    .await
    .on_constraint("orders_cart_key", Problem::not_found)?;
    Ok(row.map_or(Placed::OutOfStock, |row| Placed::Numbered { number: row.number, sold_out: row.sold_out }))
}

/// What all lines together take of each counted modifier.
fn counted_modifiers(lines: &[StoredLine]) -> (Vec<Uuid>, Vec<i32>) {
    let mut need: BTreeMap<ModifierId, i32> = BTreeMap::new();
    for line in lines {
        for (modifier, portions) in &line.takes {
            let portions = i32::try_from(*portions).unwrap_or(i32::MAX).saturating_mul(line.quantity);
            let sum = need.entry(*modifier).or_default();
            *sum = sum.saturating_add(portions);
        }
    }
    need.into_iter().map(|(modifier, portions)| (modifier.uuid(), portions)).unzip()
}

/// Saves a step that the state machine allowed, returns stock where it comes back, and appends the event: the only
/// statement that writes a status after placement.
pub async fn save_status(
    tx: &mut Tx,
    scope: &RestaurantScope,
    order: &Order,
    change: StatusChange,
) -> Result<Order, Problem> {
    let now = tx.now();
    let saved = sqlx::query!(
        "update orders set status = $5, version = version + 1, updated_at = $6, closed_at = $7,
             cancel_reason = case when $5 = 'CANCELLED'::order_status then $8 else cancel_reason end,
             promised_at = coalesce($9, promised_at), cancellable_until = $10
         where restaurant_id = $1 and id = $2 and version = $3 and status = $4",
        scope.restaurant() as RestaurantId,
        order.id as OrderId,
        order.version,
        change.from() as OrderStatus,
        change.to() as OrderStatus,
        now,
        change.closed_at(),
        change.reason().unwrap_or("Cancelled"),
        change.promised_at(),
        change.cancellable_until(),
    )
    .execute(tx.connection())
    .await?;
    if saved.rows_affected() != 1 {
        return Err(Problem::internal(&"a locked order changed under its lock"));
    }
    if change.returns_stock() {
        give_back(tx, scope, order).await?;
    }
    let changed = get(tx, scope, order.id).await?.ok_or_else(Problem::not_found)?;
    events::publish(tx, scope, Event::OrderStatusChanged(&changed)).await?;
    Ok(changed)
}

/// Whatever the order took comes back, in the sequence in which it was taken (`place.rs`).
async fn give_back(tx: &mut Tx, scope: &RestaurantScope, order: &Order) -> Result<(), Problem> {
    let is_back_on_the_menu = return_stock(tx, scope, order.id).await?;
    if let Some(slot) = order.slot {
        slots::give_back(tx, scope, slot).await?;
    }
    if order.coupon_code.is_some() {
        coupons::sql::give_back(tx, scope, order.id).await?;
    }
    if is_back_on_the_menu { menu::sql::announce(tx, scope).await } else { Ok(()) }
}

/// What the ledger says an order took comes back, where it is still counted. `true`: something that was sold out can be
/// had again. Locks in the same order as `insert`.
async fn return_stock(tx: &mut Tx, scope: &RestaurantScope, order: OrderId) -> Result<bool, Problem> {
    let now = tx.now();
    let returned = sqlx::query!(
        r#"with taken as materialized (
               select item_id, modifier_id, -sum(delta)::int as portions from stock_ledger
               where restaurant_id = $1 and order_id = $2 group by item_id, modifier_id having sum(delta) < 0
           ), locked as materialized (
               select i.id, t.portions from taken t
               join menu_items i on i.restaurant_id = $1 and i.id = t.item_id
               order by i.id for no key update of i
           ), locked_modifiers as materialized (
               select m.id, t.portions from (select count(*) from locked) as first cross join taken t
               join modifiers m on m.restaurant_id = $1 and m.id = t.modifier_id
               order by m.id for no key update of m
           ), items as (
               update menu_items i set stock = i.stock + l.portions, updated_at = $3
               from locked l where i.restaurant_id = $1 and i.id = l.id and i.stock is not null
               returning i.id, l.portions, i.stock
           ), back as (
               update modifiers m set stock = m.stock + l.portions, updated_at = $3
               from locked_modifiers l where m.restaurant_id = $1 and m.id = l.id and m.stock is not null
               returning m.id, l.portions, m.stock
           ), written as (
               insert into stock_ledger (restaurant_id, item_id, modifier_id, order_id, delta, reason, at)
               select $1::uuid, id, null::uuid, $2::uuid, portions, 'RETURNED', $3::timestamptz from items
               union all select $1, null, id, $2, portions, 'RETURNED', $3 from back
           )
           select exists (select from items where stock = portions)
               or exists (select from back where stock = portions) as "back_again!""#,
        scope.restaurant() as RestaurantId,
        order as OrderId,
        now,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(returned.back_again)
}

/// The events of an order and of its delivery after a number, oldest first.
pub async fn events(
    tx: &mut Tx,
    scope: &RestaurantScope,
    order: OrderId,
    after: i64,
    limit: i64,
) -> Result<Vec<Recorded>, Problem> {
    let events = sqlx::query_as!(
        Recorded,
        r#"select seq, restaurant_id, order_id, aggregate_id, aggregate, customer_id, name, version, actor, at,
                  payload as "payload: _"
           from events where restaurant_id = $1 and order_id = $2 and seq > $3 and seq < event_horizon()
           order by seq limit $4"#,
        scope.restaurant() as RestaurantId,
        order as OrderId,
        after,
        limit,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(events)
}
