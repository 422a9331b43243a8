//! What somebody is to a restaurant, and the extractor that hands its staff the scope.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::sql;
use crate::accounts::Caller;
use crate::accounts::caller::{authenticate, operation, path_parameter};
use crate::actor::MemberRole;
use crate::app::App;
use crate::ids::RestaurantId;
use crate::permission::{self, Operation, Relation};
use crate::problem::{Code, Problem};
use crate::tenancy::{RestaurantScope, TenancyContext};

/// What a caller is to a restaurant that exists.
pub struct StaffAccess {
    restaurant: RestaurantId,
    caller: Caller,
    /// Their rank, where they work there and it counts.
    role: Option<MemberRole>,
    /// They work there and may do nothing until they have a second factor.
    is_locked: bool,
}

impl StaffAccess {
    /// Tells whoever works there what is missing.
    ///
    /// # Errors
    /// 403 `second_factor_required`.
    pub fn unlocked(self) -> Result<Self, Problem> {
        if self.is_locked && self.role.is_none() && self.caller.platform().is_none() {
            let detail =
                "This restaurant requires a second factor of its staff: set it up with POST /api/me/second-factor.";
            return Err(Problem::new(Code::SecondFactorRequired, detail));
        }
        Ok(self)
    }

    /// On whose behalf they may do this: as staff where their rank suffices, else for the platform if they run it.
    ///
    /// # Errors
    /// 404 for whoever has nothing to do with the restaurant, 403 for whoever has, but not enough.
    pub fn scope(&self, operation: Operation) -> Result<RestaurantScope, Problem> {
        let mut held = self.caller.relations();
        held.extend(self.role.map_or(&[][..], MemberRole::relations));
        permission::decide(operation, &held)?;
        let (restaurant, user) = (self.restaurant, self.caller.user);
        if let Some(least) =
            MemberRole::least_for(operation).filter(|least| self.role.is_some_and(|role| role <= *least))
        {
            return Ok(RestaurantScope::staff("a membership row says so", restaurant, least, user));
        }
        self.caller.platform().map(|platform| platform.restaurant(restaurant)).ok_or_else(Problem::not_found)
    }
}

impl MemberRole {
    /// A manager is staff, and an owner may do what a manager may.
    pub const fn relations(self) -> &'static [Relation] {
        match self {
            Self::Owner => &[Relation::Staff, Relation::Manager, Relation::Owner],
            Self::Manager => &[Relation::Staff, Relation::Manager],
            Self::Staff => &[Relation::Staff],
        }
    }

    /// The lowest rank that an operation is allowed to; `None`: it is not a matter of rank.
    pub fn least_for(operation: Operation) -> Option<Self> {
        let allowed = operation.allowed_to();
        let suffices = |rank: &Self| rank.relations().iter().any(|relation| allowed.contains(relation));
        [Self::Staff, Self::Manager, Self::Owner].into_iter().find(suffices)
    }

    /// As the database calls it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Owner => "OWNER",
            Self::Manager => "MANAGER",
            Self::Staff => "STAFF",
        }
    }
}

/// What the caller is to this restaurant.
///
/// # Errors
/// 404 when there is no such restaurant.
pub async fn relations(app: &App, caller: &Caller, restaurant: RestaurantId) -> Result<StaffAccess, Problem> {
    let user = caller.user;
    let rank = app
        .db
        .read(TenancyContext::user(user), move |tx| Box::pin(async move { sql::rank(tx, restaurant, user).await }))
        .await?
        .ok_or_else(Problem::not_found)?;
    let role = rank.role.filter(|_| !rank.is_locked);
    Ok(StaffAccess { restaurant, caller: *caller, role, is_locked: rank.is_locked })
}

/// Somebody who may act for the restaurant in the path (`{restaurantId}`), as the operation asks.
pub struct Staff {
    /// The restaurant, for statements on its rows.
    pub scope: RestaurantScope,
    /// The signed-in member.
    pub caller: Caller,
}

impl FromRequestParts<Arc<App>> for Staff {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = authenticate(parts, app).await?;
        let restaurant = path_parameter(parts, app, "restaurantId").await?;
        let access = relations(app, &caller, restaurant).await?.unlocked()?;
        let scope = access.scope(operation(parts)?)?;
        Ok(Self { scope, caller })
    }
}

/// A customer at the restaurant in the path: any signed-in user, in a restaurant that exists.
pub struct Customer {
    /// The restaurant, as a customer meets it.
    pub scope: RestaurantScope,
    /// The signed-in customer.
    pub caller: Caller,
}

impl FromRequestParts<Arc<App>> for Customer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = authenticate(parts, app).await?;
        permission::decide(operation(parts)?, &caller.relations())?;
        let restaurant = path_parameter(parts, app, "restaurantId").await?;
        let scope = RestaurantScope::customer("a customer may deal with any restaurant", restaurant, caller.user);
        Ok(Self { scope, caller })
    }
}
