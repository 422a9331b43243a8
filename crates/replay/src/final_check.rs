//! After the day: every order is read, and compared with its events.

use futures_util::{StreamExt, stream};
use serde_json::Value;

use crate::audit::{Audit, Subject};
use crate::play::{Placed, Stage};
use crate::progress::Progress;
use comanda_client::CallError;

/// The number of orders that are read concurrently.
const AT_ONCE: usize = 8;

/// The final statuses of the placed orders, as read with GET.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FinalCounts {
    /// The number of delivered orders.
    pub delivered: usize,
    /// The number of cancelled orders.
    pub cancelled: usize,
}

/// Reads every placed order and its delivery, and adds them to the audit.
pub async fn compare_orders(stage: &Stage, placed: &[Placed], audit: &mut Audit, progress: &Progress) -> FinalCounts {
    let mut final_counts = FinalCounts::default();
    let mut documents = stream::iter(placed)
        .map(async |placed| progress.step((placed, read(stage, placed).await)))
        .buffer_unordered(AT_ONCE);
    while let Some((placed, documents)) = documents.next().await {
        match documents {
            Err(error) => audit.wrong(format!("{} cannot be read: {error}", placed.order)),
            Ok((order, delivery)) => {
                match order["status"].as_str() {
                    Some("DELIVERED") => final_counts.delivered += 1,
                    Some("CANCELLED") => final_counts.cancelled += 1,
                    _ => {}
                }
                audit.compare(Subject::Order, &placed.order, &order);
                if let (Some(delivery), Some(id)) = (delivery, &placed.delivery) {
                    audit.compare(Subject::Delivery, id, &delivery);
                }
            }
        }
    }
    final_counts
}

async fn read(stage: &Stage, placed: &Placed) -> Result<(Value, Option<Value>), CallError> {
    let order = stage.actors.guests[placed.guest].session.order_document(&placed.order).await?;
    let delivery = match &placed.delivery {
        Some(delivery) => Some(stage.actors.tables[placed.kitchen].staff.delivery_document(delivery).await?),
        None => None,
    };
    Ok((order, delivery))
}
