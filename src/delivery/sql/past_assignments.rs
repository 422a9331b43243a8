//! The statement that reads when a driver had a delivery.

use chrono::{DateTime, Utc};

use crate::delivery::past_assignments::PastAssignment;
use crate::ids::{DeliveryId, DriverId, RestaurantId};
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// The times during which a driver had a delivery, oldest first; the current one is not included.
pub async fn of(
    tx: &mut Tx,
    scope: &RestaurantScope,
    delivery: DeliveryId,
    driver: DriverId,
) -> Result<Vec<PastAssignment>, Problem> {
    let changes = sqlx::query!(
        r#"select at, former_driver_id is not null and former_driver_id = $3 as "is_lost!",
                  actor_id is not null as "is_by_person!"
           from events
           where restaurant_id = $1 and aggregate = 'delivery' and aggregate_id = $2
               and (driver_id = $3 or former_driver_id = $3)
           order by seq"#,
        scope.restaurant() as RestaurantId,
        delivery.uuid(),
        driver as DriverId,
    )
    .fetch_all(tx.connection())
    .await?;
    let (mut past, mut begun) = (Vec::new(), None::<DateTime<Utc>>);
    for change in changes {
        let from = begun.unwrap_or(change.at);
        if change.is_lost {
            past.push(PastAssignment { from, until: change.at, is_ended_by_person: change.is_by_person });
        }
        begun = (!change.is_lost).then_some(from);
    }
    Ok(past)
}
