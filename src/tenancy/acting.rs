//! The context of a statement that is a transaction of its own, as the argument of `act_as` in
//! `migrations/0100_permission.sql`, which sets it and checks the grant. The statements that the unit of work sends
//! after BEGIN do the same for all other transactions.

use uuid::Uuid;

use super::{Grant, RestaurantScope, TenancyContext};
use crate::actor::MemberRole;
use crate::ids::{DriverId, GuestId, RestaurantId, UserId};

/// The kind of a [`Grant`], as PostgreSQL's type `grant_kind`.
#[derive(Debug, Clone, Copy, sqlx::Type)]
#[sqlx(type_name = "grant_kind", rename_all = "SCREAMING_SNAKE_CASE")]
enum GrantKind {
    Member,
    Admin,
    Carrier,
    FormerCarrier,
    Customer,
    Session,
}

/// A [`TenancyContext`], as PostgreSQL's type `acting`.
#[derive(Debug, Clone, Copy, Default, sqlx::Type)]
#[sqlx(type_name = "acting")]
pub struct Acting {
    person: Option<UserId>,
    tenant: Option<RestaurantId>,
    shop: Option<RestaurantId>,
    driver: Option<DriverId>,
    guest: Option<GuestId>,
    platform: bool,
    grant_kind: Option<GrantKind>,
    restaurant: Option<RestaurantId>,
    about: Option<Uuid>,
    lowest: Option<MemberRole>,
    with_factor: bool,
}

impl From<TenancyContext> for Acting {
    /// Grants are not locked: a transaction that changes grants is not a single statement.
    fn from(context: TenancyContext) -> Self {
        let TenancyContext { user, tenant, shop, driver, guest, platform, grant, changes_grants: _ } = context;
        let acting = Self { person: user, tenant, shop, driver, guest, platform, ..Self::default() };
        match grant {
            None => acting,
            Some(grant) => acting.entitled_by(grant),
        }
    }
}

impl From<RestaurantScope> for Acting {
    fn from(scope: RestaurantScope) -> Self {
        TenancyContext::from(scope).into()
    }
}

impl Acting {
    fn entitled_by(self, grant: Grant) -> Self {
        let of = |kind, restaurant, about| Self { grant_kind: Some(kind), restaurant, about, ..self };
        match grant {
            Grant::Member { restaurant, user, min_role } => {
                Self { lowest: Some(min_role), person: Some(user), ..of(GrantKind::Member, Some(restaurant), None) }
            }
            Grant::Admin { user, with_factor } => {
                Self { with_factor, person: Some(user), ..of(GrantKind::Admin, None, None) }
            }
            Grant::Carrier { restaurant, order, driver, user } => Self {
                driver: Some(driver),
                person: Some(user),
                ..of(GrantKind::Carrier, Some(restaurant), Some(order.uuid()))
            },
            Grant::FormerCarrier { restaurant, order, driver, user } => Self {
                driver: Some(driver),
                person: Some(user),
                ..of(GrantKind::FormerCarrier, Some(restaurant), Some(order.uuid()))
            },
            Grant::Customer { restaurant, order, user } => {
                Self { person: Some(user), ..of(GrantKind::Customer, Some(restaurant), Some(order.uuid())) }
            }
            Grant::Session { user, session } => {
                Self { person: Some(user), ..of(GrantKind::Session, None, Some(session.uuid())) }
            }
        }
    }
}
