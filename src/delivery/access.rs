//! Access to deliveries: the extractor that checks what a caller may do with the delivery in the path, and gives the
//! scope.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::sql;
use crate::accounts::Caller;
use crate::accounts::caller::{authenticate, operation, path_parameter};
use crate::app::App;
use crate::ids::{DeliveryId, DriverId, OrderId};
use crate::orders;
use crate::permission::{self, Operation};
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;

/// Access to the delivery in the path (`{deliveryId}`), by a caller who may perform the operation on it.
#[derive(Clone, Copy)]
pub struct DeliveryAccess {
    /// The delivery that may be used.
    pub delivery: DeliveryId,
    /// The order that is delivered.
    pub order: OrderId,
    /// The scope of its restaurant, in the caller's strongest role.
    pub scope: RestaurantScope,
    /// Whether it is delivered, failed or cancelled. A driver may still read it then.
    pub is_closed: bool,
    /// Events numbered below this had happened when access was checked.
    pub as_of: i64,
}

impl DeliveryAccess {
    /// Reads the relations of the caller to the delivery, and checks the permission table.
    ///
    /// # Errors
    /// 404 for a delivery that does not exist or that the caller may not see, 403 where the caller's role does not
    /// allow the operation.
    pub async fn of(app: &App, caller: &Caller, delivery: DeliveryId, operation: Operation) -> Result<Self, Problem> {
        let (user, driver, acting) = (caller.user, caller.driver, Some(caller.tenancy().into()));
        let found = app.db.read_once(move |connection| {
            Box::pin(async move { sql::relations_to_all(connection, acting, &[delivery], user, driver).await })
        });
        Self::by(&found.await?.pop().ok_or_else(Problem::not_found)?, caller, operation)
    }
}

impl DeliveryAccess {
    /// The access that the relations of a caller give.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn by(found: &sql::DeliveryRelations, caller: &Caller, operation: Operation) -> Result<Self, Problem> {
        let scope = orders::access::scope_for(&found.to_order(), caller, operation)?;
        let sql::DeliveryRelations { delivery, order, is_closed, as_of, .. } = *found;
        Ok(Self { delivery, order, scope, is_closed, as_of })
    }
}

impl FromRequestParts<Arc<App>> for DeliveryAccess {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = authenticate(parts, app).await?;
        let delivery = path_parameter(parts, app, "deliveryId").await?;
        Self::of(app, &caller, delivery, operation(parts)?).await
    }
}

/// A caller and the delivery in the path, with the caller's access if they have any: for the hand-back, the only
/// request that a driver may repeat after it has ended their access.
pub struct RepeatableAccess {
    /// The signed-in caller.
    pub caller: Caller,
    /// The delivery in the path.
    pub delivery: DeliveryId,
    /// What the caller may do with it, or the refusal.
    pub access: Result<DeliveryAccess, Problem>,
}

impl FromRequestParts<Arc<App>> for RepeatableAccess {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = authenticate(parts, app).await?;
        let delivery = path_parameter(parts, app, "deliveryId").await?;
        let access = DeliveryAccess::of(app, &caller, delivery, operation(parts)?).await;
        Ok(Self { caller, delivery, access })
    }
}

/// A caller with a driver profile, for operations on that profile.
pub struct DriverAccess {
    /// The id of the driver profile.
    pub driver: DriverId,
    /// The signed-in driver.
    pub caller: Caller,
}

impl FromRequestParts<Arc<App>> for DriverAccess {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = authenticate(parts, app).await?;
        permission::decide(operation(parts)?, &caller.relations())?;
        let driver = caller.driver.ok_or_else(Problem::not_found)?;
        Ok(Self { driver, caller })
    }
}
