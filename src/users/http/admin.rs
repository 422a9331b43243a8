//! `/api/admin/users`: the accounts of the platform, for administrators.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::caller::Admin;
use crate::accounts::caller_cache::Revocation;
use crate::accounts::{Account, Email, sql};
use crate::app::App;
use crate::extract::{Body, Json, Path, Query};
use crate::ids::UserId;
use crate::paging::{Cursor, List, Page};
use crate::problem::{Code, Problem, ProblemBody};
use crate::text::SingleLine;
use crate::users::actions::admin::apply;
use crate::users::admin::AccountPatch;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list_users)).routes(routes!(update_user))
}

/// The query parameters of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UsersQuery {
    /// The beginning of the e-mail address.
    #[param(inline)]
    email: Option<SingleLine<254>>,
    /// The maximum number of rows in a page, 1 to 200; default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `nextCursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

/// List accounts
#[utoipa::path(get, path = "/api/admin/users", tag = "auth", security(("token" = [])), params(UsersQuery), responses(
    (status = 200, description = "A page of accounts, the newest first", body = List<Account>),
    (status = 403, description = "Requires the role ADMIN",
        body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_users(
    State(app): State<Arc<App>>,
    admin: Admin,
    Query(query): Query<UsersQuery>,
) -> Result<Json<List<Account>>, Problem> {
    let page = Page::parse(query.limit, query.cursor)?;
    let beginning = Email::beginning(query.email.as_deref().unwrap_or_default());
    let pattern = beginning.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_") + "%";
    let rows =
        app.db.read(admin.scope, move |tx| Box::pin(async move { sql::admin::list(tx, &pattern, page).await })).await?;
    Ok(Json(page.cut(rows, |account| (account.created_at, account.id.uuid()))))
}

/// Update an account
///
/// Disables it, enables it or changes its role. Takes effect at once, on open sockets too.
#[utoipa::path(patch, path = "/api/admin/users/{userId}", tag = "auth", security(("token" = [])),
    params(("userId" = UserId, Path)), request_body = AccountPatch,
    responses(
        (status = 200, description = "The account after the change", body = Account),
        (status = 403, description = "Requires the role ADMIN",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No account has this id",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The account is the caller's own",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn update_user(
    State(app): State<Arc<App>>,
    admin: Admin,
    Path(user): Path<UserId>,
    Body(patch): Body<AccountPatch>,
) -> Result<Json<Account>, Problem> {
    // Administrators cannot change their own account, so that the platform always has one.
    if user == admin.caller.user {
        return Err(Problem::new(
            Code::OwnAccount,
            "Ask another administrator, or use the command `comanda user` on the server.",
        ));
    }
    let scope = admin.scope;
    let account = app
        .db
        .write(scope.changing_grants(), move |tx| Box::pin(async move { apply(tx, scope, user, patch).await }))
        .await?;
    app.callers.revoke(Revocation { user, session: None });
    Ok(Json(account))
}
