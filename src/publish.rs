//! Who follows an event in the transaction that appends it. What follows stands in features above the event's own, so this
//! table stands above all of them and the unit of work carries it to `events::publish`.

use crate::delivery;
use crate::events::{Event, EventKind};
use crate::tenancy::RestaurantScope;
use crate::uow::{Steps, Tx};

/// Lets follow whoever follows events of this kind. A new kind has to be answered here.
///
/// # Errors
/// What a follower refuses with: then the event has not happened either.
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
