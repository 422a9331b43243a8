//! The event log: everything that happened, appended in the transaction of the change.
//!
//! Sockets, the history of an order and `comanda check` read it, and clients are notified of changes only from it.
//! Events are numbered in the order of transactions, and a reader stops at the horizon below which all transactions
//! have ended (`migrations/0070_events.sql`), so that an event of a transaction that commits late is never skipped.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::actor::Actor;
use crate::ids::{DriverId, OrderId, RestaurantId, UserId};
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

pub mod driver_view;
pub mod event;
pub mod kind;
pub mod sql;

pub use event::{Concerns, Event};
pub use kind::{Aggregate, EventKind};

/// Appends an event, and runs its effects (`publish.rs`) in the same transaction.
///
/// # Errors
/// Those of PostgreSQL, such as a version of the aggregate that has an event already, and those of the effects.
pub async fn publish(tx: &mut Tx, scope: &RestaurantScope, event: Event<'_>) -> Result<(), Problem> {
    sql::append(tx, scope, &event).await?;
    let follow = tx.followers().follow;
    follow(tx, scope, &event).await
}

/// The effects of an event, prepared for one call that writes them together with it (`uow/one_call.rs`).
#[derive(Debug, Default)]
pub struct PreparedEffects {
    /// The change of the order's delivery, as the argument of `follow_order`
    /// (`migrations/0111_change_order_status.sql`); `None`: the delivery is not concerned.
    pub delivery: Option<Box<RawValue>>,
    /// The events of the effects, in their order.
    pub events: Vec<sql::PreparedEvent>,
}

/// Prepares the effects of an event, without a transaction. `None`: they need one, in which [`publish`] runs them.
///
/// # Errors
/// Those of PostgreSQL.
pub async fn prepare_effects(
    tx: &mut Tx,
    scope: &RestaurantScope,
    event: &Event<'_>,
) -> Result<Option<PreparedEffects>, Problem> {
    let prepare = tx.followers().prepare;
    prepare(tx, scope, event).await
}

/// An event of the past, for imported orders.
pub struct PastEvent<'a> {
    /// When it happened; any time in the past.
    pub at: DateTime<Utc>,
    /// The role in which it was done.
    pub actor: Actor,
    /// The user who did it; `None`: the system.
    pub actor_id: Option<UserId>,
    /// The event as it would have been appended then.
    pub event: Event<'a>,
}

/// An event as it was stored.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The number of the event; later events have greater numbers.
    pub seq: i64,
    /// The restaurant that the event belongs to.
    pub restaurant_id: RestaurantId,
    /// The order; `None`: it concerns none.
    pub order_id: Option<OrderId>,
    /// The aggregate it is about: with `aggregate`, the delivery.
    pub aggregate_id: Uuid,
    /// `order`, `delivery`, `menu` or `restaurant`.
    pub aggregate: String,
    /// The customer of the order; `None`: it concerns none.
    pub customer_id: Option<UserId>,
    /// The driver of the delivery after the event; `None`: none.
    pub driver_id: Option<DriverId>,
    /// The driver who had the delivery before the event and has not after it; `None`: none.
    pub former_driver_id: Option<DriverId>,
    /// Whether the order or the delivery that it is about is closed.
    pub closed: bool,
    /// The name of the event, such as `order:new`.
    pub name: String,
    /// The version of the aggregate after the event.
    pub version: i64,
    /// The role in which it was done.
    pub actor: Actor,
    /// When it was appended.
    pub at: DateTime<Utc>,
    /// The body without its number.
    pub payload: sqlx::types::Json<Box<RawValue>>,
}

impl Recorded {
    /// The body as clients get it: the stored body with the number in front.
    pub fn body(&self) -> String {
        let stored = self.payload.0.get();
        format!("{{\"seq\":{},{}", self.seq, stored.strip_prefix('{').unwrap_or(stored))
    }
}

/// One entry of an order's timeline.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEntry {
    /// The number of the event; send it as `after` to resume.
    pub seq: i64,
    /// The version of the order or delivery after the event.
    pub version: i64,
    /// The name of the event, such as `order:status-changed`.
    #[schema(example = "order:status-changed")]
    pub name: String,
    /// The role in which it was done.
    pub actor: Actor,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// The payload, the same as on the socket.
    #[schema(value_type = Object)]
    pub event: Box<RawValue>,
}
