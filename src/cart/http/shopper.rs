//! The extractor of requests on a cart: a user or a guest, at the restaurant of the path.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chrono::TimeDelta;

use crate::accounts::caller::{bearer, operation, path_parameter};
use crate::app::App;
use crate::cart::CartOwner;
use crate::guests::{self, token};
use crate::permission::{self, Relation};
use crate::problem::Problem;
use crate::restaurants::access::Customer;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// A signed-in user or a guest, at the restaurant of the path, with their own cart.
pub struct Shopper {
    /// The restaurant, with the proof that its carts of this owner may be read and written.
    pub scope: RestaurantScope,
    /// The owner of the cart.
    pub owner: CartOwner,
    /// How long a guest is kept after a write.
    guest_life: TimeDelta,
}

impl Shopper {
    /// Before a write: locks a guest against being merged into an account, and extends its life.
    ///
    /// # Errors
    /// 401 when the guest's carts have just been merged into an account.
    pub async fn extend_life(&self, tx: &mut Tx) -> Result<(), Problem> {
        match self.owner {
            CartOwner::User(_) => Ok(()),
            CartOwner::Guest(guest) => guests::extend_life(tx, guest, self.guest_life).await,
        }
    }
}

impl FromRequestParts<Arc<App>> for Shopper {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let guest_life = guests::life(app);
        let Some(token) = bearer(&parts.headers).filter(|text| token::has_guest_prefix(text)) else {
            let Customer { scope, caller } = Customer::from_request_parts(parts, app).await?;
            return Ok(Self { scope, owner: CartOwner::User(caller.user), guest_life });
        };
        let guest = guests::recognise(app, token).await?;
        permission::decide(operation(parts)?, &[Relation::Guest])?;
        let restaurant = path_parameter(parts, app, "restaurantId").await?;
        let scope = RestaurantScope::guest("a guest may have a cart at any restaurant", restaurant, guest);
        Ok(Self { scope, owner: CartOwner::Guest(guest), guest_life })
    }
}
