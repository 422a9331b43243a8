//! Brings in a restaurant's past: as many orders in one transaction as its events have room.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;

use super::chronicle::{self, Chronicle};
use super::life::Life;
use crate::demo::town::Town;
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::{Database, EVENTS_PER_TRANSACTION, Tx};
use crate::{delivery, events, orders};
use comanda_replay::progress::Progress;

/// Writes the lives of one restaurant's orders, and says how many were not there yet.
pub async fn import(
    db: &Database,
    town: &Arc<Town>,
    kitchen: usize,
    lives: Vec<Life>,
    progress: &Progress,
) -> Result<usize, Problem> {
    let scope = RestaurantScope::system("the past of a restaurant of the demo city", town.kitchens[kitchen].id);
    let mut written = 0;
    for batch in batches(lives) {
        let (town, size) = (Arc::clone(town), batch.len());
        written +=
            db.write(scope, move |tx| Box::pin(async move { write(tx, &scope, &town, kitchen, batch).await })).await?;
        (0..size).for_each(|_| progress.step(()));
    }
    Ok(written)
}

/// Cuts lives into groups whose events fit into one transaction.
fn batches(lives: Vec<Life>) -> Vec<Vec<Life>> {
    let most = usize::try_from(EVENTS_PER_TRANSACTION).unwrap_or_default();
    let mut batches: Vec<Vec<Life>> = Vec::new();
    let mut events = most;
    for life in lives {
        events += life.most_events();
        match batches.last_mut() {
            Some(batch) if events <= most => batch.push(life),
            _ => {
                events = life.most_events();
                batches.push(vec![life]);
            }
        }
    }
    batches
}

/// One group; it is there as a whole or not at all, so its first order says whether it is.
async fn write(
    tx: &mut Tx,
    scope: &RestaurantScope,
    town: &Town,
    kitchen: usize,
    lives: Vec<Life>,
) -> Result<usize, Problem> {
    let Some(first) = lives.first() else { return Ok(0) };
    if orders::sql::history::is_there(tx, scope, first.order.id).await? {
        return Ok(0);
    }
    let mut numbers = draw_numbers(tx, scope, &lives).await?;
    let (mut past_orders, mut past_deliveries, mut log) = (Vec::new(), Vec::new(), Vec::new());
    for life in lives {
        let number = numbers.entry(life.day).or_default();
        let chronicle = chronicle::write(&town.kitchens[kitchen], life, *number)?;
        *number += 1;
        let Chronicle { order, delivery, log: entries } = chronicle;
        past_orders.push(order);
        past_deliveries.extend(delivery);
        log.extend(entries);
    }
    log.sort_by_key(|entry| entry.at);
    orders::sql::history::import(tx, scope, town.currency, &past_orders).await?;
    delivery::sql::history::import(tx, scope, &past_deliveries).await?;
    let log = log.iter().map(chronicle::Entry::as_past).collect::<Result<Vec<_>, _>>()?;
    events::sql::import(tx, scope, &log).await?;
    Ok(past_orders.len())
}

/// The first number of each day.
async fn draw_numbers(
    tx: &mut Tx,
    scope: &RestaurantScope,
    lives: &[Life],
) -> Result<BTreeMap<NaiveDate, i32>, Problem> {
    let mut wanted: BTreeMap<NaiveDate, i32> = BTreeMap::new();
    for life in lives {
        *wanted.entry(life.day).or_default() += 1;
    }
    let counts: Vec<_> = wanted.iter().map(|(day, count)| (*day, *count)).collect();
    for (day, last) in orders::sql::history::draw_numbers(tx, scope, &counts).await? {
        wanted.entry(day).and_modify(|count| *count = last - *count + 1);
    }
    Ok(wanted)
}
