//! Imports the past orders of a restaurant, in transactions of as many orders as the limit on events allows.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;

use super::order_history::{self, OrderHistory};
use super::timeline::OrderTimeline;
use crate::demo::dataset::DemoData;
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::{Database, EVENTS_PER_TRANSACTION, Tx};
use crate::{delivery, events, orders};
use comanda_replay::progress::Progress;

/// Writes the timelines of one restaurant's orders; returns how many were new.
pub async fn import(
    db: &Database,
    data: &Arc<DemoData>,
    kitchen: usize,
    timelines: Vec<OrderTimeline>,
    progress: &Progress,
) -> Result<usize, Problem> {
    let scope = RestaurantScope::system("the past of a restaurant of the demo city", data.restaurants[kitchen].id);
    let mut written = 0;
    for batch in batches(timelines) {
        let (data, size) = (Arc::clone(data), batch.len());
        written +=
            db.write(scope, move |tx| Box::pin(async move { write(tx, &scope, &data, kitchen, batch).await })).await?;
        (0..size).for_each(|_| progress.step(()));
    }
    Ok(written)
}

/// Divides timelines into batches whose events fit into one transaction.
fn batches(timelines: Vec<OrderTimeline>) -> Vec<Vec<OrderTimeline>> {
    let max = usize::try_from(EVENTS_PER_TRANSACTION).unwrap_or_default();
    let mut batches: Vec<Vec<OrderTimeline>> = Vec::new();
    let mut events = max;
    for timeline in timelines {
        events += timeline.max_events();
        match batches.last_mut() {
            Some(batch) if events <= max => batch.push(timeline),
            _ => {
                events = timeline.max_events();
                batches.push(vec![timeline]);
            }
        }
    }
    batches
}

/// Writes a batch. It is written as a whole or not at all, so its first order shows whether it exists.
async fn write(
    tx: &mut Tx,
    scope: &RestaurantScope,
    data: &DemoData,
    kitchen: usize,
    timelines: Vec<OrderTimeline>,
) -> Result<usize, Problem> {
    let Some(first) = timelines.first() else { return Ok(0) };
    if orders::sql::history::is_there(tx, scope, first.order.id).await? {
        return Ok(0);
    }
    let mut numbers = draw_numbers(tx, scope, &timelines).await?;
    let (mut past_orders, mut past_deliveries, mut log) = (Vec::new(), Vec::new(), Vec::new());
    for timeline in timelines {
        let number = numbers.entry(timeline.day).or_default();
        let order_history = order_history::write(&data.restaurants[kitchen], timeline, *number)?;
        *number += 1;
        let OrderHistory { order, delivery, log: entries } = order_history;
        past_orders.push(order);
        past_deliveries.extend(delivery);
        log.extend(entries);
    }
    log.sort_by_key(|entry| entry.at);
    orders::sql::history::import(tx, scope, data.currency, &past_orders).await?;
    delivery::sql::history::import(tx, scope, &past_deliveries).await?;
    let log = log.iter().map(order_history::HistoryEntry::as_past).collect::<Result<Vec<_>, _>>()?;
    events::sql::import(tx, scope, &log).await?;
    Ok(past_orders.len())
}

/// Draws the order numbers of each day; returns the first ones.
async fn draw_numbers(
    tx: &mut Tx,
    scope: &RestaurantScope,
    timelines: &[OrderTimeline],
) -> Result<BTreeMap<NaiveDate, i32>, Problem> {
    let mut numbers: BTreeMap<NaiveDate, i32> = BTreeMap::new();
    for timeline in timelines {
        *numbers.entry(timeline.day).or_default() += 1;
    }
    let counts: Vec<_> = numbers.iter().map(|(day, count)| (*day, *count)).collect();
    for (day, last) in orders::sql::history::draw_numbers(tx, scope, &counts).await? {
        numbers.entry(day).and_modify(|count| *count = last - *count + 1);
    }
    Ok(numbers)
}
