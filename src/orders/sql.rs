//! Every statement on orders; in this file those that read single orders.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Order, OrderLine, OrderStatus, SoldModifier, TaxAt, Totals};
use crate::coupons::CouponCode;
use crate::events::Recorded;
use crate::fulfilment::Fulfilment;
use crate::ids::{CartId, ItemId, OrderId, QuoteId, RestaurantId, UserId};
use crate::menu::allergens::Effective;
use crate::money::{Amount, Currency};
use crate::place::Place;
use crate::problem::Problem;
use crate::restaurants::slots::Slot;
use crate::restaurants::tax::Rate;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// Orders with their lines, in one statement. A `page` ends when the lines have the size `$max`, the number of a
/// parameter; the lines of later orders are not read.
macro_rules! orders {
    ([$($which:tt)+], $($argument:expr),+ $(,)?) => {
        orders!(from ["orders o " + $($which)+] caller ["null"], $($argument),+)
    };
    (page [$($which:tt)+] of $max:literal, $($argument:expr),+ $(,)?) => {
        orders!(
            from ["(select o.*, sum(lines_size) over (order by placed_at desc, id desc
                                                      rows between unbounded preceding and 1 preceding) as size_before
                    from orders o "
                + $($which)+
                + ") o where coalesce(size_before, 0) < "
                + $max
                + " order by placed_at desc, id desc"] caller ["null"],
            $($argument),+
        )
    };
    (from [$($from:tt)+] caller [$($caller:tt)+], $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"select id, number, restaurant_id, customer_id, cart_id, quote_id, fulfilment, status, version, currency,
                      items_total, tax_total, tax_included, tax_rates as "tax_rates: _", tax_nets as "tax_nets: _",
                      tax_amounts as "tax_amounts: _", delivery_fee, service_fee, tip, discount, total, address,
                      latitude, longitude, delivery_zone, lead_minutes, dining_table, note,
                      coupon_code as "coupon_code: _", scheduled_from, scheduled_until, slot, accept_by, promised_at,
                      ready_from, ready_until,
                      cancellable_until, cancel_reason, placed_at, updated_at, closed_at, lines_size,
                      (select json_agg(i order by i.line) from order_items i
                       where i.restaurant_id = o.restaurant_id and i.order_id = o.id) as "lines: _",
                      "# + $($caller)+ + r#" as "caller: _"
               from "# + $($from)+,
            $($argument),+
        )
    };
}

pub mod former_driver;
pub mod history;
pub mod limits;
pub mod list;
pub mod overdue;
pub mod place;
pub mod promise;
pub mod quotes;
pub mod relations;
pub mod slots;
pub mod status;

pub use relations::{OrderRelations, SeenOrder, relations_to_all, seen};
pub use status::save_status;

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
    ready_from: Option<DateTime<Utc>>,
    ready_until: Option<DateTime<Utc>>,
    cancellable_until: Option<DateTime<Utc>>,
    cancel_reason: Option<String>,
    placed_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
    lines_size: i32,
    lines: Option<Json<Vec<OrderLineRow>>>,
    /// Only of an order that is read with the relations of a caller.
    caller: Option<Json<relations::CallerRow>>,
}

/// A line's row.
#[derive(Deserialize)]
struct OrderLineRow {
    line: i16,
    menu_item_id: Uuid,
    name: String,
    unit_price: Amount,
    quantity: i32,
    line_total: Amount,
    modifiers: Vec<SoldModifier>,
    taxes: Vec<TaxAt>,
    allergens: Effective,
    note: Option<String>,
}

impl OrderLineRow {
    fn into_line(self, currency: Currency) -> OrderLine {
        OrderLine {
            line: self.line,
            item_id: ItemId::from_uuid(self.menu_item_id),
            name: self.name,
            quantity: self.quantity,
            modifiers: self.modifiers,
            allergens: self.allergens,
            unit_price: self.unit_price.of(currency),
            total: self.line_total.of(currency),
            taxes: self.taxes,
            note: self.note,
        }
    }
}

impl Row {
    fn into_order(self) -> Order {
        let lines = self.lines.map(|lines| lines.0).unwrap_or_default();
        let items = lines.into_iter().map(|line| line.into_line(self.currency)).collect();
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
            ready_from: self.ready_from,
            ready_until: self.ready_until,
            cancellable_until: self.cancellable_until,
            cancel_reason: self.cancel_reason,
            placed_at: self.placed_at,
            updated_at: self.updated_at,
            closed_at: self.closed_at,
        }
    }
}

/// Reads one order with its lines; `None`: the restaurant has none with this id.
pub async fn get(tx: &mut Tx, scope: &RestaurantScope, id: OrderId) -> Result<Option<Order>, Problem> {
    let row = orders!(["where restaurant_id = $1 and id = $2"], scope.restaurant() as RestaurantId, id as OrderId)
        .fetch_optional(tx.connection())
        .await?;
    Ok(row.map(Row::into_order))
}

/// One order, locked. Its lines never change, so they are read in the same statement, although it may wait for the lock
/// after its snapshot was taken.
pub async fn lock(tx: &mut Tx, scope: &RestaurantScope, id: OrderId) -> Result<Option<Order>, Problem> {
    let row = orders!(
        ["where restaurant_id = $1 and id = $2 for no key update"],
        scope.restaurant() as RestaurantId,
        id as OrderId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(Row::into_order))
}

/// The events of an order and of its delivery after a number, oldest first: at most `limit`, and no more of them once
/// they exceed `max_bytes` together.
pub async fn events(
    tx: &mut Tx,
    scope: &RestaurantScope,
    order: OrderId,
    after: i64,
    limit: i64,
    max_bytes: i64,
) -> Result<Vec<Recorded>, Problem> {
    let events = sqlx::query_as!(
        Recorded,
        r#"select seq as "seq!", restaurant_id as "restaurant_id!", order_id, aggregate_id as "aggregate_id!",
                  aggregate as "aggregate!", customer_id, driver_id, former_driver_id, closed as "closed!",
                  name as "name!",
                  version as "version!", actor as "actor!: _", at as "at!", payload as "payload!: _"
           from (select *, sum(octet_length(payload::text)) over (order by seq) - octet_length(payload::text) as before
                 from (select * from events
                       where restaurant_id = $1 and order_id = $2 and seq > $3 and seq < event_horizon()
                       order by seq limit $4) page) sized
           where before <= $5 order by seq"#,
        scope.restaurant() as RestaurantId,
        order as OrderId,
        after,
        limit,
        max_bytes,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(events)
}
