//! Row level security: on whose behalf a transaction acts.
//!
//! A permission check (`restaurants/access.rs`, `orders/access.rs`, `delivery/access.rs`) returns a scope, and every
//! statement on a restaurant's rows requires one. The id of the scope is the first argument of the statement, and the
//! same ids are set on the transaction for row level security, so that even a statement without the condition shows no
//! rows of another tenant. The policies are in the migration of each table; `tests/it/tenancy.rs` checks that every
//! such table has them.

use std::fmt::Write as _;

use crate::actor::Actor;
use crate::actor::MemberRole;
use crate::ids::{DriverId, GuestId, OrderId, RestaurantId, SessionId, UserId};

mod acting;

pub use acting::Acting;

/// The grant that entitles a transaction. It was valid when the permission was decided; PostgreSQL checks it again in
/// the transaction that uses it (`migrations/0100_permission.sql`), in the round trip of BEGIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grant {
    /// A member of the restaurant, with this role or a higher one.
    Member { restaurant: RestaurantId, user: UserId, min_role: MemberRole },
    /// An administrator of the platform; `with_factor`: only with a confirmed second factor.
    Admin { user: UserId, with_factor: bool },
    /// The driver of this order's delivery.
    Carrier { restaurant: RestaurantId, order: OrderId, driver: DriverId, user: UserId },
    /// A driver who has, or had, the delivery of this order.
    FormerCarrier { restaurant: RestaurantId, order: OrderId, driver: DriverId, user: UserId },
    /// The customer who placed this order.
    Customer { restaurant: RestaurantId, order: OrderId, user: UserId },
    /// A user with an active session, who changes the account's credentials.
    Session { user: UserId, session: SessionId },
}

/// The context of a transaction for row level security: the user, driver, guest or platform that it runs for, and the
/// restaurant. With nothing set it sees public rows only.
#[derive(Debug, Clone, Copy, Default)]
pub struct TenancyContext {
    pub(crate) user: Option<UserId>,
    /// The restaurant on whose behalf it runs, for its staff or for the system: all of its rows. `None`: none.
    pub(crate) tenant: Option<RestaurantId>,
    /// The restaurant at which a customer orders or a driver delivers: its public rows, and the rows of the user.
    /// `None`: none.
    pub(crate) shop: Option<RestaurantId>,
    pub(crate) driver: Option<DriverId>,
    pub(crate) guest: Option<GuestId>,
    pub(crate) platform: bool,
    /// Checked in the transaction before its first statement; the transaction does not begin without it.
    pub(crate) grant: Option<Grant>,
    /// Whether the transaction changes grants: then the grant is locked until it ends.
    pub(crate) changes_grants: bool,
}

impl TenancyContext {
    /// A transaction without a user: it sees public rows only.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// A signed-in user who acts as a customer. A statement that finds a row of the user may set the transaction's
    /// restaurant (`set_shop`); row level security then shows the customer's part of it.
    pub fn user(user: UserId) -> Self {
        Self { user: Some(user), ..Self::default() }
    }

    /// A user who changes the credentials of the account, in a session that must still be active then.
    pub fn credentials(user: UserId, session: SessionId) -> Self {
        Self { grant: Some(Grant::Session { user, session }), ..Self::user(user) }
    }

    /// The same, for a transaction that changes grants (members, invitations, roles): such transactions of one
    /// restaurant, or of the platform, run one after another, and their own grant cannot be removed meanwhile.
    #[must_use]
    pub fn changing_grants(self) -> Self {
        Self { changes_grants: true, ..self }
    }

