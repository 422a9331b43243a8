//! Invitations to work for a restaurant, also for people without an account.
//!
//! The e-mail address alone is not enough to accept, because anybody can register with any address: the inviting member
//! is shown a code once and passes it on, and it is required on acceptance.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::caller::SignedIn;
use crate::accounts::{self, Email, UserRole};
use crate::actor::MemberRole;
use crate::app::App;
use crate::extract::{Body, Json, Path};
use crate::ids::{InvitationId, RestaurantId};
use crate::paging::List;
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::access::Staff;
use crate::restaurants::http::members::require_may_change_member;
use crate::restaurants::invitations::Invitation;
use crate::restaurants::{Membership, sql};
use crate::row_limit::{self, RowLimit};
use crate::tenancy::{RestaurantScope, TenancyContext};
use crate::text::SingleLine;

/// How long an invitation is valid.
const LIFE: TimeDelta = TimeDelta::days(14);

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list_invitations, create_invitation))
        .routes(routes!(delete_invitation))
        .routes(routes!(list_my_invitations))
        .routes(routes!(accept_invitation))
}

/// An invitation with its code.
#[derive(Serialize, ToSchema)]
#[schema(as = NewInvitationWithCode)]
pub struct NewInvitationWithCode {
    #[serde(flatten)]
    invitation: Invitation,
    /// Give it to the person who is invited; it is not shown again.
    #[schema(example = "0J1vJ7hZkq3yYw2bT5nXpA")]
    code: String,
}

/// The person to invite, and the role.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewInvitation {
    email: Email,
    role: MemberRole,
}

fn hash(code: &str) -> Vec<u8> {
    Sha256::digest(code.as_bytes()).to_vec()
}

