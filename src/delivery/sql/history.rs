//! The statement that imports deliveries of the past, many at a time.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::delivery::{Delivery, DeliveryStatus};
use crate::ids::RestaurantId;
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// A closed delivery.
pub struct PastDelivery {
    /// The delivery in its last state.
    pub delivery: Delivery,
    /// When it was assigned to its driver.
    pub assigned_at: Option<DateTime<Utc>>,
    /// When it was picked up.
    pub picked_up_at: Option<DateTime<Utc>>,
}

fn column<T>(deliveries: &[PastDelivery], value: impl Fn(&PastDelivery) -> T) -> Vec<T> {
    deliveries.iter().map(value).collect()
}

/// Writes closed deliveries of existing orders.
pub async fn import(tx: &mut Tx, scope: &RestaurantScope, deliveries: &[PastDelivery]) -> Result<(), Problem> {
    let driver = |past: &PastDelivery| past.delivery.driver.as_ref().map(|driver| driver.id.uuid());
    sqlx::query!(
        "insert into deliveries (restaurant_id, id, order_id, customer_id, driver_id, status, version,
             assigned_because, assigned_at, picked_up_at, closed_at, created_at, updated_at)
         select $1, * from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::delivery_status[], $7::bigint[],
             $8::text[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[],
             $13::timestamptz[])",
        scope.restaurant() as RestaurantId,
        &column(deliveries, |past| past.delivery.id.uuid()),
        &column(deliveries, |past| past.delivery.order_id.uuid()),
        &column(deliveries, |past| past.delivery.customer_id.uuid()),
        &column(deliveries, driver) as &[Option<Uuid>],
        &column(deliveries, |past| past.delivery.status) as &[DeliveryStatus],
        &column(deliveries, |past| past.delivery.version),
        &column(deliveries, |past| past.delivery.assigned_because.clone()) as &[Option<String>],
        &column(deliveries, |past| past.assigned_at) as &[Option<DateTime<Utc>>],
        &column(deliveries, |past| past.picked_up_at) as &[Option<DateTime<Utc>>],
        &column(deliveries, |past| past.delivery.closed_at) as &[Option<DateTime<Utc>>],
        &column(deliveries, |past| past.delivery.created_at),
        &column(deliveries, |past| past.delivery.updated_at),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
