//! On whose behalf a transaction acts.
//!
//! A scope is what a permission check hands out and what every statement on a restaurant's rows asks for. Its id
//! is the first argument of the statement, and the same ids are set on the transaction for row level security, so
//! a forgotten predicate still shows nothing of somebody else's.

use std::fmt::Write as _;

use crate::actor::Actor;
use crate::actor::MemberRole;
use crate::ids::{DriverId, GuestId, OrderId, RestaurantId, SessionId, UserId};

/// What entitles a transaction to act. It was true when the permission was decided; the unit of work has PostgreSQL
/// check it again in the transaction that uses it (`migrations/0100_permission.sql`), in the round trip of BEGIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grant {
    /// Works for the restaurant, with this rank or a higher one.
    Member { restaurant: RestaurantId, user: UserId, least: MemberRole },
    /// Runs the platform, with a confirmed second factor where that is asked for.
    Admin { user: UserId, with_factor: bool },
    /// Is the driver of this order's delivery.
    Carrier { restaurant: RestaurantId, order: OrderId, driver: DriverId, user: UserId },
    /// Placed this order.
    Customer { restaurant: RestaurantId, order: OrderId, user: UserId },
    /// Holds a session that has not ended, and changes the account's credentials.
    Session { user: UserId, session: SessionId },
}

/// What row level security is told about a transaction: for whom it runs and at which restaurant. With nothing set it
/// sees what is public.
#[derive(Debug, Clone, Copy, Default)]
pub struct TenancyContext {
    pub(crate) user: Option<UserId>,
    pub(crate) tenant: Option<RestaurantId>,
    pub(crate) shop: Option<RestaurantId>,
    pub(crate) driver: Option<DriverId>,
    pub(crate) guest: Option<GuestId>,
    pub(crate) platform: bool,
    /// Checked in the transaction before its first statement; the transaction does not begin without it.
    pub(crate) grant: Option<Grant>,
    /// The transaction changes who may do what: the grant is locked until it ends.
    pub(crate) changes_grants: bool,
}

impl TenancyContext {
    /// A transaction for nobody: it sees what is public.
    pub fn nobody() -> Self {
        Self::default()
    }

    /// A signed-in user who acts for nobody but themselves. A statement that finds something of theirs may take the
    /// transaction on to its restaurant (`set_shop`), which row level security then shows a customer's part of.
    pub fn user(user: UserId) -> Self {
        Self { user: Some(user), ..Self::default() }
    }

    /// A user who changes what guards their account, in a session that must still stand when that happens.
    pub fn credentials(user: UserId, session: SessionId) -> Self {
        Self { grant: Some(Grant::Session { user, session }), ..Self::user(user) }
    }

    /// The same, for a transaction that changes who may do what (members, invitations, roles): such transactions take
    /// turns for each restaurant, or for the platform, and what entitles to them cannot be taken away meanwhile.
    #[must_use]
    pub fn changing_grants(self) -> Self {
        Self { changes_grants: true, ..self }
    }

    /// What follows BEGIN: who acts, and the check of what entitles them to it, without which PostgreSQL refuses to go
    /// on (SQLSTATE `QP…`). Ids are uuids, so nothing needs quoting.
    pub(crate) fn statements(self, is_writing: bool) -> String {
        let mut text = String::new();
        let settings = [
            ("user", self.user.map(UserId::uuid)),
            ("tenant", self.tenant.map(RestaurantId::uuid)),
            ("shop", self.shop.map(RestaurantId::uuid)),
            ("driver", self.driver.map(DriverId::uuid)),
            ("guest", self.guest.map(GuestId::uuid)),
        ];
        for (name, id) in settings {
            if let Some(id) = id {
                let _ = write!(text, "; SET LOCAL \"app.{name}\" = '{id}'");
            }
        }
        if self.platform {
            text.push_str("; SET LOCAL \"app.platform\" = 'on'");
        }
        let is_changing = self.changes_grants && is_writing;
        if is_changing {
            let of = self.tenant.map_or_else(|| "null".to_owned(), |restaurant| format!("'{}'", restaurant.uuid()));
            let _ = write!(text, "; SELECT lock_grants({of})");
        }
        if let Some(grant) = self.grant {
            let _ = write!(text, "; SELECT {}", grant.check(is_writing, is_changing));
        }
        text
    }
}

impl Grant {
    /// The call that checks it.
    fn check(self, is_writing: bool, is_changing: bool) -> String {
        match self {
            Self::Member { restaurant, user, least } => {
                let (restaurant, user, least) = (restaurant.uuid(), user.uuid(), least.word());
                format!("require_member('{restaurant}', '{user}', '{least}', {is_changing})")
            }
            Self::Admin { user, with_factor } => {
                format!("require_admin('{}', {with_factor}, {is_changing})", user.uuid())
            }
            Self::Carrier { restaurant, order, driver, user } => {
                let (restaurant, order, driver, user) = (restaurant.uuid(), order.uuid(), driver.uuid(), user.uuid());
                format!("require_carrier('{restaurant}', '{order}', '{driver}', '{user}', {is_writing})")
            }
            Self::Customer { restaurant, order, user } => {
                format!("require_customer('{}', '{}', '{}')", restaurant.uuid(), order.uuid(), user.uuid())
            }
            Self::Session { user, session } => format!("require_session('{}', '{}')", session.uuid(), user.uuid()),
        }
    }
}

/// One restaurant, and the capacity in which somebody may deal with it.
#[derive(Debug, Clone, Copy)]
pub struct RestaurantScope {
    restaurant: RestaurantId,
    actor: Actor,
    actor_id: Option<UserId>,
    who: TenancyContext,
}

