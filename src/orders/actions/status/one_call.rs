//! Changing the status of an order with one statement that reads it and one call that writes (`uow/one_call.rs`): the
//! usual change. Cancellations, confirmations of orders that take capacity of a slot, and all refusals are left to the
//! transaction, which decides again.

use super::StatusUpdate;
use crate::accounts::Caller;
use crate::events;
use crate::events::sql::PreparedEvent;
use crate::extract::IfMatch;
use crate::ids::OrderId;
use crate::orders::access::ReadableOrder;
use crate::orders::{Order, sql};
use crate::permission::Operation;
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::{Database, OneCall};

/// The outcome of an attempt with one call.
pub enum Attempt {
    /// The order after the change, as it is stored.
    Changed(Box<Order>),
    /// Nothing was written: the change has to be made in a transaction.
    NeedsTransaction,
}

/// Changes the status of an order, if one call can do it. The scope is that of the caller.
///
/// # Errors
/// 404 for an order that does not exist or that the caller may not see, 403 where the caller's role does not allow the
/// operation; `busy` and `outcome_unknown`. Refusals of the change itself are left to the transaction.
pub async fn advance(
    db: &Database,
    caller: &Caller,
    operation: Operation,
    order: OrderId,
    if_match: IfMatch,
    update: StatusUpdate,
) -> Result<(RestaurantScope, Attempt), Problem> {
    let ReadableOrder { order, scope, preparation } = ReadableOrder::read(db, caller, order, operation).await?;
    if if_match.0.is_some_and(|expected| expected != order.version) || order.slot.is_some() {
        return Ok((scope, Attempt::NeedsTransaction));
    }
    let call = db.write_in_one_call(
        caller.user,
        move |tx| {
            Box::pin(async move {
                let now = tx.now();
                let Ok(change) = order.advance(update, preparation, scope.actor(), now) else { return Ok(None) };
                if change.cancels() {
                    return Ok(None);
                }
                let changed = order.after(&change, now);
                let event = changed.status_changed_event()?;
                let Some(effects) = events::prepare_effects(tx, &scope, &event).await? else { return Ok(None) };
                let event = PreparedEvent::of(&scope, &event, now)?;
                Ok(Some((order, Box::new(changed), effects, event)))
            })
        },
        move |tx, (order, changed, effects, event)| {
            Box::pin(async move {
                let saved = sql::status::save_in_one_call(tx, &scope, (&order, &changed), &event, &effects).await;
                Ok(saved?.map(|()| changed))
            })
        },
    );
    Ok(match call.await? {
        OneCall::Done(changed) => (scope, Attempt::Changed(changed)),
        OneCall::Outdated | OneCall::Declined => (scope, Attempt::NeedsTransaction),
    })
}
