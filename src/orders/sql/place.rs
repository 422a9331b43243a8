//! The statement that places an order: the call of `place_order` in `migrations/0110_place_order.sql`.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Serialize;
use uuid::Uuid;

use crate::cart::PricedLine;
use crate::coupons::CouponCode;
use crate::events::EventKind;
use crate::fulfilment::Fulfilment;
use crate::idempotency::Claim;
use crate::ids::{CartId, OrderId, QuoteId, RestaurantId, UserId};
use crate::money::{Amount, Currency, Rounding};
use crate::orders::event::PlacedJson;
use crate::orders::limits::{MaxOrders, RECENT, StoredNetwork};
use crate::orders::{Order, OrderLine, TaxAt};
use crate::place::Place;
use crate::problem::{OnConstraint as _, Problem};
use crate::restaurants::tax::{Rate, TaxRoundingLevel, TaxRules};
use crate::tenancy::RestaurantScope;
use crate::uow::{OneCall, Tx};
use crate::written::MAX_BYTES_OF_OTHERS;

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

/// The result of placing in a transaction.
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

/// An order about to be written, with what its call needs beside its own fields.
pub struct NewRow<'a> {
    /// The order, but for its number.
    pub order: &'a Order,
    /// The local day to which its number belongs.
    pub day: NaiveDate,
    /// The counted stock that it takes.
    pub taken: &'a StockTaken,
    /// How its tax is rounded.
    pub tax: &'a TaxRules,
    /// The network of the request, if it is counted.
    pub network: Option<StoredNetwork>,
}

/// What a call that is a whole request also needs.
pub struct WholeRequest<'a> {
    /// The key of the request, under which its response is stored.
    pub claim: &'a Claim,
    /// The versions of what the decision was made on.
    pub decided_on: DecidedOn,
    /// The limits on orders; `None`: none applies.
    pub limits: Option<MaxOrders>,
    /// The event of the order as JSON.
    pub json: &'a PlacedJson,
}

/// The versions of what a decision was made on. They are compared when the order is written.
#[derive(Debug, Clone, Copy)]
pub struct DecidedOn {
    /// The version of the restaurant, which its hours, zones and taxes raise too.
    pub restaurant: i64,
    /// The version of its menu.
    pub menu: i64,
    /// The version of the cart; `None`: the order is not placed from a cart.
    pub cart: Option<i64>,
}

/// The result of the call.
struct CallResult {
    number: Option<i32>,
    menu_changed: bool,
    outcome: Option<String>,
}

fn column<T>(lines: &[OrderLine], value: impl Fn(&OrderLine) -> T) -> Vec<T> {
    lines.iter().map(value).collect()
}

