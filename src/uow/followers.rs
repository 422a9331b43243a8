//! The functions that run what follows from an event. They belong to features that depend on the event's own feature,
//! so the unit of work gets them when it is created (`publish.rs`).

use super::{Steps, Tx};
use crate::events::{Event, PreparedEffects};
use crate::tenancy::RestaurantScope;

/// A function on an event and its transaction.
type OfEvent<T> = for<'t> fn(&'t mut Tx, &'t RestaurantScope, &'t Event<'t>) -> Steps<'t, T>;

/// The effects of events; the table is in `publish.rs`.
#[derive(Debug, Clone, Copy)]
pub struct Followers {
    /// Runs the effects of an event in its transaction.
    pub follow: OfEvent<()>,
    /// Prepares the effects of an event that is not written yet, without a transaction. `None`: they need one.
    pub prepare: OfEvent<Option<PreparedEffects>>,
}
