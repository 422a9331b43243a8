//! What somebody is to an order, and the extractor that hands them the scope: nobody else's handler sees the order.

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
use crate::tenancy::{RestaurantScope, TenancyContext};
use crate::uow::Tx;

/// Somebody who has to do with the order in the path (`{orderId}`), in a capacity the operation asks for.
pub struct OrderAccess {
    /// The order that may be used.
    pub order: OrderId,
    /// Its restaurant, in the caller's strongest capacity.
    pub scope: RestaurantScope,
    /// Events numbered below this had happened when this was looked up.
    pub as_of: i64,
}

impl OrderAccess {
    /// What a caller is to an order, and that this is enough for the operation.
    ///
    /// # Errors
    /// 404 for an order that is not there and for one that is none of the caller's.
    pub async fn of(app: &App, caller: &Caller, order: OrderId, operation: Operation) -> Result<Self, Problem> {
        let caller = *caller;
        let work =
            app.db.read(who(&caller), move |tx| Box::pin(async move { allowed(tx, &caller, order, operation).await }));
        let (scope, as_of) = work.await?;
        Ok(Self { order, scope, as_of })
    }
}

/// An order that the caller may read, as it is at this moment.
pub struct VisibleOrder {
    /// The order as the caller may see it.
    pub order: Order,
}

/// The caller in their own name: policies show them the orders they have to do with.
fn who(caller: &Caller) -> TenancyContext {
    TenancyContext {
        driver: caller.driver,
        ..caller.platform().map_or_else(|| TenancyContext::user(caller.user), TenancyContext::from)
    }
}

/// The one way to an order: looks up what the caller is to it, and asks the table.
async fn allowed(
    tx: &mut Tx,
    caller: &Caller,
    order: OrderId,
    operation: Operation,
) -> Result<(RestaurantScope, i64), Problem> {
    let party = sql::relations_to(tx, order, caller.user, caller.driver).await?.ok_or_else(Problem::not_found)?;
    let mut held = caller.relations();
    held.extend(party.rank.map_or(&[][..], MemberRole::relations));
    if party.is_customer {
        held.push(Relation::Customer);
    }
    if party.is_carrier {
        held.push(Relation::Carrier);
    }
    permission::decide(operation, &held)?;
    Ok((scope_of(&party, caller, order, operation).ok_or_else(Problem::not_found)?, party.as_of))
}

/// The strongest capacity: staff before administrator before carrier before customer.
fn scope_of(
    party: &sql::OrderRelations,
    caller: &Caller,
    order: OrderId,
    operation: Operation,
) -> Option<RestaurantScope> {
    let (restaurant, user) = (party.restaurant, caller.user);
    if let Some(least) = MemberRole::least_for(operation).filter(|least| party.rank.is_some_and(|rank| rank <= *least))
    {
        return Some(RestaurantScope::staff("staff of the order's restaurant", restaurant, least, user));
    }
    if let Some(platform) = caller.platform() {
        return Some(platform.restaurant(restaurant));
    }
    if let Some(driver) = caller.driver.filter(|_| party.is_carrier) {
        return Some(RestaurantScope::driver("the driver who carries the order", restaurant, order, user, driver));
    }
    party
        .is_customer
        .then(|| RestaurantScope::customer_of("the customer who placed the order", restaurant, order, user))
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
        let work = app.db.read(who(&caller), move |tx| {
            Box::pin(async move {
                let (scope, _) = allowed(tx, &caller, order, operation).await?;
                let found = sql::get(tx, &scope, order).await?;
                Ok(found.map(|order| order.shown_to(&scope)))
            })
        });
        Ok(Self { order: work.await?.ok_or_else(Problem::not_found)? })
    }
}
