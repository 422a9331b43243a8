//! Every statement on the members of a restaurant.

use sqlx::PgConnection;

use crate::actor::MemberRole;
use crate::ids::{RestaurantId, UserId};
use crate::problem::Problem;
use crate::restaurants::{Member, Membership};
use crate::tenancy::{Acting, RestaurantScope};
use crate::uow::Tx;

/// The role of a user at a restaurant.
pub struct MemberAccess {
    /// The id of the restaurant.
    pub restaurant: RestaurantId,
    /// The role; `None`: not a member.
    pub role: Option<MemberRole>,
    /// Whether the role is suspended, because the restaurant requires a second factor and the user has none.
    pub is_locked: bool,
}

/// The role of a user at a restaurant; `None`: there is no such restaurant.
pub async fn member_access(
    tx: &mut Tx,
    restaurant: RestaurantId,
    user: UserId,
) -> Result<Option<MemberAccess>, Problem> {
    Ok(member_access_at(tx.connection(), None, &[restaurant], user).await?.pop())
}

/// The roles of a user at several restaurants, in any sequence, without restaurants that do not exist. `acting`: on
/// whose behalf the statement runs; `None`: as its transaction.
pub async fn member_access_at(
    connection: &mut PgConnection,
    acting: Option<Acting>,
    restaurants: &[RestaurantId],
    user: UserId,
) -> Result<Vec<MemberAccess>, sqlx::Error> {
    sqlx::query_as!(
        MemberAccess,
        r#"select s.* from act_as($3, false) as context(is_set) cross join lateral (
               select r.id as restaurant, m.role as "role?: MemberRole",
                      m.role is not null and not second_factor_suffices(r.id, m.user_id) as "is_locked!"
               from restaurants r left join memberships m on m.restaurant_id = r.id and m.user_id = $2
               where context.is_set and r.id = any($1) offset 0) s"#,
        &restaurants.iter().map(|id| id.uuid()).collect::<Vec<_>>(),
        user as UserId,
        acting as Option<Acting>,
    )
    .fetch_all(connection)
    .await
}

/// The roles that decide on a change of a member.
pub struct MemberRoles {
    /// The role of the caller; `None`: not a member.
    pub acting: Option<MemberRole>,
    /// The role of the member to be changed; `None`: not a member, or a new one.
    pub concerned: Option<MemberRole>,
    /// The number of owners of the restaurant.
    pub owners: i64,
}

/// Reads the roles of the caller and of the member to be changed, and the number of owners.
pub async fn member_roles(
    tx: &mut Tx,
    scope: &RestaurantScope,
    concerned: Option<UserId>,
) -> Result<MemberRoles, Problem> {
    let roles = sqlx::query_as!(
        MemberRoles,
        r#"select min(role) filter (where user_id = $2) as "acting: MemberRole",
                  min(role) filter (where user_id = $3) as "concerned: MemberRole",
                  count(*) filter (where role = 'OWNER') as "owners!"
           from memberships where restaurant_id = $1"#,
        scope.restaurant() as RestaurantId,
        scope.actor_id() as Option<UserId>,
        concerned as Option<UserId>,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(roles)
}

/// Whether the restaurant requires a second factor of its staff.
pub async fn requires_second_factor(tx: &mut Tx, scope: &RestaurantScope) -> Result<bool, Problem> {
    let requires = sqlx::query_scalar!(
        "select require_second_factor from restaurants where id = $1",
        scope.restaurant() as RestaurantId,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(requires)
}

/// Sets whether it does.
pub async fn require_second_factor(tx: &mut Tx, scope: &RestaurantScope, requires: bool) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "update restaurants set require_second_factor = $2, updated_at = $3
         where id = $1 and require_second_factor <> $2",
        scope.restaurant() as RestaurantId,
        requires,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The memberships of a user.
pub async fn memberships_of(tx: &mut Tx, user: UserId) -> Result<Vec<Membership>, Problem> {
    let memberships = sqlx::query_as!(
        Membership,
        "select m.restaurant_id, r.name as restaurant_name, m.role
         from memberships m join restaurants r on r.id = m.restaurant_id
         where m.user_id = $1 order by r.name, m.restaurant_id",
        user as UserId,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(memberships)
}

/// The members of a restaurant.
pub async fn members(tx: &mut Tx, scope: &RestaurantScope) -> Result<Vec<Member>, Problem> {
    let members = sqlx::query_as!(
        Member,
        r#"select m.user_id, u.email, u.email_verified_at is not null as "email_verified!", u.name, m.role
           from memberships m join users u on u.id = m.user_id
           where m.restaurant_id = $1 order by m.role, u.name, m.user_id"#,
        scope.restaurant() as RestaurantId,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(members)
}

/// Adds a member, or changes the role of one.
pub async fn put_member(tx: &mut Tx, scope: &RestaurantScope, user: UserId, role: MemberRole) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "insert into memberships (restaurant_id, user_id, role, created_at) values ($1, $2, $3, $4)
         on conflict (restaurant_id, user_id) do update set role = excluded.role",
        scope.restaurant() as RestaurantId,
        user as UserId,
        role as MemberRole,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Changes the role of a member, and deletes invitations that the member may no longer create. `None`: not a member.
pub async fn change_role(
    tx: &mut Tx,
    scope: &RestaurantScope,
    user: UserId,
    role: MemberRole,
) -> Result<Option<Member>, Problem> {
    let member = sqlx::query_as!(
        Member,
        r#"update memberships m set role = $3 from users u
         where m.restaurant_id = $1 and m.user_id = $2 and u.id = m.user_id
         returning m.user_id, u.email, u.email_verified_at is not null as "email_verified!", u.name, m.role"#,
        scope.restaurant() as RestaurantId,
        user as UserId,
        role as MemberRole,
    )
    .fetch_optional(tx.connection())
    .await?;
    withdraw_invitations(tx, scope, user).await?;
    Ok(member)
}

/// Deletes open invitations of a user that the user may no longer create.
async fn withdraw_invitations(tx: &mut Tx, scope: &RestaurantScope, user: UserId) -> Result<(), Problem> {
    sqlx::query!(
        "delete from invitations
         where restaurant_id = $1 and invited_by = $2 and not may_still_invite($1, $2, role, false)",
        scope.restaurant() as RestaurantId,
        user as UserId,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Ends a membership, and deletes the invitations that the member created. `false`: there was none.
pub async fn remove_member(tx: &mut Tx, scope: &RestaurantScope, user: UserId) -> Result<bool, Problem> {
    let removed = sqlx::query!(
        "delete from memberships where restaurant_id = $1 and user_id = $2",
        scope.restaurant() as RestaurantId,
        user as UserId,
    )
    .execute(tx.connection())
    .await?;
    withdraw_invitations(tx, scope, user).await?;
    Ok(removed.rows_affected() == 1)
}
