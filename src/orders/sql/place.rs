//! The statement that places an order.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::json;
use uuid::Uuid;

use crate::cart::PricedLine;
use crate::coupons::CouponCode;
use crate::fulfilment::Fulfilment;
use crate::ids::{CartId, OrderId, QuoteId, RestaurantId, UserId};
use crate::money::{Amount, Currency, Rounding};
use crate::orders::limits::StoredNetwork;
use crate::orders::{Order, OrderLine, TaxAt};
use crate::place::Place;
use crate::problem::{OnConstraint as _, Problem};
use crate::restaurants::tax::{Rate, TaxRoundingLevel, TaxRules};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// The counted stock that all lines together take.
#[derive(Debug, Default)]
pub struct StockTaken {
    items: BTreeMap<Uuid, i32>,
    modifiers: BTreeMap<Uuid, i32>,
}

impl StockTaken {
    /// The stock that these lines take.
    pub fn by(lines: &[PricedLine]) -> Self {
        let mut taken = Self::default();
        let add = |sum: &mut i32, portions: i32| *sum = sum.saturating_add(portions);
        for line in lines {
            if line.stock.is_some() {
                add(taken.items.entry(line.item_id.uuid()).or_default(), line.quantity);
            }
            for (modifier, take) in &line.required_portions {
                let portions = i32::try_from(take.portions).unwrap_or(i32::MAX).saturating_mul(line.quantity);
                add(taken.modifiers.entry(modifier.uuid()).or_default(), portions);
            }
        }
        taken
    }
}

/// The result of placing.
pub enum Placed {
    /// The order was written.
    Numbered {
        /// The order number.
        number: i32,
        /// Whether the stock of an item or modifier became so small that the menu may change.
        menu_changed: bool,
    },
    /// The stock is too low; nothing was written.
    OutOfStock,
}

fn column<T>(lines: &[OrderLine], value: impl Fn(&OrderLine) -> T) -> Vec<T> {
    lines.iter().map(value).collect()
}

fn by_rate<T>(taxes: &[TaxAt], value: impl Fn(&TaxAt) -> T) -> Vec<T> {
    taxes.iter().map(value).collect()
}

