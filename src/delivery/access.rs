//! What somebody is to a delivery, and the extractor that hands them the scope.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::sql;
use crate::accounts::Caller;
use crate::accounts::caller::{authenticate, operation, path_parameter};
use crate::actor::MemberRole;
use crate::app::App;
use crate::ids::{DeliveryId, DriverId, OrderId};
use crate::permission::{self, Operation, Relation};
use crate::problem::Problem;
use crate::tenancy::{RestaurantScope, TenancyContext};

/// Somebody who has to do with the delivery in the path (`{deliveryId}`).
#[derive(Clone, Copy)]
pub struct DeliveryAccess {
    /// The delivery that may be used.
    pub delivery: DeliveryId,
    /// The order it carries.
    pub order: OrderId,
    /// Its restaurant, in the caller's strongest capacity.
    pub scope: RestaurantScope,
    /// It has come to its end: what is left of a driver's part in it is its own record.
    pub is_closed: bool,
    /// Events numbered below this had happened when this was looked up.
    pub as_of: i64,
}

impl DeliveryAccess {
    /// The one way to a delivery: looks up what the caller is to it, and asks the table.
    ///
    /// # Errors
    /// 404 for a delivery that is not there and for one that is none of the caller's.
    pub async fn of(app: &App, caller: &Caller, delivery: DeliveryId, operation: Operation) -> Result<Self, Problem> {
        let (user, driver) = (caller.user, caller.driver);
        let who = TenancyContext {
            driver,
            ..caller.platform().map_or_else(|| TenancyContext::user(user), TenancyContext::from)
        };
        let found =
            app.db.read(who, move |tx| Box::pin(async move { sql::relations_to(tx, delivery, user, driver).await }));
        let party = found.await?.ok_or_else(Problem::not_found)?;
        let mut held = caller.relations();
        held.extend(party.rank.map_or(&[][..], MemberRole::relations));
        if party.is_customer {
            held.push(Relation::Customer);
        }
        if party.is_carrier {
            held.push(Relation::Carrier);
        }
        permission::decide(operation, &held)?;
        let scope = scope_of(&party, caller, operation).ok_or_else(Problem::not_found)?;
        Ok(Self { delivery, order: party.order, scope, is_closed: party.is_closed, as_of: party.as_of })
    }
}

fn scope_of(party: &sql::DeliveryRelations, caller: &Caller, operation: Operation) -> Option<RestaurantScope> {
    let (restaurant, order, user) = (party.restaurant, party.order, caller.user);
    if let Some(least) = MemberRole::least_for(operation).filter(|least| party.rank.is_some_and(|rank| rank <= *least))
    {
        return Some(RestaurantScope::staff("staff of the delivery's restaurant", restaurant, least, user));
    }
    if let Some(platform) = caller.platform() {
        return Some(platform.restaurant(restaurant));
    }
    if let Some(driver) = caller.driver.filter(|_| party.is_carrier) {
        return Some(RestaurantScope::driver("the driver of the delivery", restaurant, order, user, driver));
    }
    party.is_customer.then(|| RestaurantScope::customer_of("the customer of the delivery", restaurant, order, user))
}

impl FromRequestParts<Arc<App>> for DeliveryAccess {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = authenticate(parts, app).await?;
        let delivery = path_parameter(parts, app, "deliveryId").await?;
        Self::of(app, &caller, delivery, operation(parts)?).await
    }
}

/// Somebody with a driver's profile, dealing with themselves.
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
