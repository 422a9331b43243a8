//! Statements on invitations.

use chrono::{DateTime, Utc};

use crate::accounts::Email;
use crate::actor::MemberRole;
use crate::ids::{InvitationId, RestaurantId, UserId};
use crate::problem::Problem;
use crate::restaurants::invitations::Invitation;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// The role of an open invitation, by its id or its e-mail address.
pub async fn invited_role(
    tx: &mut Tx,
    scope: &RestaurantScope,
    id: Option<InvitationId>,
    email: Option<&Email>,
) -> Result<Option<MemberRole>, Problem> {
    let now = tx.now();
    let row = sqlx::query!(
        r#"select role as "role: MemberRole" from invitations
           where restaurant_id = $1 and (id = $2 or email = $3) and expires_at > $4"#,
        scope.restaurant() as RestaurantId,
        id as Option<InvitationId>,
        email.map(Email::as_str),
        now,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| row.role))
}

/// Deletes an invitation that a new one replaces, and expired invitations.
pub async fn make_room(tx: &mut Tx, scope: &RestaurantScope, email: &Email) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "delete from invitations where restaurant_id = $1 and (email = $2 or expires_at <= $3)",
        scope.restaurant() as RestaurantId,
        email.as_str(),
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Stores an invitation.
pub async fn put(
    tx: &mut Tx,
    scope: &RestaurantScope,
    id: InvitationId,
    email: &Email,
    role: MemberRole,
    code_hash: &[u8],
    expires_at: DateTime<Utc>,
) -> Result<Invitation, Problem> {
    let now = tx.now();
    let invitation = sqlx::query_as!(
        Invitation,
        "insert into invitations (restaurant_id, id, email, role, code_hash, invited_by, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (restaurant_id, email) do update
         set id = excluded.id, role = excluded.role, code_hash = excluded.code_hash, invited_by = excluded.invited_by,
             created_at = excluded.created_at, expires_at = excluded.expires_at
         returning restaurant_id, id, email, role, created_at, expires_at,
                   (select name from restaurants r where r.id = $1) as \"restaurant_name!\"",
        scope.restaurant() as RestaurantId,
        id as InvitationId,
        email.as_str(),
        role as MemberRole,
        code_hash,
        scope.actor_id() as Option<UserId>,
        now,
        expires_at,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(invitation)
}

/// A restaurant's invitations that can be accepted, newest first.
pub async fn open(tx: &mut Tx, scope: &RestaurantScope, admin_with_factor: bool) -> Result<Vec<Invitation>, Problem> {
    let now = tx.now();
    let invitations = sqlx::query_as!(
        Invitation,
        "select i.restaurant_id, i.id, i.email, i.role, i.created_at, i.expires_at, r.name as restaurant_name
         from invitations i join restaurants r on r.id = i.restaurant_id
         where i.restaurant_id = $1 and i.expires_at > $2 and may_still_invite(i.restaurant_id, i.invited_by, i.role,
         $3)
         order by i.created_at desc, i.id desc limit 200",
        scope.restaurant() as RestaurantId,
        now,
        admin_with_factor,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(invitations)
}

/// Invitations of all restaurants to a user's address that can be accepted.
pub async fn to(tx: &mut Tx, user: UserId) -> Result<Vec<Invitation>, Problem> {
    let now = tx.now();
    let invitations = sqlx::query_as!(
        Invitation,
        "select i.restaurant_id, i.id, i.email, i.role, i.created_at, i.expires_at, r.name as restaurant_name
         from users u join invitations i on i.email = u.email join restaurants r on r.id = i.restaurant_id
         where u.id = $1 and i.expires_at > $2
         order by i.created_at desc, i.id desc limit 200",
        user as UserId,
        now,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(invitations)
}

/// Deletes an invitation.
pub async fn delete(tx: &mut Tx, scope: &RestaurantScope, id: InvitationId) -> Result<bool, Problem> {
    let deleted = sqlx::query!(
        "delete from invitations where restaurant_id = $1 and id = $2",
        scope.restaurant() as RestaurantId,
        id as InvitationId,
    )
    .execute(tx.connection())
    .await?;
    Ok(deleted.rows_affected() == 1)
}

/// Uses an invitation with its code, once, and returns its role. `None`: there is no such invitation, the code is
/// wrong, or the inviting member may not grant the role any more.
pub async fn take(
    tx: &mut Tx,
    scope: &RestaurantScope,
    id: InvitationId,
    email: &str,
    code_hash: &[u8],
    admin_with_factor: bool,
) -> Result<Option<MemberRole>, Problem> {
    let now = tx.now();
    let row = sqlx::query!(
        "delete from invitations
         where restaurant_id = $1 and id = $2 and email = $3 and code_hash = $4 and expires_at > $5
           and may_still_invite(restaurant_id, invited_by, role, $6)
         returning role",
        scope.restaurant() as RestaurantId,
        id as InvitationId,
        email,
        code_hash,
        now,
        admin_with_factor,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| row.role))
}
