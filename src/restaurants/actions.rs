//! The steps that all changes of a restaurant share. Each runs in a unit of work that its caller opens.

use super::{Restaurant, sql};
use crate::events;
use crate::extract::IfMatch;
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// Locks the restaurant, and checks the expected version. Returns the restaurant.
///
/// # Errors
/// 404 when there is no such restaurant, 412 `version_conflict` with the current state.
pub async fn lock_at_version(tx: &mut Tx, scope: &RestaurantScope, if_match: IfMatch) -> Result<Restaurant, Problem> {
    sql::lock(tx, scope).await?;
    let current = sql::get(tx, scope.restaurant()).await?.ok_or_else(Problem::not_found)?;
    if_match.check(current.version, &current)?;
    Ok(current)
}

/// Publishes `restaurant:changed` with the restaurant as it is now: the last step of every change of it.
///
/// # Errors
/// 404 when there is no such restaurant.
pub async fn publish_changed(tx: &mut Tx, scope: &RestaurantScope) -> Result<Restaurant, Problem> {
    let restaurant = sql::get(tx, scope.restaurant()).await?.ok_or_else(Problem::not_found)?;
    events::publish(tx, scope, restaurant.changed_event()?).await?;
    Ok(restaurant)
}
