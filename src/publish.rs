//! The effects of an event in the transaction that appends it. They belong to features that depend on the event's own
//! feature, so this table depends on all of them, and the unit of work passes it to `events::publish`.

use crate::delivery;
use crate::events::{Event, EventKind};
use crate::tenancy::RestaurantScope;
use crate::uow::{Steps, Tx};

/// Runs the effects of an event. The match is exhaustive, so that a new kind needs a decision here.
///
/// # Errors
/// Those of an effect; the transaction is rolled back with the event.
pub fn follow<'t>(tx: &'t mut Tx, scope: &'t RestaurantScope, event: &'t Event<'t>) -> Steps<'t, ()> {
    Box::pin(async move {
        match event.kind {
            EventKind::OrderStatusChanged => delivery::follow(tx, scope, event.subject()?).await,
            EventKind::OrderPlaced
            | EventKind::OrderPromiseChanged
            | EventKind::DeliveryAssigned
            | EventKind::DeliveryStatusChanged
            | EventKind::DeliveryUnassigned
            | EventKind::MenuChanged
            | EventKind::RestaurantChanged => Ok(()),
        }
    })
}