/// Takes stock, draws the number of the day, writes order and lines, closes the cart and uses the quote: in one
/// statement, so that locks are short. The order is written as given, except for the number.
///
/// Transactions that change stock of a restaurant run one after another (an advisory lock until the transaction ends):
/// locking rows in the order of their ids is not enough, because a row with several versions and key-share locks of
/// foreign keys is locked in several steps, between which two orders can deadlock. The stock taken is written to the
/// ledger. If any stock is too low, nothing is written and the transaction must be rolled back. `network`: the network
/// of the request, if it is counted.
#[expect(clippy::too_many_lines, reason = "one statement and its arguments")]
pub async fn insert(
    tx: &mut Tx,
    scope: &RestaurantScope,
    order: &Order,
    day: NaiveDate,
    taken: &StockTaken,
    tax: &TaxRules,
    network: Option<StoredNetwork>,
) -> Result<Placed, Problem> {
    let (lines, totals) = (&order.items, &order.totals);
    let (items, item_counts): (Vec<_>, Vec<_>) = taken.items.iter().unzip();
    let (modifiers, modifier_counts): (Vec<_>, Vec<_>) = taken.modifiers.iter().unzip();
    let row = sqlx::query!(
        r#"with turn as materialized (
               select pg_advisory_xact_lock(hashtextextended('stock ' || $1::uuid::text, 0))
               where cardinality($4::uuid[]) + cardinality($6::uuid[]) > 0
           ), items as materialized (
               select i.id, n.quantity from (select count(*) from turn) as first
               cross join unnest($4::uuid[], $5::int[]) as n(item, quantity)
               join menu_items i on i.restaurant_id = $1 and i.id = n.item
               where i.stock >= n.quantity
               order by i.id for no key update of i
           ), enough_items as materialized (
               select (select count(*) from items) = cardinality($4::uuid[]) as ok
           ), modifiers_left as materialized (
               select m.id, n.quantity from enough_items
               cross join unnest($6::uuid[], $7::int[]) as n(modifier, quantity)
               join modifiers m on m.restaurant_id = $1 and m.id = n.modifier
               where enough_items.ok and m.stock >= n.quantity
               order by m.id for no key update of m
           ), enough as materialized (
               select ok and (select count(*) from modifiers_left) = cardinality($6::uuid[]) as ok from enough_items
           ), taken as (
               update menu_items i set stock = i.stock - l.quantity, updated_at = $3
               from items l, enough where enough.ok and i.restaurant_id = $1 and i.id = l.id
               returning i.id, l.quantity, i.stock
           ), taken_modifiers as (
               update modifiers m set stock = m.stock - l.quantity, updated_at = $3
               from modifiers_left l, enough where enough.ok and m.restaurant_id = $1 and m.id = l.id
               returning m.id, m.group_id, l.quantity, m.stock
           ), written as (
               insert into stock_ledger (restaurant_id, item_id, modifier_id, order_id, delta, reason, at)
               select $1::uuid, id, null::uuid, $2::uuid, -quantity, 'SOLD', $3::timestamptz from taken
               union all select $1, null, id, $2, -quantity, 'SOLD', $3 from taken_modifiers
           ), counter as (
               insert into day_counters as c (restaurant_id, day, last_number)
               select $1, $8, 1 from enough where ok
               on conflict (restaurant_id, day) do update set last_number = c.last_number + 1
               returning last_number
           ), placed as (
               insert into orders (restaurant_id, id, placed_at, updated_at, created_at, day, number, status,
               customer_id,
                   cart_id, quote_id, fulfilment, currency, items_total, tax_total, tax_included, tax_rates, tax_nets,
                   tax_amounts, delivery_fee, service_fee, tip, discount, total, coupon_code, address, latitude,
                   longitude, delivery_zone, lead_minutes, dining_table, note, scheduled_from, scheduled_until, slot,
                   accept_by, cancellable_until, tax_rounding, tax_rounding_level, ready_from, ready_until, lines_size)
               select $1, $2, $3, $3, $3, $8, last_number, 'PENDING', $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                   $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37,
                   $48, $49, $50, $51, $53
               from counter
               returning number
           ), sold as (
               insert into order_items (restaurant_id, order_id, customer_id, line, menu_item_id, name, unit_price,
                   quantity, line_total, note, modifiers, allergens, taxes)
               select $1, $2, $9, w.* from enough, unnest($38::smallint[], $39::uuid[], $40::text[], $41::bigint[],
                   $42::int[], $43::bigint[], $44::text[], $45::json[], $46::json[], $47::json[]) as w
               where ok
           ), closed as (
               update carts set status = 'ORDERED', order_id = $2, version = version + 1, updated_at = $3
               from enough where ok and restaurant_id = $1 and id = $10
           ), came_from as (
               insert into order_networks (restaurant_id, order_id, network, site, for_later, placed_at,
                   unanswered_portions)
               select $1, $2, $52, $54, $33::timestamptz is not null, $3, $55 from enough
               where ok and $52::bytea is not null
           ), used as (
               update quotes set order_id = $2 from enough where ok and restaurant_id = $1 and id = $11
           )
           select number, exists (select from taken where stock = 0)
                       or exists (select from (select group_id, min(stock) as least from taken_modifiers
                                               where stock is not null group by group_id) of_group
                                  where menu_shows_stock($1, group_id, least + 1, least)) as "menu_changed!"
           from placed"#,
        scope.restaurant() as RestaurantId,
        order.id as OrderId,
        order.placed_at,
        &items as &[&Uuid],
        &item_counts as &[&i32],
        &modifiers as &[&Uuid],
        &modifier_counts as &[&i32],
        day,
        order.customer_id as UserId,
        order.cart_id as Option<CartId>,
        order.quote_id as Option<QuoteId>,
        order.fulfilment as Fulfilment,
        order.currency as Currency,
        totals.items.amount as Amount,
        totals.tax.amount as Amount,
        totals.included_tax.amount as Amount,
        &by_rate(&totals.taxes, |at| at.basis_points) as &[Rate],
        &by_rate(&totals.taxes, |at| at.net.amount) as &[Amount],
        &by_rate(&totals.taxes, |at| at.tax.amount) as &[Amount],
        totals.delivery_fee.amount as Amount,
        totals.service_fee.amount as Amount,
        totals.tip.amount as Amount,
        totals.discount.amount as Amount,
        totals.total.amount as Amount,
        order.coupon_code.as_ref().map(CouponCode::as_str),
        order.address,
        order.place.map(Place::lat),
        order.place.map(Place::lng),
        order.delivery_zone,
        order.lead_minutes,
        order.table,
        order.note,
        order.scheduled_for.map(|slot| slot.starts_at),
        order.scheduled_for.map(|slot| slot.ends_at),
        order.slot,
        order.accept_by,
        order.cancellable_until,
        &column(lines, |line| line.line),
        &column(lines, |line| line.item_id.uuid()),
        &column(lines, |line| line.name.clone()),
        &column(lines, |line| line.unit_price.amount.units()),
        &column(lines, |line| line.quantity),
        &column(lines, |line| line.total.amount.units()),
        &column(lines, |line| line.note.clone()) as &[Option<String>],
        &column(lines, |line| json!(line.modifiers)),
        &column(lines, |line| json!(line.allergens)),
        &column(lines, |line| json!(line.taxes)),
        tax.rounding as Rounding,
        tax.level as TaxRoundingLevel,
        order.ready_from,
        order.ready_until,
        network.as_ref().map(|network| network.subnet.as_slice()),
        OrderLine::size_of(&order.items),
        network.as_ref().and_then(|network| network.site.as_ref()).map(<[u8; 16]>::as_slice),
        lines.iter().map(|line| line.quantity).sum::<i32>(),
    )
    .fetch_optional(tx.connection())
    .await
    .on_constraint("orders_cart_key", Problem::not_found)?;
    Ok(row.map_or(Placed::OutOfStock, |row| Placed::Numbered { number: row.number, menu_changed: row.menu_changed }))
}
