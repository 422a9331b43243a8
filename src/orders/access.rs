//! Access to orders: the extractor that checks what a caller may do with the order in the path, and gives the scope.
//! The transaction checks it again, with the functions of `migrations/0100_permission.sql`.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chrono::TimeDelta;

use crate::accounts::Caller;
use crate::accounts::caller::{authenticate, operation, path_parameter};
use crate::actor::MemberRole;
use crate::app::App;
use crate::ids::OrderId;
use crate::orders::{Order, sql};
use crate::permission::{self, Operation, Relation};
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Database;

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
        let (user, driver, acting) = (caller.user, caller.driver, Some(caller.tenancy().into()));
        let read = app.db.read_once(move |connection| {
            Box::pin(async move { sql::relations_to_all(connection, acting, &[order], user, driver).await })
        });
        let found = read.await?.pop().ok_or_else(Problem::not_found)?;
        let (scope, as_of) = (scope_for(&found, caller, operation)?, found.as_of);
        Ok(Self { order, scope, as_of })
    }
}

/// A caller and the order in the path whose status they request to change. Access is not checked yet: it is read
/// together with the order (`actions/status.rs`).
pub struct StatusRequest {
    /// The signed-in caller.
    pub caller: Caller,
    /// The order in the path.
    pub order: OrderId,
    /// The operation of the route.
    pub operation: Operation,
}

impl FromRequestParts<Arc<App>> for StatusRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = authenticate(parts, app).await?;
        let order = path_parameter(parts, app, "orderId").await?;
        Ok(Self { caller, order, operation: operation(parts)? })
    }
}

/// The order in the path, as the caller may read it.
pub struct VisibleOrder {
    /// The order as the caller may see it.
    pub order: Order,
}

/// An order that the caller may perform the operation on, read together with the caller's relations.
pub struct ReadableOrder {
    /// The order as it is stored.
    pub order: Order,
    /// The scope of its restaurant, in the caller's strongest role.
    pub scope: RestaurantScope,
    /// The preparation time of the restaurant, from confirmation to ready.
    pub preparation: TimeDelta,
}

impl ReadableOrder {
    /// Reads an order, and checks the access of the caller.
    ///
    /// # Errors
    /// As [`OrderAccess::of`].
    pub async fn read(db: &Database, caller: &Caller, order: OrderId, operation: Operation) -> Result<Self, Problem> {
        let (user, driver, acting) = (caller.user, caller.driver, caller.tenancy().into());
        let read = db.read_once(move |connection| {
            Box::pin(async move { sql::seen(connection, acting, order, user, driver).await })
        });
        let sql::SeenOrder { order, relations, preparation } = read.await?.ok_or_else(Problem::not_found)?;
        let scope = scope_for(&relations, caller, operation)?;
        Ok(Self { order, scope, preparation })
    }
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
        let ReadableOrder { order, scope, .. } =
            ReadableOrder::read(&app.db, &caller, order, operation(parts)?).await?;
        Ok(Self { order: order.shown_to(&scope) })
    }
}
