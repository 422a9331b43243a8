//! Access to orders: the extractor that checks what a caller may do with the order in the path, and gives the scope.
//! The transaction checks it again, with the functions of `migrations/0100_permission.sql`.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::accounts::Caller;
use crate::accounts::caller::{authenticate, operation, path_parameter};
use crate::actor::MemberRole;
use crate::app::App;
use crate::ids::OrderId;
use crate::orders::{Order, sql};
use crate::permission::{self, Operation, Relation};
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// Access to the order in the path (`{orderId}`), by a caller who may perform the operation on it.
pub struct OrderAccess {
    /// The order that may be used.
    pub order: OrderId,
    /// The scope of its restaurant, in the caller's strongest role.
    pub scope: RestaurantScope,
    /// Events numbered below this had happened when access was checked.
    pub as_of: i64,
}

impl OrderAccess {
    /// Checks the access of a caller to an order.
    ///
    /// # Errors
    /// 404 for an order that does not exist or that the caller may not see, 403 where the caller's role does not allow
    /// the operation.
    pub async fn of(app: &App, caller: &Caller, order: OrderId, operation: Operation) -> Result<Self, Problem> {
        let caller = *caller;
        let work = app
            .db
            .read(caller.tenancy(), move |tx| Box::pin(async move { allowed(tx, &caller, order, operation).await }));
        let (scope, as_of) = work.await?;
        Ok(Self { order, scope, as_of })
    }
}

/// A caller and the order in the path, with the caller's access if they have any: for changes of its status, so that a
/// driver who lost its delivery meanwhile gets an error that says so.
pub struct StatusAccess {
    /// The signed-in caller.
    pub caller: Caller,
    /// The order in the path.
    pub order: OrderId,
    /// What the caller may do with it, or the refusal.
    pub access: Result<OrderAccess, Problem>,
}

impl FromRequestParts<Arc<App>> for StatusAccess {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = authenticate(parts, app).await?;
        let order = path_parameter(parts, app, "orderId").await?;
        let access = OrderAccess::of(app, &caller, order, operation(parts)?).await;
        Ok(Self { caller, order, access })
    }
}

/// The order in the path, as the caller may read it.
pub struct VisibleOrder {
    /// The order as the caller may see it.
    pub order: Order,
}

/// Reads the caller's relations to the order, and checks the permission table.
async fn allowed(
    tx: &mut Tx,
    caller: &Caller,
    order: OrderId,
    operation: Operation,
) -> Result<(RestaurantScope, i64), Problem> {
    let found = sql::relations_to(tx, order, caller.user, caller.driver).await?.ok_or_else(Problem::not_found)?;
    Ok((scope_for(&found, caller, operation)?, found.as_of))
}

/// Checks whether the relations to an order, or to its delivery, allow the operation, and returns its scope: that of
/// staff before administrator before driver before customer.
///
/// # Errors
/// As `permission::decide`: 403, or 404 for a caller who must not learn that it exists.
pub fn scope_for(
    found: &sql::OrderRelations,
    caller: &Caller,
    operation: Operation,
) -> Result<RestaurantScope, Problem> {
    let mut relations = caller.relations();
    relations.extend(found.member_role.map_or(&[][..], MemberRole::relations));
    if found.is_customer {
        relations.push(Relation::Customer);
    }
    if found.is_carrier {
        relations.push(Relation::Carrier);
    }
    permission::decide(operation, &relations)?;
    let (order, restaurant, user) = (found.order, found.restaurant, caller.user);
    if let Some(min_role) = MemberRole::min_role_for(operation)
        .filter(|min_role| found.member_role.is_some_and(|member_role| member_role <= *min_role))
    {
        return Ok(RestaurantScope::staff("staff of the order's restaurant", restaurant, min_role, user));
    }
    if let Some(platform) = caller.platform() {
        return Ok(platform.restaurant(restaurant));
    }
    if let Some(driver) = caller.driver.filter(|_| found.is_carrier) {
        return Ok(RestaurantScope::driver("the driver who carries the order", restaurant, order, user, driver));
    }
    if found.is_customer {
        return Ok(RestaurantScope::customer_of("the customer who placed the order", restaurant, order, user));
    }
    Err(Problem::not_found())
}

impl FromRequestParts<Arc<App>> for OrderAccess {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = authenticate(parts, app).await?;
        let order = path_parameter(parts, app, "orderId").await?;
        Self::of(app, &caller, order, operation(parts)?).await
    }
}

impl FromRequestParts<Arc<App>> for VisibleOrder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = authenticate(parts, app).await?;
        let order = path_parameter(parts, app, "orderId").await?;
        let operation = operation(parts)?;
        let work = app.db.read(caller.tenancy(), move |tx| {
            Box::pin(async move {
                let (scope, _) = allowed(tx, &caller, order, operation).await?;
                let found = sql::get(tx, &scope, order).await?;
                Ok(found.map(|order| order.shown_to(&scope)))
            })
        });
        Ok(Self { order: work.await?.ok_or_else(Problem::not_found)? })
    }
}