/// Create an invitation
///
/// The invited person needs no account yet. A second invitation to the same address replaces the first.
#[utoipa::path(post, path = "/api/restaurants/{restaurantId}/invitations", tag = "restaurants",
    security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path)), request_body = NewInvitation,
    responses(
        (status = 201, description = "The invitation, with its code", body = NewInvitationWithCode),
        (status = 403, description = "Only an owner can invite an owner, or replace an owner's invitation",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Resource not found, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Limit reached: `INVITATION_MAX` invitations are open",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn create_invitation(
    State(app): State<Arc<App>>,
    staff: Staff,
    Body(new): Body<NewInvitation>,
) -> Result<(StatusCode, Json<NewInvitationWithCode>), Problem> {
    Ok((StatusCode::CREATED, Json(invite(&app, staff.scope, new.email, new.role).await?)))
}

/// Creates an invitation. The account of the address is not looked up, so that nothing shows whether there is one.
///
/// # Errors
/// 403 when the caller may not grant the role.
pub async fn invite(
    app: &App,
    scope: RestaurantScope,
    email: Email,
    role: MemberRole,
) -> Result<NewInvitationWithCode, Problem> {
    let code = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
    let (code_hash, max) = (hash(&code), app.config.restaurants.max_invitations);
    let invitation = app
        .db
        .write(scope.changing_grants(), move |tx| {
            Box::pin(async move {
                // It replaces an earlier invitation of the address, whose role may be above the caller's.
                let replaced = sql::invitations::invited_role(tx, &scope, None, Some(&email)).await?;
                require_may_change_member(tx, &scope, None, Some(replaced.map_or(role, |replaced| replaced.min(role))))
                    .await?;
                let ends = tx.now() + LIFE;
                sql::invitations::make_room(tx, &scope, &email).await?;
                row_limit::check(tx, RowLimit::Invitations, scope.restaurant().uuid(), max).await?;
                sql::invitations::put(tx, &scope, InvitationId::new(), &email, role, &code_hash, ends).await
            })
        })
        .await?;
    Ok(NewInvitationWithCode { invitation, code })
}

/// List open invitations
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/invitations", tag = "restaurants", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path)),
    responses(
        (status = 200, description = "The open invitations, newest first", body = List<Invitation>),
        (status = 404, description = "Resource not found, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_invitations(State(app): State<Arc<App>>, staff: Staff) -> Result<Json<List<Invitation>>, Problem> {
    let (scope, with_factor) = (staff.scope, app.config.accounts.admin_second_factor);
    let open =
        app.db.read(scope, move |tx| Box::pin(async move { sql::invitations::open(tx, &scope, with_factor).await }));
    let open = open.await?;
    Ok(Json(List::whole(open)))
}

/// Delete an invitation
#[utoipa::path(delete, path = "/api/restaurants/{restaurantId}/invitations/{invitationId}", tag = "restaurants",
    security(("token" = [])), params(("restaurantId" = RestaurantId, Path), ("invitationId" = InvitationId, Path)),
    responses(
        (status = 204, description = "The invitation can no longer be accepted"),
        (status = 403, description = "Only an owner can delete an owner's invitation",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The invitation does not exist",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn delete_invitation(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, id)): Path<(RestaurantId, InvitationId)>,
) -> Result<StatusCode, Problem> {
    let scope = staff.scope;
    let deleted = app
        .db
        .write(scope.changing_grants(), move |tx| {
            Box::pin(async move {
                let role = sql::invitations::invited_role(tx, &scope, Some(id), None).await?;
                require_may_change_member(tx, &scope, None, role).await?;
                sql::invitations::delete(tx, &scope, id).await
            })
        })
        .await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found()) }
}

/// List the caller's invitations
#[utoipa::path(get, path = "/api/me/invitations", tag = "auth", security(("token" = [])), responses(
    (status = 200, description = "The invitations to the caller's address; none while it is not verified",
        body = List<Invitation>),
    (status = 401, description = "Authentication required",
        body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_my_invitations(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
) -> Result<Json<List<Invitation>>, Problem> {
    let user = caller.user;
    let open = app.db.read(TenancyContext::user(user), move |tx| {
        Box::pin(async move {
            let account = accounts::sql::get(tx, user).await?.ok_or_else(Problem::unauthenticated)?;
            // Anybody can register with an address; the owner is known only after the address was verified.
            if account.email_verified { sql::invitations::to(tx, user).await } else { Ok(Vec::new()) }
        })
    });
    Ok(Json(List::whole(open.await?)))
}

/// The code of the invitation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InvitationAcceptance)]
struct InvitationAcceptance {
    #[schema(inline)]
    code: SingleLine<60>,
}

/// Accept an invitation
#[utoipa::path(post, path = "/api/me/invitations/{invitationId}/accept", tag = "auth", security(("token" = [])),
    params(("invitationId" = InvitationId, Path)), request_body = InvitationAcceptance,
    responses(
        (status = 200, description = "The caller is now a member", body = Membership),
        (status = 404, description = "The invitation does not exist, or is not for the caller",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Limit reached: `MEMBER_MAX` people work there",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The code is wrong, or the inviting person may no longer invite",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn accept_invitation(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<InvitationId>,
    Body(given): Body<InvitationAcceptance>,
) -> Result<Json<Membership>, Problem> {
    let user = caller.user;
    let open = app
        .db
        .read(TenancyContext::user(user), move |tx| Box::pin(async move { sql::invitations::to(tx, user).await }))
        .await?;
    let invitation = open.into_iter().find(|invitation| invitation.id == id).ok_or_else(Problem::not_found)?;
    let (code_hash, max) = (hash(given.code.as_str()), app.config.restaurants.max_members);
    let with_factor = app.config.accounts.admin_second_factor;
    // The statement accepts only an invitation to the caller's address with the correct code.
    let scope = RestaurantScope::system("an invitation to the caller's address", invitation.restaurant_id);
    let tenancy =
        TenancyContext { grant: TenancyContext::credentials(user, caller.session).grant, ..scope.changing_grants() };
    app.db
        .write(tenancy, move |tx| {
            Box::pin(async move {
                let taken = sql::invitations::take(tx, &scope, id, &invitation.email, &code_hash, with_factor).await?;
                let void = "is not the code of this invitation, or the inviting member may not invite any more";
                let role = taken.ok_or_else(|| Problem::invalid_field("/code", void))?;
                // An invitation never lowers the role of a member.
                let held = sql::member_access(tx, scope.restaurant(), user).await?.and_then(|found| found.role);
                if held.is_none() {
                    row_limit::check(tx, RowLimit::Members, scope.restaurant().uuid(), max).await?;
                }
                let role = held.map_or(role, |held| held.min(role));
                sql::put_member(tx, &scope, user, role).await?;
                accounts::sql::grant_role(tx, user, UserRole::Staff).await?;
                let restaurant_id = invitation.restaurant_id;
                Ok(Membership { restaurant_id, restaurant_name: invitation.restaurant_name, role })
            })
        })
        .await
        .map(Json)
}
