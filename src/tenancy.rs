//! On whose behalf a transaction acts.
//!
//! A scope is what a permission check hands out and what every statement on a restaurant's rows asks for. Its id
//! is the first argument of the statement, and the same ids are set on the transaction for row level security, so
//! a forgotten predicate still shows nothing of somebody else's.

use crate::ids::{DriverId, GuestId, RestaurantId, UserId};
use crate::orders::Actor;

/// What row level security is told about a transaction. Everything unset: nobody, who sees what is public.
#[derive(Debug, Clone, Copy, Default)]
pub struct Who {
    pub(crate) user: Option<UserId>,
    pub(crate) tenant: Option<RestaurantId>,
    pub(crate) shop: Option<RestaurantId>,
    pub(crate) driver: Option<DriverId>,
    pub(crate) guest: Option<GuestId>,
    pub(crate) platform: bool,
}

impl Who {
    /// Nobody in particular.
    pub fn nobody() -> Self {
        Self::default()
    }

    /// A signed-in user who acts for nobody but themselves. A statement that finds something of theirs may take the
    /// transaction on to its restaurant (`enter_shop`), which row level security then shows a customer's part of.
    pub fn user(user: UserId) -> Self {
        Self { user: Some(user), ..Self::default() }
    }
}

/// One restaurant, and the capacity in which somebody may deal with it.
#[derive(Debug, Clone, Copy)]
pub struct RestaurantScope {
    restaurant: RestaurantId,
    actor: Actor,
    actor_id: Option<UserId>,
    who: Who,
}

impl RestaurantScope {
    /// Staff of the restaurant, or an administrator in their place.
    ///
    /// `proof` says in words why the id may be trusted; `tests/it/tidy.rs` lists every place that writes one.
    pub(crate) fn staff(_proof: &'static str, restaurant: RestaurantId, actor: Actor, user: UserId) -> Self {
        let who = Who { user: Some(user), tenant: Some(restaurant), ..Who::default() };
        Self { restaurant, actor, actor_id: Some(user), who }
    }

    /// A customer who deals with the restaurant: sees what is public and what is their own.
    pub(crate) fn customer(_proof: &'static str, restaurant: RestaurantId, user: UserId) -> Self {
        let who = Who { user: Some(user), shop: Some(restaurant), ..Who::default() };
        Self { restaurant, actor: Actor::Customer, actor_id: Some(user), who }
    }

    /// Anybody who looks at what the restaurant has to offer: sees what is public, and how full its slots are.
    pub(crate) fn visitor(_proof: &'static str, restaurant: RestaurantId) -> Self {
        let who = Who { shop: Some(restaurant), ..Who::default() };
        Self { restaurant, actor: Actor::Customer, actor_id: None, who }
    }

    /// Somebody without an account at the restaurant: sees what is public, and their own cart.
    pub(crate) fn guest(_proof: &'static str, restaurant: RestaurantId, guest: GuestId) -> Self {
        let who = Who { guest: Some(guest), ..Who::default() };
        Self { restaurant, actor: Actor::Customer, actor_id: None, who }
    }

    /// The driver who carries one of the restaurant's orders.
    pub(crate) fn driver(_proof: &'static str, restaurant: RestaurantId, user: UserId, driver: DriverId) -> Self {
        let who = Who { user: Some(user), shop: Some(restaurant), driver: Some(driver), ..Who::default() };
        Self { restaurant, actor: Actor::Driver, actor_id: Some(user), who }
    }

    /// The house itself, on behalf of the restaurant.
    pub(crate) fn system(_proof: &'static str, restaurant: RestaurantId) -> Self {
        let who = Who { tenant: Some(restaurant), ..Who::default() };
        Self { restaurant, actor: Actor::System, actor_id: None, who }
    }

    /// The restaurant: the first argument of every statement on its rows.
    pub const fn restaurant(&self) -> RestaurantId {
        self.restaurant
    }

    /// In which capacity.
    pub const fn actor(&self) -> Actor {
        self.actor
    }

    /// Who, where it is a person.
    pub const fn actor_id(&self) -> Option<UserId> {
        self.actor_id
    }
}

impl From<RestaurantScope> for Who {
    fn from(scope: RestaurantScope) -> Self {
        scope.who
    }
}

/// The platform as a whole: an administrator, the event relay, an operator's command.
#[derive(Debug, Clone, Copy)]
pub struct PlatformScope {
    user: Option<UserId>,
}

impl PlatformScope {
    /// `proof` says in words why; `tests/it/tidy.rs` lists every place that writes one.
    pub(crate) const fn proven_by(_proof: &'static str, user: Option<UserId>) -> Self {
        Self { user }
    }

    /// One restaurant of the platform, in an administrator's hands.
    pub(crate) fn restaurant(self, restaurant: RestaurantId) -> RestaurantScope {
        let who = Who { platform: true, tenant: Some(restaurant), user: self.user, ..Who::default() };
        let actor = if self.user.is_some() { Actor::Admin } else { Actor::System };
        RestaurantScope { restaurant, actor, actor_id: self.user, who }
    }
}

impl From<PlatformScope> for Who {
    fn from(scope: PlatformScope) -> Self {
        Self { platform: true, user: scope.user, ..Self::default() }
    }
}
