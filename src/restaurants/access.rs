//! Access to a restaurant: the caller's relations, and the extractors that check the permission and return the scope.

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

/// The relations of a caller to a restaurant.
pub struct StaffAccess {
    restaurant: RestaurantId,
    caller: Caller,
    /// The role; `None`: not a member, or suspended.
    role: Option<MemberRole>,
    /// Whether the caller is a member who has to set up a second factor first.
    is_locked: bool,
}

impl StaffAccess {
    /// The relations that a role at a restaurant gives a caller.
    pub fn by(found: &sql::MemberAccess, caller: &Caller) -> Self {
        let role = found.role.filter(|_| !found.is_locked);
        Self { restaurant: found.restaurant, caller: *caller, role, is_locked: found.is_locked }
    }

    /// Refuses a member who has to set up a second factor first.
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

    /// The scope for an operation: as staff if the role is sufficient, else as an administrator.
    ///
    /// # Errors
    /// 404 for a caller without relations to the restaurant, 403 for one whose relations are not sufficient.
    pub fn scope(&self, operation: Operation) -> Result<RestaurantScope, Problem> {
        let mut relations = self.caller.relations();
        relations.extend(self.role.map_or(&[][..], MemberRole::relations));
        permission::decide(operation, &relations)?;
        let (restaurant, user) = (self.restaurant, self.caller.user);
        if let Some(min_role) =
            MemberRole::min_role_for(operation).filter(|min_role| self.role.is_some_and(|role| role <= *min_role))
        {
            return Ok(RestaurantScope::staff("a membership row says so", restaurant, min_role, user));
        }
        self.caller.platform().map(|platform| platform.restaurant(restaurant)).ok_or_else(Problem::not_found)
    }
}

impl MemberRole {
    /// The relations of a role: a manager may do what staff may, and an owner what a manager may.
    pub const fn relations(self) -> &'static [Relation] {
        match self {
            Self::Owner => &[Relation::Staff, Relation::Manager, Relation::Owner],
            Self::Manager => &[Relation::Staff, Relation::Manager],
            Self::Staff => &[Relation::Staff],
        }
    }

    /// The lowest role that may use an operation; `None`: no role may.
    pub fn min_role_for(operation: Operation) -> Option<Self> {
        let allowed = operation.allowed_to();
        let suffices = |found: &Self| found.relations().iter().any(|relation| allowed.contains(relation));
        [Self::Staff, Self::Manager, Self::Owner].into_iter().find(suffices)
    }

    /// The value in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "OWNER",
            Self::Manager => "MANAGER",
            Self::Staff => "STAFF",
        }
    }
}

/// Reads the caller's relations to a restaurant.
///
/// # Errors
/// 404 when there is no such restaurant.
pub async fn relations(app: &App, caller: &Caller, restaurant: RestaurantId) -> Result<StaffAccess, Problem> {
    let user = caller.user;
    let acting = Some(TenancyContext::user(user).into());
    let read = app.db.read_once(move |connection| {
        Box::pin(async move { sql::member_access_at(connection, acting, &[restaurant], user).await })
    });
    let found = read.await?.pop().ok_or_else(Problem::not_found)?;
    Ok(StaffAccess::by(&found, caller))
}

/// A caller who may use the operation on the restaurant in the path (`{restaurantId}`).
pub struct Staff {
    /// The scope, for statements on the restaurant's rows.
    pub scope: RestaurantScope,
    /// The signed-in member or administrator.
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

/// A customer of the restaurant in the path: any signed-in user, if the restaurant exists.
pub struct Customer {
    /// The scope of a customer at the restaurant.
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