    /// The statements after BEGIN: they set the context and check the grant, and fail without it (SQLSTATE `QP…`). Ids
    /// are uuids, so nothing needs quoting.
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
    /// The SQL call that checks the grant.
    fn check(self, is_writing: bool, is_changing: bool) -> String {
        match self {
            Self::Member { restaurant, user, min_role } => {
                let (restaurant, user, min_role) = (restaurant.uuid(), user.uuid(), min_role.as_str());
                format!("require_member('{restaurant}', '{user}', '{min_role}', {is_changing})")
            }
            Self::Admin { user, with_factor } => {
                format!("require_admin('{}', {with_factor}, {is_changing})", user.uuid())
            }
            Self::Carrier { restaurant, order, driver, user } => {
                let (restaurant, order, driver, user) = (restaurant.uuid(), order.uuid(), driver.uuid(), user.uuid());
                format!("require_assigned_driver('{restaurant}', '{order}', '{driver}', '{user}', {is_writing})")
            }
            Self::FormerCarrier { restaurant, order, driver, user } => {
                let (restaurant, order, driver, user) = (restaurant.uuid(), order.uuid(), driver.uuid(), user.uuid());
                format!("require_former_driver('{restaurant}', '{order}', '{driver}', '{user}')")
            }
            Self::Customer { restaurant, order, user } => {
                format!("require_customer('{}', '{}', '{}')", restaurant.uuid(), order.uuid(), user.uuid())
            }
            Self::Session { user, session } => format!("require_session('{}', '{}')", session.uuid(), user.uuid()),
        }
    }
}

/// The scope of one restaurant, and the role in which the caller may act there.
#[derive(Debug, Clone, Copy)]
pub struct RestaurantScope {
    restaurant: RestaurantId,
    actor: Actor,
    actor_id: Option<UserId>,
    tenancy: TenancyContext,
}

impl RestaurantScope {
    /// A member of the restaurant, for operations that require the role `min_role` or a higher one.
    ///
    /// `proof` says why the id may be trusted; `tests/it/tidy.rs` lists every place that writes one.
    pub(crate) fn staff(_proof: &'static str, restaurant: RestaurantId, min_role: MemberRole, user: UserId) -> Self {
        let grant = Some(Grant::Member { restaurant, user, min_role });
        let tenancy = TenancyContext { user: Some(user), tenant: Some(restaurant), grant, ..TenancyContext::default() };
        Self { restaurant, actor: Actor::Staff, actor_id: Some(user), tenancy }
    }

    /// A customer of the restaurant: sees public rows and their own.
    pub(crate) fn customer(_proof: &'static str, restaurant: RestaurantId, user: UserId) -> Self {
        let tenancy = TenancyContext { user: Some(user), shop: Some(restaurant), ..TenancyContext::default() };
        Self { restaurant, actor: Actor::Customer, actor_id: Some(user), tenancy }
    }

    /// The customer who placed an order.
    pub(crate) fn customer_of(_proof: &'static str, restaurant: RestaurantId, order: OrderId, user: UserId) -> Self {
        let grant = Some(Grant::Customer { restaurant, order, user });
        let tenancy = TenancyContext { user: Some(user), shop: Some(restaurant), grant, ..TenancyContext::default() };
        Self { restaurant, actor: Actor::Customer, actor_id: Some(user), tenancy }
    }

    /// Anybody who reads the restaurant's public data: sees public rows, and how full its slots are.
    pub(crate) fn visitor(_proof: &'static str, restaurant: RestaurantId) -> Self {
        let tenancy = TenancyContext { shop: Some(restaurant), ..TenancyContext::default() };
        Self { restaurant, actor: Actor::Customer, actor_id: None, tenancy }
    }

    /// A guest without an account: sees public rows, and their own cart.
    pub(crate) fn guest(_proof: &'static str, restaurant: RestaurantId, guest: GuestId) -> Self {
        let tenancy = TenancyContext { guest: Some(guest), ..TenancyContext::default() };
        Self { restaurant, actor: Actor::Customer, actor_id: None, tenancy }
    }

    /// The driver of this order's delivery.
    pub(crate) fn driver(
        _proof: &'static str,
        restaurant: RestaurantId,
        order: OrderId,
        user: UserId,
        driver: DriverId,
    ) -> Self {
        let grant = Some(Grant::Carrier { restaurant, order, driver, user });
        let tenancy = TenancyContext {
            user: Some(user),
            shop: Some(restaurant),
            driver: Some(driver),
            grant,
            ..TenancyContext::default()
        };
        Self { restaurant, actor: Actor::Driver, actor_id: Some(user), tenancy }
    }