impl RestaurantScope {
    /// Staff of the restaurant, for something that asks for rank `least` or a higher one.
    ///
    /// `proof` says in words why the id may be trusted; `tests/it/tidy.rs` lists every place that writes one.
    pub(crate) fn staff(_proof: &'static str, restaurant: RestaurantId, least: MemberRole, user: UserId) -> Self {
        let grant = Some(Grant::Member { restaurant, user, least });
        let who = TenancyContext { user: Some(user), tenant: Some(restaurant), grant, ..TenancyContext::default() };
        Self { restaurant, actor: Actor::Staff, actor_id: Some(user), who }
    }

    /// A customer who deals with the restaurant: sees what is public and what is their own.
    pub(crate) fn customer(_proof: &'static str, restaurant: RestaurantId, user: UserId) -> Self {
        let who = TenancyContext { user: Some(user), shop: Some(restaurant), ..TenancyContext::default() };
        Self { restaurant, actor: Actor::Customer, actor_id: Some(user), who }
    }

    /// The customer who placed an order.
    pub(crate) fn customer_of(_proof: &'static str, restaurant: RestaurantId, order: OrderId, user: UserId) -> Self {
        let grant = Some(Grant::Customer { restaurant, order, user });
        let who = TenancyContext { user: Some(user), shop: Some(restaurant), grant, ..TenancyContext::default() };
        Self { restaurant, actor: Actor::Customer, actor_id: Some(user), who }
    }

    /// Anybody who looks at what the restaurant has to offer: sees what is public, and how full its slots are.
    pub(crate) fn visitor(_proof: &'static str, restaurant: RestaurantId) -> Self {
        let who = TenancyContext { shop: Some(restaurant), ..TenancyContext::default() };
        Self { restaurant, actor: Actor::Customer, actor_id: None, who }
    }

    /// Somebody without an account at the restaurant: sees what is public, and their own cart.
    pub(crate) fn guest(_proof: &'static str, restaurant: RestaurantId, guest: GuestId) -> Self {
        let who = TenancyContext { guest: Some(guest), ..TenancyContext::default() };
        Self { restaurant, actor: Actor::Customer, actor_id: None, who }
    }

    /// The driver who carries this order of the restaurant.
    pub(crate) fn driver(
        _proof: &'static str,
        restaurant: RestaurantId,
        order: OrderId,
        user: UserId,
        driver: DriverId,
    ) -> Self {
        let grant = Some(Grant::Carrier { restaurant, order, driver, user });
        let who = TenancyContext {
            user: Some(user),
            shop: Some(restaurant),
            driver: Some(driver),
            grant,
            ..TenancyContext::default()
        };
        Self { restaurant, actor: Actor::Driver, actor_id: Some(user), who }
    }

    /// The system, on behalf of the restaurant.
    pub(crate) fn system(_proof: &'static str, restaurant: RestaurantId) -> Self {
        let who = TenancyContext { tenant: Some(restaurant), ..TenancyContext::default() };
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

    /// The driver, where the capacity is a driver's.
    pub const fn driver_id(&self) -> Option<DriverId> {
        self.who.driver
    }

    /// The same driver for the one step by which they give the delivery back: afterwards it is none of theirs, so they act
    /// for the restaurant while it is taken from them.
    pub(crate) fn handing_back(&self, _proof: &'static str) -> Self {
        let who = TenancyContext { tenant: Some(self.restaurant), ..self.who };
        Self { who, ..*self }
    }

    /// Who, where it is a person.
    pub const fn actor_id(&self) -> Option<UserId> {
        self.actor_id
    }

    /// For a transaction that changes who may do what at the restaurant.
    pub fn changing_grants(self) -> TenancyContext {
        self.who.changing_grants()
    }

    /// Whether the platform acts, by an administrator or by itself, and not somebody who works for the restaurant.
    pub const fn is_platform(&self) -> bool {
        matches!(self.actor, Actor::Admin | Actor::System)
    }
}

impl From<RestaurantScope> for TenancyContext {
    fn from(scope: RestaurantScope) -> Self {
        scope.who
    }
}

/// The platform as a whole: an administrator, the event relay, an operator's command.
#[derive(Debug, Clone, Copy)]
pub struct PlatformScope {
    user: Option<UserId>,
    grant: Option<Grant>,
}

impl PlatformScope {
    /// `proof` says in words why; `tests/it/tidy.rs` lists every place that writes one.
    pub(crate) const fn proven_by(_proof: &'static str, user: Option<UserId>) -> Self {
        Self { user, grant: None }
    }

    /// Somebody who runs the platform; `with_factor`: only with a confirmed second factor.
    pub(crate) const fn administrator(_proof: &'static str, user: UserId, with_factor: bool) -> Self {
        Self { user: Some(user), grant: Some(Grant::Admin { user, with_factor }) }
    }

    /// For a transaction that changes who may do what on the platform.
    pub(crate) fn changing_grants(self) -> TenancyContext {
        TenancyContext::from(self).changing_grants()
    }

    /// One restaurant of the platform, in an administrator's hands.
    pub(crate) fn restaurant(self, restaurant: RestaurantId) -> RestaurantScope {
        let who = TenancyContext { tenant: Some(restaurant), ..TenancyContext::from(self) };
        let actor = if self.grant.is_some() { Actor::Admin } else { Actor::System };
        RestaurantScope { restaurant, actor, actor_id: self.user, who }
    }
}

impl From<PlatformScope> for TenancyContext {
    fn from(scope: PlatformScope) -> Self {
        Self { platform: true, user: scope.user, grant: scope.grant, ..Self::default() }
    }
}
