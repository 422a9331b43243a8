//! What a change of an order's status changes of its delivery: in the transaction of the change, or prepared for the
//! call that makes it (`migrations/0111_change_order_status.sql`).

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::to_raw_value;
use uuid::Uuid;

use crate::delivery::status::{DeliveryChange, NoSuchStep};
use crate::delivery::{Delivery, DeliveryStatus, sql};
use crate::events::sql::PreparedEvent;
use crate::events::{self, PreparedEffects};
use crate::fulfilment::Fulfilment;
use crate::ids::DeliveryId;
use crate::orders::{Order, OrderStatus};
use crate::problem::{Code, Problem};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// Changes the delivery of an order after a change of the order's status, in the same transaction. If its driver made
/// the change, the driver was active.
///
/// # Errors
/// `illegal_transition` when the status of the delivery does not allow it: a failed delivery delivers no order.
pub async fn follow(tx: &mut Tx, scope: &RestaurantScope, order: &Order) -> Result<(), Problem> {
    if order.fulfilment != Fulfilment::Delivery {
        return Ok(());
    }
    if order.status == OrderStatus::Confirmed {
        let opened = sql::open(tx, scope, order).await?;
        return events::publish(tx, scope, opened.status_changed_event()?).await;
    }
    if !matches!(order.status, OrderStatus::OnTheWay | OrderStatus::Delivered | OrderStatus::Cancelled) {
        return Ok(());
    }
    let Some(delivery) = sql::lock_of_order(tx, scope, order.id).await? else { return Ok(()) };
    if let Some(driver) = scope.driver_id() {
        sql::drivers::seen(tx, driver).await?;
    }
    let change = match delivery.follow_order(order.status, tx.now()) {
        Ok(Some(change)) => change,
        Ok(None) => return Ok(()),
        Err(NoSuchStep) => {
            let detail = match delivery.status {
                DeliveryStatus::Failed => "The delivery failed: cancel the order, with a reason.",
                _ => "The delivery does not allow this status: get the delivery first.",
            };
            return Err(Problem::new(Code::IllegalTransition, detail)
                .with("requestedStatus", order.status)
                .with("deliveryStatus", delivery.status));
        }
    };
    let saved = sql::save_status(tx, scope, &delivery, &change, order.cancel_reason.as_deref()).await?;
    events::publish(tx, scope, saved.status_changed_event()?).await
}

/// The argument of `follow_order`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PreparedChange {
    /// The delivery that is opened or changed.
    id: Uuid,
    /// The version that was read; `None`: it is opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<i64>,
    status: DeliveryStatus,
    picked_up_at: Option<DateTime<Utc>>,
    closed_at: Option<DateTime<Utc>>,
}

/// Prepares the same for an order that will have its new status. `None`: it needs a transaction, because something is
/// returned to somebody, or because it will be refused.
///
/// # Errors
/// Those of PostgreSQL.
pub async fn prepare(tx: &mut Tx, scope: &RestaurantScope, order: &Order) -> Result<Option<PreparedEffects>, Problem> {
    if order.status == OrderStatus::Cancelled {
        return Ok(None);
    }
    if order.fulfilment != Fulfilment::Delivery {
        return Ok(Some(PreparedEffects::default()));
    }
    match order.status {
        OrderStatus::Confirmed => {
            let opened = Delivery::opened_for(order, DeliveryId::new(), sql::pickup(tx, scope).await?, tx.now());
            PreparedChange::opening(&opened).with_event(scope, &opened, tx.now()).map(Some)
        }
        OrderStatus::OnTheWay | OrderStatus::Delivered => {
            let Some(delivery) = sql::of_order(tx, scope, order.id).await? else { return Ok(None) };
            let Ok(Some(change)) = delivery.follow_order(order.status, tx.now()) else { return Ok(None) };
            let prepared = PreparedChange::changing(&delivery, &change);
            prepared.with_event(scope, &delivery.after(&change, tx.now()), tx.now()).map(Some)
        }
        OrderStatus::Pending | OrderStatus::Preparing | OrderStatus::Ready | OrderStatus::Cancelled => {
            Ok(Some(PreparedEffects::default()))
        }
    }
}

impl PreparedChange {
    fn opening(opened: &Delivery) -> Self {
        Self { id: opened.id.uuid(), version: None, status: opened.status, picked_up_at: None, closed_at: None }
    }

    fn changing(delivery: &Delivery, change: &DeliveryChange) -> Self {
        Self {
            id: delivery.id.uuid(),
            version: Some(delivery.version),
            status: change.to(),
            picked_up_at: change.picked_up_at(),
            closed_at: change.closed_at(),
        }
    }

    /// The change, with the event about the delivery after it.
    fn with_event(
        self,
        scope: &RestaurantScope,
        after: &Delivery,
        now: DateTime<Utc>,
    ) -> Result<PreparedEffects, Problem> {
        let event = PreparedEvent::of(scope, &after.status_changed_event()?, now)?;
        let delivery = to_raw_value(&self).map_err(|error| Problem::internal(&error))?;
        Ok(PreparedEffects { delivery: Some(delivery), events: vec![event] })
    }
}