    /// A driver who has, or had, this order's delivery. It runs on behalf of the restaurant, because policies show a
    /// driver nothing of a delivery that is not theirs any more: for reading why it is not, and for a step that the
    /// driver took while it was.
    pub(crate) fn former_driver(
        _proof: &'static str,
        restaurant: RestaurantId,
        order: OrderId,
        user: UserId,
        driver: DriverId,
    ) -> Self {
        let grant = Some(Grant::FormerCarrier { restaurant, order, driver, user });
        let tenancy = TenancyContext {
            user: Some(user),
            tenant: Some(restaurant),
            driver: Some(driver),
            grant,
            ..TenancyContext::default()
        };
        Self { restaurant, actor: Actor::Driver, actor_id: Some(user), tenancy }
    }

    /// The system, on behalf of the restaurant.
    pub(crate) fn system(_proof: &'static str, restaurant: RestaurantId) -> Self {
        let tenancy = TenancyContext { tenant: Some(restaurant), ..TenancyContext::default() };
        Self { restaurant, actor: Actor::System, actor_id: None, tenancy }
    }

    /// The id of the restaurant: the first argument of every statement on its rows.
    pub const fn restaurant(&self) -> RestaurantId {
        self.restaurant
    }

    /// The role of the caller.
    pub const fn actor(&self) -> Actor {
        self.actor
    }

    /// The driver, if the role is DRIVER.
    pub const fn driver_id(&self) -> Option<DriverId> {
        self.tenancy.driver
    }

    /// The scope in which a driver hands a delivery back: the driver loses access by this step, so it runs on behalf of
    /// the restaurant.
    pub(crate) fn handing_back(&self, _proof: &'static str) -> Self {
        let tenancy = TenancyContext { tenant: Some(self.restaurant), ..self.tenancy };
        Self { tenancy, ..*self }
    }

    /// The user who acts; `None`: the system.
    pub const fn actor_id(&self) -> Option<UserId> {
        self.actor_id
    }

    /// For a transaction that changes grants of the restaurant.
    pub fn changing_grants(self) -> TenancyContext {
        self.tenancy.changing_grants()
    }

    /// Whether an administrator or the system acts, and not a member of the restaurant.
    pub const fn is_platform(&self) -> bool {
        matches!(self.actor, Actor::Admin | Actor::System)
    }
}

impl From<RestaurantScope> for TenancyContext {
    fn from(scope: RestaurantScope) -> Self {
        scope.tenancy
    }
}

/// The scope of the whole platform: for administrators, the event relay and operators' commands.
#[derive(Debug, Clone, Copy)]
pub struct PlatformScope {
    user: Option<UserId>,
    grant: Option<Grant>,
}

impl PlatformScope {
    /// `proof` says why it may be trusted; `tests/it/tidy.rs` lists every place that writes one.
    pub(crate) const fn proven_by(_proof: &'static str, user: Option<UserId>) -> Self {
        Self { user, grant: None }
    }

    /// An administrator; `with_factor`: only with a confirmed second factor.
    pub(crate) const fn administrator(_proof: &'static str, user: UserId, with_factor: bool) -> Self {
        Self { user: Some(user), grant: Some(Grant::Admin { user, with_factor }) }
    }

    /// For a transaction that changes grants on the platform.
    pub(crate) fn changing_grants(self) -> TenancyContext {
        TenancyContext::from(self).changing_grants()
    }

    /// The scope of one restaurant, for an administrator.
    pub(crate) fn restaurant(self, restaurant: RestaurantId) -> RestaurantScope {
        let tenancy = TenancyContext { tenant: Some(restaurant), ..TenancyContext::from(self) };
        let actor = if self.grant.is_some() { Actor::Admin } else { Actor::System };
        RestaurantScope { restaurant, actor, actor_id: self.user, tenancy }
    }
}

impl From<PlatformScope> for TenancyContext {
    fn from(scope: PlatformScope) -> Self {
        Self { platform: true, user: scope.user, grant: scope.grant, ..Self::default() }
    }
}
