//! Statements that import orders of the past, many at a time.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;

use crate::fulfilment::Fulfilment;
use crate::ids::{OrderId, RestaurantId};
use crate::money::Currency;
use crate::orders::{Order, OrderLine, OrderStatus, TaxAt};
use crate::place::Place;
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// A closed order, and the restaurant's local day on which it was placed.
pub struct PastOrder {
    /// The order in its last state.
    pub order: Order,
    /// The day of its number.
    pub day: NaiveDate,
}

/// Whether an order exists.
pub async fn is_there(tx: &mut Tx, scope: &RestaurantScope, order: OrderId) -> Result<bool, Problem> {
    let found = sqlx::query!(
        "select id from orders where restaurant_id = $1 and id = $2",
        scope.restaurant() as RestaurantId,
        order as OrderId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(found.is_some())
}

/// Draws a number of order numbers on each of these days; returns the last one drawn on each.
pub async fn draw_numbers(
    tx: &mut Tx,
    scope: &RestaurantScope,
    requested: &[(NaiveDate, i32)],
) -> Result<Vec<(NaiveDate, i32)>, Problem> {
    let (days, counts): (Vec<_>, Vec<_>) = requested.iter().copied().unzip();
    let rows = sqlx::query!(
        "insert into day_counters as c (restaurant_id, day, last_number)
         select $1, * from unnest($2::date[], $3::int[])
         on conflict (restaurant_id, day) do update set last_number = c.last_number + excluded.last_number
         returning day, last_number",
        scope.restaurant() as RestaurantId,
        &days,
        &counts,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(|row| (row.day, row.last_number)).collect())
}

fn column<T>(orders: &[PastOrder], value: impl Fn(&Order) -> T) -> Vec<T> {
    orders.iter().map(|past| value(&past.order)).collect()
}

/// Writes closed orders with their lines. Stock is not changed.
pub async fn import(
    tx: &mut Tx,
    scope: &RestaurantScope,
    currency: Currency,
    orders: &[PastOrder],
) -> Result<(), Problem> {
    let days: Vec<_> = orders.iter().map(|past| past.day).collect();
    sqlx::query!(
        "insert into orders (restaurant_id, currency, id, customer_id, day, number, fulfilment, status, version,
             items_total, tax_total, delivery_fee, service_fee, tip, discount, total, address, latitude, longitude,
             dining_table, note, promised_at, cancel_reason, placed_at, updated_at, closed_at, created_at, tax_included,
             lines_size, tax_rates, tax_nets, tax_amounts)
         select $1, $2, id, customer_id, day, number, fulfilment, status, version, items_total, tax_total, delivery_fee,
             service_fee, tip, discount, total, address, latitude, longitude, dining_table, note, promised_at,
             cancel_reason, placed_at, updated_at, closed_at, placed_at, tax_included, lines_size,
             array(select (tax ->> 0)::int from json_array_elements(taxes) tax),
             array(select (tax ->> 1)::bigint from json_array_elements(taxes) tax),
             array(select (tax ->> 2)::bigint from json_array_elements(taxes) tax)
         from unnest($3::uuid[], $4::uuid[], $5::date[], $6::int[], $7::fulfilment[], $8::order_status[],
                     $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[],
                     $15::bigint[], $16::bigint[], $17::text[], $18::float8[], $19::float8[], $20::text[], $21::text[],
                     $22::timestamptz[], $23::text[], $24::timestamptz[], $25::timestamptz[], $26::timestamptz[],
                     $27::bigint[], $28::json[], $29::int[])
             as past(id, customer_id, day, number, fulfilment, status, version, items_total, tax_total, delivery_fee,
                     service_fee, tip, discount, total, address, latitude, longitude, dining_table, note, promised_at,
                     cancel_reason, placed_at, updated_at, closed_at, tax_included, taxes, lines_size)",
        scope.restaurant() as RestaurantId,
        currency as Currency,
        &column(orders, |order| order.id.uuid()),
        &column(orders, |order| order.customer_id.uuid()),
        &days,
        &column(orders, |order| order.number),
        &column(orders, |order| order.fulfilment) as &[Fulfilment],
        &column(orders, |order| order.status) as &[OrderStatus],
        &column(orders, |order| order.version),
        &column(orders, |order| order.totals.items.amount.units()),
        &column(orders, |order| order.totals.tax.amount.units()),
        &column(orders, |order| order.totals.delivery_fee.amount.units()),
        &column(orders, |order| order.totals.service_fee.amount.units()),
        &column(orders, |order| order.totals.tip.amount.units()),
        &column(orders, |order| order.totals.discount.amount.units()),
        &column(orders, |order| order.totals.total.amount.units()),
        &column(orders, |order| order.address.clone()) as &[Option<String>],
        &column(orders, |order| order.place.map(Place::lat)) as &[Option<f64>],
        &column(orders, |order| order.place.map(Place::lng)) as &[Option<f64>],
        &column(orders, |order| order.table.clone()) as &[Option<String>],
        &column(orders, |order| order.note.clone()) as &[Option<String>],
        &column(orders, |order| order.promised_at) as &[Option<DateTime<Utc>>],
        &column(orders, |order| order.cancel_reason.clone()) as &[Option<String>],
        &column(orders, |order| order.placed_at),
        &column(orders, |order| order.updated_at),
        &column(orders, |order| order.closed_at) as &[Option<DateTime<Utc>>],
        &column(orders, |order| order.totals.included_tax.amount.units()),
        &column(orders, |order| rates(&order.totals.taxes)),
        &column(orders, |order| OrderLine::size_of(&order.items)),
    )
    .execute(tx.connection())
    .await?;
    import_lines(tx, scope, orders).await
}

