//! Moves an order to another slot when its promised time was postponed.

use chrono::{DateTime, Utc};

use crate::orders::{Order, sql};
use crate::problem::Problem;
use crate::restaurants;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// Counts a locked order for the slot in which it is promised now, and no longer for the one before. The slot may be
/// full already, because the restaurant itself chose the time. Returns the beginning of the slot; `None`: the order
/// counts for no slot.
///
/// # Errors
/// When the database does not answer.
pub async fn move_slot(
    tx: &mut Tx,
    scope: &RestaurantScope,
    order: &Order,
    promised_at: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, Problem> {
    let Some(before) = order.slot else { return Ok(None) };
    let (rules, zone) = restaurants::sql::slot_rules(tx, scope.restaurant()).await?;
    let slot = rules.slot_of(zone, promised_at);
    // If slots were longer when the order was placed, its slot may contain the time as well, and begin earlier.
    if slot.starts_at <= before {
        return Ok(Some(before));
    }
    // Slots are locked in the order of their times, so that two orders that exchange slots do not deadlock.
    sql::slots::give_back(tx, scope, before).await?;
    sql::slots::take(tx, scope, slot, i32::MAX).await?;
    Ok(Some(slot.starts_at))
}