fn as_json<'a, T: Serialize + 'a>(
    lines: &'a [OrderLine],
    value: impl Fn(&'a OrderLine) -> &'a T,
) -> Result<Vec<String>, sqlx::Error> {
    let text = |line| serde_json::to_string(value(line)).map_err(|error| sqlx::Error::Encode(error.into()));
    lines.iter().map(text).collect()
}

fn by_rate<T>(taxes: &[TaxAt], value: impl Fn(&TaxAt) -> T) -> Vec<T> {
    taxes.iter().map(value).collect()
}

/// Writes an order in the transaction. The order is written as given, except for the number. If any stock is too low,
/// nothing is written and the transaction must be rolled back.
pub async fn insert(tx: &mut Tx, scope: &RestaurantScope, row: &NewRow<'_>) -> Result<Placed, Problem> {
    let called = call(tx, scope, row, None).await.on_constraint("orders_cart_key", Problem::not_found)?;
    let CallResult { number, menu_changed, .. } = called;
    Ok(number.map_or(Placed::OutOfStock, |number| Placed::Numbered { number, menu_changed }))
}

/// Writes an order, its event and its stored response, in a transaction of its own; returns the order's number.
///
/// # Errors
/// Those of PostgreSQL, and those by which the function rolls back (`migrations/0110_place_order.sql`).
pub async fn insert_in_one_call(
    tx: &mut Tx,
    scope: &RestaurantScope,
    row: &NewRow<'_>,
    request: &WholeRequest<'_>,
) -> Result<OneCall<i32>, sqlx::Error> {
    let CallResult { number, outcome, .. } = call(tx, scope, row, Some(request)).await?;
    let Some(number) = number else {
        return Ok(if outcome.as_deref() == Some("OUTDATED") { OneCall::Outdated } else { OneCall::Declined });
    };
    let (event, response) = request.json.size();
    tx.note_bytes(event + response.min(MAX_BYTES_OF_OTHERS));
    tx.note_event();
    Ok(OneCall::Done(number))
}

/// The call of `place_order`, in a transaction or as a whole request.
#[expect(clippy::too_many_lines, reason = "one statement and its arguments")]
async fn call(
    tx: &mut Tx,
    scope: &RestaurantScope,
    row: &NewRow<'_>,
    request: Option<&WholeRequest<'_>>,
) -> Result<CallResult, sqlx::Error> {
    let NewRow { order, day, taken, tax, network } = row;
    let (lines, totals) = (&order.items, &order.totals);
    let (items, item_counts): (Vec<_>, Vec<_>) = taken.items.iter().unzip();
    let (modifiers, modifier_counts): (Vec<_>, Vec<_>) = taken.modifiers.iter().unzip();
    let claim = request.map(|request| request.claim.row());
    let versions = request.map(|request| request.decided_on);
    let is_flushed_later = tx.is_flushed_later();
    sqlx::query_as!(
        CallResult,
        r#"select number, menu_changed as "menu_changed!", outcome from place_order(
               $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
               $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44,
               $45, $46, $47, $48, $49, $50, $51, $52, $53, $54, $55, $56, $57, $58, $59, $60, $61, $62, $63, $64, $65,
               $66)"#,
        claim.map(|claim| claim.key),
        claim.map(|claim| claim.fingerprint),
        claim.map(|claim| claim.operation),
        is_flushed_later,
        versions.map(|versions| versions.restaurant),
        versions.map(|versions| versions.menu),
        versions.and_then(|versions| versions.cart),
        order.placed_at - RECENT,
        request.and_then(|request| request.limits).map(MaxOrders::parameter) as Option<Vec<Option<i64>>>,
        request.map(|_| EventKind::OrderPlaced.name()),
        request.map(|request| request.json.event_head.as_str()),
        request.map(|request| request.json.order_head.as_str()),
        request.map(|request| request.json.order_tail.as_str()),
        &items as &[&Uuid],
        &item_counts as &[&i32],
        &modifiers as &[&Uuid],
        &modifier_counts as &[&i32],
        network.as_ref().map(|network| network.subnet.as_slice()),
        network.as_ref().and_then(|network| network.site.as_ref()).map(<[u8; 16]>::as_slice),
        scope.restaurant() as RestaurantId,
        order.id as OrderId,
        order.customer_id as UserId,
        order.placed_at,
        day,
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
        tax.rounding as Rounding,
        tax.level as TaxRoundingLevel,
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
        order.ready_from,
        order.ready_until,
        order.accept_by,
        OrderLine::size_of(&order.items),
        &column(lines, |line| line.line),
        &column(lines, |line| line.item_id.uuid()),
        &column(lines, |line| line.name.clone()),
        &column(lines, |line| line.unit_price.amount.units()),
        &column(lines, |line| line.quantity),
        &column(lines, |line| line.total.amount.units()),
        &column(lines, |line| line.note.clone()) as &[Option<String>],
        &as_json(lines, |line| &line.modifiers)?,
        &as_json(lines, |line| &line.allergens)?,
        &as_json(lines, |line| &line.taxes)?,
    )
    .fetch_one(tx.connection())
    .await
}
