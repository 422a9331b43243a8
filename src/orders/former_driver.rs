//! Errors for drivers who lost a delivery and do not know it yet, because they were offline or the restaurant changed
//! it meanwhile: the error says so, instead of 404.

use serde::Serialize;
use serde_json::json;

use super::sql::former_driver::{self, FormerDelivery};
use crate::accounts::Caller;
use crate::app::App;
use crate::ids::{DeliveryId, DriverId, OrderId};
use crate::problem::{Code, Problem};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// What a driver's request names.
#[derive(Debug, Clone, Copy)]
pub enum NamedBy {
    /// The id of the order.
    Order(OrderId),
    /// The id of its delivery.
    Delivery(DeliveryId),
}

/// A driver who has or had the delivery of an order.
#[derive(Debug, Clone, Copy)]
pub struct FormerDriver {
    /// The id of the driver profile.
    pub driver: DriverId,
    /// The id of the order.
    pub order: OrderId,
    /// The scope of its restaurant.
    pub scope: RestaurantScope,
}

impl FormerDriver {
    /// Whether the caller is a driver who has or had this delivery; `None`: they are not.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find(app: &App, caller: &Caller, named: NamedBy) -> Result<Option<Self>, Problem> {
        let Some(driver) = caller.driver else { return Ok(None) };
        let (order, delivery) = match named {
            NamedBy::Order(order) => (Some(order), None),
            NamedBy::Delivery(delivery) => (None, Some(delivery)),
        };
        let found = app.db.read(caller.tenancy(), move |tx| {
            Box::pin(async move { former_driver::find(tx, order, delivery, driver).await })
        });
        Ok(found.await?.map(|former_driver::DeliveredOrder { restaurant, order }| {
            let user = caller.user;
            let scope =
                RestaurantScope::former_driver("a driver who has or had the delivery", restaurant, order, user, driver);
            Self { driver, order, scope }
        }))
    }

    /// Why the driver cannot take this step.
    ///
    /// # Errors
    /// When the database does not answer, or the account is disabled.
    pub async fn refusal<T: Serialize + Send + 'static>(&self, app: &App, requested: T) -> Result<Problem, Problem> {
        let Self { driver, order, scope } = *self;
        app.db.read(scope, move |tx| Box::pin(async move { refusal(tx, &scope, order, driver, requested).await })).await
    }
}

/// Instead of 404, why a driver cannot take a step of a delivery that they had; `problem` for all other callers and
/// for all other problems.
pub async fn explain<T>(app: &App, caller: &Caller, named: NamedBy, requested: T, problem: Problem) -> Problem
where
    T: Serialize + Send + 'static,
{
    if problem.code() != Code::NotFound {
        return problem;
    }
    let explained = async {
        match FormerDriver::find(app, caller, named).await? {
            Some(former) => former.refusal(app, requested).await.map(Some),
            None => Ok(None),
        }
    };
    explained.await.map_or_else(|failure| failure, |found| found.unwrap_or(problem))
}

/// Why a driver cannot take a step of the delivery of an order that they had.
///
/// # Errors
/// When the database does not answer. 404 for an order without a delivery.
pub async fn refusal(
    tx: &mut Tx,
    scope: &RestaurantScope,
    order: OrderId,
    driver: DriverId,
    requested: impl Serialize,
) -> Result<Problem, Problem> {
    let now = former_driver::get(tx, scope, order, driver).await?.ok_or_else(Problem::not_found)?;
    Ok(now.refusal(scope, order, requested))
}

impl FormerDelivery {
    /// 409 `illegal_transition` for a delivery that was closed while the driver had it, `no_longer_assigned` for one
    /// that the driver lost. Its members are for the app of a driver who may still have the food: whom to call, and
    /// why.
    fn refusal(self, scope: &RestaurantScope, order: OrderId, requested: impl Serialize) -> Problem {
        let call = "If you have the food, call the restaurant.";
        let problem = if self.is_theirs {
            let detail = if self.order_status.is_final() {
                format!("The order is closed. {call}")
            } else {
                "The delivery has changed meanwhile: get it, and send the request again.".to_owned()
            };
            Problem::new(Code::IllegalTransition, detail)
                .with("currentStatus", self.order_status)
                .with("requestedStatus", requested)
                .with("currentVersion", self.order_version)
        } else {
            let detail = if self.is_anothers {
                "The delivery was given to another driver."
            } else if self.status == "CANCELLED" {
                "The order was cancelled after the delivery was taken back from you."
            } else if self.is_busy {
                "The delivery was taken back from you, and you have another one now."
            } else if self.status == "WAITING" {
                "The delivery was taken back from you, and waits for a driver: the restaurant can assign it to you \
                 again."
            } else {
                "The delivery was taken back from you, and the restaurant has delivered it itself."
            };
            Problem::new(Code::NoLongerAssigned, format!("{detail} {call}"))
                .with("requestedStatus", requested)
                .with("isAssignedToAnother", self.is_anothers)
                .with("unassignedAt", self.lost_at)
        };
        problem.with("orderId", order).with("deliveryId", self.id).with("deliveryStatus", self.status).with(
            "restaurant",
            json!({ "id": scope.restaurant(), "name": self.restaurant_name, "phone": self.restaurant_phone }),
        )
    }
}
