//! Whose a cart is, and the extractor that finds out who deals with theirs.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chrono::TimeDelta;

use crate::accounts::caller::{bearer, operation, path_parameter};
use crate::app::App;
use crate::guests::{self, token};
use crate::ids::{GuestId, UserId};
use crate::permission::{self, Relation};
use crate::problem::Problem;
use crate::restaurants::staff::Customer;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// Whose a cart is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Somebody who signed up.
    User(UserId),
    /// Somebody without an account.
    Guest(GuestId),
}

/// Somebody at the restaurant in the path who deals with their own cart: any signed-in user, or a guest.
pub struct Shopper {
    /// The restaurant, as they meet it.
    pub scope: RestaurantScope,
    /// The user or guest whose cart it is.
    pub owner: Owner,
    /// How long a guest lives on after a write.
    guest_life: TimeDelta,
}

impl Shopper {
    /// Before a write: a guest is held as a guest, and lives on.
    ///
    /// # Errors
    /// 401 when somebody has just taken the guest's carts over.
    pub async fn keep(&self, tx: &mut Tx) -> Result<(), Problem> {
        match self.owner {
            Owner::User(_) => Ok(()),
            Owner::Guest(guest) => guests::keep(tx, guest, self.guest_life).await,
        }
    }
}

impl FromRequestParts<Arc<App>> for Shopper {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let guest_life = guests::life(app);
        let Some(token) = bearer(&parts.headers).filter(|text| token::is_meant_by(text)) else {
            let Customer { scope, caller } = Customer::from_request_parts(parts, app).await?;
            return Ok(Self { scope, owner: Owner::User(caller.user), guest_life });
        };
        let guest = guests::recognise(app, token).await?;
        permission::decide(operation(parts)?, &[Relation::Guest])?;
        let restaurant = path_parameter(parts, app, "restaurantId").await?;
        let scope = RestaurantScope::guest("a guest may have a cart at any restaurant", restaurant, guest);
        Ok(Self { scope, owner: Owner::Guest(guest), guest_life })
    }
}