/// Rate, net amount and tax in the units of the table, for each rate.
fn rates(taxes: &[TaxAt]) -> serde_json::Value {
    let one = |at: &TaxAt| (at.basis_points.millionths(), at.net.amount, at.tax.amount);
    json!(taxes.iter().map(one).collect::<Vec<_>>())
}

async fn import_lines(tx: &mut Tx, scope: &RestaurantScope, orders: &[PastOrder]) -> Result<(), Problem> {
    let lines: Vec<(&Order, &OrderLine)> =
        orders.iter().flat_map(|past| past.order.items.iter().map(|line| (&past.order, line))).collect();
    sqlx::query!(
        "insert into order_items (restaurant_id, order_id, customer_id, line, menu_item_id, name, unit_price, quantity,
             line_total, note, taxes)
         select $1, * from unnest($2::uuid[], $3::uuid[], $4::smallint[], $5::uuid[], $6::text[], $7::bigint[],
             $8::int[], $9::bigint[], $10::text[], $11::json[])",
        scope.restaurant() as RestaurantId,
        &lines.iter().map(|(order, _)| order.id.uuid()).collect::<Vec<_>>(),
        &lines.iter().map(|(order, _)| order.customer_id.uuid()).collect::<Vec<_>>(),
        &lines.iter().map(|(_, line)| line.line).collect::<Vec<_>>(),
        &lines.iter().map(|(_, line)| line.item_id.uuid()).collect::<Vec<_>>(),
        &lines.iter().map(|(_, line)| line.name.clone()).collect::<Vec<_>>(),
        &lines.iter().map(|(_, line)| line.unit_price.amount.units()).collect::<Vec<_>>(),
        &lines.iter().map(|(_, line)| line.quantity).collect::<Vec<_>>(),
        &lines.iter().map(|(_, line)| line.total.amount.units()).collect::<Vec<_>>(),
        &lines.iter().map(|(_, line)| line.note.clone()).collect::<Vec<_>>() as &[Option<String>],
        &lines.iter().map(|(_, line)| json!(line.taxes)).collect::<Vec<_>>(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
