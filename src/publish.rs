//! The effects of an event in the transaction that appends it. They belong to features that depend on the event's own
//! feature, so this table depends on all of them, and the unit of work passes it to `events::publish`.

use crate::delivery;
use crate::events::{Event, EventKind, PreparedEffects};
use crate::tenancy::RestaurantScope;
use crate::uow::{Followers, Steps, Tx};

/// The effects of all events.
pub const FOLLOWERS: Followers = Followers { follow, prepare };

/// Runs the effects of an event. The match is exhaustive, so that a new kind needs a decision here.
///
/// # Errors
/// Those of an effect; the transaction is rolled back with the event.
fn follow<'t>(tx: &'t mut Tx, scope: &'t RestaurantScope, event: &'t Event<'t>) -> Steps<'t, ()> {
    Box::pin(async move {
        match event.kind {
            EventKind::OrderStatusChanged => delivery::actions::follow::follow(tx, scope, event.subject()?).await,
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

/// Prepares the effects of an event that one call writes; `None` for kinds that are written in transactions only.
///
/// # Errors
/// Those of PostgreSQL.
fn prepare<'t>(tx: &'t mut Tx, scope: &'t RestaurantScope, event: &'t Event<'t>) -> Steps<'t, Option<PreparedEffects>> {
    Box::pin(async move {
        match event.kind {
            EventKind::OrderStatusChanged => delivery::actions::follow::prepare(tx, scope, event.subject()?).await,
            EventKind::OrderPlaced
            | EventKind::OrderPromiseChanged
            | EventKind::DeliveryAssigned
            | EventKind::DeliveryStatusChanged
            | EventKind::DeliveryUnassigned
            | EventKind::MenuChanged
            | EventKind::RestaurantChanged => Ok(None),
        }
    })
}
