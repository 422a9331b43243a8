//! After the day: every order is read once more, and what it says is held against what was heard of it.

use futures_util::{StreamExt, stream};
use serde_json::Value;

use crate::audit::{Audit, Subject};
use crate::play::{Placed, Stage};
use crate::progress::Progress;
use comanda_client::CallError;

/// Orders that are read at once.
const AT_ONCE: usize = 8;

/// How the placed orders ended, as a GET of each says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Endings {
    /// Number of orders handed over.
    pub delivered: usize,
    /// Cancelled by anybody.
    pub cancelled: usize,
}

/// Reads every placed order and its delivery, and completes the audit with them.
pub async fn settle(stage: &Stage, placed: &[Placed], audit: &mut Audit, progress: &Progress) -> Endings {
    let mut endings = Endings::default();
    let mut documents = stream::iter(placed)
        .map(async |placed| progress.step((placed, read(stage, placed).await)))
        .buffer_unordered(AT_ONCE);
    while let Some((placed, documents)) = documents.next().await {
        match documents {
            Err(error) => audit.wrong(format!("{} cannot be read: {error}", placed.order)),
            Ok((order, delivery)) => {
                match order["status"].as_str() {
                    Some("DELIVERED") => endings.delivered += 1,
                    Some("CANCELLED") => endings.cancelled += 1,
                    _ => {}
                }
                audit.settle(Subject::Order, &placed.order, &order);
                if let (Some(delivery), Some(id)) = (delivery, &placed.delivery) {
                    audit.settle(Subject::Delivery, id, &delivery);
                }
            }
        }
    }
    endings
}

async fn read(stage: &Stage, placed: &Placed) -> Result<(Value, Option<Value>), CallError> {
    let order = stage.actors.guests[placed.guest].session.order_document(&placed.order).await?;
    let delivery = match &placed.delivery {
        Some(delivery) => Some(stage.actors.tables[placed.kitchen].staff.delivery_document(delivery).await?),
        None => None,
    };
    Ok((order, delivery))
}
