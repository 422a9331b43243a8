//! A step of a delivery that is refused to a driver who had it: a hand-back that is repeated, or a step that comes too
//! late.

use crate::accounts::Caller;
use crate::app::App;
use crate::delivery::DeliveryStatus;
use crate::delivery::disclosure::hide_from_former_driver;
use crate::delivery::sql::{self, HandedBackDelivery};
use crate::ids::DeliveryId;
use crate::orders::former_driver::{NamedBy, explain};
use crate::problem::{Code, Problem};

/// The delivery as it was after the driver's hand-back, which ended their access, if they repeat it because its
/// response was lost.
///
/// # Errors
/// In all other cases: why the driver has lost the delivery, or the error with which the step was refused.
pub async fn find_repeated_hand_back(
    app: &App,
    caller: &Caller,
    delivery: DeliveryId,
    to: DeliveryStatus,
    refused: Problem,
) -> Result<HandedBackDelivery, Problem> {
    if refused.code() == Code::NotFound
        && to == DeliveryStatus::Waiting
        && let Some(first) = handed_back(app, caller, delivery).await?
    {
        return Ok(first);
    }
    Err(explain(app, caller, NamedBy::Delivery(delivery), to, refused).await)
}

/// The delivery as it was after the caller's hand-back; `None`: the caller did not hand it back.
async fn handed_back(app: &App, caller: &Caller, delivery: DeliveryId) -> Result<Option<HandedBackDelivery>, Problem> {
    let Some(driver) = caller.driver else { return Ok(None) };
    let found =
        app.db.read(caller.tenancy(), move |tx| Box::pin(async move { sql::handed_back(tx, delivery, driver).await }));
    let mut found = found.await?;
    if let Some(past) = &mut found {
        hide_from_former_driver(&mut past.body);
    }
    Ok(found)
}
