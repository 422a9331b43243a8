//! `/api/restaurants/{restaurantId}/members`: the members, their roles, and who may change whom. What a role may do is
//! in `restaurants/access.rs` (`relations`); invitations are in `invitations.rs`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::{self, Email, User, UserRole};
use crate::actor::MemberRole;
use crate::app::App;
use crate::extract::{Body, Json, Path};
use crate::ids::{RestaurantId, UserId};
use crate::paging::List;
use crate::problem::{Code, Problem, ProblemBody};
use crate::restaurants::access::Staff;
use crate::restaurants::http::invitations::{NewInvitationWithCode, invite};
use crate::restaurants::{Member, sql};
use crate::row_limit::{self, RowLimit};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list_members, add_member)).routes(routes!(update_member, remove_member))
}

/// List members
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/members", tag = "restaurants", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path)),
    responses(
        (status = 200, description = "The members, owners first", body = List<Member>),
        (status = 404, description = "Resource not found, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_members(State(app): State<Arc<App>>, staff: Staff) -> Result<Json<List<Member>>, Problem> {
    let scope = staff.scope;
    let members = app.db.read(scope, move |tx| Box::pin(async move { sql::members(tx, &scope).await })).await?;
    Ok(Json(List::whole(members)))
}

/// The person and the role.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewMember {
    /// The address to invite; for administrators that of an account, if it is confirmed.
    email: Option<Email>,
    /// For administrators, instead of the address: the account, as its owner reads it in `GET /api/me`.
    user_id: Option<UserId>,
    role: MemberRole,
}

/// The result: a new member, or an invitation.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum AddedMember {
    Member(Member),
    Invited(NewInvitationWithCode),
}

/// Add a member
///
/// The person is invited, as with `POST …/invitations`, and becomes a member after accepting with the code. The
/// response is the same whether or not the address has an account. An administrator of the platform adds the owner of
/// an account at once: by its id, or by its address, if that is confirmed.
#[utoipa::path(post, path = "/api/restaurants/{restaurantId}/members", tag = "restaurants", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path)), request_body = NewMember,
    responses(
        (status = 201, description = "For administrators: the new member", body = Member),
        (status = 202, description = "For other callers: the invitation", body = NewInvitationWithCode),
        (status = 403, description = "Only an owner can add an owner",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The restaurant does not exist",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Limit reached: `MEMBER_MAX` people work there, or `INVITATION_MAX` invitations \
                                      are open", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "For administrators: no account has this id or address, or the address is not \
                                      confirmed", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn add_member(
    State(app): State<Arc<App>>,
    staff: Staff,
    Body(new): Body<NewMember>,
) -> Result<(StatusCode, Json<AddedMember>), Problem> {
    let Some(platform) = staff.caller.platform() else {
        let (Some(email), None) = (new.email, new.user_id) else {
            return Err(Problem::invalid_field("/email", "is required: the person is invited at their address"));
        };
        let invited = invite(&app, staff.scope, email, new.role).await?;
        return Ok((StatusCode::ACCEPTED, Json(AddedMember::Invited(invited))));
    };
    let (scope, max) = (platform.restaurant(staff.scope.restaurant()), app.config.restaurants.max_members);
    let member = app
        .db
        .write(scope.changing_grants(), move |tx| {
            Box::pin(async move {
                let user = accounts::actions::grantee::find(tx, new.email.as_ref(), new.user_id).await?;
                require_may_change_member(tx, &scope, None, Some(new.role)).await?;
                let held = sql::member_access(tx, scope.restaurant(), user.id).await?.and_then(|found| found.role);
                if held.is_none() {
                    row_limit::check(tx, RowLimit::Members, scope.restaurant().uuid(), max).await?;
                }
                sql::put_member(tx, &scope, user.id, new.role).await?;
                accounts::sql::grant_role(tx, user.id, UserRole::Staff).await?;
                let User { id: user_id, email, email_verified, name, .. } = user;
                Ok(Member { user_id, email, email_verified, name, role: new.role })
            })
        })
        .await?;
    Ok((StatusCode::CREATED, Json(AddedMember::Member(member))))
}

/// The new role of a member.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MemberRoleUpdate)]
struct MemberRoleUpdate {
    role: MemberRole,
}

/// Update the role of a member
///
/// Takes effect at once, on open sockets too.
#[utoipa::path(patch, path = "/api/restaurants/{restaurantId}/members/{userId}", tag = "restaurants",
    security(("token" = [])), params(("restaurantId" = RestaurantId, Path), ("userId" = UserId, Path)),
    request_body = MemberRoleUpdate,
    responses(
        (status = 200, description = "The member after the change", body = Member),
        (status = 403, description = "Only an owner can add or change an owner",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The user is not a member",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The member is the last owner; only an administrator of the platform can do this",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn update_member(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, user)): Path<(RestaurantId, UserId)>,
    Body(update): Body<MemberRoleUpdate>,
) -> Result<Json<Member>, Problem> {
    let scope = staff.scope;
    let changed = app
        .db
        .write(scope.changing_grants(), move |tx| {
            Box::pin(async move {
                require_may_change_member(tx, &scope, Some(user), Some(update.role)).await?;
                sql::change_role(tx, &scope, user, update.role).await
            })
        })
        .await?;
    changed.map(Json).ok_or_else(Problem::not_found)
}

/// Checks who may change a member: only owners and administrators may create, change and remove owners, and only an
/// administrator may remove the last owner. To be called in the writing transaction, which must be one of
/// [`RestaurantScope::changing_grants`].
///
/// # Errors
/// 404 when the caller is not a member (any more), 403 when the change concerns an owner or the role OWNER and the
/// caller is not an owner, 409 `last_owner`.
pub async fn require_may_change_member(
    tx: &mut Tx,
    scope: &RestaurantScope,
    member: Option<UserId>,
    new_role: Option<MemberRole>,
) -> Result<(), Problem> {
    if let Some(user) = member {
        accounts::sql::recovery::hold(tx, user).await?;
    }
    if scope.is_platform() {
        return Ok(());
    }
    let roles = sql::member_roles(tx, scope, member).await?;
    let acting = roles.acting.ok_or_else(Problem::not_found)?;
    let is_owner = roles.concerned == Some(MemberRole::Owner);
    if (is_owner || new_role == Some(MemberRole::Owner)) && acting != MemberRole::Owner {
        return Err(Problem::new(Code::Forbidden, "Only an owner can add, change or remove an owner. Ask an owner."));
    }
    if is_owner && new_role != Some(MemberRole::Owner) && roles.owners == 1 {
        let detail = "Make another member an owner first, or ask an administrator of the platform.";
        return Err(Problem::new(Code::LastOwner, detail));
    }
    Ok(())
}

/// Delete a membership
#[utoipa::path(delete, path = "/api/restaurants/{restaurantId}/members/{userId}", tag = "restaurants",
    security(("token" = [])), params(("restaurantId" = RestaurantId, Path), ("userId" = UserId, Path)),
    responses(
        (status = 204, description = "The membership is deleted"),
        (status = 403, description = "Only an owner can remove an owner",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The user is not a member",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The member is the last owner; only an administrator of the platform can do this",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn remove_member(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, user)): Path<(RestaurantId, UserId)>,
) -> Result<StatusCode, Problem> {
    let scope = staff.scope;
    let removed = app
        .db
        .write(scope.changing_grants(), move |tx| {
            Box::pin(async move {
                require_may_change_member(tx, &scope, Some(user), None).await?;
                sql::remove_member(tx, &scope, user).await
            })
        })
        .await?;
    if removed { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found()) }
}
